"""Waiting for a condition, under a deadline that only a hang meets."""

import time

# Long enough that only a hang exceeds it, on a loaded machine and with a sanitizer.
DEADLINE = 30.0
SETTLE_DEADLINE = 15.0


def wait_for(condition, what, deadline=DEADLINE):
    """Returns the first true value of condition(); fails when there is none before the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.01)
