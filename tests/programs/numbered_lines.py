#!/usr/bin/python3 -IS
"""Usage: numbered_lines.py TOKEN STDOUT_BYTES STDERR_BYTES PAUSE_MS STATUS [FILE]

Writes that many bytes of numbered lines to each stream, in turns and pieces of random size, pausing PAUSE_MS
milliseconds in all, and exits with STATUS. First appends TOKEN as a line to FILE: one line for each run.
What the streams hold depends on TOKEN alone; tests/torture/lines.py says how.
"""

import os
import random
import sys
import time
import zlib

LINE = 251
LARGEST = 48 * 1024
MEAN = (100 + 4096 + LARGEST) // 6  # of a turn's bytes


def line(token, stream, number):
    head = b"%010d %d %s " % (number, stream, token)
    body = (b"%s" % token * LINE)[number % 7:][:LINE - len(head) - 10]
    return head + body + b" %08x\n" % zlib.crc32(head + body)


def lines(token, stream, size):
    """The stream in pieces of some lines."""
    number = 0
    while size > 0:
        piece = b"".join(line(token, stream, number + i) for i in range(200))[:size]
        number += 200
        size -= len(piece)
        yield piece


class Stream:
    def __init__(self, token, fd, size):
        self.fd, self.left = fd, size
        self._source = lines(token, fd, size)
        self._ready = b""

    def write(self, count):
        count = min(count, self.left)
        self.left -= count
        while len(self._ready) < count:
            self._ready += next(self._source)
        piece, self._ready = self._ready[:count], self._ready[count:]
        while piece:
            piece = piece[os.write(self.fd, piece):]


def main(token, stdout_bytes, stderr_bytes, pause_ms, status, file=None):
    if file:
        fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, token.encode() + b"\n")
        os.close(fd)
    choice = random.Random(token)
    streams = [Stream(token.encode(), 1, int(stdout_bytes)), Stream(token.encode(), 2, int(stderr_bytes))]
    pauses = 1 + (int(stdout_bytes) + int(stderr_bytes)) // (2 * MEAN)
    while streams := [one for one in streams if one.left]:
        choice.choice(streams).write(choice.randint(1, choice.choice((100, 4096, LARGEST))))
        if choice.random() < 0.5:
            time.sleep(choice.random() * 2 * int(pause_ms) / 1000 / pauses)
    sys.exit(int(status))


main(*sys.argv[1:])
