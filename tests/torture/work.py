"""What all jobs share: who calls, which sessions run, and how a start is made."""

import dataclasses
import math
import pathlib
import threading

from support import command_pb2

from .caller import Caller
from .findings import Findings

NUMBERED_LINES = str(pathlib.Path(__file__).resolve().parents[1] / "programs/numbered_lines.py")
KIB = 1024
MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the work is."""

    least_output: int = 100 * KIB
    most_output: int = 20 * MIB
    most_input: int = 8 * MIB
    # How long a session pauses in all, at most: so that it meets some deaths of the front.
    most_pause_ms: int = 2000


class Running:
    """A session that viewers may look at."""

    def __init__(self, session_id, check):
        self.session_id, self.check = session_id, check
        self.termination = None
        # Its driver is done with it, and has verified what it got; or forgets it.
        self.over = threading.Event()
        self.deleted = False


class Registry:
    """The sessions that run; any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running = []

    def add(self, running):
        with self._lock:
            self._running.append(running)

    def remove(self, running):
        with self._lock:
            self._running.remove(running)

    def pick(self, choice):
        with self._lock:
            return choice.choice(self._running) if self._running else None


@dataclasses.dataclass
class Work:
    """One worker's surroundings; one thread's, but for what the parts say."""

    caller: Caller
    findings: Findings
    registry: Registry
    sizes: Sizes
    # Every run of a command leaves its token here, as a line.
    token_file: str
    stopping: threading.Event


def log_uniform(choice, least, most):
    return int(math.exp(choice.uniform(math.log(least), math.log(most))))


def start(choice, token, argv, **fields):
    """A Start under the token as its request_id, with policies that must make no difference here."""
    policies = command_pb2.StartPolicies(
        on_disconnect=choice.choice((command_pb2.ON_DISCONNECT_UNSPECIFIED, command_pb2.ON_DISCONNECT_KEEP)),
        overflow=choice.choice((command_pb2.OVERFLOW_POLICY_UNSPECIFIED, command_pb2.OVERFLOW_POLICY_BLOCK)),
        retention_bytes=choice.choice((0, 300 * KIB, MIB)), disconnect_grace={"seconds": 120})
    if choice.random() < 0.7:
        # Beyond all patience with a dead front, but less than all would pile up in a long run.
        policies.retention.seconds = 90
    return command_pb2.Start(
        command=command_pb2.Command(argv=argv, **fields), policies=policies, tags={"torture": token.split("-")[1]},
        request_id=token, will_ack=True)


def numbered_lines(choice, work, token, sizes, status):
    """argv of the program; `sizes` by stream."""
    return [NUMBERED_LINES, token, str(sizes[1]), str(sizes[2]),
            str(choice.randint(0, work.sizes.most_pause_ms)), str(status), work.token_file]
