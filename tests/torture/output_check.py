"""Verifies a session's output: each byte once, in its place, whatever streams brought it."""

import bisect
import copy
import threading

import xxhash


class Fixed:
    """Output that is known as a whole; the twin of lines.Content. `wrong`: what other bytes count as."""

    def __init__(self, data, wrong="errors"):
        self._data, self.wrong = data, wrong

    def at(self, offset, size):
        return self._data[offset:offset + size]

    def locate(self, data):
        found = self._data.find(data)
        return found if found >= 0 else None

    def describe(self, data):
        return f"{data[:200]!r}"


class PositionIndex:
    """Which stream wrote the bytes at which position of the log, and where in that stream they stand.

    Its driver adds, viewers look up; from any thread.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._positions, self._places = [], []
        self.end = 0

    def add(self, position, stream, offset, size):
        with self._lock:
            if self._places and position == self.end:
                before, place = self._places[-1]
                if before == stream and place + position - self._positions[-1] == offset:
                    self.end += size
                    return
            self._positions.append(position)
            self._places.append((stream, offset))
            self.end = position + size

    def find(self, position, stream, size):
        """Offset in the stream of the bytes there; None if not all of them are of this stream and known."""
        with self._lock:
            i = bisect.bisect_right(self._positions, position) - 1
            if i < 0:
                return None
            end = self._positions[i + 1] if i + 1 < len(self._positions) else self.end
            if self._places[i][0] != stream or position + size > end:
                return None
            return self._places[i][1] + position - self._positions[i]


class OutputCheck:
    """One session's output as its driver takes it; findings go to `findings` under the name `who`.

    `contents` and `sizes` say by stream what must come. Streams may break and come back: begin() is called for
    each, take() for each Output, end() for the termination.
    """

    def __init__(self, findings, who, contents, sizes):
        self._findings, self.who = findings, who
        self.contents, self._sizes = contents, sizes
        self._offsets = dict.fromkeys(contents, 0)
        self._hashes = {stream: xxhash.xxh3_128() for stream in contents}
        self._next = 0
        self.index = PositionIndex()
        # Position after the last byte taken.
        self.position = 0

    def begin(self, position, wanted):
        """A stream begins at `position`; exactly at `wanted` where that is not None."""
        if wanted is not None and position != wanted:
            self._complain("errors", f"asked for position {wanted}, got {position}")
        if position > self.position:
            self._lose(self.position, position)
        self._next = position

    def take(self, stream, position, data):
        if not data:
            self._complain("errors", f"empty output at {position}")
        if position != self._next:
            if position > self._next:
                self._lose(self._next, position)
            else:
                self._complain("doubled", f"position {position} after {self._next}", self._next - position)
        self._next = position + len(data)
        if stream not in self.contents:
            self._complain("errors", f"output of stream {stream} at {position}: {data[:64]!r}")
            return
        known = min(max(self.position - position, 0), len(data))
        if known:
            self._compare_known(stream, position, data[:known])
        if known < len(data):
            self._take_new(stream, position + known, data[known:])

    def end(self, termination, status):
        """The session is over and has said so; `status` is what its command was to exit with."""
        if termination.WhichOneof("result") != "exit_code" or termination.exit_code != status:
            self._complain("wrong_statuses", f"not exit status {status}: {termination}")
        elif termination.cause != 1:
            self._complain("wrong_statuses", f"not CAUSE_EXITED: {termination}")
        if not termination.output_complete or termination.output_held_open:
            self._complain("errors", f"the output is not complete: {termination}")
        summaries = {one.stream: one for one in termination.streams}
        if set(summaries) != {1, 2}:
            self._complain("errors", f"summaries of other streams: {termination}")
        for stream, offset in self._offsets.items():
            summary = summaries.get(stream)
            if summary is not None and summary.bytes != offset:
                self._complain("lost" if summary.bytes > offset else "doubled",
                               f"stream {stream}: {summary.bytes} bytes were written, {offset} came",
                               abs(summary.bytes - offset))
            elif summary is not None and summary.xxh3_128 != self._hashes[stream].digest():
                self._complain("wrong_sums", f"stream {stream}: XXH3-128 of what came differs: {termination}")
            if offset != self._sizes[stream]:
                self._complain("lost" if offset < self._sizes[stream] else "doubled",
                               f"stream {stream}: the command wrote {self._sizes[stream]} bytes, {offset} came",
                               abs(offset - self._sizes[stream]))

    def _take_new(self, stream, position, data):
        content, offset = self.contents[stream], self._offsets[stream]
        if content.at(offset, len(data)) != data:
            place = content.locate(data)
            if place is None:
                what = content.describe(data)
                self._complain(content.wrong, f"position {position}, stream {stream} offset {offset} brings {what}")
            else:
                self._complain("lost" if place > offset else "doubled",
                               f"stream {stream} goes on at offset {place} instead of {offset}", abs(place - offset))
                offset = place
        self._hashes[stream].update(data)
        self.index.add(position, stream, offset, len(data))
        self._offsets[stream] = offset + len(data)
        self.position = position + len(data)
        self._findings.count(bytes_out=len(data))

    def _compare_known(self, stream, position, data):
        """Bytes that come once more because their ack had not arrived, or as a doubled piece."""
        offset = self.index.find(position, stream, len(data))
        if offset is None:
            self._complain("errors", f"{len(data)} bytes of stream {stream} at {position} are not those that came before")
        elif self.contents[stream].at(offset, len(data)) != data:
            self._complain("errors", f"bytes at {position} differ from the first time: "
                                     f"{self.contents[stream].describe(data)}")

    def _lose(self, start, end):
        self._complain("lost", f"positions {start} to {end} never came", end - start)
        self.position = max(self.position, end)

    def _complain(self, kind, what, number=1):
        self._findings.complain(kind, self.who, what, number)


class ViewCheck:
    """What a viewer saw of a session, against what its driver took: by position, so gaps and drops don't matter.

    A viewer may be ahead of the driver: what can't be compared yet is remembered by its hash.
    """

    def __init__(self, findings, who, driver):
        self._findings, self.who, self._driver = findings, who, driver
        # Of its own: a Content remembers where it was read last.
        self._contents = {stream: copy.copy(content) for stream, content in driver.contents.items()}
        self._later = []
        self._next = None
        self._termination = None

    def begin(self, position, wanted):
        if wanted is not None and position != wanted:
            self._complain(f"asked for position {wanted}, got {position}")
        self._next = position

    def gap(self, start, end):
        if start != self._next or end <= start:
            self._complain(f"gap from {start} to {end} at {self._next}")
        self._next = end

    def take(self, stream, position, data):
        if position != self._next:
            self._complain(f"position {position} after {self._next} without a gap")
        self._next = position + len(data)
        self._findings.count(viewed=len(data))
        if position + len(data) <= self._driver.index.end:
            self._compare(stream, position, len(data), xxhash.xxh3_64_digest(data))
        else:
            self._later.append((stream, position, len(data), xxhash.xxh3_64_digest(data)))

    def ended(self, termination):
        if self._termination not in (None, termination):
            self._complain(f"ended twice: {self._termination} and then {termination}")
        self._termination = termination

    def finish(self, termination):
        """The driver is done; `termination` is what it got."""
        if self._termination is not None and termination is not None and self._termination != termination:
            self._complain(f"ended otherwise than for its driver: {self._termination} instead of {termination}")
        for seen in self._later:
            self._compare(*seen)
        self._later = []

    def _compare(self, stream, position, size, digest):
        offset = self._driver.index.find(position, stream, size)
        content = self._contents.get(stream)
        if offset is None or xxhash.xxh3_64_digest(content.at(offset, size)) != digest:
            self._complain(f"{size} bytes of stream {stream} at {position} are not those that the driver got")

    def _complain(self, what):
        self._findings.complain("errors", self.who, what)
