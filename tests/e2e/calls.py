"""Calls as a generated client makes them; the streaming ones check each event against what every stream promises."""

import contextlib
import queue

from stubs import command_pb2, session_pb2, shell_pb2, status_pb2
from deadlines import DEADLINE

import grpc
import xxhash


@contextlib.contextmanager
def channel(target, *options):
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0), *options]
    made = grpc.insecure_channel(target, options=options)
    try:
        yield made
    finally:
        made.close()


def command(*argv, policies=None, **fields):
    """A Start of argv, with more fields of its Command, and policies."""
    return command_pb2.Start(
        command=command_pb2.Command(argv=argv, **fields),
        policies=command_pb2.StartPolicies(**policies) if policies is not None else None)


def shell(line, **fields):
    """A Start of sh -c line."""
    return command("sh", "-c", line, **fields)


def details(error):
    """The rich details of a failed call: {name: message}, by names of google.rpc."""
    raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if raw is None:
        return {}
    rich = status_pb2.Status.FromString(raw)
    assert rich.code == error.code().value[0], rich
    assert rich.message == error.details(), rich
    found = {}
    for detail in rich.details:
        prefix, _, name = detail.type_url.rpartition(".")
        assert prefix == "type.googleapis.com/google.rpc", detail.type_url
        found[name] = getattr(status_pb2, name).FromString(detail.value)
    return found


class BrokenPromise(AssertionError):
    """The stream's events break api.md."""


class Stream:
    """A streaming call that follows a session. Its subclasses say how it begins."""

    _END = object()

    def __init__(self):
        self._requests = queue.SimpleQueue()
        # First events: one of the two is set.
        self.started = self.attached = None
        self.termination = None
        self.stdout, self.stderr = bytearray(), bytearray()
        # (stream, data) in the order of arrival; (from, to).
        self.outputs, self.gaps, self.input_acks = [], [], []
        self.input_taken = False
        self.drive_taken = False
        # Of the first byte, and after the last one.
        self.begin = self.position = 0
        self.messages = 0
        self._detached = False
        self.call = self._events = None

    @property
    def session(self):
        """As the first event told it."""
        return (self.started or self.attached).session

    def half_close(self):
        self._requests.put(self._END)

    def cancel(self):
        """Drops the call, as a lost connection would."""
        self.call.cancel()
        self.half_close()

    def events(self):
        """The events as they come, from where the last one who followed has stopped; raises grpc.RpcError when the
        call fails."""
        if self._events is None:
            self._events = self._read()
        while True:
            try:
                yield next(self._events)
            except StopIteration:
                return

    def _read(self):
        try:
            for response in self.call:
                self.messages += 1
                self._check(response.events, "a response without events")
                for event in response.events:
                    self._enter(event)
                    yield event
        finally:
            self.half_close()
        self._check(self.termination is not None or self._detached, "no termination before OK")

    def await_event(self, kind):
        """Follows the stream to its next event of this kind; the stream can then be followed on."""
        for event in self.events():
            if event.WhichOneof("event") == kind:
                return getattr(event, kind)
        raise BrokenPromise(f"the stream ended without {kind}")

    def await_output(self, text):
        """Follows the stream until standard output holds these bytes; self."""
        if text in self.stdout:
            return self
        for _ in self.events():
            if text in self.stdout:
                return self
        raise BrokenPromise(f"the stream ended without {text!r}; stdout {bytes(self.stdout)!r}")

    def await_position(self, position):
        """Follows the stream until it has brought all before this position; self."""
        while (self.started is None and self.attached is None) or self.position < position:
            if next(self.events(), None) is None:
                raise BrokenPromise(f"the stream ended at {self.position}, before {position}")
        return self

    def follow(self):
        """Follows the stream to its end; self."""
        for _ in self.events():
            pass
        return self

    def error(self):
        """Follows a call that must fail; its error."""
        try:
            self.follow()
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"the call succeeded: {self.termination}")

    @staticmethod
    def _check(condition, what):
        if not condition:
            raise BrokenPromise(what)

    def _enter(self, event):
        kind = event.WhichOneof("event")
        self._check(kind is not None, "an empty event")
        began = self.started is not None or self.attached is not None
        self._check(began == (kind not in ("started", "attached")), f"{kind} out of order")
        self._check(self.termination is None, f"{kind} after the termination")
        getattr(self, "_on_" + kind)(getattr(event, kind))

    def _on_started(self, started):
        self.started = started
        self._check(started.next_position == 0 and started.input_offset == 0, str(started))

    def _on_attached(self, attached):
        self.attached = attached
        self.begin = self.position = attached.next_position

    def _on_output(self, output):
        self._check(output.position == self.position, f"position {output.position}, not {self.position}")
        self._check(len(output.data) > 0, "empty output")
        self.position += len(output.data)
        self.outputs.append((output.stream, output.data))
        is_stdout = output.stream == session_pb2.OUTPUT_STREAM_STDOUT
        (self.stdout if is_stdout else self.stderr).extend(output.data)

    def _on_gap(self, gap):
        start = getattr(gap, "from")
        self._check(start == self.position and gap.to > start, f"gap from {start} to {gap.to} at {self.position}")
        self.gaps.append((start, gap.to))
        self.position = gap.to

    def _on_input_ack(self, ack):
        self._check(not self.input_acks or ack.offset > self.input_acks[-1], "an ack that does not advance")
        self.input_acks.append(ack.offset)

    def _on_input_taken(self, _):
        self._check(not self.input_taken, "input_taken once more")
        self.input_taken = True

    def _on_keepalive(self, _):
        pass

    def _on_drive_taken(self, _):
        self.drive_taken = True

    def _on_terminated(self, terminated):
        self.termination = terminated.termination
        total = sum(summary.bytes for summary in self.termination.streams)
        self._check(total == self.position, f"the end at position {self.position}, but {total} bytes were written")
        for summary in self.termination.streams:
            self._check(len(summary.xxh3_128) == 16, "the hash is not 16 bytes")
            if self.begin == 0 and not self.gaps:
                got = self.stdout if summary.stream == session_pb2.OUTPUT_STREAM_STDOUT else self.stderr
                self._check(summary.bytes == len(got), f"{summary.bytes} bytes written, {len(got)} arrived")
                self._check(summary.xxh3_128 == xxhash.xxh3_128_digest(got), "other bytes than the hash says")


class Exec(Stream):
    """One Exec call."""

    def __init__(self, stub, start=None, timeout=DEADLINE, **options):
        super().__init__()
        if start is not None:
            self.send(start=start)
        self.call = stub.Exec(iter(self._requests.get, self._END), timeout=timeout, **options)

    def send(self, **request):
        self._detached = self._detached or "detach" in request
        self._requests.put(shell_pb2.ExecRequest(**request))


class Attach(Stream):
    """One Attach call; `fields` are those of its first message."""

    def __init__(self, stub, session_id=None, timeout=DEADLINE, **fields):
        super().__init__()
        if session_id is not None:
            self.send(attach=shell_pb2.Attach(session_id=session_id, **fields))
        self.call = stub.Attach(iter(self._requests.get, self._END), timeout=timeout)

    def send(self, **request):
        self._detached = self._detached or "detach" in request
        self._requests.put(shell_pb2.AttachRequest(**request))


class StreamOutput(Stream):
    """One StreamOutput call."""

    def __init__(self, stub, session_id, timeout=DEADLINE, **fields):
        super().__init__()
        self.call = stub.StreamOutput(shell_pb2.StreamOutputRequest(session_id=session_id, **fields), timeout=timeout)
