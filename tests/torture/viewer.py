"""Looks at a session that another worker drives, from random positions, again and again."""

import grpc

import support
from support import shell_pb2

from .caller import CALL_TIMEOUT, Backoff, Stuck, is_unavailable
from .followed import Requests
from .output_check import ViewCheck


def run(work, token, choice):
    while (running := work.registry.pick(choice)) is None:
        if work.stopping.wait(0.05):
            return
    check = ViewCheck(work.findings, f"{token} of {running.check.who}", running.check)
    backoff = Backoff()
    oldest = None
    while not running.over.is_set():
        try:
            oldest = _view(work, running, check, choice, oldest)
        except grpc.RpcError as error:
            code = error.code()
            if is_unavailable(error):
                work.findings.count(retries=1)
                backoff.pause(error)
            elif code == grpc.StatusCode.NOT_FOUND and running.deleted:
                break
            else:
                raise
        else:
            backoff.progress()
            running.over.wait(choice.random() * 0.2)
    if not running.over.wait(CALL_TIMEOUT):
        raise Stuck(f"{running.check.who} does not end")
    check.finish(running.termination)


def _view(work, running, check, choice, oldest):
    """Follows it for a while; the oldest position kept if it was told that it asked for one that is not."""
    wanted = choice.choice((None, 0, choice.randint(0, running.check.position), running.check.position))
    if oldest is not None:
        wanted = oldest
    requests = Requests(shell_pb2.AttachRequest)
    requests.send(attach=shell_pb2.Attach(session_id=running.session_id, position=wanted))
    call = work.caller.stub.Attach(iter(requests), timeout=CALL_TIMEOUT)
    leave_after = choice.randint(0, 2_000_000)
    cancelled = False
    try:
        for event in (event for response in call for event in response.events):
            kind = event.WhichOneof("event")
            if kind == "attached":
                work.findings.count(reattaches=1)
                check.begin(event.attached.next_position, wanted)
            elif kind == "output":
                check.take(event.output.stream, event.output.position, event.output.data)
                leave_after -= len(event.output.data)
            elif kind == "gap":
                check.gap(getattr(event.gap, "from"), event.gap.to)
            elif kind == "terminated":
                check.ended(event.terminated.termination)
                running.over.wait(CALL_TIMEOUT)
            elif kind != "keepalive":
                work.findings.complain("errors", check.who, f"not for a viewer: {event}")
            if leave_after < 0:
                cancelled = True
                call.cancel()
        return None
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.CANCELLED and cancelled:
            return None
        if error.code() == grpc.StatusCode.OUT_OF_RANGE and wanted is not None:
            return _oldest(error, wanted)
        raise
    finally:
        call.cancel()
        requests.end()


def _oldest(error, wanted):
    info = support.details(error).get("ErrorInfo")
    if info is None or info.reason != "POSITION_NOT_KEPT" or int(info.metadata["oldest_position"]) <= wanted:
        raise error
    return int(info.metadata["oldest_position"])
