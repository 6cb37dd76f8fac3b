#!/usr/bin/env node
// Runs one command by the unary call Run, and prints what it wrote.

import { promisify } from "node:util";

import { connect, exitStatus, parse, report } from "./nacre.js";

const { argv } = parse("Usage: run.js [--] COMMAND [ARGUMENT…]");
const service = connect();
try {
  const run = promisify(service.Run).bind(service);
  // `timeout` bounds the command itself, on the node's clock. A deadline of the call would end only the call.
  const response = await run({ start: { command: { argv, timeout: { seconds: 60 } } } });
  process.stdout.write(response.stdout);
  process.stderr.write(response.stderr);
  if (response.truncated) console.error("nacre: the output was longer than what Run returns; use Exec");
  process.exitCode = exitStatus(response.termination);
} catch (error) {
  process.exitCode = report(error);
} finally {
  service.close();
}
