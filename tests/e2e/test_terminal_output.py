"""What a terminal gets of the output of commands that have none."""

import os
import pty
import tty
import unittest

from support import DEADLINE, NodeTest

CLIPBOARD = b"a\x1b]52;c;aGk=\x07\n"
SHOWN = b"a^[]52;c;aGk=^G\n"
WRITE = ("printf", r"a\033]52;c;aGk=\007\n")


class TerminalOutput(NodeTest):
    def on_terminal(self, *args, **options):
        """Runs the client with its output on a pseudo-terminal; its status and what that was given."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        tty.setraw(slave)
        process = self.node.popen(*args, **{"stdout": slave, "stderr": slave, **options})
        os.close(slave)
        got = b""
        with process:
            try:
                while piece := os.read(master, 65536):
                    got += piece
            except OSError:  # EIO: nobody has the terminal any more
                pass
            return process.wait(DEADLINE), got

    def started(self, *words):
        session = self.node.nacre("start", "--", *words).stdout.decode().strip()
        self.assert_ends(self.node.nacre("wait", session), 0)
        return session

    def test_what_would_write_the_clipboard_is_shown_on_a_terminal(self):
        self.assertEqual(self.on_terminal("exec", *WRITE), (0, SHOWN))
        self.assertEqual(self.on_terminal("exec", "sh", "-c", 'exec "$@" >&2', "sh", *WRITE), (0, SHOWN))

    def test_it_is_let_through_to_pipes_and_files(self):
        self.assert_ends(self.node.exec(*WRITE), 0, CLIPBOARD, b"")
        path = self.node.directory / "out"
        with open(path, "wb") as file:
            self.assert_ends(self.node.exec(*WRITE, stdout=file), 0)
        self.assertEqual(path.read_bytes(), CLIPBOARD)

    def test_each_stream_is_judged_by_itself(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        tty.setraw(slave)
        both = ("sh", "-c", '"$@"; "$@" >&2', "sh", *WRITE)
        result = self.node.nacre("exec", *both, stderr=slave)
        os.close(slave)
        self.assert_ends(result, 0, CLIPBOARD)
        self.assertEqual(os.read(master, 65536), SHOWN)

    def test_raw_lets_it_through(self):
        session = self.started(*WRITE)
        for verb in (["exec", "--raw", *WRITE], ["attach", "--raw", "--from", "0", session], ["logs", "--raw", session]):
            self.assertEqual(self.on_terminal(*verb), (0, CLIPBOARD), verb)

    def test_logs_and_attach_show_it_too(self):
        session = self.started(*WRITE)
        for verb in (["attach", "--from", "0", session], ["logs", session], ["logs", "--tail", "1", session]):
            self.assertEqual(self.on_terminal(*verb), (0, SHOWN), verb)

    def test_colours_and_text_pass_whatever_pieces_they_come_in(self):
        line = r'for i in "\033" "[3" "1m" "\344" "\270\255" "\033[0m\n"; do printf "$i"; sleep 0.01; done'
        self.assertEqual(self.on_terminal("exec", "sh", "-c", line), (0, "\x1b[31m中\x1b[0m\n".encode()))

    def test_what_is_unfinished_at_the_end_is_shown_before_what_is_said_of_the_end(self):
        status, got = self.on_terminal("exec", "-v", "printf", r"a\033[3")
        self.assertEqual(status, 0)
        self.assertTrue(got.startswith(b"a^[[3nacre: session "), got)


if __name__ == "__main__":
    unittest.main()
