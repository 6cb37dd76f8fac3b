#!/usr/bin/env node
// Runs one command by Run and, where the node refuses, tells what its error says to a program.

import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { DETAILS, connect, decode, exitStatus, parse, report } from "./nacre.js";

const usage = `Usage: errors.js [-C DIRECTORY] [--] COMMAND [ARGUMENT…]

  -C DIRECTORY   working directory of the command; not absolute, it is refused

Try: errors.js nosuchprogram; errors.js -C not/absolute -- true`;

const TRIES = 10;
// What `nacre exec` exits with, by reason; with 125 for all others.
const STATUSES = { COMMAND_NOT_FOUND: 127, COMMAND_NOT_EXECUTABLE: 126 };

// The google.rpc details of a failed call, by name: ErrorInfo, BadRequest, RetryInfo. gRPC for Node.js brings no
// google/rpc/*.proto; nacre.internal.v1 holds the same messages under another name.
function details(error) {
  const found = {};
  const [bytes] = error.metadata?.get(DETAILS) ?? [];
  if (bytes === undefined) return found;
  for (const { type_url, value } of decode("nacre.internal.v1.Status", bytes).details) {
    const name = type_url.split("/google.rpc.")[1];
    if (["ErrorInfo", "BadRequest", "RetryInfo"].includes(name)) {
      found[name] = decode(`nacre.internal.v1.${name}`, value);
    }
  }
  return found;
}

function seconds(duration) {
  return Number(duration.seconds) + duration.nanos / 1e9;
}

// Prints what a program would act on. The message is for people and may change; these don't.
function explain({ ErrorInfo, BadRequest, RetryInfo }) {
  if (ErrorInfo) {
    console.error(`  reason: ${ErrorInfo.reason} (${ErrorInfo.domain})`);
    for (const [name, value] of Object.entries(ErrorInfo.metadata).sort()) console.error(`  ${name}: ${value}`);
  }
  for (const violation of BadRequest?.field_violations ?? []) console.error(`  bad field: ${violation.field}`);
  if (RetryInfo) console.error(`  retry after: ${seconds(RetryInfo.retry_delay)} s`);
}

// Calls Run, again where the node says when; throws the error of the call.
async function run(service, request) {
  const call = promisify(service.Run).bind(service);
  for (let triesLeft = TRIES - 1; ; triesLeft -= 1) {
    try {
      return await call(request);
    } catch (error) {
      const found = details(error);
      if (!found.RetryInfo || triesLeft === 0) throw error;
      report(error);
      explain(found);
      await sleep(seconds(found.RetryInfo.retry_delay) * 1000);
    }
  }
}

const options = parse(usage, { directory: { type: "string", short: "C", default: "" } });
const service = connect();
try {
  const response = await run(service, { start: { command: { argv: options.argv, cwd: options.directory } } });
  process.stdout.write(response.stdout);
  process.stderr.write(response.stderr);
  process.exitCode = exitStatus(response.termination);
} catch (error) {
  report(error);
  const found = details(error);
  explain(found);
  process.exitCode = STATUSES[found.ErrorInfo?.reason] ?? 125;
} finally {
  service.close();
}
