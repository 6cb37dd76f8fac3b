"""What the torture has seen: counts, and in words whatever was wrong."""

import dataclasses
import threading

# Of one report.
MAX_TOLD = 40


@dataclasses.dataclass
class Counts:
    commands: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    # Streams opened on a session that existed, by its driver or by a viewer.
    reattaches: int = 0
    viewed: int = 0
    # Calls repeated because the front was away.
    retries: int = 0
    # Starts repeated that found their session running or over.
    restarts: int = 0
    lost: int = 0
    doubled: int = 0
    wrong_statuses: int = 0
    double_starts: int = 0
    wrong_sums: int = 0
    errors: int = 0

    WRONG = ("lost", "doubled", "wrong_statuses", "double_starts", "wrong_sums", "errors")

    def add(self, other):
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def wrong(self):
        return sum(getattr(self, name) for name in self.WRONG)


class Findings:
    """Counts and complaints of many threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counts = Counts()
        self._told = []

    def count(self, **more):
        with self._lock:
            for name, number in more.items():
                setattr(self._counts, name, getattr(self._counts, name) + number)

    def complain(self, kind, who, what, number=1):
        """Something is wrong: `kind` is one of Counts.WRONG, by `number`."""
        self.count(**{kind: number})
        with self._lock:
            if len(self._told) < MAX_TOLD:
                self._told.append(f"{kind}: {who}: {what}")

    def take(self):
        """(counts, complaints) since the last time."""
        with self._lock:
            taken = self._counts, self._told
            self._counts, self._told = Counts(), []
            return taken
