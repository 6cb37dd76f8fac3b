"""What the programs beside it share: command line, connection, failed calls, a Termination as an exit status."""

import argparse
import os
import sys

try:
    import grpc
    from nacre.v1 import session_pb2, shell_pb2_grpc
except ImportError as error:
    sys.exit(
        f"{error}\nGenerate the modules with examples/python/generate.sh OUTDIR, then use Debian's "
        "/usr/bin/python3 with PYTHONPATH=OUTDIR."
    )

# gRPC's name for the trailer that holds a google.rpc.Status.
DETAILS = "grpc-status-details-bin"


def parse(parser, arguments):
    """Parses options, and behind them [--] COMMAND [ARGUMENT…] as `argv`."""
    parser.add_argument("argv", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.argv[:1] == ["--"]:
        del options.argv[0]
    if not options.argv:
        parser.error("a COMMAND is needed")
    return options


def host():
    """The node's address, as `nacre` takes it: unix:/ABSOLUTE/PATH or HOST:PORT."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or "/run"
    return os.environ.get("NACRE_HOST") or f"unix:{runtime}/nacre/nacred.sock"


def connect():
    """A channel to the node."""
    # gRPC would otherwise send even a loopback connection through $http_proxy.
    return grpc.insecure_channel(host(), options=[("grpc.enable_http_proxy", 0)])


def shell_service(channel):
    return shell_pb2_grpc.ShellServiceStub(channel)


def report(error):
    """Prints why an RPC failed. That is never how the command ended: a Termination says that."""
    # The node gives details with every error of its own.
    if error.code() == grpc.StatusCode.UNAVAILABLE and DETAILS not in dict(error.trailing_metadata() or ()):
        print(f"nacre: no connection to {host()} (see NACRE_HOST): {error.details()}", file=sys.stderr)
    else:
        print(f"nacre: {error.code().name}: {error.details()}", file=sys.stderr)
    return 125


def exit_status(termination):
    """The exit status that `nacre exec` would have."""
    if termination.cause == session_pb2.CAUSE_TIMED_OUT:
        return 124
    if termination.WhichOneof("result") == "signal":
        return 128 + termination.signal.number
    return termination.exit_code
