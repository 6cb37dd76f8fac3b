"""A terminal with a person in front of it: tmux, in which our client runs."""

import os
import pathlib
import shlex
import subprocess
import tempfile

from deadlines import DEADLINE, wait_for


class Tmux:
    """A tmux server of its own with one window, in which a shell runs."""

    def __init__(self, env, columns=80, rows=24):
        self._directory = tempfile.TemporaryDirectory(prefix="nacre-e2e.")
        self._socket = pathlib.Path(self._directory.name) / "s"
        env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **env}
        env.pop("TMUX", None)
        subprocess.run(["tmux", "-S", self._socket, "-f", os.devnull, "new-session", "-d", "-x", str(columns), "-y", str(rows),
                        "env PS1='local> ' bash --norc"], env=env, check=True, timeout=DEADLINE)
        try:
            self.await_text("local>")
        except BaseException:
            self.close()
            raise

    def close(self):
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, timeout=DEADLINE, capture_output=True)
        self._directory.cleanup()

    def _run(self, *words):
        return subprocess.run(["tmux", "-S", self._socket, *words], check=True, capture_output=True, text=True,
                              timeout=DEADLINE).stdout

    def keys(self, *keys):
        """Presses keys by tmux's names."""
        self._run("send-keys", *keys)

    def type(self, text, enter=True):
        self._run("send-keys", "-l", text)
        if enter:
            self.keys("Enter")

    def run(self, *words):
        self.type(shlex.join(map(str, words)))

    def resize(self, columns, rows):
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self):
        return self._run("capture-pane", "-p")

    def await_text(self, text, times=1):
        """Waits until the screen shows it so often."""
        wait_for(lambda: self.screen().count(text) >= times,
                 lambda: f"{text!r} {times} times on the screen:\n{self.screen()}")

    def await_gone(self, text):
        wait_for(lambda: text not in self.screen(), lambda: f"no {text!r} on the screen:\n{self.screen()}")
