"""Sessions that nobody follows: started, perhaps twice, waited for, and read once they are over."""

import grpc

from support import session_pb2, shell_pb2

from .caller import CALL_TIMEOUT, Backoff, is_unavailable
from .lines import Content
from .output_check import OutputCheck
from .work import KIB, log_uniform, numbered_lines, start

# What is kept of each stream at least.
MOST_OUTPUT = 256 * KIB


def run(work, token, choice):
    sizes = {one: log_uniform(choice, 1, MOST_OUTPUT) for one in (1, 2)}
    status = choice.randint(0, 255)
    request = shell_pb2.StartSessionRequest(start=start(choice, token, numbered_lines(choice, work, token, sizes, status)))
    request.start.ClearField("will_ack")
    session_id = _start(work, token, request, twice=choice.random() < 0.5)
    termination = _wait(work, token, session_id, choice)
    check = OutputCheck(work.findings, token, {one: Content(token, one) for one in sizes}, sizes)
    check.end(_read(work, token, session_id, check), status)
    if termination is not None:
        check.end(termination, status)
    work.findings.count(commands=1)
    if choice.random() < 0.5:
        _delete(work, token, session_id)


def _start(work, token, request, twice):
    answer, repeated = work.caller.call("StartSession", request)
    if answer.already_started and not repeated:
        work.findings.complain("errors", token, f"already started at the first try: {answer}")
    work.findings.count(restarts=int(answer.already_started))
    if twice:
        again, _ = work.caller.call("StartSession", request)
        work.findings.count(restarts=1)
        if not again.already_started or again.session.id != answer.session.id:
            work.findings.complain("double_starts", token, f"{answer} and then {again}")
    return answer.session.id


def _wait(work, token, session_id, choice):
    request = shell_pb2.WaitSessionRequest(session_id=session_id)
    if choice.random() < 0.5:
        request.timeout.FromMilliseconds(choice.randint(1, 2000))
    backoff = Backoff()
    while True:
        session = work.caller.call("WaitSession", request)[0].session
        if session.id != session_id:
            work.findings.complain("errors", token, f"waited for {session_id}, got {session}")
        if session.state == session_pb2.SESSION_STATE_ENDED:
            return session.termination
        if not request.HasField("timeout"):
            work.findings.complain("errors", token, f"it still runs after the wait: {session}")
            return None
        backoff.pause("it still runs")


def _read(work, token, session_id, check):
    """Reads an ended session's output from 0; its Termination."""
    backoff = Backoff()
    while True:
        request = shell_pb2.StreamOutputRequest(session_id=session_id, position=check.position)
        termination = None
        call = work.caller.stub.StreamOutput(request, timeout=CALL_TIMEOUT)
        try:
            for event in (event for response in call for event in response.events):
                kind = event.WhichOneof("event")
                if termination is not None:
                    work.findings.complain("errors", token, f"after the termination: {event}")
                elif kind == "attached":
                    check.begin(event.attached.next_position, check.position)
                elif kind == "output":
                    check.take(event.output.stream, event.output.position, event.output.data)
                elif kind == "terminated":
                    termination = event.terminated.termination
                elif kind == "gap":
                    gap = event.gap
                    work.findings.complain("lost", token, f"gap in what is kept: {gap}", gap.to - getattr(gap, "from"))
                else:
                    work.findings.complain("errors", token, f"not for this stream: {event}")
            if termination is None:
                work.findings.complain("errors", token, "StreamOutput ended with OK and without its termination")
            return termination
        except grpc.RpcError as error:
            if not is_unavailable(error):
                raise
            work.findings.count(retries=1)
            backoff.pause(error)


def _delete(work, token, session_id):
    work.caller.delete(session_id)
    try:
        answer = work.caller.call("GetSession", shell_pb2.GetSessionRequest(session_id=session_id))
        work.findings.complain("errors", token, f"deleted, but there is {answer}")
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
