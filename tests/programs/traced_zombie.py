#!/usr/bin/python3
"""Exits while a child of its own traces it, so that its parent can't reap it. Prints the child's pid, then "traced"."""

import ctypes
import os
import time

PTRACE_SEIZE = 0x4206

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
leader = os.getpid()
reader, writer = os.pipe()
tracer = os.fork()
if tracer == 0:
    os.setsid()
    for fd in (0, 1, 2):
        os.close(fd)
    os.write(writer, b"%d" % libc.ptrace(PTRACE_SEIZE, leader, None, None))
    time.sleep(1000)
    os._exit(0)
print(tracer, flush=True)
if os.read(reader, 10) == b"0":
    print("traced", flush=True)
