"""What tests/programs/numbered_lines.py writes, told by the token and the place alone.

A line is 251 bytes, so that lines, pieces and rings never align:

    NUMBER(10) " " STREAM(1) " " TOKEN " " FILLER " " CRC32(8, of all before it but its space) "\\n"
"""

import re
import zlib

LINE = 251
_HEAD = re.compile(rb"(\d{10}) ([12]) (\S+) ")


class Content:
    """The bytes of one stream of one run."""

    # What other bytes in their place count as.
    wrong = "errors"

    def __init__(self, token, stream):
        self._token, self._stream = token.encode(), stream
        self._filler = self._token * LINE
        self._room = LINE - len(self._line_head(0)) - len(" 01234567\n")
        # The block of lines made last: readers go forwards.
        self._first, self._block = 0, b""

    def _line_head(self, number):
        return b"%010d %d %s " % (number, self._stream, self._token)

    def _line(self, number):
        start = number % 7
        text = self._line_head(number) + self._filler[start:start + self._room]
        return text + b" %08x\n" % zlib.crc32(text)

    def at(self, offset, size):
        """The bytes from this offset of the stream."""
        end = offset + size
        if not (self._first <= offset and end <= self._first + len(self._block)):
            first, last = offset // LINE, -(-end // LINE) + 64
            self._first, self._block = first * LINE, b"".join(map(self._line, range(first, last)))
        return self._block[offset - self._first:end - self._first]

    def locate(self, data):
        """The offset at which these bytes stand, told by the first number in them; None when they hold none."""
        for head in _HEAD.finditer(data):
            if (head[3], int(head[2])) == (self._token, self._stream):
                offset = int(head[1]) * LINE - head.start()
                if offset >= 0 and self.at(offset, len(data)) == data:
                    return offset
        return None

    def describe(self, data):
        """What bytes are that do not belong where they came, for people."""
        heads = [(head[3].decode(errors="replace"), int(head[2]), int(head[1])) for head in _HEAD.finditer(data)]
        return f"{len(data)} bytes, lines (token, stream, number) {heads[:2]}…{heads[-1:]}, begin {data[:64]!r}"
