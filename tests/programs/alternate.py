#!/usr/bin/python3 -I
"""Usage: alternate.py BYTES TURNS

Writes BYTES bytes to standard output, then, TURNS times, "o" to standard output and "e" to standard error,
each only after its reader has emptied both pipes: no two of them can be read together.
"""

import array
import fcntl
import os
import sys
import termios


def put(fd, data):
    while data:
        data = data[os.write(fd, data):]
    unread = array.array("i", [1])
    for stream in (1, 2):
        while True:
            fcntl.ioctl(stream, termios.FIONREAD, unread)
            if unread[0] == 0:
                break
            os.sched_yield()


put(1, b"x" * int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    put(1, b"o")
    put(2, b"e")
