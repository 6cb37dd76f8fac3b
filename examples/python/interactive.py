#!/usr/bin/python3
"""Drives a shell line by line over the input of one Exec; no terminal is needed.

Usage: interactive.py < LINES

Sends each line of standard input once the one before it is answered, prints the answer, and says on standard error
which line failed. Ends as the shell does: at `exit`, or at the end of the lines.
"""

import argparse
import queue
import re
import shlex
import sys
import uuid

import nacre_example as example  # First: says what to do where a module is missing.
import grpc
from nacre.v1 import command_pb2, shell_pb2


class Shell:
    """A `sh` on the node. What one line does to it (cd, variables), the next one finds."""

    def __init__(self, service):
        # Ends an answer. Nothing that a line prints can hold it by chance.
        self._token = uuid.uuid4().hex
        self._end = re.compile(rf"\n{self._token} (\d+)\n".encode())
        self._output = b""
        self._requests = queue.SimpleQueue()
        command = command_pb2.Command(
            argv=["sh"],
            input=command_pb2.INPUT_MODE_STREAM,
            # One pipe, so that errors stand where they were written, before the end of their answer.
            stderr_mode=command_pb2.STDERR_MODE_MERGED,
        )
        self._send(start=command_pb2.Start(command=command, will_ack=True))
        self._responses = service.Exec(iter(self._requests.get, None))
        self.termination = None
        self._receive()  # It runs, or this raises.

    def ask(self, line):
        """Runs a line. Returns what it wrote and its status, which is None if it ended the shell."""
        # `eval` takes the line as a whole, and what it runs must not read the lines to come.
        text = f"eval {shlex.quote(line)} </dev/null; printf '\\n%s %d\\n' {self._token} $?\n"
        self._send(input=shell_pb2.Input(data=text.encode()))
        while not (end := self._end.search(self._output)):
            if not self._receive():
                return self._output, None
        answer, self._output = self._output[: end.start()], self._output[end.end() :]
        return answer, int(end[1])

    def close(self):
        """Ends the shell's input, as ^D does. Returns what it still wrote."""
        # Closing the stream of requests would do too, but nothing could be acknowledged after that.
        self._send(input=shell_pb2.Input(eof=True))
        while self._receive():
            pass
        return self._output

    def _receive(self):
        """Takes the next response; False: the session has ended."""
        response = next(self._responses, None)
        if response is None:
            self._requests.put(None)
            return False
        for event in response.events:
            kind = event.WhichOneof("event")
            if kind == "output":
                self._output += event.output.data
                position = event.output.position + len(event.output.data)
                # Without it the shell would wait once 512 KiB are not acknowledged.
                self._send(ack=shell_pb2.Ack(position=position))
            elif kind == "terminated":
                self.termination = event.terminated.termination
        return True

    def _send(self, **request):
        self._requests.put(shell_pb2.ExecRequest(**request))


def show(output):
    sys.stdout.buffer.write(output)
    sys.stdout.flush()


def main(arguments):
    parser = argparse.ArgumentParser(usage="%(prog)s < LINES", description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    with example.connect() as channel:
        try:
            shell = Shell(example.shell_service(channel))
            for line in sys.stdin:
                answer, status = shell.ask(line.rstrip("\n"))
                show(answer)
                if status is None:
                    break
                if status != 0:
                    print(f"(status {status})", file=sys.stderr)
            else:
                show(shell.close())
        except grpc.RpcError as error:
            return example.report(error)
    return example.exit_status(shell.termination)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
