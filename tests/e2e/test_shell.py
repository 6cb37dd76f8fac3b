"""nacre exec -t and nacre shell, as a person at a terminal meets them."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import tempfile
import termios
import threading
import unittest

import support
from sessions import SessionTest, kill_front
from support import DEADLINE, session_pb2, shell_pb2, wait_for
from tmux import Tmux

NACRE = str(support.BIN / "nacre")
SIZE = 'stty size'


@unittest.skipUnless(shutil.which("tmux"), "there is no tmux")
class Person(SessionTest):
    def setUp(self):
        super().setUp()
        self.tmux = Tmux({"NACRE_HOST": self.node.target})
        self.addCleanup(self.tmux.close)

    def shell(self, *options):
        """Opens a shell there, with a prompt that tells it from the local one."""
        self.tmux.run(NACRE, "shell", "-e", "HISTFILE=/dev/null", *options)
        # Whatever the login's own files make of the prompt.
        wait_for(lambda: re.search(r"[#$%]$", self.tmux.screen().rstrip()), self.tmux.screen)
        self.tmux.type("PS1='remote''> '; clear")
        self.tmux.await_text("remote>")

    def assert_local_terminal_is_sane(self):
        """It echoes, edits lines, and makes new lines of line feeds."""
        self.tmux.await_text("local>")
        self.tmux.keys("C-l")
        self.tmux.type("stty -a | tr ' ;' '\\n\\n' | grep -c -x -e icanon -e echo -e opost -e isig -e icrnl | sed s/^/modes:/")
        self.tmux.await_text("modes:5")


class Shell(Person):
    def test_what_is_typed_is_run_and_the_terminal_is_as_before(self):
        self.shell()
        self.tmux.type("echo $((6 * 7)) on the node")
        self.tmux.await_text("42 on the node")
        self.tmux.type("exit 3")
        self.tmux.await_text("local>", 1)
        self.assert_local_terminal_is_sane()
        self.tmux.type("echo again")
        self.tmux.await_text("again", 2)

    def test_its_exit_status_is_ours(self):
        self.shell()
        self.tmux.type("exit 3")
        self.tmux.await_text("local>")
        self.tmux.type("echo status:$?")
        self.tmux.await_text("status:3")

    def test_the_size_follows_the_window(self):
        self.shell()
        self.tmux.type(SIZE)
        self.tmux.await_text("24 80")
        self.tmux.resize(100, 30)
        wait_for(lambda: (self.tmux.keys("C-l"), self.tmux.type(SIZE), "30 100" in self.tmux.screen())[-1],
                 lambda: self.tmux.screen())

    def test_control_c_control_z_and_fg_are_the_commands(self):
        self.shell()
        self.tmux.type("sh -c 'echo run''ning; exec sleep 1000'")
        self.tmux.await_text("running")
        self.tmux.keys("C-z")
        self.tmux.await_text("Stopped")
        self.tmux.type("fg")
        self.tmux.await_text("sleep 1000", 3)
        self.tmux.keys("C-c")
        self.tmux.type("echo status:$?")
        self.tmux.await_text("status:130")

    def test_keys_that_are_no_ascii_arrive(self):
        self.shell()
        self.tmux.type("echo 你好 | od -An -tx1")
        self.tmux.await_text("e4 bd a0 e5 a5 bd")

    def test_output_of_the_terminals_own_controls_passes(self):
        self.shell()
        self.tmux.type(r"printf '\033[2J\033[5;10Hhere\n'")
        wait_for(lambda: self.tmux.screen().splitlines()[4][9:13] == "here", self.tmux.screen)


class Escapes(Person):
    def test_tilde_dot_leaves_and_the_local_terminal_is_sane(self):
        self.shell()
        self.tmux.keys("Enter", "~", ".")
        self.tmux.await_text("left session")
        self.assert_local_terminal_is_sane()

    def test_tilde_d_detaches_and_attach_comes_back(self):
        self.shell()
        self.tmux.type("echo before")
        self.tmux.await_text("before", 2)
        self.tmux.keys("Enter", "~", "d")
        self.tmux.await_text("nacre attach -i ")
        session = self.tmux.screen().partition("nacre attach -i ")[2].split()[0]
        self.assert_local_terminal_is_sane()
        self.tmux.keys("C-l")
        self.tmux.run(NACRE, "attach", "-i", session)
        # A key that comes before the terminal is the command's is ours.
        wait_for(lambda: (self.tmux.keys("Enter"), "remote>" in self.tmux.screen())[-1], self.tmux.screen)
        self.tmux.type("echo aft''er")
        self.tmux.await_text("after")
        self.tmux.type("exit 5")
        self.assert_local_terminal_is_sane()

    def test_tilde_question_mark_helps(self):
        self.shell()
        self.tmux.keys("Enter", "~", "?")
        self.tmux.await_text("~d")

    def test_tilde_control_z_suspends_us_and_fg_comes_back(self):
        self.shell()
        self.tmux.keys("Enter", "~", "C-z")
        self.tmux.await_text("Stopped")
        self.assert_local_terminal_is_sane()
        self.tmux.keys("C-l")
        self.tmux.type("fg")
        self.tmux.keys("Enter")
        self.tmux.await_text("remote>")
        self.tmux.type("echo ba''ck")
        self.tmux.await_text("back")

    def test_another_escape_character_or_none_can_be_had(self):
        self.shell("--escape-char", "none")
        self.tmux.keys("Enter")
        self.tmux.await_text("remote>", 2)
        self.tmux.type("~.", enter=False)
        self.tmux.await_text("remote> ~.")
        self.tmux.keys("C-u")
        self.tmux.type("echo still he''re")
        self.tmux.await_text("still here")


class WaysOut(Person):
    def client(self):
        """Our client's process."""
        return wait_for(lambda: [pid for pid, (name, _) in support.children(self.bash()).items() if name == "nacre"],
                        "the client runs")[0]

    def bash(self):
        return int(self.tmux._run("display-message", "-p", "#{pane_pid}"))

    def test_a_signal_that_kills_us_puts_the_terminal_back(self):
        for number in (signal.SIGSEGV, signal.SIGABRT):
            with self.subTest(signal=number):
                self.shell()
                os.kill(self.client(), number)
                self.assert_local_terminal_is_sane()
                self.tmux.keys("C-l")

    def test_the_loss_of_the_front_is_told_and_the_shell_goes_on(self):
        self.shell()
        self.tmux.type("echo before")
        self.tmux.await_text("before", 2)
        kill_front(self.node)
        self.tmux.type("echo aft''er")
        self.tmux.await_text("after")


@unittest.skipUnless(shutil.which("vim"), "there is no vim")
class Programs(Person):
    def vim(self):
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="nacre-e2e."))) / "notes"
        self.tmux.run(NACRE, "exec", "-t", "--", "vim", "-u", "NONE", "-n", path)
        self.tmux.await_text("[New")
        return path

    def test_vim_edits_a_file(self):
        path = self.vim()
        self.tmux.type("ihello from vim", enter=False)
        self.tmux.keys("Escape")
        self.tmux.type(":wq")
        wait_for(lambda: path.exists() and path.read_text() == "hello from vim\n", lambda: f"it is written:\n{self.tmux.screen()}")
        self.assert_local_terminal_is_sane()

    def test_the_screen_is_as_it_was_after_the_front_was_killed_during_vim(self):
        path = self.vim()
        self.tmux.type("ione", enter=False)
        self.tmux.await_text("one")
        kill_front(self.node)
        self.tmux.type(" two", enter=False)
        self.tmux.await_text("one two")
        self.tmux.keys("Escape")
        self.tmux.type(":wq")
        wait_for(lambda: path.exists() and path.read_text() == "one two\n", "it is written")

    def test_less_pages_and_top_shows_processes(self):
        self.tmux.run(NACRE, "exec", "-t", "-e", "LESS=", "-c", "seq 1 1000 | less")
        self.tmux.await_text("22\n")
        self.tmux.keys("G")
        self.tmux.await_text("1000")
        self.tmux.keys("q")
        self.tmux.await_text("local>")
        self.tmux.keys("C-l")
        self.tmux.run(NACRE, "exec", "-t", "--", "top")
        self.tmux.await_text("PID")
        self.tmux.keys("q")
        self.assert_local_terminal_is_sane()

    def test_tmux_runs_inside(self):
        socket = pathlib.Path(self.node.directory) / "inner"
        self.tmux.run(NACRE, "exec", "-t", "--", "tmux", "-S", socket, "-f", os.devnull, "new-session", "-n", "inner",
                      "echo within; sleep 1000")
        self.tmux.await_text("within")
        self.tmux.await_text("[0]")
        self.tmux.keys("C-b", "d")
        self.tmux.await_text("detached")
        self.node.exec("tmux", "-S", str(socket), "kill-server")
        self.assert_local_terminal_is_sane()


class OnAPseudoTerminal(SessionTest):
    """What a person can't do fast enough: our client on a pseudo-terminal whose other side is ours."""

    def client(self, *words):
        """The client with a terminal of its own, as a window gives it one; our side of that."""
        pid, master = pty.fork()
        if pid == 0:
            os.execve(NACRE, [NACRE, *words], {**os.environ, "NACRE_HOST": self.node.target})
        self.addCleanup(self.reap, pid)
        closed = contextlib.ExitStack()
        closed.callback(os.close, master)
        self.addCleanup(closed.close)
        return pid, master, closed

    @staticmethod
    def reap(pid):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    @staticmethod
    def read_until(master, text):
        got = b""
        while text not in got:
            if not select.select([master], [], [], DEADLINE)[0]:
                raise AssertionError(f"{text!r} does not come: {got!r}")
            got += os.read(master, 65536)
        return got

    def test_a_closed_window_is_the_loss_of_us_and_the_policy_decides(self):
        for policy, state in (("keep", session_pb2.SESSION_STATE_RUNNING), ("kill", session_pb2.SESSION_STATE_ENDED)):
            with self.subTest(policy=policy):
                pid, master, window = self.client("exec", "-t", "--on-disconnect", policy, "--tag", f"of={policy}", "-c",
                                                  "trap '' HUP; echo ready; exec sleep 1000")
                self.read_until(master, b"ready")
                window.close()
                status = wait_for(lambda pid=pid: os.waitpid(pid, os.WNOHANG)[1], "the client goes")
                self.assertEqual(os.waitstatus_to_exitcode(status), 128 + signal.SIGHUP)
                wait_for(lambda policy=policy, state=state: [one.state for one in self.calls.ListSessions(
                    shell_pb2.ListSessionsRequest(tags={"of": policy}), timeout=DEADLINE).sessions] == [state], policy)

    def test_sigterm_leaves_a_shell_that_does_not_heed_it_and_puts_the_terminal_back(self):
        pid, master, _ = self.client("shell", "--on-disconnect", "kill", "--tag", "of=term")
        os.write(master, b"echo re''ady\r")
        self.read_until(master, b"ready")
        os.kill(pid, signal.SIGTERM)
        status = wait_for(lambda: os.waitpid(pid, os.WNOHANG)[1], "the client goes")
        self.assertEqual(os.waitstatus_to_exitcode(status), 128 + signal.SIGTERM)
        self.assertTrue(termios.tcgetattr(master)[3] & termios.ICANON)

    def test_the_last_size_of_a_window_is_the_commands(self):
        _, master, _ = self.client("exec", "-t", "-c", "echo ready; read x; stty size")
        self.read_until(master, b"ready")
        for columns in range(20, 220):
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, columns, 0, 0))
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        session = self.calls.ListSessions(shell_pb2.ListSessionsRequest(), timeout=DEADLINE).sessions[-1].id
        leader = self.leader(session)
        wait_for(lambda: self.size(leader) == (33, 77), lambda: str(self.size(leader)))
        os.write(master, b"\r")
        self.read_until(master, b"33 77")

    @staticmethod
    def leader(session):
        return support.processes_with(b"NACRE_SESSION_ID=" + session.encode())[0]

    @staticmethod
    def size(pid):
        with open(f"/proc/{pid}/fd/0", "rb", buffering=0) as terminal:
            return struct.unpack("HHHH", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))[:2]

    def test_a_long_paste_arrives_whole_at_a_slow_reader(self):
        data = bytes(os.urandom(300_000)).replace(b"~", b"-")
        _, master, _ = self.client("exec", "-t", "-c", "stty raw -echo; echo ready; sleep 0.5; head -c 300000 | md5sum")
        self.read_until(master, b"ready")
        wait_for(lambda: not termios.tcgetattr(master)[3] & termios.ICANON, "raw mode")
        writer = threading.Thread(target=lambda: [os.write(master, data[at:at + 1000]) for at in range(0, len(data), 1000)])
        writer.start()
        self.read_until(master, hashlib.md5(data).hexdigest().encode())
        writer.join()
