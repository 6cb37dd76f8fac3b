#!/usr/bin/env node
// Follows one command to its end over lost connections: each time from behind the last byte taken.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import grpc from "@grpc/grpc-js";

import { connect, exitStatus, parse, report } from "./nacre.js";

const usage = `Usage: reattach.js [--drop-every BYTES] [--] COMMAND [ARGUMENT…]

  --drop-every BYTES   drop the connection ourselves whenever so many more bytes have come`;

// How long the node waits for us by default (`disconnect_grace`), and we for it.
const GRACE_MS = 30_000;

// What must outlive a connection: the session, and how far we have got in it.
class Follower {
  #argv;
  #taken = { OUTPUT_STREAM_STDOUT: 0n, OUTPUT_STREAM_STDERR: 0n };

  sessionId = null;
  position = 0n;
  connections = 0;
  termination = null;

  constructor(argv) {
    this.#argv = argv;
  }

  // Follows on one connection, to the end or until it has taken all before position `until`.
  async follow(service, until) {
    // `will_ack`: the node holds what we have not acknowledged, so a lost connection loses nothing.
    let call;
    if (this.sessionId === null) {
      call = service.Exec();
      call.write({ start: { command: { argv: this.#argv }, will_ack: true } });
    } else {
      call = service.Attach();
      const position = String(this.position);
      call.write({ attach: { session_id: this.sessionId, drive: true, position, will_ack: true } });
    }
    call.on("error", () => {}); // The loop throws it; once we have left the loop, it is our own doing.
    for await (const response of call) {
      for (const event of response.events) await this.#take(event);
      call.write({ ack: { position: String(this.position) } });
      if (this.position >= until) break;
    }
    // Before the end this is a lost connection to the node, as we said neither `cancel` nor `detach`.
    call.cancel();
  }

  // Whether we have taken as many bytes of each stream as the command wrote. Each has its position, so none was left
  // out, none came twice. (The node's XXH3-128 would prove their values too, but Node.js does not bring that hash.)
  whole() {
    return this.termination.streams.every(({ stream, bytes }) => this.#taken[stream] === BigInt(bytes));
  }

  async #take(event) {
    if (event.event === "started") {
      this.sessionId = event.started.session.id;
      this.connections += 1;
    } else if (event.event === "attached") {
      this.connections += 1;
    } else if (event.event === "output") {
      const { stream, position, data } = event.output;
      if (BigInt(position) !== this.position) throw new Error(`expected ${this.position}, got ${position}`);
      const ours = stream === "OUTPUT_STREAM_STDERR" ? process.stderr : process.stdout;
      if (!ours.write(data)) await once(ours, "drain");
      this.#taken[stream] += BigInt(data.length);
      this.position += BigInt(data.length);
    } else if (event.event === "terminated") {
      this.termination = event.terminated.termination;
    }
  }
}

// Connects as often as it takes; throws the error of the call when there is no going on.
async function followToTheEnd(follower, dropEvery) {
  let lostAt = Date.now();
  while (follower.termination === null) {
    const before = follower.connections;
    const service = connect();
    try {
      await follower.follow(service, follower.position + dropEvery);
    } catch (error) {
      // Without an id the command may run or not, and another start would run it again (see `request_id`).
      if (error.code !== grpc.status.UNAVAILABLE || follower.sessionId === null) throw error;
      if (follower.connections === before && Date.now() - lostAt > GRACE_MS) throw error;
      await sleep(100);
    } finally {
      service.close();
    }
    if (follower.connections > before) lostAt = Date.now();
  }
}

const options = parse(usage, { "drop-every": { type: "string", default: String(Number.MAX_SAFE_INTEGER) } });
const follower = new Follower(options.argv);
try {
  await followToTheEnd(follower, BigInt(options["drop-every"]));
  if (follower.whole()) {
    console.error(`nacre: ${follower.position} bytes over ${follower.connections} connections, all there`);
    process.exitCode = exitStatus(follower.termination);
  } else {
    console.error("nacre: the output is not what the command wrote");
    process.exitCode = 125;
  }
} catch (error) {
  process.exitCode = report(error);
}
