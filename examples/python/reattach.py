#!/usr/bin/python3
"""Follows one command to its end over lost connections: each time from behind the last byte taken.

Usage: reattach.py [--drop-every BYTES] [--] COMMAND [ARGUMENT…]

  --drop-every BYTES   drop the connection ourselves whenever so many more bytes have come

Proves at the end, by the node's XXH3-128 of each stream, that no byte was lost or came twice.
"""

import argparse
import queue
import sys
import time

import nacre_example as example  # First: says what to do where a module is missing.
import grpc
import xxhash
from nacre.v1 import command_pb2, session_pb2, shell_pb2

# How long the node waits for us by default (`disconnect_grace`), and we for it.
GRACE = 30.0


class Follower:
    """What must outlive a connection: the session, and how far we have got in it."""

    def __init__(self, command):
        self._command = command
        self._hashes = {
            session_pb2.OUTPUT_STREAM_STDOUT: xxhash.xxh3_128(),
            session_pb2.OUTPUT_STREAM_STDERR: xxhash.xxh3_128(),
        }
        self.session_id = None
        self.position = 0
        self.connections = 0
        self.termination = None

    def follow(self, service, until):
        """Follows on one connection, to the end or until it has taken all before position `until`."""
        requests = queue.SimpleQueue()
        # `will_ack`: the node holds what we have not acknowledged, so a lost connection loses nothing.
        if self.session_id is None:
            request_type, method = shell_pb2.ExecRequest, service.Exec
            requests.put(request_type(start=command_pb2.Start(command=self._command, will_ack=True)))
        else:
            request_type, method = shell_pb2.AttachRequest, service.Attach
            attach = shell_pb2.Attach(session_id=self.session_id, drive=True, position=self.position, will_ack=True)
            requests.put(request_type(attach=attach))
        try:
            for response in method(iter(requests.get, None)):
                for event in response.events:
                    self._take(event)
                requests.put(request_type(ack=shell_pb2.Ack(position=self.position)))
                if self.position >= until:
                    return
        finally:
            requests.put(None)  # Ends the request stream.

    def whole(self):
        """Whether what we have taken, stream by stream, is what the command wrote."""
        return all(self._hashes[one.stream].digest() == one.xxh3_128 for one in self.termination.streams)

    def _take(self, event):
        kind = event.WhichOneof("event")
        if kind == "started":
            self.session_id = event.started.session.id
            self.connections += 1
        elif kind == "attached":
            self.connections += 1
        elif kind == "output":
            output = event.output
            assert output.position == self.position, f"expected {self.position}, got {output.position}"
            stderr = output.stream == session_pb2.OUTPUT_STREAM_STDERR
            stream = sys.stderr.buffer if stderr else sys.stdout.buffer
            stream.write(output.data)
            stream.flush()
            self._hashes[output.stream].update(output.data)
            self.position += len(output.data)
        elif kind == "terminated":
            self.termination = event.terminated.termination


def follow_to_the_end(follower, drop_every):
    """Connects as often as it takes; raises grpc.RpcError when there is no going on."""
    lost_at = time.monotonic()
    while follower.termination is None:
        before = follower.connections
        try:
            # Leaving this closes the connection: to the node it is lost, as we said neither `cancel` nor `detach`.
            with example.connect() as channel:
                follower.follow(example.shell_service(channel), follower.position + drop_every)
        except grpc.RpcError as error:
            # Without an id the command may run or not, and another start would run it again (see `request_id`).
            if error.code() != grpc.StatusCode.UNAVAILABLE or follower.session_id is None:
                raise
            if follower.connections == before and time.monotonic() - lost_at > GRACE:
                raise
            time.sleep(0.1)
        if follower.connections > before:
            lost_at = time.monotonic()


def main(arguments):
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--drop-every BYTES] [--] COMMAND [ARGUMENT…]", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--drop-every", type=int, default=sys.maxsize, metavar="BYTES", help="drop it so often")
    options = example.parse(parser, arguments)

    follower = Follower(command_pb2.Command(argv=options.argv))
    try:
        follow_to_the_end(follower, options.drop_every)
    except grpc.RpcError as error:
        return example.report(error)
    if not follower.whole():
        print("nacre: the output is not what the command wrote", file=sys.stderr)
        return 125
    print(f"nacre: {follower.position} bytes over {follower.connections} connections, all there", file=sys.stderr)
    return example.exit_status(follower.termination)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
