"""The daemon's life: where it listens, how it ends, what survives, what the audit says."""

import contextlib
import os
import pathlib
import re
import signal
import stat
import subprocess
import tempfile
import unittest

import grpc

import support
from support import (DEADLINE, Exec, Node, alive, command, command_pb2, is_socket, scaled, session_pb2, shell,
                     shell_pb2, wait_for)

STREAM = command_pb2.INPUT_MODE_STREAM
QUICK = {"kill_ladder": command_pb2.KillLadder(grace={"nanos": 100_000_000})}
STUBBORN = 'trap "" TERM; echo ready; sleep 1000'


def start_that_fails(*args, **options):
    """Starts a daemon that must refuse to run: (exit status, what it said)."""
    with contextlib.closing(_Failing(*args, **options)) as node:
        node.launch()
        return node.wait(), node.log()


class _Failing(Node):
    def close(self):
        self.clean()



class Listening(unittest.TestCase):
    def test_the_socket_and_the_state_are_the_owners_alone(self):
        with Node(listen=None) as node:
            self.assertTrue(is_socket(node.socket))
            self.assertEqual(os.stat(node.socket).st_mode & 0o777, 0o600)
            self.assertEqual(os.stat(node.state).st_mode & 0o777, 0o700)
            for path in node.state.iterdir():
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_a_missing_directory_of_the_socket_is_made_for_the_owner_alone(self):
        with Node() as first:
            path = first.directory / "new/s"
            with Node(listen=[f"unix:{path}"]) as node:
                self.assertEqual(node.nacre("-H", f"unix:{path}", "ping").returncode, 0)
                self.assertEqual(os.stat(path.parent).st_mode & 0o777, 0o700)

    def test_a_second_daemon_on_the_same_state_is_refused(self):
        with Node() as first:
            second = first.directory / "second"
            done = subprocess.run([support.BIN / "nacred", "--listen", f"unix:{second}", "--state-dir", first.state],
                                  capture_output=True, timeout=DEADLINE)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(first.state).encode(), done.stderr)
            self.assertIn(b"another daemon", done.stderr)
            self.assertFalse(second.exists())
            self.assertEqual(first.exec("echo", "x").stdout, b"x\n")

    def test_a_second_daemon_on_the_same_socket_is_refused(self):
        with Node() as first:
            status, said = start_that_fails(listen=[first.target])
            self.assertEqual(status, 1)
            self.assertIn(first.socket, said)
            self.assertIn("another daemon", said)
            self.assertEqual(first.exec("echo", "x").stdout, b"x\n")

    def test_a_socket_left_by_a_dead_daemon_is_replaced(self):
        with Node() as first:
            front = first.front_pid()
            first.process.kill()
            first.process.wait()
            wait_for(lambda: not alive(front), "the front ends")
            self.assertTrue(is_socket(first.socket))
            with Node(listen=[first.target], directory=first.directory) as second:
                self.assertEqual(second.exec("echo", "x").stdout, b"x\n")

    def test_a_daemon_started_at_once_after_a_killed_one_waits_until_its_front_has_gone(self):
        with Node() as first:
            for _ in range(10):
                first.exec("true")
                first.process.kill()
                first.process.wait()
                first.start()
                self.assertEqual(first.exec("echo", "x").stdout, b"x\n")

    def test_a_file_that_is_no_socket_is_left_alone(self):
        with Node() as first:
            path = first.directory / "precious"
            path.write_text("data")
            status, said = start_that_fails(listen=[f"unix:{path}"])
            self.assertEqual((status, path.read_text()), (1, "data"))
            self.assertIn("not a socket", said)

    def test_wrong_usage_is_2_and_says_why(self):
        for args, listen, words in ((["--nosuch"], None, "--nosuch"),
                                    (["--drain-timeout", "soon"], None, "soon"),
                                    ([], ["nonsense"], "nonsense"),
                                    ([], ["unix:"], "unix:"),
                                    ([], ["unix:/" + "x" * 120], "xxx"),
                                    ([], ["127.0.0.1:99999"], "99999")):
            status, said = start_that_fails(*args, listen=listen)
            self.assertEqual(status, 2, said)
            self.assertIn(words, said)

    def test_a_front_that_cannot_be_started_ends_the_daemon_with_its_name(self):
        with tempfile.TemporaryDirectory() as directory:
            front = pathlib.Path(directory) / "front"
            front.write_text("no program\n")
            front.chmod(0o755)
            status, said = start_that_fails(front=front, directory=directory)
        self.assertEqual(status, 1)
        self.assertIn(str(front), said)

    def test_tcp_is_refused_without_the_flag_and_beyond_loopback_even_with_it(self):
        for args, address in (([], "127.0.0.1:0"), ([], "[::1]:0"), (["--insecure-loopback"], "0.0.0.0:0"),
                              (["--insecure-loopback"], "192.0.2.1:7070"), (["--insecure-loopback"], "[::]:0")):
            status, said = start_that_fails(*args, listen=[address])
            self.assertEqual(status, 2, said)
            self.assertIn(address, said)
        self.assertIn("--insecure-loopback", start_that_fails(listen=["127.0.0.1:0"])[1])

    def test_loopback_serves_with_the_flag_and_warns(self):
        with Node("--insecure-loopback", listen=["127.0.0.1:0"]) as probe:
            address = re.search(r"listening on (127\.0\.0\.1:\d+)", probe.log()).group(1)
            self.assertIn("plaintext", probe.log())
            self.assertEqual(probe.nacre("-H", address, "exec", "echo", "x").stdout, b"x\n")
            with probe.stub(address) as stub:
                self.assertRegex(Exec(stub, command("true")).follow().started.session.owner, r"^anonymous@127\.0\.0\.1$")
            status, said = start_that_fails("--insecure-loopback", listen=[address])
            self.assertEqual(status, 1, "two daemons share a port")
            self.assertIn(address, said)

    def test_several_addresses_serve_at_once(self):
        with Node() as first, Node(listen=[f"unix:{first.directory}/a", f"unix:{first.directory}/b"]) as node:
            for name in "ab":
                self.assertEqual(node.nacre("-H", f"unix:{first.directory}/{name}", "exec", "true").returncode, 0)


class Ending(unittest.TestCase):
    def setUp(self):
        self.node = Node().start()
        self.addCleanup(self.node.clean)
        self.assertTrue(self.node.epoch)

    def assert_nothing_left(self, front):
        wait_for(lambda: not alive(front), "the front ends")
        wait_for(lambda: not self.node.session_processes(), "the sessions end")

    def test_an_idle_daemon_ends_with_0_and_takes_its_socket_with_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Node() as node:
                front = node.front_pid()
                node.process.send_signal(number)
                self.assertEqual(node.wait(), 0)
                self.assertFalse(os.path.exists(node.socket))
                self.assertFalse(alive(front))

    def test_an_idle_connection_does_not_hold_up_the_end(self):
        with self.node.connect(), self.node.stub() as stub:
            Exec(stub, command("true")).follow()
            self.assertEqual(self.node.stop(), 0)

    def test_sigterm_lets_a_running_command_end_and_its_client_hear_everything(self):
        front = self.node.front_pid()
        with self.node.stub() as stub:
            call = Exec(stub, shell("echo ready; read go; head -c 3000000 /dev/zero; exit 6", input=STREAM))
            call.await_output(b"ready\n")
            self.node.terminate()
            wait_for(lambda: "draining" in self.node.log(), "it drains")
            wait_for(lambda: self.node.exec("true").returncode == 125, "new callers are refused")
            call.send(input=shell_pb2.Input(data=b"\n"))
            call.follow()
            self.assertEqual((len(call.stdout), call.termination.exit_code), (3_000_006, 6))
        self.assertEqual(self.node.wait(), 0)
        self.assert_nothing_left(front)

    def test_a_start_on_an_open_connection_is_refused_while_it_drains(self):
        with self.node.stub() as stub:
            call = Exec(stub, shell("echo ready; cat", input=STREAM))
            call.await_output(b"ready\n")
            self.node.terminate()
            wait_for(lambda: "draining: " in self.node.log().partition("nacre-front")[2], "the front drains")
            error = Exec(stub, command("true")).error()
            self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(support.details(error)["ErrorInfo"].reason, "DRAINING")
            call.half_close()
            call.follow()
        self.assertEqual(self.node.wait(), 0)

    def test_a_second_sigterm_ends_the_sessions_by_their_ladder(self):
        front = self.node.front_pid()
        with self.node.stub() as stub:
            call = Exec(stub, shell(STUBBORN, policies=QUICK))
            call.await_output(b"ready\n")
            self.node.terminate()
            wait_for(lambda: "draining" in self.node.log(), "it drains")
            self.node.terminate()
            end = call.follow().termination
            self.assertEqual((end.cause, end.signal.number), (session_pb2.CAUSE_CANCELLED, 9))
            self.assertIn("shutdown", end.cancelled_by)
        self.assertEqual(self.node.wait(), 0)
        self.assert_nothing_left(front)

    def test_the_drain_has_a_bound(self):
        with Node("--drain-timeout", "200ms") as node, node.stub() as stub:
            call = Exec(stub, shell(STUBBORN, policies=QUICK))
            call.await_output(b"ready\n")
            node.terminate()
            self.assertEqual(call.follow().termination.cause, session_pb2.CAUSE_CANCELLED)
            self.assertEqual(node.wait(), 0)

    def test_a_stuck_reader_does_not_hold_up_the_end_for_ever(self):
        with self.node.stub() as stub:
            call = Exec(stub, command("yes"))
            call.await_event("output")
            support.await_standstill([self.node.pid, self.node.front_pid()])
            self.node.terminate()
            wait_for(lambda: "draining" in self.node.log(), "it drains")
            self.node.terminate()
            self.assertEqual(self.node.wait(), 0)
            call.cancel()

    def test_kill_9_of_the_daemon_takes_front_and_commands_along(self):
        front = self.node.front_pid()
        with self.node.stub() as stub:
            calls = [Exec(stub, shell("echo ready; exec sleep 1000")) for _ in range(10)]
            for call in calls:
                call.await_output(b"ready\n")
            self.assertEqual(len(self.node.session_processes()), 10)
            self.node.process.kill()
            self.node.process.wait()
            for call in calls:
                self.assertEqual(call.error().code(), grpc.StatusCode.UNAVAILABLE)
        self.assert_nothing_left(front)

    def test_a_daemon_after_a_killed_one_goes_on_with_the_audit(self):
        self.node.exec("true")
        front = self.node.front_pid()
        self.node.process.kill()
        self.node.process.wait()
        wait_for(lambda: not alive(front), "the front ends")
        with Node(directory=self.node.directory) as second:
            self.assertEqual(second.exec("true").returncode, 0)
            numbers = [line["seq"] for line in second.audit()]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))


class FrontDeath(unittest.TestCase):
    def kill_front(self, node):
        """Kills the front and waits until another one has taken over."""
        front = node.front_pid()
        os.kill(front, signal.SIGKILL)
        wait_for(lambda: node.front_pid() not in (None, front), "another front")
        node.await_serving()
        return front

    def ends(self, node):
        return [line for line in node.audit() if line["event"] == "end"]

    def test_commands_run_on_and_the_next_front_applies_their_disconnect_policies(self):
        with Node() as node:
            node.warm_up()
            marker = node.directory / "marker"
            with node.stub() as stub:
                at_once = {"on_disconnect": command_pb2.ON_DISCONNECT_KILL, **QUICK}
                calls = [Exec(stub, shell(STUBBORN, policies=at_once)) for _ in range(5)]
                os.mkfifo(f"{marker}.fifo")
                calls.append(Exec(stub, shell(f"echo ready; read line < {marker}.fifo; echo $line > {marker}")))
                for call in calls:
                    call.await_output(b"ready\n")
                before = len(self.ends(node))
                front = self.kill_front(node)
                for call in calls:
                    self.assertEqual(call.error().code(), grpc.StatusCode.UNAVAILABLE)
            wait_for(lambda: len(self.ends(node)) == before + 5, "those that were to end have ended")
            self.assertEqual([(line["cause"], line["signal"]) for line in self.ends(node)[before:]],
                             [("DISCONNECTED", signal.SIGKILL)] * 5)
            with open(f"{marker}.fifo", "w", encoding="ascii") as fifo:
                fifo.write("survived\n")
            wait_for(lambda: len(self.ends(node)) == before + 6, "the other one has ended")
            self.assertEqual(marker.read_text(), "survived\n")
            self.assertEqual(self.ends(node)[-1]["cause"], "EXITED")
            self.assertRegex(node.log(), rf"front \(pid {front}\) killed by SIGKILL; 6 sessions go on")
            self.assertRegex(node.log(), r"adopted 6 sessions")
            node.assert_settled()

    def test_a_timeout_holds_while_no_front_lives(self):
        with tempfile.TemporaryDirectory() as directory:
            # The second front is one that never speaks.
            script = pathlib.Path(directory) / "front"
            script.write_text(f"""#!/bin/sh
if [ -e {directory}/second ]; then exec sleep 1000; fi
touch {directory}/second
exec {support.for_everybody(support.BIN / "nacre-front")} "$@"
""")
            script.chmod(0o755)
            node = Node(front=script, directory=directory).start()
            self.addCleanup(node.clean)
            with node.stub() as stub:
                call = Exec(stub, shell(STUBBORN, timeout={"nanos": 500_000_000}, policies=QUICK))
                call.await_output(b"ready\n")
                os.kill(node.front_pid(), signal.SIGKILL)
                call.error()
            wait_for(lambda: [line for line in self.ends(node) if line["cause"] == "TIMED_OUT"], "its time is over")
            node.terminate()
            wait_for(lambda: "draining" in node.log(), "it ends")
            for pid in support.children(node.pid):
                os.kill(pid, signal.SIGKILL)  # it would be given ten seconds
            self.assertEqual(node.wait(), 0)

    def test_a_command_whose_output_nobody_takes_waits_and_ends_with_its_grace(self):
        with Node() as node, node.stub() as stub:
            node.warm_up(calls=4)
            call = Exec(stub, command("yes", policies={"disconnect_grace": {"nanos": 300_000_000}}))
            call.await_event("output")
            self.kill_front(node)
            call.error()
            wait_for(lambda: not node.session_processes(), "yes ends")
            self.assertEqual(self.ends(node)[-1]["cause"], "DISCONNECTED")

    def test_fifty_fronts_leave_nothing_behind(self):
        with Node() as node:
            node.warm_up()
            with node.stub() as stub:
                policies = {"disconnect_grace": {"nanos": 100_000_000}, **QUICK}
                for _ in range(scaled(10, 200)):
                    call = Exec(stub, shell("echo ready; cat", input=command_pb2.INPUT_MODE_STREAM, policies=policies))
                    try:
                        call.await_output(b"ready\n")
                    except grpc.RpcError:
                        pass
                    front = node.front_pid()
                    os.kill(front, signal.SIGKILL)
                    wait_for(lambda front=front: node.front_pid() not in (None, front), "another front")
            node.await_serving()
            wait_for(lambda: not node.session_processes(), "their commands end")
            node.assert_settled()

    def test_callers_in_between_wait_for_the_next_front(self):
        with Node() as node:
            for _ in range(3):
                front = node.front_pid()
                os.kill(front, signal.SIGKILL)
                wait_for(lambda: not alive(front), "it is gone")
                self.assertEqual(node.exec("echo", "x").stdout, b"x\n")

    def test_the_daemon_ends_cleanly_while_the_front_is_dead(self):
        node = Node().start()
        self.addCleanup(node.clean)
        for _ in range(4):  # so that the backoff has grown
            front = wait_for(node.front_pid, "a front")
            os.kill(front, signal.SIGKILL)
            wait_for(lambda: not alive(front), "it is gone")
        self.assertEqual(node.stop(), 0)

    def test_a_stopped_front_harms_nobody_when_it_is_killed(self):
        with Node() as node:
            front = node.front_pid()
            os.kill(front, signal.SIGSTOP)
            os.kill(front, signal.SIGKILL)
            wait_for(lambda: not alive(front), "it is gone")
            self.assertEqual(node.exec("echo", "x").stdout, b"x\n")


class Audit(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.enterContext(self.node)

    def records(self, session):
        return [line for line in self.node.audit() if line.get("session") == session]

    def test_each_session_has_a_start_and_an_end_and_no_number_is_missing(self):
        with self.node.stub() as stub:
            sessions = [Exec(stub, shell(f"echo {i}; exit {i}")).follow().started.session.id for i in range(20)]
        self.assertEqual(len(set(sessions)), 20)
        for status, session in enumerate(sessions):
            start, end = self.records(session)
            self.assertEqual((start["event"], end["event"]), ("start", "end"))
            self.assertEqual((start["identity"], start["argv"][:2]), (f"uid:{os.getuid()}", ["sh", "-c"]))
            self.assertEqual((end["cause"], end["exit_code"], end["stdout_bytes"]), ("EXITED", status, len(str(status)) + 1))
        numbers = [line["seq"] for line in self.node.audit()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertTrue(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"]) for line in self.node.audit()))

    def test_the_start_is_written_before_the_command_runs(self):
        path = self.node.state / "audit.jsonl"
        result = self.node.exec("sh", "-c", f'grep -c "$NACRE_SESSION_ID" {path}')
        self.assertEqual(result.stdout, b"1\n")

    def test_names_of_variables_are_recorded_and_values_and_input_are_not(self):
        with self.node.stub() as stub:
            call = Exec(stub, command("cat", env={"TOKEN": "secret-value"}, input=STREAM))
            call.send(input=shell_pb2.Input(data=b"secret-input", eof=True))
            call.follow()
        text = (self.node.state / "audit.jsonl").read_text()
        self.assertIn("TOKEN", text)
        self.assertNotIn("secret", text)

    def test_starts_that_fail_are_recorded(self):
        for words in (["nosuchprogram"], ["/tmp"], ["-w", "/no/such/dir", "true"]):
            self.node.nacre("exec", *words)
            start, end = self.node.audit()[-2:]
            self.assertEqual((start["event"], end["event"], end["cause"]), ("start", "end", "NOT_STARTED"))
            self.assertEqual(start["session"], end["session"])
            self.assertGreater(end["errno"], 0)

    def test_hostile_arguments_stay_on_their_line(self):
        words = ["\n{\"seq\":1}", "\x1b]0;x\x07", "\u2028", "x" * 100_000, '"', "\\"]
        before = len(self.node.audit())
        self.node.exec("true", *words)
        self.node.nacre(b"exec", b"true", b"\xff\xfe")
        self.node.exec("true", *["y" * 1000] * 500)
        lines = self.node.audit()[before:]
        self.assertEqual([line["event"] for line in lines], ["start", "end"] * 3)
        self.assertEqual(lines[0]["argv"][:3], ["true", words[0], words[1]])
        raw = (self.node.state / "audit.jsonl").read_bytes()
        self.assertTrue(raw.isascii())
        self.assertNotIn(b"\x1b", raw)

    @unittest.skipUnless(os.getuid() == 0, "needs root to make an audit file that is always full")
    def test_no_command_runs_while_the_audit_cannot_be_written(self):
        state = self.node.directory / "full"
        state.mkdir(mode=0o700)
        try:
            os.mknod(state / "audit.jsonl", 0o600 | stat.S_IFCHR, os.makedev(1, 7))  # /dev/full
            open(state / "audit.jsonl", "rb").close()
        except OSError as error:
            self.skipTest(f"needs a device of its own: {error}")
        full = Node(directory=self.node.directory, listen=[f"unix:{self.node.directory}/full.s"], state=state)
        with full:
            marker = self.node.directory / "marker"
            refused = full.exec("touch", str(marker))
            self.assertEqual(refused.returncode, 125)
            self.assertIn(b"audit", refused.stderr)
            self.assertFalse(marker.exists())
            with full.stub() as stub:
                error = Exec(stub, command("true")).error()
            self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(support.details(error)["ErrorInfo"].reason, "AUDIT_UNAVAILABLE")


if __name__ == "__main__":
    unittest.main()
