// What the programs beside it share: the contract, command line, connection, failed calls, a Termination as an exit
// status.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const contract = protoLoader.loadSync(["nacre/v1/shell.proto", "nacre/internal/v1/status.proto"], {
  includeDirs: [fileURLToPath(new URL("../../proto/", import.meta.url))],
  keepCase: true, // The names of fields as the contract writes them,
  enums: String, // and of enums' values.
  defaults: true,
  oneofs: true, // `event.event` is the name of the one member that is set.
  // A JavaScript number is exact up to 2^53, a position has 64 bits: they come as strings, we count in BigInt.
  longs: String,
});
const { nacre } = grpc.loadPackageDefinition(contract);

// gRPC's name for the trailer that holds a google.rpc.Status.
export const DETAILS = "grpc-status-details-bin";

// A message of the contract from its bytes, e.g. decode("nacre.internal.v1.Status", bytes).
export function decode(type, bytes) {
  return contract[type].deserialize(bytes);
}

// Options by name, and COMMAND [ARGUMENT…] as `argv`, if the program takes one. Ends the program on --help and on
// wrong usage.
export function parse(usage, options = {}, takesCommand = true) {
  try {
    options = { help: { type: "boolean", short: "h" }, ...options };
    const { values, positionals: argv } = parseArgs({ options, allowPositionals: takesCommand });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    if (takesCommand && argv.length === 0) throw new Error("a COMMAND is needed");
    return { ...values, argv };
  } catch (error) {
    console.error(`${usage}\n\n${error.message}`);
    process.exit(2);
  }
}

// The node's address, as `nacre` takes it: unix:/ABSOLUTE/PATH or HOST:PORT.
function host() {
  const { NACRE_HOST, XDG_RUNTIME_DIR } = process.env;
  return NACRE_HOST || `unix:${XDG_RUNTIME_DIR || "/run"}/nacre/nacred.sock`;
}

// A client of the node. Close it, or the program does not end.
export function connect() {
  // gRPC would otherwise send even a loopback connection through $http_proxy.
  return new nacre.v1.ShellService(host(), grpc.credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
}

// Prints why a call failed; the exit status for it. That is never how the command ended: a Termination says that.
export function report(error) {
  if (!(error.metadata instanceof grpc.Metadata)) throw error; // not of a call
  // The node gives details with every error of its own.
  const noConnection = error.code === grpc.status.UNAVAILABLE && error.metadata.get(DETAILS).length === 0;
  const what = noConnection ? `no connection to ${host()} (see NACRE_HOST)` : grpc.status[error.code];
  console.error(`nacre: ${what}: ${error.details}`);
  return 125;
}

// The exit status that `nacre exec` would have.
export function exitStatus(termination) {
  if (termination.cause === "CAUSE_TIMED_OUT") return 124;
  return termination.result === "signal" ? 128 + termination.signal.number : termination.exit_code;
}
