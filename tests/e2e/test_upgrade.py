"""SIGHUP: another front takes over, with what configuration and users are now; nobody is turned away meanwhile."""

import collections
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import unittest

import grpc

import support
from accounts import Accounts, needs_root
from legacy import Client, Gate, LegacyNode, frame
from support import (DEADLINE, Attach, Exec, Node, alive, children, command, command_pb2, details, is_socket, session_pb2,
                     shell, shell_pb2, wait_for)

STREAM = command_pb2.INPUT_MODE_STREAM


def fronts(node):
    """Those that live, one that retires among them."""
    return {pid for pid, (name, state) in children(node.pid).items() if name == "nacre-front" and state not in ("Z", "X")}


def count(node, words):
    return node.log().count(words)


def hup(node):
    node.process.send_signal(signal.SIGHUP)


def upgrade(node):
    """Sends SIGHUP and waits until another front serves; its process id."""
    before, served = fronts(node), count(node, "front serves")
    hup(node)
    wait_for(lambda: count(node, "front serves") > served, lambda: f"another front serves\n{node.log()}")
    fresh = fronts(node) - before
    assert len(fresh) == 1, (before, fresh, node.log())
    return fresh.pop()


def refused(node, *words):
    """Sends SIGHUP that can't be obeyed; nothing changes, and the log says these words."""
    before, told, started = fronts(node), count(node, "all stays as it is"), count(node, "a new front starts")
    hup(node)
    wait_for(lambda: count(node, "all stays as it is") > told or count(node, "a new front starts") > started,
             lambda: f"it says so\n{node.log()}")
    assert count(node, "a new front starts") == started, node.log()
    assert fronts(node) == before
    for word in words:
        assert word in node.log(), (word, node.log())


class ConfiguredNode(Node):
    """A daemon that has all it knows from a file: `text`, behind which its addresses and its state are added."""

    def __init__(self, text="", listen=("s",), **options):
        super().__init__(**options)
        self.file = self.directory / "nacred.toml"
        self._command = [str(support.BIN / "nacred"), "--config", str(self.file)]
        self.write(text, listen)

    def write(self, text="", listen=("s",)):
        """Replaces the file."""
        addresses = ", ".join(f'"unix:{self.directory}/{name}"' for name in listen)
        fresh = self.directory / "fresh"
        fresh.write_text(f'state_dir = "{self.state}"\nlisten = [{addresses}]\n{text}\n')
        fresh.chmod(0o600)
        fresh.rename(self.file)


class Front(unittest.TestCase):
    def setUp(self):
        self.node = self.enterContext(Node())
        self.node.warm_up()

    def test_another_front_takes_the_place_of_the_old_one_which_goes(self):
        old = self.node.front_pid()
        new = upgrade(self.node)
        self.assertNotEqual(new, old)
        wait_for(lambda: not alive(old), "the old front has gone")
        self.assertEqual(self.node.exec("echo", "x").stdout, b"x\n")
        self.assertNotIn("error", self.node.log())
        self.node.assert_settled()

    def test_a_client_follows_its_command_through_it(self):
        with self.node.popen("exec", "-i", "--", "sh", "-c", "cat; exit 7", stdin=subprocess.PIPE) as client:
            for i in range(5):
                upgrade(self.node)
                client.stdin.write(b"%d\n" % i)
                client.stdin.flush()
                self.assertEqual(client.stdout.readline(), b"%d\n" % i)
            out, _ = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out), (7, b""))
        self.node.assert_settled()

    def test_output_that_is_under_way_arrives_whole_and_once(self):
        lines = support.scaled(1_000_000, 10_000_000)
        wanted = hashlib.sha256()
        with subprocess.Popen(["seq", str(lines)], stdout=subprocess.PIPE) as seq:
            for block in iter(lambda: seq.stdout.read(1 << 20), b""):
                wanted.update(block)
        with self.node.popen("exec", "seq", str(lines)) as client:
            got = hashlib.sha256(client.stdout.read(1_000_000))
            for _ in range(3):
                upgrade(self.node)
                got.update(client.stdout.read(1_000_000))
            for block in iter(lambda: client.stdout.read(1 << 20), b""):
                got.update(block)
            self.assertEqual(client.wait(support.LONG), 0)
        self.assertEqual(got.hexdigest(), wanted.hexdigest())
        self.node.assert_settled()

    def test_a_stream_ends_with_the_reason_and_the_session_goes_on(self):
        with self.node.stub() as stub:
            call = Exec(stub, shell("echo ready; cat; exit 6", input=STREAM))
            call.await_output(b"ready\n")
            upgrade(self.node)
            error = call.error()
        self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error.details())
        self.assertEqual(details(error)["ErrorInfo"].reason, "FRONT_RESTARTING")
        with self.node.stub() as stub:
            again = Attach(stub, call.session.id, drive=True, input=True, position=6)
            again.send(input=shell_pb2.Input(data=b"given", eof=True))
            again.follow()
        self.assertEqual((bytes(again.stdout), again.termination.exit_code), (b"given", 6))
        self.node.assert_settled()

    def test_calls_that_wait_end_with_the_reason(self):
        with self.node.stub() as stub, concurrent.futures.ThreadPoolExecutor(2) as pool:
            session = stub.StartSession(shell_pb2.StartSessionRequest(start=command("sleep", "1000")), timeout=DEADLINE).session
            call = Exec(stub, command("sleep", "1000"))
            call.await_event("started")
            waits = [stub.WaitSession.future(shell_pb2.WaitSessionRequest(session_id=session.id), timeout=DEADLINE),
                     stub.Run.future(shell_pb2.RunRequest(start=command("sleep", "1000")), timeout=DEADLINE)]
            wait_for(lambda: len(self.node.session_processes()) == 3, "all run")
            upgrade(self.node)
            for error in (call.error(), *(one.exception(DEADLINE) for one in waits)):
                self.assertEqual((error.code(), details(error)["ErrorInfo"].reason),
                                 (grpc.StatusCode.UNAVAILABLE, "FRONT_RESTARTING"))
        with self.node.stub() as stub:
            listed = stub.ListSessions(shell_pb2.ListSessionsRequest(), timeout=DEADLINE).sessions
            running = [one for one in listed if one.state == session_pb2.SESSION_STATE_RUNNING]
            self.assertEqual(len(running), 3)
            for one in running:
                stub.DeleteSession(shell_pb2.DeleteSessionRequest(session_id=one.id, force=True), timeout=DEADLINE)
        self.node.assert_settled()

    def test_ended_sessions_and_request_ids_move_too(self):
        start = shell("echo kept; exit 3")
        start.request_id = "once"
        with self.node.stub() as stub:
            session = stub.StartSession(shell_pb2.StartSessionRequest(start=start), timeout=DEADLINE).session
            before = stub.WaitSession(shell_pb2.WaitSessionRequest(session_id=session.id), timeout=DEADLINE).session
        upgrade(self.node)
        with self.node.stub() as stub:
            again = stub.StartSession(shell_pb2.StartSessionRequest(start=start), timeout=DEADLINE)
            self.assertTrue(again.already_started)
            self.assertEqual(again.session.id, session.id)
            after = stub.GetSession(shell_pb2.GetSessionRequest(session_id=session.id), timeout=DEADLINE).session
            self.assertEqual(after.termination, before.termination)
        self.assertEqual(self.node.nacre("logs", session.id).stdout, b"kept\n")

    def test_an_idle_connection_does_not_hold_it_up(self):
        with self.node.connect(), self.node.stub() as stub:
            Exec(stub, command("true")).follow()
            old = self.node.front_pid()
            upgrade(self.node)
            wait_for(lambda: not alive(old), "the old front has gone")

    def test_a_stuck_reader_does_not_hold_it_up(self):
        with self.node.stub() as stub:
            call = Exec(stub, command("yes"))
            call.await_event("output")
            support.await_standstill([self.node.pid, self.node.front_pid()])
            old = self.node.front_pid()
            upgrade(self.node)
            wait_for(lambda: not alive(old), "the old front has gone")
            call.cancel()
            self.assertEqual(self.node.nacre("rm", "-f", call.session.id).returncode, 0)
        self.node.assert_settled()

    def test_a_front_that_hangs_is_replaced_all_the_same(self):
        old = self.node.front_pid()
        served = count(self.node, "front serves")
        os.kill(old, signal.SIGSTOP)
        hup(self.node)
        wait_for(lambda: count(self.node, "front serves") > served, lambda: f"another one serves\n{self.node.log()}")
        self.assertFalse(alive(old))
        self.assertEqual(self.node.exec("echo", "x").stdout, b"x\n")
        self.node.assert_settled()

    def test_while_no_front_lives_it_is_no_mistake(self):
        for _ in range(3):
            served = count(self.node, "front serves")
            os.kill(self.node.front_pid(), signal.SIGKILL)
            hup(self.node)
            wait_for(lambda served=served: count(self.node, "front serves") > served, "a front serves")
            self.assertEqual(self.node.exec("echo", "x").stdout, b"x\n")
        self.node.assert_settled()

    def test_a_new_front_that_is_killed_before_it_serves_leaves_the_old_one_serving(self):
        directory = pathlib.Path(self.enterContext(support.tempfile.TemporaryDirectory()))
        script, hold = directory / "front", directory / "hold"
        front = support.for_everybody(support.BIN / "nacre-front")
        script.write_text(f'#!/bin/sh\n[ -e {hold} ] && exec sleep 1000\nexec {front} "$@"\n')
        script.chmod(0o755)
        with Node(front=script, directory=directory) as node:
            old = node.front_pid()
            hold.touch()
            hup(node)
            new = wait_for(lambda: set(children(node.pid)) - {old}, "a new one starts").pop()
            wait_for(lambda: children(node.pid)[new][0] == "sleep", "it hangs")
            os.kill(new, signal.SIGKILL)
            wait_for(lambda: "the one that serves goes on" in node.log(), "it says so")
            self.assertEqual(node.front_pid(), old)
            self.assertEqual(node.exec("echo", "x").stdout, b"x\n")
            hold.unlink()
            self.assertNotEqual(upgrade(node), old)
            self.assertEqual(node.exec("echo", "x").stdout, b"x\n")


class Served(unittest.TestCase):
    """Callers that never stop calling."""

    def setUp(self):
        self.node = self.enterContext(Node())
        self.node.warm_up()
        self.failures, self.calls = [], {}
        self.stop = threading.Event()

    @contextlib.contextmanager
    def calling(self, *callers):
        def run(call):
            while not self.stop.is_set():
                try:
                    call()
                    self.calls[call.__name__] = self.calls.get(call.__name__, 0) + 1
                except Exception as error:  # noqa: BLE001  whatever it is
                    self.failures.append(f"{call.__name__}: {error!r}")

        threads = [threading.Thread(target=run, args=(one,)) for one in callers]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: len(self.calls) == len(set(callers)), "all have called")
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        failures = collections.Counter(re.sub(r"unix:\S+", "unix:…", one) for one in self.failures)
        self.assertFalse(failures, f"of {self.calls}: {failures}")

    def connect(self):
        """A connection, which nobody may refuse or leave waiting; a front that makes way may close it."""
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(DEADLINE)
            plain.connect(self.node.socket)
            with contextlib.suppress(ConnectionError):
                plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
                plain.recv(1)

    def execute(self):
        result = self.node.exec("sh", "-c", "echo out; echo err >&2; exit 3")
        # One that meets several upgrades, each as the first thing, tells that it tries again.
        told = [line for line in result.stderr.splitlines() if not line.startswith(b"nacre: ")]
        assert (result.returncode, result.stdout, told) == (3, b"out\n", [b"err"]), result

    def run_unary(self):
        """A call on a connection of its own is answered, or told to call again."""
        with self.node.stub() as stub:
            try:
                answer = stub.Run(shell_pb2.RunRequest(start=command("echo", "x")), timeout=DEADLINE)
                assert answer.stdout == b"x\n", answer
            except grpc.RpcError as error:
                reason = details(error).get("ErrorInfo")
                assert reason and reason.reason == "FRONT_RESTARTING", f"{error.code().name} {error.details()}"

    def test_no_connection_is_refused_and_no_call_is_lost_through_twenty_upgrades_in_a_row(self):
        with self.calling(self.connect, self.execute, self.execute, self.execute):
            for _ in range(20):
                called = self.calls["execute"]
                upgrade(self.node)
                wait_for(lambda called=called: self.failures or self.calls["execute"] > called + 2, "they go on calling")
        self.node.assert_settled()

    def test_plain_calls_are_answered_or_told_why_not(self):
        with self.calling(self.run_unary):
            for _ in range(10):
                upgrade(self.node)
        self.node.assert_settled()

    def test_a_burst_of_them_ends_in_one_front_that_serves(self):
        with self.calling(self.connect, self.execute, self.execute, self.execute):
            for _ in range(20):
                hup(self.node)
            upgraded = wait_for(lambda: count(self.node, "front serves") > 1, "one serves")
            self.assertTrue(upgraded)
        wait_for(lambda: len(fronts(self.node)) == 1, lambda: f"one front is left\n{self.node.log()}")
        self.assertEqual(self.node.exec("echo", "x").stdout, b"x\n")
        self.node.assert_settled()


class Shutdown(unittest.TestCase):
    def test_during_a_drain_it_changes_nothing(self):
        with Node() as node, node.stub() as stub:
            call = Exec(stub, shell("echo ready; cat; exit 4", input=STREAM))
            call.await_output(b"ready\n")
            front = fronts(node)
            node.terminate()
            wait_for(lambda: "draining" in node.log(), "it drains")
            for _ in range(3):
                hup(node)
            call.send(input=shell_pb2.Input(data=b"given", eof=True))
            call.follow()
            self.assertEqual((bytes(call.stdout), call.termination.exit_code), (b"ready\ngiven", 4))
            self.assertEqual(node.wait(), 0)
            self.assertEqual(count(node, "front started"), 1)
            self.assertFalse([pid for pid in front if alive(pid)])

    def test_a_drain_right_behind_it_ends_the_node(self):
        for _ in range(5):
            with Node() as node:
                hup(node)
                node.terminate()
                self.assertEqual(node.wait(), 0)

    def test_a_drain_behind_it_lets_sessions_end_and_their_clients_hear_everything(self):
        with Node() as node:
            with node.popen("exec", "-i", "--", "sh", "-c", "echo ready; cat; exit 4", stdin=subprocess.PIPE) as client:
                self.assertEqual(client.stdout.readline(), b"ready\n")
                upgrade(node)
                client.stdin.write(b"seen\n")
                client.stdin.flush()
                self.assertEqual(client.stdout.readline(), b"seen\n")  # it is back
                node.terminate()
                wait_for(lambda: "draining: " in node.log().rpartition("front serves")[2], "it drains")
                out, _ = client.communicate(b"given", timeout=DEADLINE)
            self.assertEqual((client.returncode, out), (4, b"given"))
            self.assertEqual(node.wait(), 0)


class OldClients(unittest.TestCase):
    """They can't call again, so the front that they have called stays until they have their replies."""

    def setUp(self):
        self.node = self.enterContext(LegacyNode())
        self.node.warm_up(calls=4)
        self.gate = self.enterContext(Gate(self.node.directory / "gate"))

    def test_a_reply_that_is_under_way_arrives_whole_from_the_front_that_retires(self):
        size = 3_000_001
        old = self.node.front_pid()
        with self.node.client() as client:
            client.send(frame(f"{self.gate.wait}; head -c {size} /dev/zero; echo end >&2"))
            self.gate.await_command()
            new = upgrade(self.node)
            self.assertEqual(fronts(self.node), {old, new})
            self.assertEqual(self.node.ask("echo meanwhile"), b"meanwhile\n")  # by the new one
            self.gate.open()
            self.assertEqual(client.reply(), bytes(size) + b"end\n")
            self.assertEqual(client.rest(), b"")
        wait_for(lambda: not alive(old), "the old front has gone")
        self.node.assert_settled()

    def test_a_reply_outlasts_several_upgrades(self):
        old = self.node.front_pid()
        with self.node.client() as client:
            client.send(frame(f"{self.gate.wait}; echo late"))
            self.gate.await_command()
            for _ in range(3):
                upgrade(self.node)
            self.assertTrue(alive(old))
            self.gate.open()
            self.assertEqual((client.reply(), client.rest()), (b"late\n", b""))
        self.node.assert_settled()

    def test_idle_connections_are_closed_and_may_come_again(self):
        with self.node.client() as client:
            self.assertEqual(client.ask("echo x"), b"x\n")
            upgrade(self.node)
            self.assertEqual(client.rest(), b"")
        self.assertEqual(self.node.ask("echo y"), b"y\n")
        self.node.assert_settled()

    def test_the_port_is_served_throughout(self):
        failures, stop = [], threading.Event()

        def connect():
            while not stop.is_set():
                try:
                    Client(self.node.address()).close()
                except OSError as error:
                    failures.append(repr(error))

        thread = threading.Thread(target=connect)
        thread.start()
        try:
            for _ in range(5):
                upgrade(self.node)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(failures, [])
        self.node.assert_settled()

    def test_its_directory_is_handed_on(self):
        for _ in range(2):
            upgrade(self.node)
            self.assertEqual(self.node.ask("head -c 2000000 /dev/zero"), bytes(2_000_000))


class Configuration(unittest.TestCase):
    """The file is read again."""

    def path(self, name):
        return self.node.directory / name

    def answers(self, name):
        result = self.node.nacre("-H", f"unix:{self.path(name)}", "exec", "echo", "x")
        self.assertEqual((result.returncode, result.stdout), (0, b"x\n"), result.stderr)

    def test_new_listeners_come_removed_ones_go_and_the_others_never_close(self):
        self.node = self.enterContext(ConfiguredNode(listen=["s", "leaves"]))
        self.node.warm_up()
        for name in ("s", "leaves"):
            self.answers(name)
        kept = os.stat(self.path("s")).st_ino
        self.node.write(listen=["s", "comes"])
        upgrade(self.node)
        for name in ("s", "comes"):
            self.answers(name)
        self.assertEqual(os.stat(self.path("s")).st_ino, kept)
        wait_for(lambda: not self.path("leaves").exists(), "its socket is gone")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("comes")).st_mode), 0o600)
        self.node.write(listen=["s"])
        upgrade(self.node)
        self.node.assert_settled()

    def test_a_listener_that_was_removed_may_come_back(self):
        self.node = self.enterContext(ConfiguredNode(listen=["s", "other"]))
        for listen in (["s"], ["s", "other"], ["other", "s"]):
            self.node.write(listen=listen)
            upgrade(self.node)
            for name in listen:
                self.answers(name)

    def test_listeners_of_old_clients_come_and_go(self):
        self.node = self.enterContext(ConfiguredNode())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % probe.getsockname()[1]
        self.node.write(f'[[compat]]\ndialect = "framed"\naddress = "{address}"\norder = "err-out"\n')
        upgrade(self.node)
        with Client(address) as client:
            self.assertEqual(client.ask("echo out; echo err >&2"), b"err\nout\n")
            self.assertEqual(client.ask("head -c 300000 /dev/zero"), bytes(300_000))
        self.node.write(f'[[compat]]\ndialect = "framed"\naddress = "{address}"\n')
        upgrade(self.node)
        with Client(address) as client:
            self.assertEqual(client.ask("echo out; echo err >&2"), b"out\nerr\n")
        self.node.write()
        upgrade(self.node)
        with self.assertRaises(ConnectionError), Client(address) as client:
            client.ask("echo x")

    def test_a_broken_file_changes_nothing_and_is_logged(self):
        self.node = self.enterContext(ConfiguredNode())
        self.node.warm_up()
        good = self.node.file.read_text()
        for text, *words in (("run_as = 5", "nacred.toml:3: run_as"), ('lisen = "x"', 'did you mean "listen"'),
                             ("\0", "nacred.toml:3"), ('log_level = "loud"', "loud"), ('drain_timeout = "soon"', "soon"),
                             ('insecure_loopback = 1', "insecure_loopback"), ('spool_limit = "lots"', "lots"),
                             ('socket_group = "nosuchgroup"', "nosuchgroup"),
                             ('[[compat]]\ndialect = "framed"\naddress = "nowhere"', "nowhere"), (None, "nacred.toml")):
            with self.subTest(text=text):
                if text is None:
                    self.node.file.unlink()
                else:
                    self.node.write(text)
                try:
                    refused(self.node, "SIGHUP", *words)
                finally:
                    self.answers("s")
        self.node.file.write_text(good)
        self.node.file.chmod(0o600)
        upgrade(self.node)
        self.node.assert_settled()

    def test_a_file_that_others_may_write_changes_nothing(self):
        self.node = self.enterContext(ConfiguredNode())
        self.node.file.chmod(0o666)
        refused(self.node, "chmod go-w")
        self.answers("s")

    def test_an_address_that_can_not_be_had_changes_nothing(self):
        self.node = self.enterContext(ConfiguredNode(listen=["s", "other"]))
        self.node.warm_up()
        self.node.write(listen=["s", "comes", "no/such/directory/s"])
        refused(self.node, "no/such/directory")
        for name in ("s", "other"):
            self.answers(name)
        self.assertFalse(is_socket(self.path("comes")))
        self.node.assert_settled()

    def test_flags_still_beat_the_file(self):
        self.node = self.enterContext(ConfiguredNode())
        self.node.process.terminate()
        self.node.wait()
        self.node._command += ["--listen", f"unix:{self.path('s')}"]
        self.node.start()
        self.node.write(listen=["elsewhere"])
        upgrade(self.node)
        self.answers("s")
        self.assertFalse(self.path("elsewhere").exists())

    def test_what_takes_a_restart_is_named(self):
        self.node = self.enterContext(ConfiguredNode('drain_timeout = "20s"'))
        self.node.write('drain_timeout = "20s"\nspool_limit = "1G"')
        upgrade(self.node)
        self.assertNotIn("takes a restart", self.node.log())
        self.node.write('drain_timeout = "10s"\nspool_limit = "1G"\ncgroup = "off"\nlog_level = "debug"')
        upgrade(self.node)
        words = "warning: SIGHUP: cgroup, drain_timeout, log_level (nacred's own) changed, which takes a restart"
        self.assertEqual(count(self.node, words), 1, self.node.log())
        text = self.node.file.read_text()
        self.node.file.write_text(text.replace(str(self.node.state), f"{self.node.state}-2").replace('"10s"', '"20s"'))
        upgrade(self.node)
        self.assertIn("SIGHUP: state_dir, cgroup, log_level", self.node.log())

    def test_while_it_drains_nothing_is_done_and_the_log_says_so(self):
        self.node = self.enterContext(ConfiguredNode())
        self.assertEqual(self.node.nacre("start", "--", "sleep", "1000").returncode, 0)
        self.node.terminate()
        wait_for(lambda: "draining:" in self.node.log(), "it drains")
        hup(self.node)
        wait_for(lambda: "SIGHUP: the node is draining; nothing is done" in self.node.log(), "it says so")
        self.assertEqual(len(fronts(self.node)), 1)

    def test_settings_of_the_front_are_those_of_the_file_now(self):
        self.node = self.enterContext(ConfiguredNode('log_level = "error"'))
        self.assertIn(b"error", support._read(f"/proc/{self.node.front_pid()}/cmdline").split(b"\0"))
        self.node.write('log_level = "info"')
        hup(self.node)
        wait_for(lambda: (pid := self.node.front_pid()) and
                 b"info" in support._read(f"/proc/{pid}/cmdline").split(b"\0"), "the new front has it")
        self.answers("s")


@needs_root
class Users(unittest.TestCase):
    """Users and groups are looked up again."""

    @classmethod
    def setUpClass(cls):
        cls.accounts = Accounts()
        cls.addClassCleanup(cls.accounts.close)
        cls.group = cls.accounts.group("late")
        cls.user = cls.accounts.user("user")

    def node(self, text, **options):
        node = self.enterContext(ConfiguredNode(text, **options))
        return node

    def run_as(self, node):
        return node.nacre("exec", "-u", self.user.name, "--", "id", "-un")

    def test_a_user_who_is_added_may_be_run_as_and_one_who_is_removed_may_not(self):
        node = self.node('run_as = ["root"]')
        self.assertEqual(self.run_as(node).returncode, 125)
        node.write(f'run_as = ["root", "{self.user.name}"]')
        self.assertEqual(self.run_as(node).returncode, 125)  # not yet read
        upgrade(node)
        self.assertEqual(self.run_as(node).stdout.decode(), f"{self.user.name}\n")
        running = node.nacre("start", "-u", self.user.name, "--", "sleep", "1000").stdout.decode().strip()
        node.write('run_as = ["root"]')
        upgrade(node)
        result = self.run_as(node)
        self.assertEqual(result.returncode, 125)
        self.assertIn(b"run_as", result.stderr)
        # What runs, runs on, and can be ended.
        self.assertEqual(node.nacre("end", running).returncode, 0)
        self.assertEqual(node.nacre("wait", running).returncode, 128 + signal.SIGTERM)

    def test_a_user_that_is_the_fronts_may_not_be_run_as(self):
        node = self.node(f'run_as = ["root"]\nfront_user = "{self.user.name}"')
        node.write(f'run_as = ["root", "{self.user.name}"]\nfront_user = "{self.user.name}"')
        refused(node, f'run_as: commands of "{self.user.name}" could stop or trace the network process')
        self.assertEqual(self.run_as(node).returncode, 125)

    def test_a_group_that_a_user_has_joined_counts(self):
        node = self.node(f'run_as = ["{self.user.name}"]')
        line = ("exec", "-u", self.user.name, "--", "id", "-Gn")
        self.assertNotIn(self.group, node.nacre(*line).stdout.decode().split())
        self.accounts.join(self.user, self.group)
        upgrade(node)
        self.assertIn(self.group, node.nacre(*line).stdout.decode().split())

    def test_the_front_gets_the_user_that_the_file_names_now(self):
        text = '[[compat]]\ndialect = "framed"\naddress = "127.0.0.1:%d"\n'
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            text %= probe.getsockname()[1]
        address = text.split('"')[3]
        node = self.node('front_user = "nobody"\n' + text)
        node.write(f'front_user = "{self.user.name}"\n' + text)
        front = upgrade(node)
        uids = [line for line in support._read(f"/proc/{front}/status").decode().splitlines() if line.startswith("Uid:")]
        self.assertEqual(uids[0].split()[1:], [str(self.user.uid)] * 4)
        with Client(address) as client:  # which it can still spool for
            self.assertEqual(client.ask("head -c 2000000 /dev/zero"), bytes(2_000_000))

    def test_the_group_of_the_sockets_is_the_one_that_the_file_names_now(self):
        node = self.node("")
        self.assertEqual(stat.S_IMODE(os.stat(node.socket).st_mode), 0o600)
        node.write(f'socket_group = "{self.group}"')
        upgrade(node)
        self.assertEqual((pathlib.Path(node.socket).group(), stat.S_IMODE(os.stat(node.socket).st_mode)), (self.group, 0o660))
        node.write("")
        upgrade(node)
        self.assertEqual(stat.S_IMODE(os.stat(node.socket).st_mode), 0o600)


class FrontBinary(unittest.TestCase):
    """Which program is the front is the file's to say, too."""

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(support.tempfile.TemporaryDirectory()))
        self.directory.chmod(0o755)
        self.front = self.directory / "nacre-front"
        self.replace()
        self.node = self.enterContext(ConfiguredNode(self.naming(self.front)))
        self.node.warm_up()

    def naming(self, front):
        return f'front = "{front}"'

    def replace(self):
        """Puts another copy in the front's place, as a package does."""
        fresh = self.directory / "fresh"
        shutil.copy(support.BIN / "nacre-front", fresh)
        fresh.chmod(0o755)
        fresh.rename(self.front)

    def runs(self, front):
        """Whether the front that serves runs this file."""
        return os.path.samestat(os.stat(f"/proc/{self.node.front_pid()}/exe"), os.stat(front))

    def told(self):
        """How often the log has said that the front remains."""
        return count(self.node, "the one that serves goes on") + count(self.node, "all stays as it is")

    def test_one_that_has_been_replaced_is_used(self):
        self.assertTrue(self.runs(self.front))
        self.replace()
        self.assertFalse(self.runs(self.front))
        old = self.node.front_pid()
        with self.node.popen("exec", "-i", "cat", stdin=subprocess.PIPE) as client:
            client.stdin.write(b"before\n")
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), b"before\n")
            upgrade(self.node)
            wait_for(lambda: not alive(old), "the old front has gone")
            self.assertTrue(self.runs(self.front))
            out, _ = client.communicate(b"after\n", timeout=DEADLINE)
            self.assertEqual((out, client.returncode), (b"after\n", 0))
        self.node.assert_settled()

    def test_another_path_is_used(self):
        other = self.directory / "elsewhere" / "nacre-front"
        other.parent.mkdir(mode=0o755)
        shutil.copy(self.front, other)
        self.node.write(self.naming(other))
        old = self.node.front_pid()
        upgrade(self.node)
        wait_for(lambda: not alive(old), "the old front has gone")
        self.assertTrue(self.runs(other))

    def test_one_that_can_not_start_leaves_the_old_one_serving(self):
        old = self.node.front_pid()
        text = self.directory / "text"
        text.write_text("no program\n")
        text.chmod(0o755)
        fifo = self.directory / "fifo"
        os.mkfifo(fifo, 0o755)
        for front in ("/no/such/front", self.directory, text, fifo, "/bin/false", "/bin/true"):
            with self.subTest(front=front):
                told = self.told()
                self.node.write(self.naming(front))
                hup(self.node)
                wait_for(lambda told=told: self.told() > told, lambda: f"it says so\n{self.node.log()}")
                self.assertEqual(self.node.front_pid(), old)
                self.assertEqual(self.node.exec("echo", "x").stdout, b"x\n")
        self.node.write(self.naming(self.front))
        self.assertNotEqual(upgrade(self.node), old)
        self.node.assert_settled()

    def test_a_front_that_dies_while_the_file_names_one_that_can_not_start_is_replaced_by_its_like(self):
        self.node.write(self.naming("/bin/false"))
        hup(self.node)
        wait_for(lambda: "the one that serves goes on" in self.node.log(), "the new one has failed")
        old = self.node.front_pid()
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: self.node.front_pid() not in (None, old), "another front")
        self.assertEqual(self.node.exec("echo", "x").stdout, b"x\n")


class Census(unittest.TestCase):
    def test_the_keeper_is_as_before_after_many(self):
        with LegacyNode() as node:
            node.warm_up()
            with node.stub() as stub:
                ids = [stub.StartSession(shell_pb2.StartSessionRequest(start=command("sleep", "1000")),
                                         timeout=DEADLINE).session.id for _ in range(10)]
            for i in range(10):
                upgrade(node)
                self.assertEqual(node.ask(f"echo {i}"), b"%d\n" % i)
            self.assertEqual(len(node.session_processes()), 10)
            for one in ids:
                self.assertEqual(node.nacre("rm", "-f", one).returncode, 0)
            wait_for(lambda: len(fronts(node)) == 1, "one front is left")
            node.assert_settled()


if __name__ == "__main__":
    unittest.main()
