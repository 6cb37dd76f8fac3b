#!/usr/bin/python3 -IS
"""Usage: leave.py [group] [session] [clear] [stubborn] [hop] [burn]

Leaves a process behind as a daemon does, by two forks. It says "left PID" and stays.
group: in a process group of its own; session: in a session of its own; clear: with an empty environment;
stubborn: SIGTERM is ignored; burn: it uses a CPU; hop: it keeps the output open, and lives on in a child
of its own again and again, each in a new group or session if that was asked for.
"""

import os
import signal
import sys
import time

WORDS = sys.argv[1:]


def move():
    if "session" in WORDS:
        os.setsid()
    elif "group" in WORDS:
        os.setpgid(0, 0)


if "here" not in WORDS:
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        sys.exit()
    move()
    if os.fork():
        os._exit(0)
    if "stubborn" in WORDS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    environment = {} if "clear" in WORDS else os.environ
    os.execve(sys.executable, [sys.executable, "-IS", __file__, *WORDS, "here"], environment)

os.write(1, b"left %d\n" % os.getpid())
while "hop" in WORDS:
    if os.fork():
        os._exit(0)
    move()
null = os.open("/dev/null", os.O_RDWR)
for fd in range(3):
    os.dup2(null, fd)
while "burn" in WORDS:
    pass
while True:
    time.sleep(1000)
