"""One session, driven to its end through any number of streams: Exec, then Attach as often as it takes."""

import queue

import grpc

from support import command_pb2, session_pb2, shell_pb2

from .caller import CALL_TIMEOUT, Backoff, Stuck, is_unavailable

# The contract wants an ack at least every 128 KiB and every 1,000 Outputs.
ACK_BYTES = (1, 4096, 65536, 100_000)
ACK_OUTPUTS = 500
KEPT_BYTES = 400_000


class Requests:
    """The client's half of a stream; iterate it once."""

    def __init__(self, kind):
        self._kind, self._queue = kind, queue.SimpleQueue()

    def send(self, **request):
        self._queue.put(self._kind(**request))

    def end(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


class Followed:
    """Starts `start` and follows it to its end; `check` takes the output, `source` gives the input.

    Besides what the front's death breaks, it leaves streams by itself, as `choice` has it. follow() raises
    grpc.RpcError for what the contract does not foresee, and Stuck.
    """

    def __init__(self, caller, who, start, check, choice, source=None, on_session=None):
        self._caller, self._findings, self._who = caller, caller.findings, who
        self._start, self._check, self._choice, self._source = start, check, choice, source
        self._on_session = on_session or (lambda session_id: None)
        self.session_id = None
        self.termination = None
        self._exec_sent = False
        # The furthest position that the node was told we have; it may have heard of a lesser one.
        self._acked = 0

    def follow(self):
        """Its Termination."""
        backoff = Backoff()
        while self.termination is None:
            before = self._check.position
            stream = _Stream(self)
            try:
                stream.follow()
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.CANCELLED and stream.cancelled:
                    continue
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise Stuck(f"{stream.describe()}; {self._caller.describe(self.session_id)}") from error
                if not is_unavailable(error):
                    raise
                self._findings.count(retries=1)
                if self._check.position > before:
                    backoff.progress()
                backoff.pause(error)
        return self.termination

    # what its streams tell it

    def open(self):
        """(requests, call, the position that the stream must begin at or None)"""
        if self.session_id is None or self._choice.random() < 0.2:
            requests, wanted = Requests(shell_pb2.ExecRequest), None
            self._findings.count(restarts=int(self._exec_sent))
            self._exec_sent = True
            requests.send(start=self._start)
            return requests, self._caller.stub.Exec(iter(requests), timeout=CALL_TIMEOUT), wanted
        requests = Requests(shell_pb2.AttachRequest)
        wanted = self._check.position if self._choice.random() < 0.7 else None
        if wanted is not None:
            self.acked(wanted)  # a driver counts as having what it does not ask for
        requests.send(attach=shell_pb2.Attach(session_id=self.session_id, drive=True, input=self._source is not None,
                                              position=wanted, will_ack=True))
        return requests, self._caller.stub.Attach(iter(requests), timeout=CALL_TIMEOUT), wanted

    def began(self, kind, body, wanted):
        if kind == "attached":
            self._findings.count(reattaches=1)
        elif self.session_id is not None:
            self.complain("double_starts", f"started once more: {body}")
        if self.session_id not in (None, body.session.id):
            self.complain("double_starts", f"{kind} session {body.session.id} after {self.session_id}")
        if self.session_id is None:
            self.session_id = body.session.id
            self._on_session(self.session_id)
        if kind == "started" and (body.next_position, body.input_offset) != (0, 0):
            self.complain("errors", f"a new session begins in the middle: {body}")
        if wanted is None and body.next_position > self._acked:
            self.complain("errors", f"begins at {body.next_position}, but acknowledged is only {self._acked}")
        self._check.begin(body.next_position, wanted)
        if self._source:
            self._source.begin(body.input_offset, body.input_window)

    def took(self, output):
        self._check.take(output.stream, output.position, output.data)

    def acked(self, position):
        self._acked = max(self._acked, position)

    def ended(self, termination):
        self.termination = termination

    def complain(self, kind, what, number=1):
        self._findings.complain(kind, self._who, what, number)

    @property
    def choice(self):
        return self._choice

    @property
    def source(self):
        return self._source

    @property
    def may_detach(self):
        # What nobody drives must wait rather than be overwritten, and be given its input by somebody.
        return self._source is None and self._start.policies.overflow == command_pb2.OVERFLOW_POLICY_BLOCK


class _Stream:
    """One Exec or Attach of a Followed: from its first event until it breaks, is left, or ends."""

    def __init__(self, session):
        self._session = session
        self._requests, self._call, self._wanted = session.open()
        self._began = self._runs = False
        self._detached = self.cancelled = False
        self._ack_every = session.choice.choice(ACK_BYTES)
        # Where it stands, and up to where it has acknowledged.
        self._from = self._position = self._acked = 0
        self._outputs = 0
        self._leave_at = None

    def follow(self):
        session = self._session
        try:
            for response in self._call:
                if not response.events:
                    session.complain("errors", "a response without events")
                for event in response.events:
                    self._enter(event)
                if session.source and self._runs:
                    session.source.push(self._requests.send)
                self._leave_as_planned()
        finally:
            # First: the end of the requests would be the end of the input.
            self._call.cancel()
            self._requests.end()
        if session.termination is None and not self._detached:
            session.complain("errors", "the stream ended with OK and without its termination")

    def describe(self):
        return (f"stream began {self._began} at {self._from}, runs {self._runs}, stands at {self._position}, acknowledged "
                f"{self._acked}, wants acks every {self._ack_every}, detached {self._detached}")

    def _enter(self, event):
        session, kind = self._session, event.WhichOneof("event")
        body = getattr(event, kind) if kind else None
        if session.termination is not None:
            session.complain("errors", f"after the termination: {event}")
        elif (kind in ("started", "attached")) == self._began:
            session.complain("errors", f"out of order: {event}")
        elif not self._began:
            self._begin(kind, body)
        elif kind == "output":
            self._take(body)
        elif kind == "input_ack" and session.source:
            session.source.acknowledged(body.offset)
        elif kind == "terminated":
            self._runs = False
            session.ended(body.termination)
        elif kind == "gap":
            session.complain("lost", f"a driver got {event}", body.to - getattr(body, "from"))
        elif kind != "keepalive":
            session.complain("errors", f"not for this stream: {event}")

    def _begin(self, kind, body):
        self._began = True
        self._runs = body.session.state != session_pb2.SESSION_STATE_ENDED
        self._from = self._position = self._acked = body.next_position
        self._session.began(kind, body, self._wanted)
        if self._session.choice.random() < 0.3:
            self._leave_at = body.next_position + self._session.choice.randint(0, KEPT_BYTES)

    def _take(self, output):
        self._session.took(output)
        self._position = output.position + len(output.data)
        self._outputs += 1
        if self._detached:
            return  # the last word was said
        if self._position - self._acked >= self._ack_every or self._outputs >= ACK_OUTPUTS:
            self._acked, self._outputs = self._position, 0
            self._session.acked(self._position)
            self._requests.send(ack=shell_pb2.Ack(position=self._position))

    def _leave_as_planned(self):
        if self._leave_at is None or self._position < self._leave_at or not self._runs:
            return
        self._leave_at = None
        if self._session.may_detach and self._session.choice.random() < 0.5:
            self._detached = True
            self._requests.send(detach=shell_pb2.Detach())
        else:
            self.cancelled = True
            self._call.cancel()
