"""Commands with a terminal, and what else a program can ask of a session: sizes, output limits, keepalives."""

import hashlib
import os
import pathlib
import pwd
import re
import signal
import tempfile

import grpc

from sessions import QUICK_LADDER, STREAM, SessionTest
from support import (DEADLINE, Attach, Exec, StreamOutput, alive, command, command_pb2, descriptors, details, session_pb2, shell,
                     shell_pb2, wait_for)

TERMINAL = command_pb2.Terminal(term="xterm-256color", rows=24, columns=80)


def line(text, **fields):
    """A Start of sh -c with a terminal."""
    fields.setdefault("terminal", TERMINAL)
    return shell(text, **fields)


# read, poll, select, pselect6, ppoll (x86-64).
WAITING_CALLS = {"0", "7", "23", "270", "271"}


def waits_for_a_key(pid):
    return pathlib.Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").split()[0] in WAITING_CALLS


class TerminalTest(SessionTest):
    def output(self, start):
        call = Exec(self.calls, start).follow()
        self.assertEqual(bytes(call.stderr), b"")
        return bytes(call.stdout).replace(b"\r\n", b"\n")

    def interactive(self, text, **fields):
        return Exec(self.calls, line(text, input=STREAM, **fields))

    @staticmethod
    def type(call, data, eof=False):
        call.send(input=shell_pb2.Input(data=data, eof=eof))


class Getting(TerminalTest):
    def test_it_is_its_standard_streams_and_its_controlling_terminal(self):
        out = self.output(line("tty; tty </dev/tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all")).split()
        self.assertRegex(out[0], rb"^/dev/pts/\d+$")
        self.assertEqual(out[1:], [b"/dev/tty", b"all"])

    def test_each_has_one_of_its_own(self):
        first = self.interactive("tty; read x")
        first.await_output(b"\n")
        second = self.output(line("tty"))
        self.assertNotEqual(bytes(first.stdout).strip(), second.strip())
        self.type(first, b"\n")
        first.follow()

    def test_it_has_the_size_and_the_name_that_were_asked_for(self):
        self.assertEqual(self.output(line("stty size; echo $TERM")), b"24 80\nxterm-256color\n")

    def test_without_a_name_TERM_is_not_set(self):
        self.assertEqual(self.output(line("echo ${TERM-none}", terminal=command_pb2.Terminal())), b"none\n")

    def test_a_caller_may_set_TERM_as_well(self):
        self.assertEqual(self.output(line("echo $TERM", env={"TERM": "dumb"})), b"dumb\n")

    def test_it_belongs_to_the_commands_user_and_only_that_user_reads_it(self):
        out = self.output(line("stat -Lc '%U %a' /proc/self/fd/0")).decode().split()
        self.assertEqual(out, [pwd.getpwuid(os.getuid()).pw_name, "620"])

    def test_erasing_takes_whole_characters(self):
        self.assertIn(b" iutf8", self.output(line("stty -a")))

    def test_both_outputs_are_one_stream_in_order(self):
        self.assertEqual(self.output(line("echo 1; echo 2 >&2; echo 3")), b"1\n2\n3\n")

    def test_nothing_of_it_is_left(self):
        self.output(line("true"))
        before = len(descriptors(self.node.pid))
        for _ in range(50):
            self.output(line("true"))
        wait_for(lambda: len(descriptors(self.node.pid)) <= before, "no descriptor more than before")

    def test_it_is_refused_with_more_cells_than_there_can_be(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.start(line("true", terminal=command_pb2.Terminal(rows=65536)))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(details(caught.exception)["BadRequest"].field_violations[0].field, "command.terminal")


class Typing(TerminalTest):
    def test_what_is_typed_is_read_and_echoed(self):
        call = self.interactive("read x; echo got $x")
        self.type(call, b"hello\n")
        call.follow()
        self.assertEqual(bytes(call.stdout), b"hello\r\ngot hello\r\n")

    def test_an_end_of_input_is_typed_as_the_end_of_file(self):
        for text, want in ((b"one\n", b"one\n"), (b"unfinished", b"unfinished"), (b"", b"")):
            with self.subTest(text=text):
                call = self.interactive("stty -echo; echo ready; cat; echo done")
                call.await_output(b"ready\r\n")
                self.type(call, text, eof=True)
                call.follow()
                self.assertEqual(bytes(call.stdout).replace(b"\r\n", b"\n"), b"ready\n" + want + b"done\n")

    def test_without_input_it_reads_end_of_file(self):
        self.assertEqual(self.output(line("cat; echo done"))[-5:], b"done\n")

    def test_control_c_interrupts_what_runs_in_the_foreground(self):
        call = self.interactive("echo ready; exec sleep 1000")
        call.await_output(b"ready\r\n")
        self.type(call, b"\x03")
        end = call.follow().termination
        self.assertEqual((end.cause, end.signal.number), (session_pb2.CAUSE_SIGNALED, signal.SIGINT))

    def test_a_megabyte_in_raw_mode_arrives_whole_at_a_slow_reader(self):
        data = os.urandom(1 << 20)
        call = self.interactive("stty raw -echo; echo ready; head -c 1048576 | { sleep 0.2; md5sum; }")
        call.await_output(b"ready")
        for at in range(0, len(data), 65536):
            self.type(call, data[at:at + 65536])
        call.follow()
        self.assertIn(hashlib.md5(data).hexdigest().encode(), bytes(call.stdout))

    def test_what_it_wrote_last_is_never_lost(self):
        for _ in range(20):
            out = self.output(line("stty -opost; head -c 100000 /dev/zero | tr '\\0' x; echo end"))
            self.assertEqual(out, b"x" * 100000 + b"end\n")

    def test_a_program_may_close_its_terminal_and_open_it_again(self):
        self.assertEqual(self.output(line("exec <&- >&- 2>&-; sleep 0.2; echo back >/dev/tty")), b"back\n")


class Sizes(TerminalTest):
    def resizing(self):
        call = self.interactive("trap 'stty size' WINCH; echo ready; while :; do read x && break; done")
        call.await_output(b"ready\r\n")
        return call

    def test_a_new_size_is_signaled(self):
        call = self.resizing()
        call.send(resize=shell_pb2.Resize(rows=50, columns=132))
        call.await_output(b"50 132\r\n")
        self.type(call, b"\n")
        call.follow()

    def test_the_last_of_many_sizes_is_the_one_that_stays(self):
        call = self.resizing()
        for columns in range(20, 120):
            call.send(resize=shell_pb2.Resize(rows=10, columns=columns))
        call.await_output(b"10 119\r\n")
        self.assertLess(bytes(call.stdout).count(b"10 "), 50)
        self.type(call, b"\n")
        call.follow()

    def test_a_call_without_a_stream_does_it_too(self):
        call = self.resizing()
        self.calls.ResizeTerminal(shell_pb2.ResizeTerminalRequest(
            session_id=call.session.id, size=shell_pb2.Resize(rows=5, columns=6)), timeout=DEADLINE)
        call.await_output(b"5 6\r\n")
        self.type(call, b"\n")
        call.follow()

    def test_a_session_without_a_terminal_has_no_size(self):
        call = Exec(self.calls, command("sleep", "1000"))
        call.await_event("started")
        with self.assertRaises(grpc.RpcError) as caught:
            self.calls.ResizeTerminal(shell_pb2.ResizeTerminalRequest(
                session_id=call.session.id, size=shell_pb2.Resize(rows=5, columns=6)), timeout=DEADLINE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        call.send(resize=shell_pb2.Resize(rows=1, columns=1))
        self.assertEqual(call.error().code(), grpc.StatusCode.INVALID_ARGUMENT)


class Ends(TerminalTest):
    def test_the_end_hangs_up(self):
        with tempfile.TemporaryDirectory(prefix="nacre-e2e.") as directory:
            told = pathlib.Path(directory) / "told"
            call = self.interactive(
                f"sh -c 'trap \"touch {told}; exit\" HUP; echo $$; while :; do sleep 0.05; done' & sleep 0.2; read x")
            call.await_output(b"\n")
            pid = int(bytes(call.stdout).split()[0])
            self.addCleanup(lambda: alive(pid) and os.kill(pid, signal.SIGKILL))
            self.type(call, b"\n")
            call.follow()
            wait_for(told.exists, "the background job is told")

    def test_an_interactive_shell_that_ignores_SIGTERM_is_ended_without_waiting(self):
        call = Exec(self.calls, command("bash", "--norc", "-i", terminal=TERMINAL, input=STREAM, env={"PS1": "> "}))
        call.await_output(b"> ")
        # A hang-up between the prompt and the wait for a key would be noticed at the next key only.
        self.type(call, b"echo p'i'd=$$'!'done\n")
        call.await_output(b"!done")
        pid = int(re.search(rb"pid=(\d+)!done", bytes(call.stdout))[1])
        wait_for(lambda: waits_for_a_key(pid), "bash waits for a key")
        self.end(call.session.id)
        end = call.follow().termination
        self.assertEqual(end.cause, session_pb2.CAUSE_CANCELLED)
        self.assertNotEqual(end.signal.number, signal.SIGKILL)

    def test_a_screen_comes_back_after_the_front_was_killed(self):
        call = self.interactive("stty -echo; echo ready; read x; echo got $x; stty size")
        call.await_output(b"ready\r\n")
        session, position = call.session.id, call.position
        self.kill_front()
        again = Attach(self.calls, session, drive=True, input=True, position=position)
        again.await_event("attached")
        again.send(resize=shell_pb2.Resize(rows=7, columns=9))
        again.send(input=shell_pb2.Input(data=b"more\n"))
        again.follow()
        self.assertEqual(bytes(again.stdout), b"got more\r\n7 9\r\n")

    def test_the_record_says_that_it_has_one(self):
        call = Exec(self.calls, line("true")).follow()
        self.assertTrue(self.get(call.session.id).has_terminal)


class OneWay(TerminalTest):
    """Clients that have no bidirectional streams."""

    def test_they_drive_a_whole_terminal_session(self):
        start = command("bash", "--norc", "-i", terminal=TERMINAL, input=STREAM, env={"PS1": "> "})
        session = self.start(start).id
        call = StreamOutput(self.calls, session, drive=True, position=0)
        call.await_output(b"> ")
        sent = 0

        def write(data):
            nonlocal sent
            while data:
                taken = self.calls.WriteInput(shell_pb2.WriteInputRequest(
                    session_id=session, input=shell_pb2.Input(offset=sent, data=data)), timeout=DEADLINE).offset - sent
                data, sent = data[taken:], sent + taken

        write(b"stty size\n")
        call.await_output(b"24 80\r\n")
        self.calls.ResizeTerminal(shell_pb2.ResizeTerminalRequest(
            session_id=session, size=shell_pb2.Resize(rows=40, columns=100)), timeout=DEADLINE)
        write(b"stty size\n")
        call.await_output(b"40 100\r\n")
        write(b"sh -c 'echo runs; exec sleep 1000'\n")
        call.await_output(b"runs\r\n")
        self.signal(session, signal.SIGINT)
        write(b"exit 3\n")
        self.assertEqual(call.follow().termination.exit_code, 3)


class LoginShell(TerminalTest):
    def test_it_is_the_users_own_started_as_by_a_login(self):
        start = command_pb2.Start(command=command_pb2.Command(
            shell_line=command_pb2.ShellLine(login_shell=True), input=STREAM, terminal=TERMINAL))
        call = Exec(self.calls, start)
        self.type(call, b'echo "name:$0 home:$PWD"; exit 4\n')
        call.follow()
        shell_name = os.path.basename(pwd.getpwuid(os.getuid()).pw_shell)
        self.assertIn(f"name:-{shell_name} home:{os.path.expanduser('~')}".encode(), bytes(call.stdout))
        self.assertEqual(call.termination.exit_code, 4)
        self.assertEqual(self.get(call.session.id).command_line, "(login shell)")


class OutputLimit(TerminalTest):
    def limited(self, text, most, **fields):
        return Exec(self.calls, shell(text, limits={"output_bytes": most}, **fields)).follow()

    def test_exactly_so_many_bytes_come_and_then_it_is_ended(self):
        for fields in ({}, {"terminal": TERMINAL}):
            with self.subTest(fields=fields):
                call = self.limited("yes", 100_001, **fields)
                self.assertEqual((len(call.stdout), call.termination.cause, call.termination.output_complete),
                                 (100_001, session_pb2.CAUSE_OUTPUT_LIMIT, False))

    def test_both_streams_count(self):
        call = self.limited("head -c 3000 /dev/zero; head -c 3000 /dev/zero >&2; exec sleep 1000", 5000)
        self.assertEqual(len(call.stdout) + len(call.stderr), 5000)
        self.assertEqual(call.termination.cause, session_pb2.CAUSE_OUTPUT_LIMIT)

    def test_one_that_is_just_reached_is_none(self):
        call = self.limited("head -c 5000 /dev/zero", 5000)
        self.assertEqual((len(call.stdout), call.termination.cause, call.termination.output_complete),
                         (5000, session_pb2.CAUSE_EXITED, True))

    def test_who_ignores_it_goes_by_the_ladder(self):
        call = self.limited("trap '' TERM PIPE; yes 2>/dev/null; sleep 1000", 10, policies=QUICK_LADDER)
        self.assertEqual(call.termination.cause, session_pb2.CAUSE_OUTPUT_LIMIT)


class Keepalive(TerminalTest):
    def test_one_comes_when_the_stream_is_quiet(self):
        start = command("sleep", "1000")
        start.keepalive_interval.nanos = 100_000_000
        call = Exec(self.calls, start)
        for _ in range(3):
            call.await_event("keepalive")
        session = call.session.id
        for other in (Attach(self.calls, session, keepalive_interval={"nanos": 100_000_000}),
                      StreamOutput(self.calls, session, keepalive_interval={"nanos": 100_000_000})):
            other.await_event("attached")
            other.await_event("keepalive")
            other.cancel()
        call.cancel()

    def test_an_interval_that_is_too_short_is_refused(self):
        start = command("true")
        start.keepalive_interval.nanos = 99_999_999
        error = Exec(self.calls, start).error()
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(details(error)["BadRequest"].field_violations[0].field, "keepalive_interval")
