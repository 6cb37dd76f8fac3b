"""Kills the front of a node, or has it replaced, again and again."""

import os
import random
import signal
import threading


# So many of the fronts die while they start.
EARLY = 0.1


class Killer:
    """A thread that kills each front at a random time, `least` to `most` seconds, after it began to serve; a
    share of them makes way for a new one (SIGHUP) instead."""

    def __init__(self, node, seed, least, most, upgrades):
        self._node, self._choice = node, random.Random(seed)
        self._least, self._most, self._share = least, most, upgrades
        self._log, self._partial = open(node.log_path, "rb"), b""
        # Process ids.
        self._started = self._serving = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.kills = self.upgrades = 0

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()
        self._log.close()

    def _run(self):
        front = None
        while not self._stop.is_set():
            before, front = front, self._node.front_pid()
            if front in (None, before):
                front = before
                self._stop.wait(0.002)
                continue
            try:
                pidfd = os.pidfd_open(front)  # its number may soon be another process's
            except ProcessLookupError:
                continue
            try:
                self._kill(front, pidfd)
            finally:
                os.close(pidfd)

    def _kill(self, front, pidfd):
        upgrade = False
        if self._choice.random() < EARLY:
            wait = self._choice.uniform(0, self._least)
        else:
            while not self._serves(front) and self._node.front_pid() == front and not self._stop.wait(0.002):
                pass
            wait = self._choice.uniform(self._least, self._most)
            upgrade = self._choice.random() < self._share
        if self._stop.wait(wait):
            return
        if upgrade:
            self._node.process.send_signal(signal.SIGHUP)
            self.upgrades += 1
            return
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return  # it died by itself; the node's log says how
        self.kills += 1

    def _serves(self, front):
        """Whether the log says so of this front; its lines are read once."""
        *lines, self._partial = (self._partial + self._log.read()).split(b"\n")
        for line in lines:
            if line.endswith(b"front serves"):
                self._serving = self._started
            elif b"front started, pid" in line:
                self._started = int(line.split()[-1])
        return self._serving == front
