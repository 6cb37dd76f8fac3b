"""A generated client that does by itself what the contract says: it repeats what failed with UNAVAILABLE."""

import random
import time

import grpc

from support import shell_pb2, shell_pb2_grpc

# Only a hang takes so long.
CALL_TIMEOUT = 60.0


class Stuck(Exception):
    """Something did not come to its end."""


def open_channel(target):
    return grpc.insecure_channel(target, options=[
        ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0),
        # A front that was killed is back soon.
        ("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 100)])


def is_unavailable(error):
    return error.code() == grpc.StatusCode.UNAVAILABLE


class Backoff:
    """Pauses that grow a little, with jitter; gives up after `patience` seconds without progress()."""

    def __init__(self, patience=CALL_TIMEOUT):
        self._patience = patience
        self.progress()

    def progress(self):
        self._tries = 0
        self._give_up = time.monotonic() + self._patience

    def pause(self, error):
        if time.monotonic() > self._give_up:
            raise Stuck(f"nothing but this for {self._patience:.0f} s: {error}")
        self._tries += 1
        time.sleep(random.uniform(0.005, min(0.01 * 2 ** self._tries, 0.2)))


class Caller:
    """A stub on a channel that others may share, with unary calls that are repeated."""

    def __init__(self, channel, findings):
        self.stub = shell_pb2_grpc.ShellServiceStub(channel)
        self.findings = findings

    def call(self, method, request, tolerate=()):
        """(response, whether it was repeated); the codes in `tolerate` count as success, with the error as response,
        once the call was repeated: the lost answer may have done it."""
        backoff, repeated = Backoff(), False
        while True:
            try:
                return getattr(self.stub, method)(request, timeout=CALL_TIMEOUT), repeated
            except grpc.RpcError as error:
                if repeated and error.code() in tolerate:
                    return error, repeated
                if not is_unavailable(error):
                    raise
                self.findings.count(retries=1)
                backoff.pause(error)
                repeated = True

    def describe(self, session_id):
        """How a session is, in one line."""
        try:
            session = self.call("GetSession", shell_pb2.GetSessionRequest(session_id=session_id))[0].session
        except grpc.RpcError as error:
            return f"{session_id}: {error.code()} {error.details()}"
        return " ".join(str(session).split())

    def delete(self, session_id, force=False):
        self.call("DeleteSession", shell_pb2.DeleteSessionRequest(session_id=session_id, force=force),
                  tolerate=(grpc.StatusCode.NOT_FOUND,))
