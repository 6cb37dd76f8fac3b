#!/usr/bin/env node
// Drives a shell line by line over the input of one Exec; no terminal is needed.

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

import { connect, exitStatus, parse, report } from "./nacre.js";

const usage = `Usage: interactive.js < LINES

Sends each line of standard input once the one before it is answered, prints the answer, and says on standard error
which line failed. Ends as the shell does: at \`exit\`, or at the end of the lines.`;

// A `sh` on the node. What one line does to it (cd, variables), the next one finds.
class Shell {
  #call;
  #responses;
  #output = Buffer.alloc(0);
  #token = randomUUID(); // Ends an answer. Nothing that a line prints can hold it by chance.

  termination = null;

  constructor(service) {
    this.#call = service.Exec();
    this.#responses = this.#call[Symbol.asyncIterator]();
    const command = {
      argv: ["sh"],
      input: "INPUT_MODE_STREAM",
      // One pipe, so that errors stand where they were written, before the end of their answer.
      stderr_mode: "STDERR_MODE_MERGED",
    };
    this.#call.write({ start: { command, will_ack: true } });
  }

  // Waits until it runs.
  async start() {
    await this.#receive();
  }

  // Runs a line. What it wrote, and its status, which is null if it ended the shell.
  async ask(line) {
    // `eval` takes the line as a whole, and what it runs must not read the lines to come.
    const quoted = `'${line.replaceAll("'", `'\\''`)}'`;
    const text = `eval ${quoted} </dev/null; printf '\\n%s %d\\n' ${this.#token} $?\n`;
    this.#call.write({ input: { data: Buffer.from(text) } });
    const mark = `\n${this.#token} `;
    let begin;
    let end;
    while ((begin = this.#output.indexOf(mark)) < 0 || (end = this.#output.indexOf("\n", begin + mark.length)) < 0) {
      if (!(await this.#receive())) return { answer: this.#output, status: null };
    }
    const answer = this.#output.subarray(0, begin);
    const status = Number(this.#output.subarray(begin + mark.length, end));
    this.#output = this.#output.subarray(end + 1);
    return { answer, status };
  }

  // Ends the shell's input, as ^D does. What it still wrote.
  async close() {
    // call.end() would do too, but nothing could be acknowledged after that.
    this.#call.write({ input: { eof: true } });
    while (await this.#receive());
    return this.#output;
  }

  // Takes the next response; false: the session has ended.
  async #receive() {
    const { value: response, done } = await this.#responses.next();
    if (done) {
      this.#call.end();
      return false;
    }
    for (const { event, output, terminated } of response.events) {
      if (event === "output") {
        this.#output = Buffer.concat([this.#output, output.data]);
        const position = BigInt(output.position) + BigInt(output.data.length);
        // Without it the shell would wait once 512 KiB are not acknowledged.
        this.#call.write({ ack: { position: String(position) } });
      } else if (event === "terminated") {
        this.termination = terminated.termination;
      }
    }
    return true;
  }
}

async function drive(shell) {
  await shell.start();
  for await (const line of createInterface({ input: process.stdin })) {
    const { answer, status } = await shell.ask(line);
    process.stdout.write(answer);
    if (status === null) return;
    if (status !== 0) console.error(`(status ${status})`);
  }
  process.stdout.write(await shell.close());
}

parse(usage, {}, false);
const service = connect();
try {
  const shell = new Shell(service);
  await drive(shell);
  process.exitCode = exitStatus(shell.termination);
} catch (error) {
  process.exitCode = report(error);
} finally {
  service.close();
  process.stdin.destroy(); // Waiting for more lines would keep us alive.
}
