"""Whom a kill reaches: by cgroups everything that a session has started, without them whom a search finds."""

import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest

import support
from accounts import needs_root
from deadlines import DEADLINE
from sessions import KEPT, QUICK_LADDER, SessionTest
from support import Exec, Node, alive, children, command, command_pb2, session_pb2, shell, shell_pb2, wait_for

LEAVE = support.PROGRAMS / "leave.py"
GROUP = command_pb2.KILL_SCOPE_PROCESS_GROUP
LEADER = command_pb2.KILL_SCOPE_LEADER
GONE_AT_ONCE = {"on_disconnect": command_pb2.ON_DISCONNECT_KILL}


def told(call, *names):
    """Follows a call until its command has said a line "NAME PID" for each of these names; the process ids."""
    def find(name):
        found = re.search(rf"^{name} (\d+)$", bytes(call.stdout).decode(), re.MULTILINE)
        return found and int(found.group(1))

    while not all(map(find, names)):
        if next(call.events(), None) is None:
            raise AssertionError(f"it said only {bytes(call.stdout)!r}")
    return [find(name) for name in names]


def in_a_cgroup(node):
    """Starts it, and skips the test where it can't divide a cgroup."""
    node.start()
    if node.cgroup() is None:
        why = re.search("searched for: (.*)", node.log())
        node.__exit__()
        raise unittest.SkipTest(f"no cgroup v2 to divide: {why.group(1) if why else node.log()}")
    return node


class KillTest(SessionTest):
    """What holds by either method. Its subclasses say which."""

    node_arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.node = cls.make_node()
        try:
            cls.node.warm_up()
        except BaseException:
            cls.node.clean()
            raise

    @classmethod
    def make_node(cls):
        raise NotImplementedError

    def run_and_leave(self, *words, stay="exec sleep 1000", **fields):
        """A call whose command has left a daemon behind (see leave.py) and a child in its own group, and then stays:
        (call, leader, child, daemon)."""
        line = f"{LEAVE} {' '.join(words)}; sleep 1000 >/dev/null 2>&1 & echo child $!; echo leader $$; {stay}"
        call = Exec(self.calls, shell(line, **fields))
        pids = told(call, "leader", "child", "left")
        for pid in pids:
            self.addCleanup(self.kill, pid)
        return call, *pids

    @staticmethod
    def kill(pid):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not alive(pid), f"{pid} is gone")

    def assert_all_go(self, call, *pids):
        end = call.follow().termination
        for pid in pids:
            self.await_dead(pid)
        return end

    def assert_stays(self, *pids):
        """Others of the same kill have gone, so what is still here has not been reached."""
        for pid in pids:
            self.assertTrue(alive(pid), f"{pid} has gone")


class Reach:
    """A child that has left its parent, its group and its session goes with the rest."""

    def test_it_does_leave(self):
        call, leader, child, daemon = self.run_and_leave("session")
        self.assertEqual((os.getpgid(child), os.getsid(child)), (leader, leader))
        self.assertNotIn(leader, (os.getpgid(daemon), os.getsid(daemon)))
        self.assertNotIn(daemon, support.children(leader))
        call.cancel()
        self.end(call.session.id)

    def test_a_kill_by_the_client_reaches_it(self):
        call, *pids = self.run_and_leave("session")
        self.assertEqual(self.node.nacre("kill", call.session.id).returncode, 0)
        end = self.assert_all_go(call, *pids)
        self.assertEqual((end.cause, end.signal.number), (session_pb2.CAUSE_SIGNALED, signal.SIGTERM))

    def test_each_signal_reaches_it(self):
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGKILL, 40):
            with self.subTest(number=number):
                call, *pids = self.run_and_leave("session")
                self.signal(call.session.id, number)
                self.assertEqual(self.assert_all_go(call, *pids).signal.number, number)

    def test_an_end_reaches_it(self):
        call, *pids = self.run_and_leave("session")
        self.end(call.session.id)
        self.assertEqual(self.assert_all_go(call, *pids).cause, session_pb2.CAUSE_CANCELLED)

    def test_a_timeout_reaches_it(self):
        call, *pids = self.run_and_leave("session", timeout={"seconds": 3})
        self.assertEqual(self.assert_all_go(call, *pids).cause, session_pb2.CAUSE_TIMED_OUT)

    def test_a_cancel_reaches_it(self):
        call, *pids = self.run_and_leave("session")
        call.send(cancel=shell_pb2.Cancel())
        self.assertEqual(self.assert_all_go(call, *pids).cause, session_pb2.CAUSE_CANCELLED)

    def test_the_loss_of_its_driver_reaches_it(self):
        call, *pids = self.run_and_leave("session", policies=GONE_AT_ONCE)
        call.cancel()
        for pid in pids:
            self.await_dead(pid)
        self.assertEqual(self.wait(call.session.id).termination.cause, session_pb2.CAUSE_DISCONNECTED)

    def test_a_delete_by_force_reaches_it(self):
        call, *pids = self.run_and_leave("session")
        self.delete(call.session.id, force=True)
        self.assert_all_go(call, *pids)

    def test_one_that_does_not_obey_goes_at_the_ladders_end_though_its_leader_does(self):
        call, *pids = self.run_and_leave("session", "stubborn", policies=QUICK_LADDER)
        self.end(call.session.id)
        self.assert_all_go(call, *pids)

    def test_it_has_the_ladders_time_to_clean_up_though_its_leader_is_gone(self):
        for scope in (command_pb2.KILL_SCOPE_SESSION, GROUP):
            with self.subTest(scope=scope):
                directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="nacre-e2e.")))
                worker = ("trap 'sleep 0.3; touch cleaned; exit' TERM; touch ready; "
                          "while :; do sleep 0.05; done")
                call = Exec(self.calls, shell(f'sh -c "{worker}" >/dev/null 2>&1 & wait', cwd=str(directory),
                                              policies={"kill_scope": scope}))
                call.await_event("started")
                wait_for((directory / "ready").exists, "it runs")
                self.end(call.session.id)
                end = call.follow().termination
                self.assertEqual((end.cause, end.signal.number), (session_pb2.CAUSE_CANCELLED, signal.SIGTERM))
                self.assertTrue((directory / "cleaned").exists())

    def test_one_that_does_not_obey_goes_at_the_ladders_end_with_a_leader_that_does_not_either(self):
        call, *pids = self.run_and_leave("session", "stubborn", stay='trap "" TERM; echo deaf; sleep 1000',
                                         policies=QUICK_LADDER)
        call.await_output(b"deaf\n")
        self.end(call.session.id)
        self.assertEqual(self.assert_all_go(call, *pids).signal.number, signal.SIGKILL)

    def test_it_is_reached_when_its_leader_has_long_exited(self):
        policies = {"on_leader_exit": command_pb2.ON_LEADER_EXIT_WAIT_FOR_EOF, **QUICK_LADDER}
        call = Exec(self.calls, shell(f"{LEAVE} session; sleep 1000 & echo leader $$", policies=policies))
        leader, daemon = told(call, "leader", "left")
        self.addCleanup(self.kill, daemon)
        wait_for(lambda: support.state_of(leader) == "Z", "the leader has exited")
        self.end(call.session.id)
        self.assert_all_go(call, daemon)

    def test_it_is_reached_after_the_front_was_killed(self):
        call, *pids = self.run_and_leave("session")
        self.kill_front()
        self.end(call.session.id)
        for pid in pids:
            self.await_dead(pid)

    def test_a_stopped_one_is_reached_too(self):
        call, leader, child, daemon = self.run_and_leave("session")
        for pid in (child, daemon):
            os.kill(pid, signal.SIGSTOP)
        self.end(call.session.id)
        self.assert_all_go(call, leader, child, daemon)

    def test_that_of_another_session_is_left_alone(self):
        other, *others = self.run_and_leave("session")
        call, *pids = self.run_and_leave("session")
        self.signal(call.session.id, signal.SIGKILL)
        self.assert_all_go(call, *pids)
        self.assert_stays(*others)
        self.assertEqual(self.get(other.session.id).state, session_pb2.SESSION_STATE_RUNNING)
        self.end(other.session.id)
        self.assert_all_go(other, *others)


class Scopes:
    """Whom a smaller scope leaves alone."""

    def test_a_signal_for_the_group_leaves_alone_who_has_left_it(self):
        call, leader, child, daemon = self.run_and_leave("session")
        self.assertEqual(self.node.nacre("kill", "--scope", "group", call.session.id).returncode, 0)
        self.assertEqual(self.assert_all_go(call, leader, child).signal.number, signal.SIGTERM)
        self.assert_stays(daemon)

    def test_a_signal_for_the_leader_reaches_the_leader_alone(self):
        call, leader, child, daemon = self.run_and_leave("session")
        self.assertEqual(self.node.nacre("kill", "-s", "KILL", "--scope", "leader", call.session.id).returncode, 0)
        self.assertEqual(self.assert_all_go(call, leader).signal.number, signal.SIGKILL)
        self.assert_stays(child, daemon)

    def test_a_signal_on_the_stream_has_its_scope(self):
        for scope, reached in ((GROUP, 2), (LEADER, 1)):
            with self.subTest(scope=scope):
                call, *pids = self.run_and_leave("session")
                call.send(signal=shell_pb2.Signal(number=signal.SIGKILL, scope=scope))
                self.assert_all_go(call, *pids[:reached])
                self.assert_stays(*pids[reached:])

    def test_an_end_has_the_scope_that_its_start_asked_for(self):
        for scope, reached in ((GROUP, 2), (LEADER, 1)):
            with self.subTest(scope=scope):
                call, *pids = self.run_and_leave("session", policies={"kill_scope": scope})
                self.end(call.session.id)
                self.assertEqual(self.assert_all_go(call, *pids[:reached]).cause, session_pb2.CAUSE_CANCELLED)
                self.assert_stays(*pids[reached:])

    def test_a_timeout_of_the_client_has_the_scope_that_was_asked_for(self):
        for name, reached in (("group", 2), ("leader", 1)):
            with self.subTest(scope=name):
                line = f"{LEAVE} session; sleep 1000 >/dev/null 2>&1 & echo child $!; exec sleep 1000"
                result = self.node.nacre("exec", "--kill-scope", name, "--timeout", "3s", "--", "sh", "-c", line)
                self.assertEqual(result.returncode, 124, result)
                said = result.stdout.decode().split()
                child, daemon = (int(said[said.index(one) + 1]) for one in ("child", "left"))
                self.addCleanup(self.kill, daemon)
                self.addCleanup(self.kill, child)
                if reached == 2:
                    self.await_dead(child)
                    self.assert_stays(daemon)
                else:
                    self.assert_stays(child, daemon)

    def test_a_signal_has_its_own_scope_whatever_the_start_asked_for(self):
        call, *pids = self.run_and_leave("session", policies={"kill_scope": LEADER})
        self.signal(call.session.id, signal.SIGKILL)
        self.assert_all_go(call, *pids)

    def test_a_scope_that_is_none_is_refused(self):
        self.assertEqual(self.node.nacre("kill", "--scope", "all", "x").returncode, 2)
        self.assertEqual(self.node.nacre("exec", "--kill-scope", "all", "true").returncode, 2)
        self.assert_refused(lambda: self.start(command("true", policies={"kill_scope": 77})), "INVALID_ARGUMENT",
                            field="policies.kill_scope")


class Leaving:
    """What is left behind when nobody has ended it."""

    def test_a_background_child_that_holds_the_output_lives_on_and_the_client_says_so(self):
        result = self.node.nacre("exec", "-v", "--", "sh", "-c", "sleep 1000 & echo $!")
        self.assertEqual(result.returncode, 0, result)
        child = int(result.stdout)
        self.addCleanup(self.kill, child)
        self.assertIn(b"status 0", result.stderr)
        self.assertIn(b"held open by background children", result.stderr)
        self.assert_stays(child)

    def test_a_daemon_that_was_left_behind_lives_on(self):
        call = Exec(self.calls, shell(f"{LEAVE} session; exit 3")).follow()
        daemon, = told(call, "left")
        self.addCleanup(self.kill, daemon)
        self.assertEqual((call.termination.exit_code, call.termination.output_held_open), (3, False))
        self.assert_stays(daemon)

    def test_the_last_output_before_an_exit_waits_for_a_slow_reader(self):
        size = KEPT + 65_536 - 8_192  # nearly what ring and pipe take together
        start = shell(f"echo $$; exec head -c {size} /dev/zero")
        start.will_ack = True
        call = Exec(self.calls, start)
        call.await_output(b"\n")
        leader = int(bytes(call.stdout).split(b"\n")[0])
        wait_for(lambda: support.state_of(leader) == "Z", "the command has written all and exited")
        self.exec(command("sleep", "1.5"))  # for longer than an empty pipe would be waited on
        call.send(ack=shell_pb2.Ack(position=call.position))
        for _ in call.events():
            call.send(ack=shell_pb2.Ack(position=call.position))
        self.assertEqual(bytes(call.stdout), b"%d\n" % leader + bytes(size))
        self.assertTrue(call.termination.output_complete)
        self.assertFalse(call.termination.output_held_open)


class Limits:
    """Bounds on what a command may use."""

    def test_open_files_are_bounded(self):
        result = self.node.nacre("exec", "--open-files", "64", "--", "sh", "-c", "ulimit -Sn; ulimit -Hn")
        self.assert_ends(result, 0, b"64\n64\n", b"")

    def test_the_nodes_own_bound_on_open_files_stays(self):
        hard = b"%d\n" % resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for count in ("1000000000", "4294967295"):
            result = self.node.nacre("exec", "--open-files", count, "--", "sh", "-c", "ulimit -Hn")
            self.assert_ends(result, 0, hard, b"")

    def test_a_priority_is_lowered(self):
        for nice in ("1", "7", "19"):
            self.assert_ends(self.node.nacre("exec", "--nice", nice, "--", "nice"), 0, nice.encode() + b"\n", b"")
        self.assert_ends(self.node.exec("nice"), 0, b"0\n", b"")

    def test_limits_that_are_none_are_refused_by_name(self):
        for limits, field in (({"nice": 20}, "command.limits.nice"), ({"nice": -1}, "command.limits.nice"),
                              ({"cpu_time": {"nanos": 1}}, "command.limits.cpu_time"),
                              ({"cpu_time": {"seconds": -1}}, "command.limits.cpu_time")):
            with self.subTest(limits=limits):
                self.assert_refused(lambda limits=limits: self.start(command("true", limits=limits)), "INVALID_ARGUMENT",
                                    field=field)

    def assert_unavailable(self, option, value, name, **limits):
        """A limit that this node can't enforce is refused by name, and starts nothing."""
        marker = self.node.directory / "marker"
        result = self.node.nacre("exec", option, value, "--", "touch", str(marker))
        self.assert_ends(result, 125, b"")
        self.assertIn(f"command.limits.{name}".encode(), result.stderr)
        error = Exec(self.calls, command("touch", str(marker), limits=limits)).error()
        self.assert_refused(error, "FAILED_PRECONDITION", "LIMIT_UNAVAILABLE")
        self.assertIn(f"command.limits.{name}", error.details())
        self.assertFalse(marker.exists())


class WithCgroups(Reach, Scopes, Leaving, Limits, KillTest):
    @classmethod
    def make_node(cls):
        return in_a_cgroup(Node())

    @classmethod
    def tearDownClass(cls):
        path = cls.node.cgroup()
        super().tearDownClass()
        assert not path.exists(), f"{path} is left"

    def sessions(self):
        """The cgroups of its sessions."""
        return [one for one in self.node.cgroup().iterdir() if one.is_dir() and one.name != "daemon"]

    def await_no_cgroups(self):
        wait_for(lambda: not self.sessions(), lambda: f"no cgroup of a session is left: {self.sessions()}")

    def controllers(self):
        return (self.node.cgroup() / "cgroup.subtree_control").read_text().split()

    def test_every_session_is_a_cgroup_that_goes_with_it(self):
        self.await_no_cgroups()
        calls = [Exec(self.calls, shell("echo; exec sleep 1000")) for _ in range(5)]
        for call in calls:
            call.await_output(b"\n")
        self.assertEqual(len(self.sessions()), 5)
        for call in calls:
            self.end(call.session.id)
            call.follow()
        self.await_no_cgroups()

    def test_a_start_that_fails_leaves_no_cgroup(self):
        for words in (["nosuchprogram"], ["/tmp"], ["-w", "/no/such/dir", "true"]):
            self.node.nacre("exec", *words)
        self.await_no_cgroups()

    def test_the_cgroup_of_a_background_child_goes_when_the_child_has_ended(self):
        self.await_no_cgroups()
        call = Exec(self.calls, shell(f"{LEAVE} session")).follow()
        daemon, = told(call, "left")
        self.addCleanup(self.kill, daemon)
        self.assertEqual([int((one / "cgroup.procs").read_text()) for one in self.sessions()], [daemon])
        self.kill(daemon)
        self.await_no_cgroups()

    def test_a_child_that_has_cleared_its_environment_is_reached(self):
        call, *pids = self.run_and_leave("session", "clear")
        self.assertEqual(support._read(f"/proc/{pids[-1]}/environ"), b"")
        self.assertEqual(self.node.nacre("kill", call.session.id).returncode, 0)
        self.assert_all_go(call, *pids)

    def test_a_command_that_is_born_again_and_again_is_killed_wholly(self):
        line = f"for i in 1 2 3 4; do {LEAVE} session clear hop & done; wait; echo ready; exec sleep 1000"
        call = Exec(self.calls, shell(line, policies={"on_leader_exit": command_pb2.ON_LEADER_EXIT_WAIT_FOR_EOF}))
        while bytes(call.stdout).count(b"\n") < 5:
            self.assertIsNotNone(next(call.events(), None))
        self.assertEqual(self.node.nacre("kill", "-s", "KILL", call.session.id).returncode, 0)
        # The output is read to its end, so nobody is left who has it.
        self.assertTrue(call.follow().termination.output_complete)
        self.await_no_cgroups()

    def test_the_nodes_end_leaves_neither_processes_nor_cgroups(self):
        with in_a_cgroup(Node()) as node:
            path = node.cgroup()
            daemon = int(node.exec(str(LEAVE), "session", "clear").stdout.split()[1])
            self.addCleanup(self.kill, daemon)
            self.assertTrue(alive(daemon))
            self.assertEqual(node.stop(), 0)
            self.await_dead(daemon)
            self.assertFalse(path.exists())

    def test_what_a_killed_node_has_left_the_next_one_sweeps(self):
        with in_a_cgroup(Node()) as node:
            path = node.cgroup()
            daemon = int(node.exec(str(LEAVE), "session", "clear", "stubborn").stdout.split()[1])
            self.addCleanup(self.kill, daemon)
            before = {one.name for one in path.iterdir() if one.is_dir()}
            self.assertTrue(before)
            node.process.kill()
            node.process.wait()
            self.assertTrue(alive(daemon))
            node.start()
            self.await_dead(daemon)
            self.assertEqual(node.cgroup(), path)
            wait_for(lambda: not before & {one.name for one in path.iterdir() if one.is_dir()}, "the old ones are gone")
            self.assertEqual(node.exec("echo", "x").stdout, b"x\n")

    def test_nodes_side_by_side_keep_apart(self):
        with in_a_cgroup(Node()) as other:
            self.assertNotEqual(other.cgroup(), self.node.cgroup())
            call, *pids = self.run_and_leave("session")
            self.assertEqual(other.stop(), 0)
            self.assert_stays(*pids)
            self.end(call.session.id)
            self.assert_all_go(call, *pids)

    def test_a_cgroup_that_the_operator_names_is_used(self):
        base = self.node.cgroup().parent / f"nacre-e2e-{os.getpid()}"
        base.mkdir()
        self.addCleanup(support.remove_cgroup, base)
        with Node("--cgroup", str(base)) as node:
            self.assertEqual(node.cgroup().parent, base)
            result = node.exec("cat", "/proc/self/cgroup")
            self.assertIn(f"/{base.name}/{node.cgroup().name}/", result.stdout.decode())
            self.assertEqual(node.stop(), 0)
        self.assertEqual([one for one in base.iterdir() if one.is_dir()], [])

    def test_cpu_time_of_all_processes_together_is_bounded(self):
        call = Exec(self.calls, shell(f"{LEAVE} session burn; {LEAVE} session burn; exec sleep 1000",
                                      limits={"cpu_time": {"nanos": 500_000_000}})).follow()
        self.assertEqual((call.termination.cause, call.termination.signal.number),
                         (session_pb2.CAUSE_CPU_LIMIT, signal.SIGTERM))
        for pid in call.stdout.split()[1::2]:
            self.await_dead(int(pid))

    def test_the_client_says_that_the_cpu_time_was_used_up(self):
        result = self.node.nacre("exec", "-v", "--cpu-time", "200ms", "--", "sh", "-c", "while :; do :; done")
        self.assertIn(b"cpu", result.stderr.lower())
        self.assertNotEqual(result.returncode, 0)

    def test_a_command_within_its_cpu_time_is_left_alone(self):
        self.assert_ends(self.node.nacre("exec", "--cpu-time", "1h", "--", "sh", "-c", "exit 3"), 3, b"", b"")

    def test_a_limit_whose_controller_is_missing_is_refused_by_name(self):
        cases = {"memory": ("--memory", "64M", "memory", {"memory_bytes": 1 << 26}),
                 "pids": ("--processes", "16", "processes", {"processes": 16})}
        missing = [case for controller, case in cases.items() if controller not in self.controllers()]
        if not missing:
            self.skipTest("both controllers are there")
        for option, value, name, limits in missing:
            with self.subTest(limit=name):
                self.assert_unavailable(option, value, name, **limits)

    def test_memory_is_bounded(self):
        if "memory" not in self.controllers():
            self.skipTest("no memory controller is delegated here")
        script = "x = bytearray(200 << 20); print(len(x))"
        call = Exec(self.calls, command("/usr/bin/python3", "-c", script, limits={"memory_bytes": 64 << 20})).follow()
        self.assertEqual((call.termination.cause, bytes(call.stdout)), (session_pb2.CAUSE_OUT_OF_MEMORY, b""))
        result = self.node.nacre("exec", "--memory", "64M", "--", "/usr/bin/python3", "-c", script)
        self.assertIn(b"memory", result.stderr)
        self.assert_ends(self.node.nacre("exec", "--memory", "512M", "--", "/usr/bin/python3", "-c", script), 0,
                         b"%d\n" % (200 << 20), b"")

    def test_processes_are_bounded(self):
        if "pids" not in self.controllers():
            self.skipTest("no pids controller is delegated here")
        script = ("import subprocess\n"
                  "try:\n    left = [subprocess.Popen(['sleep', '1000']) for _ in range(50)]\n"
                  "except BlockingIOError:\n    print('bounded')\n")
        call = Exec(self.calls, command("/usr/bin/python3", "-c", script, limits={"processes": 16}))
        call.await_output(b"bounded\n")
        self.end(call.session.id)
        call.follow()


class WithoutCgroups(Reach, Scopes, Leaving, Limits, KillTest):
    @classmethod
    def make_node(cls):
        return Node("--cgroup", "off").start()

    def test_it_says_that_it_searches(self):
        self.assertIsNone(self.node.cgroup())
        self.assertIn("searched for", self.node.log())

    def test_a_child_that_has_cleared_its_environment_is_reached_in_its_leaders_session(self):
        call, *pids = self.run_and_leave("group", "clear")
        self.signal(call.session.id, signal.SIGTERM)
        self.assert_all_go(call, *pids)

    def test_children_of_who_has_left_are_reached(self):
        line = """setsid -f sh -c 'env -i setsid sh -c "echo grandchild \\$\\$; exec sleep 1000 >/dev/null"; :'"""
        call = Exec(self.calls, shell(f"{line}; exec sleep 1000"))
        grandchild, = told(call, "grandchild")
        self.addCleanup(self.kill, grandchild)
        self.end(call.session.id)
        self.assert_all_go(call, grandchild)

    def test_a_command_that_is_born_again_and_again_in_its_group_is_killed_wholly(self):
        line = f"for i in 1 2 3 4; do {LEAVE} clear hop & done; wait; echo ready; exec sleep 1000"
        call = Exec(self.calls, shell(line, policies={"on_leader_exit": command_pb2.ON_LEADER_EXIT_WAIT_FOR_EOF}))
        while bytes(call.stdout).count(b"\n") < 5:
            self.assertIsNotNone(next(call.events(), None))
        self.assertEqual(self.node.nacre("kill", "-s", "KILL", call.session.id).returncode, 0)
        self.assertTrue(call.follow().termination.output_complete)

    def test_orphans_that_end_are_no_zombies(self):
        self.exec(shell("for i in 1 2 3 4 5 6 7 8 9 10; do setsid -f true; done; setsid -f sh -c 'sleep 0.1'"))
        wait_for(lambda: list(children(self.node.pid)) == [self.node.front_pid()],
                 lambda: f"only the front is left: {children(self.node.pid)}")

    def test_an_orphan_of_a_session_that_is_over_is_no_zombie_either(self):
        call = Exec(self.calls, shell(f"{LEAVE} session")).follow()
        daemon, = told(call, "left")
        self.delete(call.session.id)
        self.assertIn(daemon, children(self.node.pid))
        os.kill(daemon, signal.SIGKILL)
        wait_for(lambda: daemon not in children(self.node.pid), "it is reaped")

    def test_limits_that_need_a_cgroup_are_refused_by_name(self):
        for option, value, name, limits in (("--cpu-time", "1s", "cpu_time", {"cpu_time": {"seconds": 1}}),
                                            ("--memory", "64M", "memory", {"memory_bytes": 1 << 26}),
                                            ("--processes", "16", "processes", {"processes": 16})):
            with self.subTest(limit=name):
                self.assert_unavailable(option, value, name, **limits)


class Choosing(unittest.TestCase):
    def test_a_named_cgroup_that_is_none_keeps_the_node_from_starting(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="nacre-e2e."))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        none = directory / "none"
        none.mkdir()
        for path in ("/no/such/cgroup", str(none)):
            with self.subTest(path=path):
                done = subprocess.run([support.BIN / "nacred", "--listen", f"unix:{directory}/s", "--state-dir",
                                       directory / "state", "--cgroup", path],
                                      capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEADLINE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"nacred: cgroup {path}: ", done.stderr)
        self.assertEqual(os.listdir(none), [])


@needs_root
class OfAnotherUser(unittest.TestCase):
    """Commands of another user are reached as well, and by that user's name nobody is reached who should not be."""

    def check(self, *args):
        with Node("--run-as", "root", "--run-as", "daemon", *args) as node, node.stub() as stub:
            program = pathlib.Path(node.directory) / "leave.py"
            shutil.copy(LEAVE, program)
            node.directory.chmod(0o755)
            call = Exec(stub, shell(f"{program} session; echo leader $$; exec sleep 1000", run_as_user="daemon"))
            leader, daemon = told(call, "leader", "left")
            self.assertNotEqual(os.stat(f"/proc/{daemon}").st_uid, 0)
            self.assertEqual(node.nacre("kill", call.session.id).returncode, 0)
            call.follow()
            for pid in (leader, daemon):
                wait_for(lambda pid=pid: not alive(pid), f"{pid} is gone")

    def test_by_the_nodes_own_method(self):
        self.check()

    def test_by_search(self):
        self.check("--cgroup", "off")


if __name__ == "__main__":
    unittest.main()
