"""The process that a command gets: a clean one, whoever started the daemon and however."""

import os
import pwd
import re
import subprocess
import unittest

import support
from support import Node, NodeTest, command_pb2, shell

ME = pwd.getpwuid(os.getuid())
STREAM = command_pb2.INPUT_MODE_STREAM


class Process(NodeTest):
    # What its caller had must not reach a command.
    node_options = {"env": {"SECRET": "of the caller", "LD_DEBUG_OUTPUT": "/nowhere", "PATH": os.environ["PATH"] + ":/x"}}

    def sh(self, line, **fields):
        got = self.exec(shell(line, **fields))
        self.assertEqual(got.termination.exit_code, 0, bytes(got.stderr))
        return got.stdout.decode()

    def test_the_environment_is_the_clean_base(self):
        got = self.exec(support.command("env"))
        base = dict(line.split("=", 1) for line in got.stdout.decode().splitlines())
        path = base.pop("PATH")
        self.assertEqual(base, {"HOME": ME.pw_dir, "USER": ME.pw_name, "LOGNAME": ME.pw_name, "SHELL": ME.pw_shell,
                                "LANG": "C.UTF-8", "NACRE_SESSION_ID": got.started.session.id})
        self.assertIn("/usr/bin", path.split(":"))
        self.assertNotIn("/x", path.split(":"))

    def test_the_caller_adds_to_the_base_and_replaces_in_it_but_not_the_sessions_id(self):
        got = self.exec(support.command("env", env={"HOME": "/else", "OWN": "1", "NACRE_SESSION_ID": "forged", "EMPTY": ""}))
        lines = got.stdout.decode().splitlines()
        for line in ("HOME=/else", "OWN=1", "EMPTY=", f"NACRE_SESSION_ID={got.started.session.id}"):
            self.assertEqual(lines.count(line), 1, line)
        self.assertEqual(len(lines), len({line.split("=")[0] for line in lines}))

    def test_the_directory_is_the_home_else_the_root_else_as_asked(self):
        self.assertEqual(self.sh("pwd -P").strip(), os.path.realpath(ME.pw_dir))
        self.assertEqual(self.sh("pwd -P", cwd="/usr").strip(), "/usr")

    def test_the_umask_is_022(self):
        self.assertEqual(self.sh("umask").strip(), "0022")

    def test_the_umask_is_the_one_asked_for(self):
        for mask in ("0", "077", "0777"):
            with self.subTest(mask=mask):
                asked = self.node.nacre("exec", "--umask", mask, "-c", "umask")
                self.assertEqual((int(asked.stdout, 8), asked.returncode), (int(mask, 8), 0), asked.stderr)
        for mask in ("1000", "08", "rwx", "-1", ""):
            with self.subTest(mask=mask):
                refused = self.node.nacre("exec", f"--umask={mask}", "true")
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(b"--umask", refused.stderr)

    def test_it_inherits_no_descriptors_but_the_three(self):
        for fields in ({}, {"input": STREAM}, {"stderr_mode": command_pb2.STDERR_MODE_MERGED}):
            call = support.Exec(self.stub(), support.command("ls", "-l", "/proc/self/fd", **fields))
            call.half_close()
            found = dict(re.findall(r"(\d+) -> (\S+)", call.follow().stdout.decode()))
            self.assertEqual(sorted(found, key=int)[:3], ["0", "1", "2"])
            self.assertEqual([one for one in found.values() if one.startswith("/proc/")], [found.pop("3")])
            self.assertEqual(len(found), 3)
            self.assertTrue(found["1"].startswith("pipe:") and found["2"].startswith("pipe:"))
            self.assertEqual(found["0"].startswith("pipe:"), "input" in fields)
            self.assertEqual(found["1"] == found["2"], "stderr_mode" in fields)
            if "input" not in fields:
                self.assertEqual(found["0"], "/dev/null")

    def test_it_inherits_no_descriptors_under_load(self):
        stub = self.stub()
        calls = [support.Exec(stub, shell("ls /proc/self/fd | wc -l", input=STREAM)) for _ in range(60)]
        for call in calls:
            call.half_close()
        self.assertEqual({bytes(call.follow().stdout) for call in calls}, {b"4\n"})

    def test_its_ends_of_the_pipes_block(self):
        flags = self.sh("grep flags /proc/self/fdinfo/0; grep flags /proc/self/fdinfo/1; grep flags /proc/self/fdinfo/2")
        for octal in flags.split()[1::2]:
            self.assertFalse(int(octal, 8) & os.O_NONBLOCK, flags)

    def test_signals_are_neither_ignored_nor_blocked_nor_pending(self):
        status = dict(re.findall(r"(\w+):\t(\w+)", self.exec(support.command("cat", "/proc/self/status")).stdout.decode()))
        for field in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"):
            self.assertEqual(int(status[field], 16), 0, field)

    def test_it_leads_a_session_of_its_own_without_a_terminal(self):
        pid, group, session, tty = self.sh("exec cut -d' ' -f1,5,6,7 /proc/self/stat").split()
        self.assertEqual((group, session, tty), (pid, pid, "0"))

    def test_its_parent_is_the_keeper_and_it_dies_with_it(self):
        self.assertEqual(int(self.sh("echo $PPID")), self.node.pid)

    def test_limits_are_those_that_the_daemon_was_started_with(self):
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(self.sh("ulimit -Sn; ulimit -Hn").split(), [str(soft), str(hard)])

    def test_user_and_groups_are_the_daemons(self):
        self.assertEqual(self.sh("id").strip(), subprocess.check_output(["id"], text=True).strip())

    def test_nothing_of_the_daemon_can_be_reached_through_proc_self(self):
        self.assertNotIn("memfd:", self.sh("cat /proc/self/maps"))


class OddStarts(unittest.TestCase):
    def test_a_daemon_started_with_odd_signals_mask_and_umask_gives_clean_processes(self):
        node = Node()
        node._command = ["/usr/bin/python3", "-c", ODD, *node._command]
        with node:
            status = dict(re.findall(r"(\w+):\t(\w+)", node.exec("cat", "/proc/self/status").stdout.decode()))
            for field in ("SigBlk", "SigIgn", "SigCgt"):
                self.assertEqual(int(status[field], 16), 0, field)
            self.assertEqual(status["Umask"], "0022")
            self.assertEqual(node.exec("sh", "-c", "ls /proc/self/fd | wc -l").stdout, b"4\n")
            self.assertEqual(os.stat(node.socket).st_mode & 0o777, 0o600)
            self.assertEqual(os.stat(node.state).st_mode & 0o777, 0o700)

    def test_a_daemon_started_without_standard_descriptors_serves(self):
        for closed in ("<&-", "<&- >&-", "<&- >&- 2>&-"):
            node = Node()
            node._command = ["sh", "-c", f'exec "$@" {closed}', "sh", *node._command]
            with self.subTest(closed=closed), node:
                got = node.exec("sh", "-c", "ls /proc/self/fd | wc -l; echo err >&2")
                self.assertEqual((got.returncode, got.stdout, got.stderr), (0, b"4\n", b"err\n"))
                node.warm_up()
                node.assert_settled()


# Inherited by the daemon: ignored and blocked signals, an open umask, descriptors that stay open.
ODD = """
import os, signal, sys
for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, 32, 33}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD, 40})
os.umask(0)
for _ in range(20):
    os.set_inheritable(os.open("/dev/null", os.O_RDWR), True)
os.execv(sys.argv[1], sys.argv[1:])
"""

if __name__ == "__main__":
    unittest.main()
