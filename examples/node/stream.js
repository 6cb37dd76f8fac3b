#!/usr/bin/env node
// Runs one command by the streaming call Exec: output as it comes, input, signals.

import { once } from "node:events";
import { constants } from "node:os";

import { connect, exitStatus, parse, report } from "./nacre.js";

const usage = `Usage: stream.js [-i] [--] COMMAND [ARGUMENT…]

  -i   send standard input to the command; without it, the command reads end of file`;

// Sends our standard input, never more than `input_window` bytes ahead of what the command was given: so the stream
// stays free for signals, which share it. What has no room is not read, so whoever writes to us waits too.
class Input {
  #call;
  #window;
  #offset = 0n;
  #limit; // Offset up to which the node takes bytes now.

  constructor(call, window) {
    this.#call = call;
    this.#window = this.#limit = BigInt(window);
    process.stdin.on("readable", () => this.#pump());
    process.stdin.on("end", () => call.write({ input: { offset: String(this.#offset), eof: true } }));
  }

  acknowledged(offset) {
    this.#limit = BigInt(offset) + this.#window;
    this.#pump();
  }

  #pump() {
    while (this.#offset < this.#limit) {
      const room = Number(this.#limit - this.#offset);
      // Asks for what there is; at the end for one byte, which is what makes the stream say "end".
      const data = process.stdin.read(Math.min(room, process.stdin.readableLength || 1));
      if (data === null) return;
      this.#call.write({ input: { offset: String(this.#offset), data } });
      this.#offset += BigInt(data.length);
    }
  }
}

// Runs the command, copies its output to ours and returns its Termination.
async function execute(service, argv, withInput) {
  const call = service.Exec();
  call.write({ start: { command: { argv, input: withInput ? "INPUT_MODE_STREAM" : "INPUT_MODE_NONE" } } });
  // Leaving without `cancel` would count as a lost connection: the command would get its grace.
  for (const name of ["SIGINT", "SIGTERM"]) {
    process.on(name, () => call.write({ signal: { number: constants.signals[name] } }));
  }
  for (const stream of [process.stdout, process.stderr]) {
    // Nobody reads it any more: end the command, drop the rest.
    stream.on("error", () => call.write({ cancel: {} }));
  }

  let input;
  let position = 0n;
  let termination;
  // The loop reads the next response when it is done with this one. While it waits for our reader the call is paused,
  // and behind its flow control the command waits as well.
  for await (const response of call) {
    for (const event of response.events) {
      if (event.event === "started" && withInput) {
        input = new Input(call, event.started.input_window);
      } else if (event.event === "output") {
        const { stream, data } = event.output;
        // Positions number all bytes of both streams: a missing byte cannot go unnoticed.
        if (BigInt(event.output.position) !== position) throw new Error(`a gap at ${position}`);
        position += BigInt(data.length);
        const ours = stream === "OUTPUT_STREAM_STDERR" ? process.stderr : process.stdout;
        // What fails here has been heard of above.
        if (ours.writable && !ours.write(data)) await once(ours, "drain").catch(() => {});
      } else if (event.event === "input_ack") {
        input.acknowledged(event.input_ack.offset);
      } else if (event.event === "terminated") {
        termination = event.terminated.termination;
      }
      // An event of a later version is none of our business.
    }
  }
  return termination;
}

const options = parse(usage, { i: { type: "boolean", short: "i" } });
const service = connect();
try {
  process.exitCode = exitStatus(await execute(service, options.argv, options.i));
} catch (error) {
  process.exitCode = report(error);
} finally {
  service.close();
  process.stdin.destroy(); // Waiting for more input would keep us alive.
}
