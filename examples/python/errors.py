#!/usr/bin/python3
"""Runs one command by Run and, where the node refuses, tells what its error says to a program.

Usage: errors.py [-C DIRECTORY] [--] COMMAND [ARGUMENT…]

  -C DIRECTORY   working directory of the command; not absolute, it is refused

Try: errors.py nosuchprogram; errors.py -C not/absolute -- true
"""

import argparse
import sys
import time

import nacre_example as example  # First: says what to do where a module is missing.
import grpc
from nacre.internal.v1 import status_pb2
from nacre.v1 import command_pb2, shell_pb2

TRIES = 10
# What `nacre exec` exits with, by reason; with 125 for all others.
STATUSES = {"COMMAND_NOT_FOUND": 127, "COMMAND_NOT_EXECUTABLE": 126}


def details(error):
    """The google.rpc details of a failed call, by name: ErrorInfo, BadRequest, RetryInfo.

    PyPI has them as grpcio-status (`rpc_status.from_call(error)`) and googleapis-common-protos. Debian has neither;
    nacre.internal.v1 holds the same messages under another name.
    """
    status = status_pb2.Status.FromString(dict(error.trailing_metadata() or ()).get(example.DETAILS, b""))
    found = {}
    for detail in status.details:
        name = detail.type_url.rpartition("/google.rpc.")[2]
        if hasattr(status_pb2, name):
            found[name] = getattr(status_pb2, name).FromString(detail.value)
    return found


def explain(found):
    """Prints what a program would act on. The message is for people and may change; these don't."""
    if info := found.get("ErrorInfo"):
        print(f"  reason: {info.reason} ({info.domain})", file=sys.stderr)
        for name, value in sorted(info.metadata.items()):
            print(f"  {name}: {value}", file=sys.stderr)
    if bad := found.get("BadRequest"):
        for violation in bad.field_violations:
            print(f"  bad field: {violation.field}", file=sys.stderr)
    if retry := found.get("RetryInfo"):
        print(f"  retry after: {retry.retry_delay.ToTimedelta().total_seconds():g} s", file=sys.stderr)


def run(service, request):
    """Calls Run, again where the node says when; raises grpc.RpcError."""
    for tries_left in reversed(range(TRIES)):
        try:
            return service.Run(request)
        except grpc.RpcError as error:
            found = details(error)
            if "RetryInfo" not in found or tries_left == 0:
                raise
            example.report(error)
            explain(found)
            time.sleep(found["RetryInfo"].retry_delay.ToTimedelta().total_seconds())


def main(arguments):
    parser = argparse.ArgumentParser(
        usage="%(prog)s [-C DIRECTORY] [--] COMMAND [ARGUMENT…]", description=__doc__.splitlines()[0]
    )
    parser.add_argument("-C", default="", metavar="DIRECTORY", help="working directory; not absolute, it is refused")
    options = example.parse(parser, arguments)

    command = command_pb2.Command(argv=options.argv, cwd=options.C)
    request = shell_pb2.RunRequest(start=command_pb2.Start(command=command))
    with example.connect() as channel:
        try:
            response = run(example.shell_service(channel), request)
        except grpc.RpcError as error:
            example.report(error)
            found = details(error)
            explain(found)
            return STATUSES.get(found["ErrorInfo"].reason, 125) if "ErrorInfo" in found else 125
    sys.stdout.buffer.write(response.stdout)
    sys.stdout.flush()
    sys.stderr.buffer.write(response.stderr)
    return example.exit_status(response.termination)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
