"""What runs as whom: the front as nobody in particular, commands as the users whom the node may run them as."""

import contextlib
import grp
import hmac
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

import grpc

import support
from accounts import Account, Accounts, needs_root
from legacy import LegacyNode
from sessions import kill_front
from support import (DEADLINE, Exec, Node, NodeTest, alive, command, command_pb2, details, shell, shell_pb2,
                     wait_for)

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")
PYTHON = "/usr/bin/python3"


def status_of(text):
    """The fields of a /proc/PID/status."""
    return dict(re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))


def fields_of(pid):
    return status_of(pathlib.Path(f"/proc/{pid}/status").read_text())


def assert_refused(test, words, make, *args):
    """A daemon with these options is refused with these words, the same by the check and by a start."""
    said = []
    for more in ((), ("--check-config",)):
        node = make(*args, *more).launch()
        test.addCleanup(node.clean)
        test.assertEqual(node.wait(), 2, node.log())
        said.append(re.sub(r"(?m)^\d{4}-\d\d-\d\dT.* warning: .*\n", "", node.log()))
    test.assertEqual(*said)
    test.assertIn(words, said[0])


def ids(text):
    """What id(1) says, whatever the order of the groups."""
    who, _, groups = text.strip().partition(" groups=")
    return who, sorted(groups.split(","))


class RootTest(NodeTest):
    """Tests on one daemon of root's, and some users."""

    @classmethod
    def setUpClass(cls):
        cls.accounts = Accounts()
        cls.addClassCleanup(cls.accounts.close)
        cls.group = cls.accounts.group("extra")
        cls.user = cls.accounts.user("user", cls.group)
        cls.node = cls.make_node()
        try:
            cls.node.start()
            cls.node.warm_up(calls=4)
        except BaseException:
            cls.node.clean()
            raise

    @classmethod
    def make_node(cls):
        return Node("--run-as", "root", "--run-as", cls.user.name)

    def as_user(self, *argv, **options):
        """Runs a command as the user, by our client."""
        return self.node.nacre("exec", "-u", self.user.name, "--", *argv, **options)

    def text(self, *argv):
        result = self.as_user(*argv)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return result.stdout.decode()


# --- the front -----------------------------------------------------------------------------------

# Tries to look into a process; prints what came of each try.
LOOK = """
import ctypes, errno, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def opens(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "yes"
def lists(path):
    try:
        os.listdir(path)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "yes"
PTRACE_SEIZE = 0x4206
traced = libc.ptrace(PTRACE_SEIZE, pid, None, None)
print(opens(f"/proc/{pid}/mem"), opens(f"/proc/{pid}/environ"), lists(f"/proc/{pid}/fd"),
      "yes" if traced == 0 else errno.errorcode[ctypes.get_errno()])
"""


@needs_root
class Front(RootTest):
    def front(self):
        return fields_of(self.node.front_pid())

    def test_it_is_not_root_and_has_no_groups_and_no_capabilities(self):
        front = self.front()
        uids, gids = front["Uid"].split(), front["Gid"].split()
        self.assertEqual((len(set(uids)), len(set(gids))), (1, 1), "real, effective, saved and of the file system")
        self.assertNotIn("0", uids + gids)
        self.assertEqual(front["Groups"], "")
        self.assertEqual({name: int(front[name], 16) for name in CAPABILITIES}, dict.fromkeys(CAPABILITIES, 0))

    def test_it_knows_nothing_of_the_daemons_environment(self):
        names = {one.partition(b"=")[0] for one in
                 pathlib.Path(f"/proc/{self.node.front_pid()}/environ").read_bytes().split(b"\0") if one}
        self.assertLessEqual(names, {b"PATH", b"LANG", b"LC_ALL", b"TZ", b"ASAN_OPTIONS", b"LSAN_OPTIONS",
                                     b"UBSAN_OPTIONS", b"TSAN_OPTIONS"})

    @unittest.skipIf(support.SANITIZED, "a sanitizer needs terabytes of addresses")
    def test_its_memory_is_bounded(self):
        limits = pathlib.Path(f"/proc/{self.node.front_pid()}/limits").read_text()
        self.assertRegex(limits, r"(?m)^Max data size +2147483648 +2147483648 ")

    def test_it_can_get_no_new_rights_and_make_few_system_calls(self):
        front = self.front()
        self.assertEqual((front["NoNewPrivs"], front["Seccomp"]), ("1", "2"))

    def test_all_its_threads_are_confined(self):
        pid = self.node.front_pid()
        self.node.exec("true")
        tasks = os.listdir(f"/proc/{pid}/task")
        self.assertGreater(len(tasks), 1)
        for task in tasks:
            with self.subTest(task=task), contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may end
                fields = fields_of(f"{pid}/task/{task}")
                self.assertEqual((fields["NoNewPrivs"], fields["Seccomp"]), ("1", "2"))
                self.assertNotIn("0", fields["Uid"].split())

    def test_it_runs_as_nacre_or_where_there_is_none_as_nobody_and_says_so(self):
        try:
            wanted = pwd.getpwnam("nacre")
        except KeyError:
            wanted = pwd.getpwnam("nobody")
            self.assertIn('there is no user "nacre"', self.node.log())
            self.assertIn("useradd", self.node.log())
        self.assertEqual(self.front()["Uid"].split()[0], str(wanted.pw_uid))

    @unittest.skipIf(support.SANITIZED, "LeakSanitizer looks into it, as a process of its own user")
    def test_nobody_of_its_own_user_can_look_into_it(self):
        with Node("--front-user", self.user.name) as node:
            looked = self.user.run(PYTHON, "-c", LOOK, str(node.front_pid()), text=True)
            self.assertEqual(looked.stdout.split(), ["EACCES", "EACCES", "EACCES", "EPERM"], looked.stderr)
            # While into another process of that user anybody may look who is that user.
            with subprocess.Popen(["sleep", "1000"], user=self.user.uid, group=self.user.gid,
                                  extra_groups=self.user.groups) as other:
                try:
                    wait_for(lambda: support._read(f"/proc/{other.pid}/comm") == b"sleep\n", "it sleeps")
                    looked = self.user.run(PYTHON, "-c", LOOK, str(other.pid), text=True)
                finally:
                    other.kill()
            self.assertEqual(looked.stdout.split()[:3], ["yes"] * 3, looked.stderr)

    def test_it_runs_as_the_user_that_was_asked_for(self):
        with Node("--front-user", self.user.name) as node:
            front = fields_of(node.front_pid())
            self.assertEqual((front["Uid"].split(), front["Gid"].split(), front["Groups"]),
                             ([str(self.user.uid)] * 4, [str(self.user.gid)] * 4, ""))
            self.assertNotIn("nobody", node.log())
            self.assertEqual(node.exec("id", "-u").stdout, b"0\n")

    def test_a_front_user_who_does_not_exist_is_refused_by_name(self):
        node = Node("--front-user", "nosuchuser").launch()
        self.addCleanup(node.clean)
        self.assertEqual(node.wait(), 2)
        self.assertIn('"nosuchuser"', node.log())

    def test_root_is_refused_as_the_fronts_user(self):
        assert_refused(self, "front_user: root would keep all rights", Node, "--front-user", "root")

    def test_so_is_root_by_another_name(self):
        passwd = self.accounts.directory / "passwd"
        passwd.write_text(pathlib.Path("/etc/passwd").read_text() + "toor:x:0:0::/root:/bin/sh\n")
        hidden = ["unshare", "--mount", "sh", "-c", f'mount --bind {passwd} /etc/passwd && exec "$@"', "sh"]
        if subprocess.run([*hidden, "true"], capture_output=True, timeout=DEADLINE).returncode != 0:
            self.skipTest("it takes a mount namespace")

        def make(*args):
            node = Node(*args)
            node._command = [*hidden, *node._command]
            return node

        assert_refused(self, "front_user: root would keep all rights", make, "--front-user", "toor")

    def test_no_command_may_run_as_the_fronts_user(self):
        words = f'run_as: commands of "{self.user.name}" could stop or trace the network process, which runs as "{self.user.name}"'
        assert_refused(self, words, Node, "--run-as", "root", "--run-as", self.user.name, "--front-user", self.user.name)

    def test_nor_as_the_one_that_it_gets_where_none_is_asked_for(self):
        name = pwd.getpwuid(int(self.front()["Uid"].split()[0])).pw_name
        assert_refused(self, f'which runs as "{name}"; make a user "nacre" for it (useradd --system', Node, "--run-as", name)

    def test_it_leaves_no_core_and_holds_nothing_of_the_state_directory_open(self):
        pid = self.node.front_pid()
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        self.assertRegex(limits, r"(?m)^Max core file size +0 +0 ")
        self.assertFalse([path for path in support.descriptors(pid).values() if path.startswith(str(self.node.state))])

    def test_the_audit_and_the_state_are_closed_to_it(self):
        nobody = Account("nobody")
        self.node.directory.chmod(0o755)
        self.addCleanup(self.node.directory.chmod, 0o700)
        for path in (self.node.state, self.node.state / "audit.jsonl"):
            self.assertNotEqual(nobody.run("ls", str(path)).returncode, 0)

    def test_root_calls_through_it_and_is_known_as_root(self):
        with self.node.stub() as stub:
            self.assertEqual(Exec(stub, command("true")).follow().session.owner, "uid:0")


@needs_root
class FrontOfAUser(unittest.TestCase):
    """A daemon that a plain user starts takes the same way, but for the change of user."""

    @classmethod
    def setUpClass(cls):
        cls.accounts = Accounts()
        cls.addClassCleanup(cls.accounts.close)
        cls.group = cls.accounts.group("extra")
        cls.user = cls.accounts.user("user", cls.group)
        for name in ("nacred", "nacre-files", "nacre-front"):
            cls.accounts.binary(name)

    def node(self, *args):
        """A daemon of the user's."""
        node = Node(*args)
        self.addCleanup(node.clean)
        os.chown(node.directory, self.user.uid, self.user.gid)
        node._command[0] = self.accounts.binary("nacred")
        node._command = ["setpriv", f"--reuid={self.user.uid}", f"--regid={self.user.gid}", "--init-groups", *node._command]
        return node

    def test_its_front_is_confined_and_is_the_users(self):
        with self.node() as node:
            front = fields_of(node.front_pid())
            self.assertEqual(front["Uid"].split(), [str(self.user.uid)] * 4)
            self.assertEqual((front["NoNewPrivs"], front["Seccomp"]), ("1", "2"))
            self.assertEqual(node.exec("id", "-un").stdout.decode().strip(), self.user.name)
            kill_front(node)
            self.assertEqual(node.exec("id", "-un").stdout.decode().strip(), self.user.name)

    def test_it_runs_commands_as_nobody_else(self):
        with self.node() as node:
            result = node.nacre("exec", "-u", "root", "--", "true")
            self.assertEqual(result.returncode, 125)
            self.assertIn(self.user.name.encode(), result.stderr)

    def test_it_is_told_by_the_check_and_at_the_start_that_others_need_root(self):
        for args, words in ((("--run-as", "root"), 'run_as: "root": only a daemon that root started'),
                            (("--front-user", "nobody"), "front_user: only root")):
            with self.subTest(args=args):
                assert_refused(self, words, self.node, *args)

    def test_it_can_share_its_sockets_with_its_own_groups_only(self):
        other = self.accounts.group("other")
        assert_refused(self, f'socket_group: only root and members of "{other}"', self.node, "--socket-group", other)
        for group in (self.group, self.user.name):
            with self.node("--socket-group", group) as node:
                self.assertEqual(pathlib.Path(node.socket).group(), group)

    def test_its_default_file_counts_as_missing_only_where_there_is_none(self):
        closed = self.accounts.directory / "closed"
        closed.mkdir(mode=0o700)
        for where, status, words in ((closed, 2, f"{closed}/nacre/nacred.toml: Permission denied"),
                                     ("/dev/null", 2, "/dev/null/nacre/nacred.toml: Not a directory"),
                                     (self.user.home, 0, "is right")):
            with self.subTest(where=where):
                done = self.user.run(self.accounts.binary("nacred"), "--check-config", env={"XDG_CONFIG_HOME": str(where)})
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(words.encode(), done.stderr)

    def test_its_own_name_in_run_as_is_no_mistake(self):
        with self.node("--run-as", self.user.name) as node:
            self.assertEqual(node.nacre("exec", "-u", self.user.name, "--", "id", "-un").stdout.decode().strip(),
                             self.user.name)


# --- commands as another user --------------------------------------------------------------------


class Clean:
    """What every command of another user gets, however the daemon was started."""

    def test_it_is_that_user_with_that_users_groups(self):
        wanted = subprocess.run(["id", self.user.name], capture_output=True, text=True, timeout=DEADLINE).stdout
        self.assertEqual(ids(self.text("id")), ids(wanted))
        self.assertIn(self.group, wanted)

    def test_every_id_is_that_users_for_good(self):
        status = status_of(self.text("cat", "/proc/self/status"))
        self.assertEqual((status["Uid"].split(), status["Gid"].split()),
                         ([str(self.user.uid)] * 4, [str(self.user.gid)] * 4))

    def test_it_has_no_capabilities(self):
        status = status_of(self.text("cat", "/proc/self/status"))
        self.assertEqual({name: int(status[name], 16) for name in CAPABILITIES}, dict.fromkeys(CAPABILITIES, 0))

    def test_it_inherits_no_filter_and_no_ban_on_new_rights(self):
        status = status_of(self.text("cat", "/proc/self/status"))
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("0", "0"))

    def test_its_signals_are_as_new(self):
        status = status_of(self.text("cat", "/proc/self/status"))
        for field in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"):
            self.assertEqual(int(status[field], 16), 0, field)

    def test_it_has_the_three_descriptors_and_no_others(self):
        found = dict(re.findall(r"(\d+) -> (\S+)", self.text("ls", "-l", "/proc/self/fd")))
        self.assertRegex(found.pop("3"), r"^/proc/\d+/fd$")  # that of ls
        self.assertEqual(found.pop("0"), "/dev/null")
        self.assertEqual(sorted(found), ["1", "2"])
        self.assertTrue(all(one.startswith("pipe:") for one in found.values()), found)

    def test_its_streams_are_its_own_to_open_again(self):
        self.assertEqual(self.text("sh", "-c", "echo x > /dev/stdout"), "x\n")
        self.assertEqual(os.stat("/dev/null").st_uid, 0)  # a command without input has it, and it stays root's

    def test_its_environment_is_the_clean_base_of_that_user(self):
        base = dict(line.split("=", 1) for line in self.text("env").splitlines())
        self.assertRegex(base.pop("NACRE_SESSION_ID"), rf"^{self.node.epoch}-\d+$")
        path = base.pop("PATH").split(":")
        self.assertEqual(base, {"HOME": self.user.home, "USER": self.user.name, "LOGNAME": self.user.name,
                                "SHELL": self.user.shell, "LANG": "C.UTF-8"})
        self.assertIn("/usr/bin", path)
        self.assertFalse([one for one in path if "sbin" in one or one == "/x"], path)

    def test_its_umask_is_022(self):
        self.assertEqual(self.text("sh", "-c", "umask"), "0022\n")

    def test_its_limits_are_those_that_the_daemon_was_started_with(self):
        for kind in ("-S", "-H"):
            wanted = subprocess.run(["sh", "-c", f"ulimit {kind} -a"], capture_output=True, text=True, timeout=DEADLINE)
            self.assertEqual(self.text("sh", "-c", f"ulimit {kind} -a"), wanted.stdout)

    def test_its_priority_is_the_usual_one(self):
        self.assertEqual(self.text("nice"), "0\n")

    def test_it_is_as_likely_as_others_to_be_killed_for_want_of_memory(self):
        self.assertEqual({self.text("cat", "/proc/self/oom_score_adj") for _ in range(20)}, {"0\n"})

    def test_so_are_its_children_that_it_starts_at_once(self):
        line = "for i in 1 2 3 4 5; do cat /proc/self/oom_score_adj & done; wait"
        for _ in range(10):
            self.assertEqual(self.text("sh", "-c", line), "0\n" * 5)

    def test_it_may_run_on_every_cpu(self):
        self.assertEqual(self.text("nproc"), f"{os.cpu_count()}\n")

    def test_it_starts_in_its_home(self):
        self.assertEqual(self.text("pwd", "-P"), f"{self.user.home}\n")

    def test_it_leads_a_session_of_its_own_without_a_terminal(self):
        pid, group, session, tty = self.text("sh", "-c", "exec cut -d' ' -f1,5,6,7 /proc/self/stat").split()
        self.assertEqual((group, session, tty), (pid, pid, "0"))


@needs_root
class RunAs(Clean, RootTest):
    def test_nothing_leads_back_to_root(self):
        script = ("import os\n"
                  "for become in (lambda: os.setuid(0), lambda: os.setresuid(-1, 0, -1), lambda: os.setgid(0),\n"
                  "               lambda: os.setgroups([0]), lambda: os.setresgid(0, 0, 0)):\n"
                  "    try:\n        become()\n"
                  "    except PermissionError:\n        print('no')\n")
        self.assertEqual(self.text(PYTHON, "-c", script), "no\n" * 5)

    def test_what_it_writes_is_that_users(self):
        self.text("sh", "-c", "echo x > made")
        info = os.stat(f"{self.user.home}/made")
        self.assertEqual((info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)), (self.user.uid, self.user.gid, 0o644))

    def test_what_that_user_may_not_do_it_may_not(self):
        secret = self.accounts.directory / "secret"
        secret.write_text("of root")
        secret.chmod(0o600)
        program = self.accounts.directory / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o700)
        closed = self.accounts.directory / "closed"
        closed.mkdir(mode=0o700)
        self.assert_ends(self.as_user("cat", str(secret)), 1, b"")
        self.assert_ends(self.as_user(str(program)), 126, b"")
        result = self.node.nacre("exec", "-u", self.user.name, "-w", str(closed), "--", "true")
        self.assert_ends(result, 125, b"")
        self.assertIn(str(closed).encode(), result.stderr)

    def test_a_directory_that_only_that_user_may_enter_can_be_asked_for(self):
        inner = pathlib.Path(self.user.home) / "inner"
        inner.mkdir(mode=0o700)
        os.chown(inner, self.user.uid, self.user.gid)
        self.assertEqual(self.node.nacre("exec", "-u", self.user.name, "-w", str(inner), "--", "pwd").stdout.decode(),
                         f"{inner}\n")

    def test_a_user_whose_home_is_missing_starts_in_the_root(self):
        homeless = self.accounts.user("homeless", home=False)
        with Node("--run-as", homeless.name) as node:
            self.assertEqual(node.nacre("exec", "-u", homeless.name, "--", "pwd").stdout, b"/\n")

    def test_a_shell_line_can_be_for_that_users_own_shell(self):
        line = command_pb2.ShellLine(line="echo $0 ${BASH_VERSION%%.*}", login_shell=True)
        start = command_pb2.Start(command=command_pb2.Command(shell_line=line, run_as_user=self.user.name))
        self.assertRegex(self.exec(start).stdout.decode(), r"bash \d+")

    def test_the_session_says_whom_it_runs_as_and_whose_it_is(self):
        call = Exec(self.stub(), command("true", run_as_user=self.user.name)).follow()
        session = self.stub().GetSession(shell_pb2.GetSessionRequest(session_id=call.session.id), timeout=DEADLINE).session
        self.assertEqual((session.run_as_user, session.owner), (self.user.name, "uid:0"))

    def test_the_audit_names_the_user_of_each_start(self):
        for words, name in ((["-u", self.user.name], self.user.name), ([], "root"), (["-u", "root"], "root")):
            self.assertEqual(self.node.nacre("exec", *words, "--", "echo", "audited").returncode, 0)
            starts = [line for line in self.node.audit() if line["event"] == "start" and line["argv"] == ["echo", "audited"]]
            self.assertEqual((starts[-1]["user"], starts[-1]["identity"]), (name, "uid:0"))

    def test_without_a_name_it_is_the_daemons_user(self):
        self.assertEqual(self.node.exec("id", "-un").stdout, b"root\n")

    def test_the_user_is_part_of_what_a_request_id_stands_for(self):
        stub = self.stub()
        for user, want in ((self.user.name, "OK"), (self.user.name, "OK"), ("root", "ALREADY_EXISTS")):
            start = command("true", run_as_user=user)
            start.request_id = "once"
            try:
                stub.StartSession(shell_pb2.StartSessionRequest(start=start), timeout=DEADLINE)
                self.assertEqual(want, "OK")
            except grpc.RpcError as error:
                self.assertEqual(error.code().name, want, error.details())

    def test_input_signals_and_the_end_reach_it(self):
        self.assert_ends(self.node.nacre("exec", "-i", "-u", self.user.name, "--", "cat", input=b"given"), 0, b"given", b"")
        for act in (["kill"], ["end"]):
            with self.subTest(act=act):
                session = self.node.nacre("start", "-u", self.user.name, "--", "sleep", "1000").stdout.decode().strip()
                self.assertEqual(self.node.nacre(*act, session).returncode, 0)
                self.assertEqual(self.node.nacre("wait", session).returncode, 128 + signal.SIGTERM)
        self.assert_ends(self.node.nacre("exec", "-u", self.user.name, "--timeout", "100ms", "--", "sleep", "1000"), 124, b"")

    # Refusals.

    def assert_denied(self, name, *words):
        """A start as `name` is denied, with these words, and leaves nothing but a line in the audit."""
        marker = self.accounts.directory / "marker"
        before = len(self.node.audit())
        result = self.node.nacre("exec", "-u", name, "--", "touch", str(marker))
        self.assert_ends(result, 125, b"")
        error = Exec(self.stub(), command("touch", str(marker), run_as_user=name)).error()
        self.assertEqual(error.code(), grpc.StatusCode.PERMISSION_DENIED, error.details())
        self.assertEqual(details(error)["ErrorInfo"].reason, "POLICY_DENIED")
        for word in (*words, "run_as", "root", self.user.name):
            self.assertIn(word, error.details())
            self.assertIn(word.encode(), result.stderr)
        wait_for(lambda: len(self.node.audit()) >= before + 2, "both denials are in the audit")
        lines = self.node.audit()[before:]
        self.assertEqual([(line["event"], line["identity"], line["user"]) for line in lines], [("denied", "uid:0", name)] * 2)
        self.assertEqual(lines[0]["argv"], ["touch", str(marker)])
        self.assertIn("run_as", lines[0]["why"])
        self.assertFalse(marker.exists())

    def test_a_user_outside_the_list_is_denied_by_the_rule_and_what_it_allows(self):
        self.assert_denied("nobody", "nobody")

    def test_a_user_who_does_not_exist_is_denied_the_same_way(self):
        self.assert_denied("nosuchuser", "nosuchuser")

    def test_a_user_is_known_by_the_exact_name_only(self):
        for name in ("0", str(self.user.uid), f"#{self.user.uid}", f" {self.user.name}", f"{self.user.name}\n", "ROOT",
                     f"{self.user.name}\N{COMBINING ACUTE ACCENT}", "-1", "4294967295"):
            with self.subTest(name=name):
                error = Exec(self.stub(), command("true", run_as_user=name)).error()
                self.assertEqual(error.code(), grpc.StatusCode.PERMISSION_DENIED, error.details())
        for name in ("root\0", self.user.name + "\0x"):
            error = Exec(self.stub(), command("true", run_as_user=name)).error()
            self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT, error.details())

    def test_where_root_is_not_in_the_list_nothing_runs_as_root(self):
        with Node("--run-as", self.user.name) as node:
            for words in ([], ["-u", "root"]):
                result = node.nacre("exec", *words, "--", "true")
                self.assertEqual(result.returncode, 125)
                self.assertIn(b"run_as", result.stderr)
                self.assertIn(self.user.name.encode(), result.stderr)
            self.assertEqual(node.nacre("exec", "-u", self.user.name, "--", "id", "-u").stdout.decode(), f"{self.user.uid}\n")

    def test_by_default_the_daemons_user_is_the_list(self):
        with Node() as node:
            self.assertEqual(node.nacre("exec", "-u", "root", "--", "id", "-u").stdout, b"0\n")
            self.assertEqual(node.nacre("exec", "-u", self.user.name, "--", "true").returncode, 125)

    def test_a_name_in_the_list_that_does_not_exist_is_said_and_left_out(self):
        with Node("--run-as", "nosuchuser", "--run-as", "root") as node:
            self.assertIn('"nosuchuser"', node.log())
            self.assertEqual(node.exec("true").returncode, 0)
            self.assertEqual(node.nacre("exec", "-u", "nosuchuser", "--", "true").returncode, 125)

    def test_the_check_warns_of_a_name_in_the_list_that_does_not_exist(self):
        node = Node("--run-as", "nosuchuser", "--log-level", "error", "--check-config").launch()
        self.addCleanup(node.clean)
        self.assertEqual(node.wait(), 0)
        self.assertRegex(node.log(), 'warning: run_as: user "nosuchuser" does not exist')

    # Deaths.

    def test_it_goes_on_when_the_front_is_killed_and_the_next_one_brings_its_output(self):
        call = Exec(self.stub(), shell("echo ready; read go; id -u", run_as_user=self.user.name,
                                       input=command_pb2.INPUT_MODE_STREAM))
        call.await_output(b"ready\n")
        kill_front(self.node)
        again = support.Attach(self.stub(), call.session.id, drive=True, input=True, position=6)
        again.await_event("attached")
        again.send(input=shell_pb2.Input(data=b"go\n"))
        self.assertEqual(bytes(again.follow().stdout), b"%d\n" % self.user.uid)
        self.assertEqual(again.termination.exit_code, 0)

    def test_it_dies_with_a_daemon_that_is_killed(self):
        with Node("--run-as", self.user.name) as node:
            with node.stub() as stub:
                call = Exec(stub, shell("echo $$; exec sleep 1000", run_as_user=self.user.name))
                call.await_output(b"\n")
                front = node.front_pid()
                node.process.kill()
                node.process.wait()
            wait_for(lambda: not alive(int(call.stdout)), "the command is gone")
            wait_for(lambda: not alive(front), "the front is gone")


# Inherited by the daemon: a low priority, a score, one CPU, capabilities for who runs a program, ignored and blocked
# signals, an open umask, descriptors, variables.
ODD = """
import ctypes, os, signal, sys
os.nice(5)
for score in ("-500", "500"):  # the first takes a capability that not every root has
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(score)
        break
    except OSError:
        pass
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP, 32, 33}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD, 40})
os.umask(0)
for _ in range(20):
    os.set_inheritable(os.open("/dev/null", os.O_RDWR), True)
os.setgroups([0, 1, 2, 3])
os.environ.update(SECRET="of root", PATH=os.environ["PATH"] + ":/x", BASH_ENV="/x", ENV="/x")
os.execvp("setpriv", ["setpriv", "--inh-caps=+chown,+kill", "--ambient-caps=+chown,+kill", *sys.argv[1:]])
"""


@needs_root
class OddStart(Clean, RootTest):
    @classmethod
    def make_node(cls):
        node = super().make_node()
        node._command = [PYTHON, "-c", ODD, *node._command]
        return node

    def test_the_daemon_itself_is_odd(self):
        pid = self.node.pid
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), 5)
        self.assertNotEqual(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text(), "0\n")
        self.assertEqual(len(os.sched_getaffinity(pid)), 1)
        self.assertNotEqual(int(fields_of(pid)["CapAmb"], 16), 0)

    def test_how_a_command_ends_is_known_though_child_signals_were_ignored(self):
        self.assertEqual(self.node.exec("sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(self.node.exec("sh", "-c", "kill -9 $$").returncode, 128 + 9)

    def test_the_daemons_own_users_commands_have_its_groups_and_not_the_daemons(self):
        groups = set(os.getgrouplist("root", 0))
        self.assertNotEqual(groups, {0, 1, 2, 3})
        self.assertEqual(set(map(int, self.node.exec("id", "-G").stdout.split())), groups)

    def test_the_daemons_own_users_commands_are_reset_too(self):
        got = self.node.exec("sh", "-c", "nice; nproc; umask; id -G")
        self.assertEqual(got.stdout.decode().split()[:3], ["0", str(os.cpu_count()), "0022"])

    def test_the_front_has_no_groups_and_no_capabilities(self):
        front = fields_of(self.node.front_pid())
        self.assertEqual((front["Groups"], [int(front[name], 16) for name in CAPABILITIES]), ("", [0] * 4))
        self.assertNotIn("0", front["Uid"].split())


# --- a socket for a group ------------------------------------------------------------------------


@needs_root
class SharedSocket(unittest.TestCase):
    """Members of the group call as themselves; who is in the list, as that user, and nobody as another."""

    @classmethod
    def setUpClass(cls):
        cls.accounts = Accounts()
        cls.addClassCleanup(cls.accounts.close)
        cls.group = cls.accounts.group("group")
        cls.member = cls.accounts.user("member", cls.group)
        cls.second = cls.accounts.user("second", cls.group)
        cls.unlisted = cls.accounts.user("unlisted", cls.group)
        cls.stranger = cls.accounts.user("stranger")
        cls.client = cls.accounts.binary("nacre")

    def setUp(self):
        directory = self.accounts.directory / "node"
        directory.mkdir(mode=0o755)
        directory.chmod(0o755)
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.node = self.enterContext(Node(
            "--socket-group", self.group, *[word for user in ("root", self.member.name, self.second.name, self.stranger.name)
                                            for word in ("--run-as", user)],
            directory=directory, listen=[f"unix:{directory}/shared/s"]))
        self.path = directory / "shared/s"

    def call(self, user, *words, stdout=None):
        """Runs our client as a user."""
        result = user.run(self.client, *words, env={"NACRE_HOST": self.node.target, "PATH": os.environ["PATH"]})
        if stdout is not None:
            self.assertEqual((result.returncode, result.stdout), (0, stdout), result.stderr)
        return result

    def exec(self, user, *words, **options):
        return self.call(user, "exec", "--no-resume", *words, **options)

    def test_the_socket_and_its_directory_are_the_groups_and_nobody_elses(self):
        gid = grp.getgrnam(self.group).gr_gid
        for path, mode in ((self.path, 0o660), (self.path.parent, 0o710)):
            info = os.stat(path)
            self.assertEqual((info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)), (0, gid, mode), path)

    def test_a_member_runs_commands_as_himself(self):
        for words in ((), ("-u", self.member.name)):
            self.exec(self.member, *words, "--", "id", "-u", stdout=b"%d\n" % self.member.uid)
        starts = [line for line in self.node.audit() if line["event"] == "start" and line["argv"] == ["id", "-u"]]
        self.assertEqual({(line["identity"], line["user"]) for line in starts},
                         {(f"uid:{self.member.uid}", self.member.name)})

    def test_a_member_can_not_run_commands_as_another(self):
        for name in ("root", self.second.name, "nosuchuser"):
            result = self.exec(self.member, "-u", name, "--", "touch", str(self.node.directory / "marker"))
            self.assertEqual((result.returncode, result.stdout), (125, b""))
            self.assertIn(self.member.name.encode(), result.stderr)
        self.assertFalse((self.node.directory / "marker").exists())
        denied = wait_for(lambda: (lines := [line for line in self.node.audit() if line["event"] == "denied"])[2:] and lines,
                          "the denials are in the audit")
        self.assertEqual([(line["identity"], line["user"]) for line in denied],
                         [(f"uid:{self.member.uid}", name) for name in ("root", self.second.name, "nosuchuser")])

    def test_a_members_sessions_are_closed_to_other_members_and_roots_to_all(self):
        ids = {user: self.start(user) for user in ("root", "member")}
        self.assertEqual(self.listed(self.second), set())
        self.assertEqual(self.listed(self.member), {ids["member"]})
        self.assertEqual(self.listed(None), set(ids.values()))  # root's
        for caller, session in ((self.second, ids["member"]), (self.second, ids["root"]), (self.member, ids["root"])):
            for words in (["end", session], ["kill", "-s", "9", session], ["rm", "-f", session], ["logs", session],
                          ["attach", session], ["wait", session]):
                with self.subTest(caller=caller.name, words=words):
                    result = self.call(caller, *words)
                    self.assertNotIn(result.returncode, (0, 124))
                    self.assertIn(b"there is no session", result.stderr)
        for session in ids.values():
            self.assertIn(session, self.listed(None))
        self.assertEqual(self.call(self.member, "end", ids["member"]).returncode, 0)
        self.assertEqual(self.call(self.member, "wait", ids["member"]).returncode, 128 + signal.SIGTERM)
        self.node.nacre("end", ids["root"])

    def start(self, user):
        words = ("start", "--", "sleep", "1000")
        result = self.node.nacre(*words) if user == "root" else self.call(self.member, *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode().strip()

    def listed(self, user):
        words = ("ps", "-o", "json")
        result = self.node.nacre(*words) if user is None else self.call(user, *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return {one["id"] for one in json.loads(result.stdout)}

    def test_a_member_who_is_not_in_the_list_is_refused(self):
        result = self.exec(self.unlisted, "--", "true")
        self.assertEqual((result.returncode, result.stdout), (125, b""))
        self.assertIn(f"uid {self.unlisted.uid}", self.node.log())
        self.assertEqual(self.node.exec("true").returncode, 0)

    def test_who_is_no_member_can_not_connect_though_he_is_in_the_list(self):
        result = self.exec(self.stranger, "--", "true")
        self.assertEqual((result.returncode, result.stdout), (125, b""))
        self.assertIn(b"ermission denied", result.stderr)
        self.assertNotIn(f"uid {self.stranger.uid}", self.node.log())
        # root may run commands as him all the same
        self.assertEqual(self.node.nacre("exec", "-u", self.stranger.name, "--", "id", "-u").stdout.decode(),
                         f"{self.stranger.uid}\n")

    def test_members_are_served_by_the_next_front_too(self):
        kill_front(self.node)
        self.exec(self.member, "--", "id", "-u", stdout=b"%d\n" % self.member.uid)
        self.assertEqual(self.exec(self.unlisted, "--", "true").returncode, 125)

    def test_a_group_that_does_not_exist_is_refused_by_name(self):
        node = Node("--socket-group", "nosuchgroup").launch()
        self.addCleanup(node.clean)
        self.assertEqual(node.wait(), 2)
        self.assertIn('"nosuchgroup"', node.log())


# --- the compatibility port ----------------------------------------------------------------------

SECRET = b"correct horse battery staple"
LONG_REPLY = 3_000_001


@needs_root
class CompatibilityPort(unittest.TestCase):
    """Its front reads no file of root's and writes no directory of root's: it is given both."""

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        secret = self.directory / "ops.key"
        secret.write_bytes(SECRET)
        secret.chmod(0o600)
        self.node = self.enterContext(LegacyNode({"plain": "", "secret": f"secret_file={secret}"}))
        self.node.warm_up(calls=4)

    def check(self):
        self.assertNotIn("0", fields_of(self.node.front_pid())["Uid"].split())
        self.assertEqual(self.node.ask("id -u; echo err >&2"), b"0\nerr\n")
        self.assertEqual(self.node.ask(f"head -c {LONG_REPLY} /dev/zero"), bytes(LONG_REPLY))
        with self.node.client("secret") as client:
            client.send(hmac.new(SECRET, client.exactly(32), "md5").digest())
            self.assertEqual(client.ask("echo known"), b"known\n")
            self.assertEqual(client.ask(f"head -c {LONG_REPLY} /dev/zero"), bytes(LONG_REPLY))
        with self.node.client("secret") as client:
            client.exactly(32)
            client.send(b"x" * 16)
            self.assertEqual(client.rest(), b"")

    def test_short_and_long_replies_and_secrets_work(self):
        self.check()
        self.node.assert_settled()

    def test_all_of_it_works_with_the_next_front_too(self):
        for _ in range(2):
            kill_front(self.node)
            self.check()
        self.node.assert_settled()

    def test_the_directory_of_long_replies_is_the_fronts_alone(self):
        info = os.stat(self.node.state / "spool")
        front = fields_of(self.node.front_pid())["Uid"].split()[0]
        self.assertEqual((str(info.st_uid), stat.S_IMODE(info.st_mode)), (front, 0o700))
        self.assertEqual(os.stat(self.node.state).st_uid, 0)

    def test_its_clients_are_in_the_audit_with_the_user_of_their_commands(self):
        self.node.ask("echo audited")
        line = [line for line in self.node.audit() if line["event"] == "start" and "echo audited" in line["argv"]][-1]
        self.assertEqual((line["user"], line["identity"], line["dialect"]), ("root", "anonymous@127.0.0.1", "framed"))


if __name__ == "__main__":
    unittest.main()
