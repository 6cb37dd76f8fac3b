"""A session's input, sent and sent again from wherever the node says that it is."""

import time

from support import shell_pb2


class Source:
    """Gives `data` to one stream after the other, within the window, in pieces of random size."""

    def __init__(self, findings, who, data, choice, pause_ms):
        self._findings, self._who, self._data, self._choice = findings, who, data, choice
        self._pause_s = pause_ms / 1000
        # Offsets on the stream that is open: sent on it, allowed on it.
        self._sent = self._limit = self._window = 0
        self._eof_sent = True
        # Over all streams: sent on any, acknowledged by any.
        self._reached = self._acked = 0

    def begin(self, offset, window):
        """A stream begins; the node wants the input from this offset."""
        # What has arrived at the node comes before what the command was given.
        self._check(offset, "goes on at")
        self._sent, self._window, self._limit = offset, window, offset + window
        self._eof_sent = False

    def acknowledged(self, offset):
        self._check(offset, "is acknowledged to")
        self._acked = max(offset, self._acked)
        self._limit = max(offset + self._window, self._limit)

    def push(self, send):
        """Sends what the window has room for, ending with the end."""
        if self._pause_s and not self._eof_sent:
            time.sleep(self._choice.random() * self._pause_s)
        while self._sent < min(self._limit, len(self._data)):
            end = min(self._sent + self._choice.randint(1, 65536), self._limit, len(self._data))
            # The end comes with the last bytes or by itself.
            eof = end == len(self._data) and self._choice.random() < 0.5
            send(input=shell_pb2.Input(offset=self._sent, data=self._data[self._sent:end], eof=eof))
            self._sent, self._eof_sent = end, eof
        self._reached = max(self._reached, self._sent)
        if self._sent == len(self._data) and not self._eof_sent:
            send(input=shell_pb2.Input(offset=self._sent, eof=True))
            self._eof_sent = True

    def _check(self, offset, what):
        if not self._acked <= offset <= self._reached:
            self._findings.complain("errors", self._who, f"the input {what} {offset}; "
                                    f"acknowledged up to {self._acked}, sent up to {self._reached}")
