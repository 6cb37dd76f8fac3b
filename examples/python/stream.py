#!/usr/bin/python3
"""Runs one command by the streaming call Exec: output as it comes, input, signals.

Usage: stream.py [-i] [--] COMMAND [ARGUMENT…]

  -i   send standard input to the command; without it, the command reads end of file
"""

import argparse
import os
import queue
import signal
import sys
import threading

import nacre_example as example  # First: says what to do where a module is missing.
import grpc
from nacre.v1 import command_pb2, session_pb2, shell_pb2

READ_SIZE = 64 * 1024


class Input:
    """Sends our standard input, never more than `input_window` bytes ahead of what the command was given.

    Staying within the window keeps the stream free for signals: they share it with the input.
    """

    def __init__(self, send):
        self._send = send
        self._changed = threading.Condition()
        self._limit = 0  # Offset up to which the node takes bytes now.
        self._window = 0

    def start(self, window):
        self._window = self._limit = window
        threading.Thread(target=self._pump, daemon=True).start()

    def acknowledged(self, offset):
        with self._changed:
            self._limit = offset + self._window
            self._changed.notify()

    def _pump(self):
        offset = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: offset < self._limit)
                room = self._limit - offset
            data = os.read(0, min(READ_SIZE, room))
            self._send(input=shell_pb2.Input(offset=offset, data=data, eof=not data))
            if not data:
                return
            offset += len(data)


def execute(service, command, with_input):
    """Runs the command, copies its output to ours and returns its Termination."""
    requests = queue.SimpleQueue()  # Its put() is safe in a signal handler.

    def send(**request):
        requests.put(shell_pb2.ExecRequest(**request))

    def interrupt(number, _frame):
        send(signal=shell_pb2.Signal(number=number))

    stdin = Input(send)
    send(start=command_pb2.Start(command=command))
    # Leaving without `cancel` would count as a lost connection: the command would get its grace.
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)

    position = 0
    termination = None
    try:
        for response in service.Exec(iter(requests.get, None)):
            for event in response.events:
                kind = event.WhichOneof("event")
                if kind == "started":
                    if with_input:
                        stdin.start(event.started.input_window)
                elif kind == "output":
                    output = event.output
                    # Positions number all bytes of both streams: a missing byte cannot go unnoticed.
                    assert output.position == position, f"expected {position}, got {output.position}"
                    position += len(output.data)
                    stderr = output.stream == session_pb2.OUTPUT_STREAM_STDERR
                    stream = sys.stderr.buffer if stderr else sys.stdout.buffer
                    try:
                        stream.write(output.data)
                        stream.flush()
                    except BrokenPipeError:  # Nobody reads it any more: end the command, drop the rest.
                        send(cancel=shell_pb2.Cancel())
                        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
                elif kind == "input_ack":
                    stdin.acknowledged(event.input_ack.offset)
                elif kind == "terminated":
                    termination = event.terminated.termination
                # An event of a later version is none of our business.
    finally:
        requests.put(None)  # Ends the request stream.
    assert sum(stream.bytes for stream in termination.streams) == position
    return termination


def main(arguments):
    parser = argparse.ArgumentParser(
        usage="%(prog)s [-i] [--] COMMAND [ARGUMENT…]", description=__doc__.splitlines()[0]
    )
    parser.add_argument("-i", action="store_true", help="send standard input to the command")
    options = example.parse(parser, arguments)

    mode = command_pb2.INPUT_MODE_STREAM if options.i else command_pb2.INPUT_MODE_NONE
    with example.connect() as channel:
        try:
            termination = execute(
                example.shell_service(channel), command_pb2.Command(argv=options.argv, input=mode), options.i
            )
        except grpc.RpcError as error:
            return example.report(error)
    return example.exit_status(termination)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
