"""A node for those who run many: what it says of itself, and how it is taken out of service and put back."""

import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import grpc

import support
from accounts import Accounts, needs_root
from legacy import LegacyNode
from sessions import RUNNING, STREAM, SessionTest, kill_front
from stubs import node_pb2, node_pb2_grpc
from support import (DEADLINE, MIB, Attach, Exec, Node, channel, command, shell, shell_pb2, wait_for)
from test_status import get_node, status
from test_upgrade import ConfiguredNode, upgrade
from tmux import Tmux


def drain(node, undo=False):
    """The node after it, as the answer to Drain has it."""
    with channel(node.target) as own:
        stub = node_pb2_grpc.NodeServiceStub(own)
        return stub.Drain(node_pb2.DrainRequest(undo=undo), timeout=DEADLINE).node


def events(node, *wanted):
    return [line for line in node.audit() if line["event"] in wanted]


class Labels(unittest.TestCase):
    def test_they_are_told_as_they_are_and_as_they_become_by_sighup(self):
        with ConfiguredNode('labels = { zone = "north", "example.com/gpu" = "Größe 3, = a" }') as node:
            self.assertEqual(dict(get_node(node).labels), {"zone": "north", "example.com/gpu": "Größe 3, = a"})
            self.assertEqual(status(node)["labels"], {"example.com/gpu": "Größe 3, = a", "zone": "north"})
            shown = node.nacre("status").stdout.decode()
            self.assertRegex(shown, r"(?m)^label zone: +north$")
            node.write('[labels]\nzone = "south"')
            self.assertEqual(dict(get_node(node).labels)["zone"], "north")
            upgrade(node)
            self.assertEqual(dict(get_node(node).labels), {"zone": "south"})
            kill_front(node)
            self.assertEqual(dict(get_node(node).labels), {"zone": "south"})
            node.write()
            upgrade(node)
            self.assertEqual(dict(get_node(node).labels), {})

    def test_options_are_in_the_place_of_the_files_table(self):
        with Node("--label", "rack=7", "--label", "empty=") as node:
            self.assertEqual(dict(get_node(node).labels), {"rack": "7", "empty": ""})

    def test_as_many_as_may_be_as_long_as_they_may_be(self):
        labels = {f"{i:02}" + "k" * 61: "ä" * 128 for i in range(64)}
        words = [word for name, text in labels.items() for word in ("--label", f"{name}={text}")]
        with Node(*words) as node:
            self.assertEqual(dict(get_node(node).labels), labels)


class Identity(unittest.TestCase):
    def test_the_id_is_the_nodes_own_and_stays_while_epochs_change(self):
        with Node() as first:
            told = get_node(first)
            self.assertRegex(told.id, r"^[0-9a-f]{32}$")
            file = first.state / "node_id"
            self.assertEqual((file.read_text(), file.stat().st_mode & 0o777), (told.id + "\n", 0o600))
            self.assertFalse((first.state / "node_id.new").exists())
            self.assertIn(told.id, first.nacre("status").stdout.decode())
            kill_front(first)
            self.assertEqual(get_node(first).id, told.id)
            first.terminate()
            self.assertEqual(first.wait(), 0)
            with Node(state=first.state) as again:
                self.assertEqual(get_node(again).id, told.id)
                self.assertNotEqual(get_node(again).epoch, told.epoch)
        with Node() as other:
            self.assertNotEqual(get_node(other).id, told.id)

    def test_a_file_that_holds_something_else_keeps_it_from_starting_and_is_left_alone(self):
        for text in ("", "no id\n", "0" * 31, "0" * 33, "A" * 32):
            with self.subTest(text=text):
                node = Node()
                self.addCleanup(node.clean)
                node.state.mkdir(mode=0o700)
                (node.state / "node_id").write_text(text)
                node.launch()
                self.assertEqual(node.wait(), 1)
                self.assertIn("node_id: is not 32 hexadecimal digits", node.log())
                self.assertEqual((node.state / "node_id").read_text(), text)


class Load(SessionTest):
    def test_limits_are_what_is_enforced(self):
        limits = get_node(self.node).limits
        self.assertGreater(limits.max_session_descriptors, 100)
        self.assertEqual((limits.max_request_bytes, limits.max_open_files, limits.max_retention_bytes), (4 * MIB, 256, MIB))
        self.assertEqual(status(self.node)["limits"]["max_request_bytes"], 4 * MIB)
        self.assert_refused(lambda: self.start(command("true", "x" * limits.max_request_bytes)), "RESOURCE_EXHAUSTED")

    def test_load_is_what_the_kernel_says_though_the_front_is_confined(self):
        load = get_node(self.node).load
        meminfo = dict(re.findall(r"(\w+): +(\d+) kB", pathlib.Path("/proc/meminfo").read_text()))
        self.assertEqual(load.memory_bytes, int(meminfo["MemTotal"]) * 1024)
        self.assertAlmostEqual(load.available_memory_bytes, int(meminfo["MemAvailable"]) * 1024, delta=load.memory_bytes / 4)
        self.assertEqual(load.cpus, os.sysconf("SC_NPROCESSORS_ONLN"))
        for told, read in zip((load.load_average_1m, load.load_average_5m, load.load_average_15m), os.getloadavg()):
            self.assertAlmostEqual(told, read, delta=1 + read / 2)

    def test_own_sessions_are_counted_while_they_run(self):
        wait_for(lambda: get_node(self.node).running_sessions == 0, "those before have ended")
        self.assertEqual(get_node(self.node).load.own_running_sessions, 0)
        ids = [self.start(command("sleep", "1000")).id for _ in range(3)]
        self.assertEqual(get_node(self.node).load.own_running_sessions, 3)
        self.assertIn("3 running (3 of them yours)", self.node.nacre("status").stdout.decode())
        self.kill_front()
        self.assertEqual(get_node(self.node).load.own_running_sessions, 3)
        for session in ids:
            self.delete(session, force=True)
        wait_for(lambda: get_node(self.node).load.own_running_sessions == 0, "they have ended")


class Drained(SessionTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.put_back)

    def put_back(self):
        """Before the next call is to work."""
        if get_node(self.node).draining:
            drain(self.node, undo=True)

    def assert_takes_none(self):
        refused = "the node is drained: it takes no new sessions"
        for start in (lambda: self.start(command("true")),
                      lambda: self.calls.Run(shell_pb2.RunRequest(start=command("true")), timeout=DEADLINE)):
            with self.assertRaises(grpc.RpcError) as caught:
                start()
            self.assert_refused(caught.exception, "UNAVAILABLE", "DRAINING")
            self.assertEqual(caught.exception.details(), refused)
        error = Exec(self.calls, command("true")).error()
        self.assert_refused(error, "UNAVAILABLE", "DRAINING")
        result = self.node.exec("true")
        self.assert_ends(result, 125, b"", f"nacre: {refused}\n".encode())

    def assert_takes_some(self):
        self.assert_ends(self.node.exec("echo", "x"), 0, b"x\n", b"")

    def test_it_takes_no_new_sessions_until_that_is_undone(self):
        told = drain(self.node)
        self.assertEqual((told.draining, told.stopping), (True, False))
        self.assertEqual((get_node(self.node).draining, get_node(self.node).stopping), (True, False))
        self.assert_takes_none()
        told = drain(self.node, undo=True)
        self.assertEqual((told.draining, told.stopping), (False, False))
        self.assert_takes_some()

    def test_what_is_done_already_may_be_done_again(self):
        for undo in (True, False, False, True, True):
            self.assertEqual(drain(self.node, undo=undo).draining, not undo)

    def test_what_runs_goes_on_and_can_be_reached_by_new_connections(self):
        call = Exec(self.stub(), shell("echo ready; read line; echo $line; exit 3", input=STREAM))
        session = call.await_output(b"ready\n").started.session.id
        drain(self.node)
        self.assertEqual(self.get(session).state, RUNNING)
        self.assertEqual(self.node.ping().returncode, 0)
        with self.node.stub() as fresh:
            viewer = Attach(fresh, session_id=session, position=0)
            viewer.await_output(b"ready\n")
            call.send(input=shell_pb2.Input(data=b"on\n", eof=True))
            self.assertEqual(viewer.follow().termination.exit_code, 3)
            self.assertEqual(viewer.stdout, b"ready\non\n")
        self.assertEqual(call.follow().termination.exit_code, 3)
        self.assert_ends(self.node.nacre("wait", session), 3)
        self.assert_ends(self.node.nacre("logs", session), 0, b"ready\non\n")

    def test_a_start_that_is_retried_finds_what_it_has_started(self):
        start = command("sleep", "1000")
        start.request_id = "again"
        session = self.start(start).id
        drain(self.node)
        answer = self.start_answer(start)
        self.assertEqual((answer.session.id, answer.already_started), (session, True))

    def test_it_holds_whatever_becomes_of_the_front(self):
        session = self.start(command("sleep", "1000")).id
        drain(self.node)
        self.kill_front()
        self.assert_takes_none()
        upgrade(self.node)
        self.calls = self.stub()
        self.assertTrue(get_node(self.node).draining)
        self.assert_takes_none()
        self.assertEqual(self.get(session).state, RUNNING)
        drain(self.node, undo=True)
        self.kill_front()
        upgrade(self.node)
        self.assert_takes_some()

    def test_the_front_that_takes_over_knows_what_was_asked_while_it_started(self):
        for undo in (False, True) * 3:
            self.node.process.send_signal(signal.SIGHUP)
            wait_for(lambda: self.try_drain(undo), "a front that says so")
            wait_for(lambda: self.node.log().count("a new front starts") ==
                     len(re.findall(r"retired: ", self.node.log())), lambda: f"the next one serves\n{self.node.log()}")
            self.node.await_serving()
            self.assertEqual(get_node(self.node).draining, not undo)

    def try_drain(self, undo):
        try:
            return drain(self.node, undo).draining is not undo
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error)
            return False

    def test_the_audit_says_who_did_it(self):
        before = len(events(self.node, "drain", "undrain"))
        drain(self.node)
        drain(self.node, undo=True)
        lines = events(self.node, "drain", "undrain")[before:]
        self.assertEqual([(line["event"], line["identity"]) for line in lines],
                         [("drain", f"uid:{os.getuid()}"), ("undrain", f"uid:{os.getuid()}")])

    def test_by_hand(self):
        session = self.start(command("sleep", "1000")).id
        self.assert_ends(self.node.nacre("drain"), 0, b"it takes no new sessions; 1 session runs\n", b"")
        self.assertIn("yes, it takes no new sessions", self.node.nacre("status").stdout.decode())
        self.assert_takes_none()
        self.assert_ends(self.node.nacre("drain", "--wait", "--timeout", "200ms"), 124)
        with self.node.popen("drain", "--wait") as waiting:
            time.sleep(0.3)
            self.assertIsNone(waiting.poll())
            self.end(session)
            out, err = waiting.communicate(timeout=DEADLINE)
        self.assertEqual((waiting.returncode, out, err), (0, b"it takes no new sessions; no session runs\n", b""))
        self.assert_ends(self.node.nacre("drain", "--undo"), 0, b"it takes new sessions again\n", b"")

    def test_who_waits_is_told_when_somebody_undoes_it(self):
        self.start(command("sleep", "1000"))
        with self.node.popen("drain", "--wait") as waiting:
            wait_for(lambda: get_node(self.node).draining, "it is drained")
            drain(self.node, undo=True)
            out, err = waiting.communicate(timeout=DEADLINE)
        self.assertEqual((waiting.returncode, out), (1, b""))
        self.assertIn(b"somebody has let the node take new sessions again", err)

    def test_who_waits_sees_on_a_terminal_how_many_run(self):
        session = self.start(command("sleep", "1000")).id
        tmux = Tmux({"NACRE_HOST": self.node.target})
        self.addCleanup(tmux.close)
        tmux.run(support.BIN / "nacre", "drain", "--wait")
        tmux.await_text("waiting: 1 session runs")
        self.end(session)
        tmux.await_text("it takes no new sessions; no session runs")
        self.assertNotIn("waiting", tmux.screen())


class Nodes(unittest.TestCase):
    def test_files_are_counted_while_they_are_open(self):
        with Node() as node:
            self.assertEqual((get_node(node).load.open_files, get_node(node).load.file_calls), (0, 0))
            with node.popen("watch", f":{node.directory}") as watch:
                wait_for(lambda: get_node(node).load.open_files == 1, "it watches")
                watch.kill()
            wait_for(lambda: get_node(node).load.open_files == 0, "it watches no more")

    def test_files_stay_within_reach_of_a_drained_node(self):
        with Node() as node:
            drain(node)
            path = node.directory / "file"
            self.assertEqual(node.nacre("cp", "/etc/hostname", f":{path}").returncode, 0)
            self.assertEqual(node.nacre("cat", f":{path}").stdout, pathlib.Path("/etc/hostname").read_bytes())

    def test_an_older_client_gets_a_clear_error(self):
        with LegacyNode() as node:
            drain(node)
            self.assertIn(b"the node is drained: it takes no new sessions", node.ask("echo x"))
            drain(node, undo=True)
            self.assertEqual(node.ask("echo x"), b"x\n")

    def test_a_restart_of_the_daemon_undoes_it(self):
        with Node() as node:
            drain(node)
            node.terminate()
            self.assertEqual(node.wait(), 0)
            with Node(state=node.state) as again:
                self.assertFalse(get_node(again).draining)
                self.assertEqual(again.exec("true").returncode, 0)

    def test_a_node_that_stops_while_it_is_drained_says_both(self):
        with Node() as node, channel(node.target) as open_channel, node.stub() as stub:
            call = Exec(stub, shell("echo ready; read line", input=STREAM))
            call.await_output(b"ready\n")
            drain(node)
            self.assertFalse(get_node(node, open_channel).stopping)
            node.terminate()
            wait_for(lambda: get_node(node, open_channel).stopping, "it stops")
            self.assertTrue(get_node(node, open_channel).draining)
            told = node_pb2_grpc.NodeServiceStub(open_channel).Drain(node_pb2.DrainRequest(undo=True), timeout=DEADLINE).node
            self.assertEqual((told.draining, told.stopping), (True, True))
            call.send(input=shell_pb2.Input(data=b"\n", eof=True))
            call.follow()
            self.assertEqual(node.wait(), 0)

    def test_what_can_not_be_in_the_audit_is_not_done(self):
        with Node() as node:
            with open(node.state / "audit.jsonl", "rb") as audit:
                size = len(audit.read())
            subprocess.run(["prlimit", "--pid", str(node.pid), f"--fsize={size}:"], check=True)
            with self.assertRaises(grpc.RpcError) as caught:
                drain(node)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertIn("audit can't be written", caught.exception.details())
            subprocess.run(["prlimit", "--pid", str(node.pid), "--fsize=unlimited:"], check=True)
            self.assertFalse(get_node(node).draining)
            self.assertEqual(node.exec("true").returncode, 0)

    def test_loopback_callers_may_look_and_not_drain(self):
        with Node("--insecure-loopback", listen=["127.0.0.1:0"]) as node:
            result = node.nacre("drain")
            self.assertEqual((result.returncode, result.stdout), (1, b""))
            self.assertIn(b'rule "operator" allows', result.stderr)
            self.assertFalse(status(node)["draining"])
            line, = [line for line in events(node, "denied") if line.get("verb") == "drain"]
            self.assertTrue(line["identity"].startswith("anonymous@"), line)


@needs_root
class Strangers(unittest.TestCase):
    def test_a_user_who_may_run_commands_may_not_drain(self):
        with Accounts() as accounts:
            group = accounts.group("callers")
            user = accounts.user("alice", group)
            with Node("--run-as", "root", "--run-as", user.name, "--socket-group", group,
                      listen=[f"unix:{accounts.directory}/shared/s"]) as node:
                def nacre(*words):
                    return user.run(accounts.binary("nacre"), "-H", node.target, *words)

                self.assertEqual(nacre("exec", "true").returncode, 0)
                for words in (("drain",), ("drain", "--undo")):
                    result = nacre(*words)
                    self.assertEqual((result.returncode, result.stdout), (1, b""))
                    self.assertIn(f"uid:{user.uid} may not".encode(), result.stderr)
                self.assertFalse(get_node(node).draining)
                denied = [line for line in events(node, "denied") if line["identity"] == f"uid:{user.uid}"]
                self.assertEqual([line["verb"] for line in denied], ["drain", "undrain"])
                self.assertEqual(events(node, "drain", "undrain"), [])
                # He may look, and is refused what he may do elsewhere once root has done it.
                self.assertIn(b"no", nacre("status").stdout)
                drain(node)
                self.assertEqual(nacre("exec", "true").returncode, 125)
                self.assertIn(b"draining", nacre("status").stdout)


if __name__ == "__main__":
    unittest.main()
