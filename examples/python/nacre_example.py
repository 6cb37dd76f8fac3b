"""What run.py and exec.py share: the connection, and a Termination as an exit status."""

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


def connect():
    """A channel to the daemon that NACRE_HOST names: unix:/ABSOLUTE/PATH or HOST:PORT."""
    host = os.environ.get("NACRE_HOST")
    if not host:
        sys.exit("Set NACRE_HOST to the daemon's address, e.g. unix:/run/nacre/nacred.sock")
    # gRPC would otherwise send even a loopback connection through $http_proxy.
    return grpc.insecure_channel(host, options=[("grpc.enable_http_proxy", 0)])


def shell_service(channel):
    return shell_pb2_grpc.ShellServiceStub(channel)


def report(error):
    """Prints why an RPC failed. That is never how the command ended: a Termination says that."""
    print(f"nacre: {error.code().name}: {error.details()}", file=sys.stderr)
    return 125


def exit_status(termination):
    """The exit status that `nacre exec` would have."""
    if termination.cause == session_pb2.CAUSE_TIMED_OUT:
        return 124
    if termination.WhichOneof("result") == "signal":
        return 128 + termination.signal.number
    return termination.exit_code
