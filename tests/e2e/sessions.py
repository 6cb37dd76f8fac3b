"""What the tests of sessions share: the unary calls, and sessions that end with their test."""

import contextlib
import os
import signal

import grpc

from support import (DEADLINE, NodeTest, alive, command_pb2, details, session_pb2, shell_pb2, wait_for)

STREAM = command_pb2.INPUT_MODE_STREAM
BLOCK = command_pb2.OVERFLOW_POLICY_BLOCK
ENDED = session_pb2.SESSION_STATE_ENDED
RUNNING = session_pb2.SESSION_STATE_RUNNING
QUICK_LADDER = {"kill_ladder": command_pb2.KillLadder(grace={"nanos": 100_000_000})}
# What is kept of a stream at least, and held of one that nobody takes.
KEPT = 524_288
LINE = 8


def counted(lines):
    """What count() writes: lines of eight bytes, each with its number, so that a position tells its line."""
    return b"".join(b"%07d\n" % i for i in range(1, lines + 1))


def count(lines):
    return f"seq -f %07.0f {lines}"


def with_tags(start, **tags):
    start.tags.update(tags)
    return start


def with_request_id(start, request_id):
    start.request_id = request_id
    return start


def kill_front(node):
    """Kills the front and waits until the next one serves."""
    front = node.front_pid()
    os.kill(front, signal.SIGKILL)
    wait_for(lambda: node.front_pid() not in (None, front), "another front")
    node.await_serving()


class SessionTest(NodeTest):
    """Tests on one daemon whose sessions are gone when they end."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self._forget)
        self.calls = self.stub()

    def _forget(self):
        """Forgets all sessions, in spite of whatever the test has done to the front."""
        with self.node.stub() as stub:
            for session in stub.ListSessions(shell_pb2.ListSessionsRequest(page_size=1000), timeout=DEADLINE,
                                             wait_for_ready=True).sessions:
                with contextlib.suppress(grpc.RpcError):
                    stub.DeleteSession(shell_pb2.DeleteSessionRequest(session_id=session.id, force=True), timeout=DEADLINE)

    def kill_front(self):
        kill_front(self.node)
        # A channel that has lost its front waits before it tries again.
        self.calls = self.stub()

    # calls

    def start(self, start):
        return self.start_answer(start).session

    def start_answer(self, start):
        return self.calls.StartSession(shell_pb2.StartSessionRequest(start=start), timeout=DEADLINE)

    def get(self, session_id):
        return self.calls.GetSession(shell_pb2.GetSessionRequest(session_id=session_id), timeout=DEADLINE).session

    def wait(self, session_id, timeout=None):
        request = shell_pb2.WaitSessionRequest(session_id=session_id)
        if timeout is not None:
            request.timeout.FromMilliseconds(int(timeout * 1000))
        return self.calls.WaitSession(request, timeout=DEADLINE).session

    def ended(self, start):
        """A session that has ended."""
        return self.wait(self.start(start).id)

    def list(self, **fields):
        return self.calls.ListSessions(shell_pb2.ListSessionsRequest(**fields), timeout=DEADLINE)

    def listed(self, **fields):
        """Ids of all pages."""
        found, token = [], ""
        while True:
            answer = self.list(page_token=token, **fields)
            found += [session.id for session in answer.sessions]
            token = answer.next_page_token
            if not token:
                return found

    def end(self, session_id):
        return self.calls.EndSession(shell_pb2.EndSessionRequest(session_id=session_id), timeout=DEADLINE).session

    def delete(self, session_id, force=False):
        self.calls.DeleteSession(shell_pb2.DeleteSessionRequest(session_id=session_id, force=force), timeout=DEADLINE)

    def signal(self, session_id, number):
        self.calls.SignalSession(
            shell_pb2.SignalSessionRequest(session_id=session_id, signal={"number": number}), timeout=DEADLINE)

    def write(self, session_id, data=b"", **fields):
        """Gives input; the offset of the next byte."""
        return self.calls.WriteInput(shell_pb2.WriteInputRequest(
            session_id=session_id, input=shell_pb2.Input(data=data, **fields)), timeout=DEADLINE).offset

    # assertions

    def assert_refused(self, call, code, reason=None, field=None):
        """`call` is a function that must fail, or the error of a call that has; the error's ErrorInfo."""
        if not isinstance(call, grpc.RpcError):
            with self.assertRaises(grpc.RpcError) as caught:
                call()
            call = caught.exception
        self.assertEqual(call.code(), getattr(grpc.StatusCode, code), call.details())
        rich = details(call)
        if reason is not None:
            self.assertEqual(rich["ErrorInfo"].reason, reason, call.details())
        if field is not None:
            self.assertEqual(rich["BadRequest"].field_violations[0].field, field, call.details())
        return rich.get("ErrorInfo")

    def assert_gone(self, session_id, reason="SESSION_NOT_FOUND"):
        return self.assert_refused(lambda: self.get(session_id), "NOT_FOUND", reason)

    def await_gone(self, session_id):
        def gone():
            try:
                self.get(session_id)
            except grpc.RpcError as error:
                return error.code() == grpc.StatusCode.NOT_FOUND
            return False

        wait_for(gone, f"session {session_id} is forgotten")

    def await_state(self, session_id, state):
        return wait_for(lambda: (session := self.get(session_id)).state == state and session,
                        lambda: f"{session_pb2.SessionState.Name(state)}: {self.get(session_id)}")

    def await_dead(self, pid):
        wait_for(lambda: not alive(pid), f"process {pid} is gone")
