"""What a node says of itself: nacre status, and GetNode as a generated client calls it."""

import json
import pathlib
import pwd
import re
import socket
import tempfile
import time
import unittest

import grpc

from legacy import LegacyNode
from sessions import RUNNING, STREAM, SessionTest, kill_front
from stubs import node_pb2, node_pb2_grpc
from support import DEADLINE, Exec, Node, alive, channel, command, shell, shell_pb2, wait_for

PROVES_NOTHING = "callers prove nothing"


def get_node(node, open_channel=None):
    """The answer to GetNode, on a connection of its own unless there is one."""
    if open_channel is None:
        with channel(node.target) as own:
            return get_node(node, own)
    return node_pb2_grpc.NodeServiceStub(open_channel).GetNode(node_pb2.GetNodeRequest(), timeout=DEADLINE).node


def status(node):
    """What nacre status -o json prints."""
    result = node.nacre("status", "-o", "json")
    if (result.returncode, result.stderr) != (0, b""):
        raise AssertionError(result)
    return json.loads(result.stdout)


def user_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return pwd.getpwuid(int(re.search(r"Uid:\s+\d+\s+(\d+)", file.read()).group(1))).pw_name


class Status(SessionTest):
    def test_the_two_processes_are_those_that_run(self):
        told, front = status(self.node), self.node.front_pid()
        self.assertEqual((told["daemon_pid"], told["front_pid"]), (self.node.pid, front))
        self.assertEqual((told["user"], told["front_user"]), (user_of(self.node.pid), user_of(front)))
        self.assertEqual(told["run_as_users"], [told["user"]])
        self.assertFalse(told["draining"])

    def test_epoch_host_and_version_are_what_they_are_elsewhere(self):
        told = status(self.node)
        self.assertRegex(told["epoch"], r"^[0-9a-f]{8}$")
        self.assertEqual((told["epoch"], told["host_name"]), (self.node.epoch, socket.gethostname()))
        self.assertEqual(self.node.nacre("--version").stdout, b"nacre %s\n" % told["version"].encode())

    def test_people_read_a_line_for_each_thing(self):
        result = self.node.nacre("status")
        self.assert_ends(result, 0, stderr=b"")
        lines = dict(re.split(r":\s+", line, maxsplit=1) for line in result.stdout.decode().splitlines())
        self.assertEqual(lines["epoch"], self.node.epoch)
        self.assertRegex(lines["daemon"], rf"^pid {self.node.pid}, up for \d+[smh], as \S+$")
        self.assertRegex(lines["front"], rf"^pid {self.node.front_pid()}, up for \d+[smh], as \S+$")
        self.assertRegex(lines["sessions"], r"^\d+ running \(\d+ of them yours\), \d+ ended, room for \d+$")
        self.assertEqual(lines["listener grpc-0"], f"{self.node.target}, gRPC")

    def test_sessions_are_counted(self):
        wait_for(lambda: get_node(self.node).running_sessions == 0, "those before have ended")
        before = get_node(self.node).ended_sessions
        for _ in range(3):
            self.ended(command("true"))
        running = [self.start(command("sleep", "1000")).id for _ in range(2)]
        told = get_node(self.node)
        self.assertEqual((told.running_sessions, told.ended_sessions), (2, before + 3))
        self.assertGreater(told.max_sessions, 2)
        for session in running:
            self.delete(session, force=True)
        wait_for(lambda: get_node(self.node).running_sessions == 0, "they have ended")
        self.assertEqual(get_node(self.node).ended_sessions, before + 3)

    def test_a_front_that_dies_changes_what_is_the_fronts_alone(self):
        self.ended(command("true"))
        running = self.start(command("sleep", "1000")).id
        before = get_node(self.node)
        self.kill_front()
        after = get_node(self.node)
        self.assertEqual(after.front_pid, self.node.front_pid())
        self.assertNotEqual(after.front_pid, before.front_pid)
        self.assertFalse(alive(before.front_pid))
        self.assertGreater(after.front_start_time.ToNanoseconds(), before.front_start_time.ToNanoseconds())
        self.assertGreaterEqual(after.ended_sessions, before.ended_sessions)
        self.assertEqual(self.get(running).state, RUNNING)
        for of_the_front in ("front_pid", "front_start_time", "ended_sessions", "load"):
            before.ClearField(of_the_front)
            after.ClearField(of_the_front)
        self.assertEqual(after, before)

    def test_nothing_of_it_is_in_the_audit(self):
        before = len(self.node.audit())
        self.assertTrue(status(self.node))
        get_node(self.node)
        self.assertEqual(len(self.node.audit()), before)


class Nodes(unittest.TestCase):
    def test_times_are_those_of_the_starts(self):
        before = time.time_ns()
        with Node() as node:
            told = get_node(node)
            daemon, front = told.start_time.ToNanoseconds(), told.front_start_time.ToNanoseconds()
            # Clocks may be read a little coarsely.
            self.assertLessEqual(before - 10_000_000, daemon)
            self.assertLessEqual(daemon, front)
            self.assertLessEqual(front, time.time_ns())
            kill_front(node)
            self.assertEqual(get_node(node).start_time, told.start_time)

    def test_an_epoch_is_new_with_each_daemon(self):
        with Node() as first, Node() as second:
            self.assertNotEqual(get_node(first).epoch, get_node(second).epoch)

    def test_without_cgroups_processes_are_searched_for(self):
        with Node("--cgroup", "off") as node:
            self.assertEqual(status(node)["kill_method"], "search")
            self.assertEqual(get_node(node).kill_method, node_pb2.KILL_METHOD_SEARCH)

    def test_the_kill_method_is_what_the_log_says(self):
        with Node() as node:
            expected = "cgroup" if "sessions are cgroups in" in node.log() else "search"
            self.assertEqual(status(node)["kill_method"], expected)

    def test_plaintext_loopback_is_told_with_a_warning_to_those_who_call_there_too(self):
        with Node("--insecure-loopback", listen=["127.0.0.1:0"]) as node:
            listener, = status(node)["listeners"]
            self.assertEqual((listener["name"], listener["address"], listener["dialect"]), ("grpc-0", node.target, ""))
            self.assertIn(PROVES_NOTHING, listener["warning"])
            self.assertIn(f"WARNING: {listener['warning']}".encode(), node.nacre("status").stdout)

    def test_listeners_of_older_clients_are_told_by_dialect_and_a_secret_by_nothing_but_that_there_is_one(self):
        with tempfile.TemporaryDirectory(prefix="nacre-e2e.") as directory:
            secret = pathlib.Path(directory) / "gate"
            secret.write_text("0123456789abcdef\n")
            secret.chmod(0o600)
            with LegacyNode({"plain": "", "proven": f"secret_file={secret}"}) as node:
                local, plain, proven = status(node)["listeners"]
                self.assertEqual(local, {"name": "grpc-0", "address": node.target, "dialect": "",
                                         "requires_secret": False, "warning": ""})
                self.assertEqual((plain["name"], plain["address"], plain["dialect"], plain["requires_secret"]),
                                 ("compat-0", node.address("plain"), "framed", False))
                self.assertIn(PROVES_NOTHING, plain["warning"])
                self.assertEqual(proven, {"name": "compat-1", "address": node.address("proven"), "dialect": "framed",
                                          "requires_secret": True, "warning": ""})
                said = node.nacre("status", "-o", "json").stdout
                for word in (b"0123456789abcdef", b"gate"):
                    self.assertNotIn(word, said)

    def test_sessions_of_older_clients_are_counted_while_they_run(self):
        with LegacyNode() as node, node.client() as client:
            client.send(b"sleep 1000")
            wait_for(lambda: get_node(node).running_sessions == 1, "its command runs")
            client.reset()
            wait_for(lambda: get_node(node).running_sessions == 0, "its command ends")

    def test_a_node_that_drains_says_so_to_those_who_are_there_already(self):
        with Node() as node, channel(node.target) as open_channel, node.stub() as stub:
            self.assertFalse(get_node(node, open_channel).draining)
            call = Exec(stub, shell("echo ready; read line; exit 3", input=STREAM))
            call.await_output(b"ready\n")
            node.terminate()
            wait_for(lambda: get_node(node, open_channel).draining, "it drains")
            self.assertEqual(get_node(node, open_channel).running_sessions, 1)
            call.send(input=shell_pb2.Input(data=b"\n", eof=True))
            self.assertEqual(call.follow().termination.exit_code, 3)
            self.assertEqual(node.wait(), 0)

    def test_a_node_that_is_not_there_fails_with_1(self):
        with Node() as node:
            result = node.nacre("-H", "unix:/no/such/socket", "status")
            self.assertEqual((result.returncode, result.stdout), (1, b""))
            self.assertIn(b"/no/such/socket", result.stderr)
            with channel("unix:/no/such/socket") as nowhere, self.assertRaises(grpc.RpcError):
                get_node(node, nowhere)


if __name__ == "__main__":
    unittest.main()
