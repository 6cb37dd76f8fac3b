"""Kills the front of a node, again and again."""

import os
import random
import signal
import threading
import time


class Killer:
    """A thread that kills each front at a random age between `least` and `most` seconds."""

    def __init__(self, node, seed, least, most):
        self._node, self._choice = node, random.Random(seed)
        self._least, self._most = least, most
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.kills = 0

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def _run(self):
        killed = None
        while not self._stop.is_set():
            front = self._node.front_pid()
            if front in (None, killed):
                time.sleep(0.002)
                continue
            if self._stop.wait(self._choice.uniform(self._least, self._most)):
                return
            try:
                os.kill(front, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it died by itself; the node's log says how
            killed = front
            self.kills += 1
