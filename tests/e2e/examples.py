"""What the example programs promise, in whatever language they are written."""

import contextlib
import os
import re
import select
import signal
import subprocess

import grpc

from sessions import STREAM, count, counted, kill_front
from support import (DEADLINE, MIB, Exec, Node, await_standstill, channel, command, session_pb2, shell_pb2,
                     shell_pb2_grpc)

# More than may be under way to a reader that does not read: gRPC for Node.js alone takes sixteen messages of 256 KiB.
BEYOND_BUFFERS = 16 * MIB


class ExamplesTest:
    """The tests. A subclass is also a NodeTest, and says where its language's programs are."""

    # How a program is called, by its name: a list of words; and what it needs in its environment.
    programs = {}
    environment = {}

    def start(self, name, *args, node=None, **options):
        env = {**os.environ, "NACRE_HOST": (node or self.node).target, **self.environment, **options.pop("env", {})}
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = self.callers.enter_context(
            subprocess.Popen([*self.programs[name], *args], env=env, bufsize=0, **options))
        self.callers.callback(process.kill)
        return process

    def finish(self, process, given=None):
        try:
            out, err = process.communicate(given, DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{process.args} hangs; so far {out[-1000:]!r}, {err[-1000:]!r}") from None
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def example(self, name, *args, given=None, **options):
        """Runs one to its end."""
        if given is not None:
            options["stdin"] = subprocess.PIPE
        return self.finish(self.start(name, *args, **options), given)

    @staticmethod
    def read(stream, size):
        """So many bytes, or less at the end."""
        data = bytearray()
        while len(data) < size:
            if not select.select([stream], [], [], DEADLINE)[0]:
                raise AssertionError(f"nothing comes any more; so far {bytes(data[-1000:])!r}")
            more = stream.read(size - len(data))
            if not more:
                break
            data += more
        return bytes(data)

    def sessions(self):
        return self.stub().ListSessions(shell_pb2.ListSessionsRequest(page_size=1000), timeout=DEADLINE).sessions

    # run

    def test_run_prints_the_output_where_it_belongs_and_exits_as_the_command_does(self):
        result = self.example("run", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
        self.assert_ends(result, 7, b"out\n", b"err\n")
        self.assert_ends(self.example("run", "--", "sh", "-c", "kill -9 $$"), 128 + signal.SIGKILL, b"", b"")

    def test_run_prints_any_bytes_and_says_when_they_are_not_all(self):
        every = bytes(range(256))
        octal = "".join(f"\\{byte:03o}" for byte in every)
        self.assert_ends(self.example("run", "printf", octal), 0, every, b"")
        result = self.example("run", "--", "head", "-c", "2000000", "/dev/zero")
        self.assert_ends(result, 0, bytes(MIB))
        self.assertIn(b"longer", result.stderr)

    # stream

    def test_stream_prints_output_as_it_comes_and_gives_its_input_to_the_command(self):
        process = self.start("stream", "-i", "--", "sh", "-c", "echo ready; cat; echo err >&2; exit 7",
                             stdin=subprocess.PIPE)
        self.assertEqual(self.read(process.stdout, 6), b"ready\n")
        self.assert_ends(self.finish(process, b"given"), 7, b"given", b"err\n")

    def test_stream_carries_more_than_the_input_window_both_ways_byte_for_byte(self):
        data = os.urandom(3 * MIB)
        self.assert_ends(self.example("stream", "-i", "cat", given=data), 0, data, b"")

    def test_stream_ends_with_its_command_though_its_input_stays_open(self):
        process = self.start("stream", "-i", "--", "sh", "-c", "exit 3", stdin=subprocess.PIPE)
        self.assertEqual(process.wait(DEADLINE), 3)

    def test_stream_passes_signals_on(self):
        process = self.start("stream", "--", "sh", "-c",
                             'trap "exit 9" TERM; echo ready; while :; do sleep 0.01; done')
        self.assertEqual(self.read(process.stdout, 6), b"ready\n")
        process.terminate()
        self.assert_ends(self.finish(process), 9)

    def test_stream_that_nobody_reads_stops_its_command_and_loses_nothing(self):
        size = 2 * BEYOND_BUFFERS
        process = self.start("stream", "--", "sh", "-c", f"yes 0123456 | head -c {size}")
        self.assertEqual(self.read(process.stdout, 8), b"0123456\n")
        await_standstill([process.pid, self.node.pid, self.node.front_pid()])
        running = [one for one in self.sessions() if one.state == session_pb2.SESSION_STATE_RUNNING]
        self.assertEqual(len(running), 1)
        self.assertLess(running[0].end_position, BEYOND_BUFFERS)
        result = self.finish(process)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout == b"0123456\n" * (size // 8 - 1))

    def test_stream_whose_reader_leaves_ends_its_command(self):
        process = self.start("stream", "yes")
        self.read(process.stdout, 2)
        process.stdout.close()
        self.assertEqual(process.wait(DEADLINE), 128 + signal.SIGTERM)

    # interactive

    def test_interactive_answers_each_line_before_the_next_and_keeps_the_shells_state(self):
        process = self.start("interactive", stdin=subprocess.PIPE)
        for line, answer in ((b"cd /usr", b""), (b"pwd", b"/usr\n"), (b"x='a  b'", b""), (b'printf "$x"', b"a  b"),
                             (b"echo err >&2; echo out", b"err\nout\n"), (b"cat", b""), (b"", b""),
                             (b"head -c 1000000 /dev/zero", bytes(1000000)), (b"echo \xc3\xbc", b"\xc3\xbc\n")):
            process.stdin.write(line + b"\n")
            self.assertEqual(self.read(process.stdout, len(answer)), answer, line)
        process.stdin.write(b"(exit 5)\n")
        self.assertEqual(self.read(process.stderr, 11), b"(status 5)\n")
        process.stdin.write(b"trap 'echo bye' EXIT\n")
        self.assert_ends(self.finish(process), 0, b"bye\n", b"")

    def test_interactive_ends_as_its_shell_does_though_its_input_stays_open(self):
        process = self.start("interactive", stdin=subprocess.PIPE)
        process.stdin.write(b"echo last; exit 3\n")
        self.assertEqual(process.wait(DEADLINE), 3)
        self.assertEqual(process.stdout.read(), b"last\n")

    # reattach

    def test_reattach_goes_on_where_it_was_over_connections_that_it_drops(self):
        result = self.example("reattach", "--drop-every", "100000", "--", "sh", "-c",
                              f"{count(100_000)}; {count(100_000)} >&2; exit 5")
        told = re.search(rb"nacre: 1600000 bytes over (\d+) connections, all there\n$", result.stderr)
        self.assertTrue(told, result.stderr[-1000:])
        self.assertTrue(result.stdout == counted(100_000) and result.stderr[:told.start()] == counted(100_000))
        self.assertEqual(result.returncode, 5)
        # A message brings 256 KiB at most.
        self.assertGreater(int(told.group(1)), 3)

    def test_reattach_goes_on_where_it_was_when_the_front_is_killed_in_the_middle_of_the_output(self):
        # Far more than is under way while nobody reads, so the command is in the middle of it.
        lines = 2 * BEYOND_BUFFERS // 8
        process = self.start("reattach", "--", "sh", "-c", f"{count(lines)}; exit 5")
        begun = self.read(process.stdout, 100_000)
        kill_front(self.node)
        result = self.finish(process)
        self.assertTrue(begun + result.stdout == counted(lines))
        self.assertRegex(result.stderr, rb"^nacre: %d bytes over 2 connections, all there\n$" % (8 * lines))
        self.assertEqual(result.returncode, 5)

    def test_reattach_goes_on_when_the_front_is_killed_while_the_command_is_silent(self):
        token = self.node.directory / "token"
        process = self.start("reattach", "--", "sh", "-c",
                             f'echo before; until [ -e "{token}" ]; do sleep 0.01; done; echo after; exit 5')
        self.assertEqual(self.read(process.stdout, 7), b"before\n")
        kill_front(self.node)
        token.touch()
        self.assert_ends(self.finish(process), 5, b"after\n")

    # errors

    def test_errors_reads_the_reason(self):
        for program, status, reason in (("nosuchprogram", 127, b"COMMAND_NOT_FOUND"),
                                        ("/etc/passwd", 126, b"COMMAND_NOT_EXECUTABLE")):
            result = self.example("errors", program)
            self.assert_ends(result, status, b"")
            self.assertIn(program.encode(), result.stderr)
            self.assertIn(b"  reason: " + reason + b" (nacre)\n", result.stderr)

    def test_errors_reads_which_field_is_bad(self):
        result = self.example("errors", "-C", "not/absolute", "--", "true")
        self.assert_ends(result, 125, b"")
        self.assertIn(b"nacre: INVALID_ARGUMENT: ", result.stderr)
        self.assertIn(b"  bad field: command.cwd\n", result.stderr)

    def test_errors_tries_again_where_the_node_says_when(self):
        with Node(nofile=200) as node, channel(node.target) as connection:
            stub = shell_pb2_grpc.ShellServiceStub(connection)
            held = []
            # Until the node has no room, not even for a command without input, which takes less of it.
            for start in (command("cat", input=STREAM), command("tail", "-f", "/dev/null")):
                with contextlib.suppress(grpc.RpcError):
                    while True:
                        call = Exec(stub, start)
                        call.await_event("started")
                        held.append(call)
            process = self.start("errors", "echo", "works", node=node)
            said = b""
            while b"retry after: 1 s\n" not in said:
                said += self.read(process.stderr, 1) or self.fail(said)
            for call in held:
                call.send(cancel=shell_pb2.Cancel())
                call.follow()
            self.assertIn(b"nacre: RESOURCE_EXHAUSTED: ", said)
            self.assert_ends(self.finish(process), 0, b"works\n")

    def test_errors_prints_what_a_command_wrote_that_the_node_does_not_refuse(self):
        result = self.example("errors", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
        self.assert_ends(result, 7, b"out\n", b"err\n")

    # all of them

    COMMANDS = {"run": ["true"], "stream": ["true"], "interactive": [], "reattach": ["true"], "errors": ["true"]}

    def test_every_program_names_the_address_that_it_can_not_connect_to(self):
        gone = str(self.node.directory / "none")
        for name, words in self.COMMANDS.items():
            result = self.example(name, *words, env={"NACRE_HOST": f"unix:{gone}"})
            self.assert_ends(result, 125, b"")
            self.assertRegex(result.stderr.decode(),
                             rf"^nacre: no connection to unix:{gone} \(see NACRE_HOST\): .*\n$")

    def test_every_program_finds_the_node_of_this_machine_by_itself(self):
        runtime = self.node.directory / "runtime"
        (runtime / "nacre").mkdir(parents=True)
        os.symlink(self.node.socket, runtime / "nacre/nacred.sock")
        for name, words in self.COMMANDS.items():
            result = self.example(name, *words, env={"NACRE_HOST": "", "XDG_RUNTIME_DIR": str(runtime)})
            self.assert_ends(result, 0, b"")

    def test_every_program_says_how_it_is_used(self):
        for name in self.COMMANDS:
            result = self.example(name, "--help")
            self.assertEqual(result.returncode, 0, result)
            self.assertIn(b"sage: " + name.encode(), result.stdout)
            result = self.example(name, "--nosuch")
            self.assert_ends(result, 2, b"")
            self.assertIn(b"sage: " + name.encode(), result.stderr)
