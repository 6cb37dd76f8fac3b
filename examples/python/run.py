#!/usr/bin/python3
"""Runs one command by the unary call Run, and prints what it wrote.

Usage: run.py [--] COMMAND [ARGUMENT…]
"""

import argparse
import sys

import nacre_example as example  # First: says what to do where a module is missing.
import grpc
from nacre.v1 import command_pb2, shell_pb2


def main(arguments):
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--] COMMAND [ARGUMENT…]", description=__doc__.splitlines()[0]
    )
    options = example.parse(parser, arguments)

    command = command_pb2.Command(argv=options.argv)
    # Bounds the command itself, on the node's clock. The RPC's own timeout would end only the RPC.
    command.timeout.FromSeconds(60)
    request = shell_pb2.RunRequest(start=command_pb2.Start(command=command))

    with example.connect() as channel:
        try:
            response = example.shell_service(channel).Run(request)
        except grpc.RpcError as error:
            return example.report(error)

    sys.stdout.buffer.write(response.stdout)
    sys.stdout.flush()
    sys.stderr.buffer.write(response.stderr)
    if response.truncated:
        print("nacre: the output was longer than what Run returns; use Exec", file=sys.stderr)
    return example.exit_status(response.termination)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
