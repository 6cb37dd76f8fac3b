#!/usr/bin/python3 -I
"""Usage: take_signals.py [EXIT_AFTER]

Prints "ready", then the number of each signal it gets, one a line; ends with status 5 after EXIT_AFTER
of them. It blocks signals and waits for them, so that none can come at a bad moment.
"""

import signal
import sys

signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
left = int(sys.argv[1]) if len(sys.argv) > 1 else -1
print("ready", flush=True)
while left != 0:
    print(int(signal.sigwait(signals)), flush=True)
    left -= 1
sys.exit(5)
