"""What the end-to-end tests share: a daemon of one's own, its callers, and a census of what is left.

Environment:
  NACRE_BIN            directory of nacred, nacre-front and nacre (default: build/release/bin)
  NACRE_E2E_STUBS      directory of the generated Python stubs (default: generated on import)
  NACRE_E2E_SCALE      "full" for the sizes of the acceptance test
  NACRE_E2E_SANITIZED  not empty when the binaries are sanitized: memory is not measured then

Nothing here waits by the clock: wait_for() polls a condition under a deadline that only a hang meets.
"""

import atexit
import contextlib
import functools
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from stubs import ROOT, STUBS, command_pb2, session_pb2, shell_pb2, shell_pb2_grpc, status_pb2  # noqa: F401  first
from calls import Attach, BrokenPromise, Exec, StreamOutput, channel, command, details, shell  # noqa: F401
from deadlines import DEADLINE, SETTLE_DEADLINE, wait_for

import grpc  # noqa: F401

PROGRAMS = ROOT / "tests/programs"
TAKE_SIGNALS = str(PROGRAMS / "take_signals.py")
ALTERNATE = str(PROGRAMS / "alternate.py")
BIN = pathlib.Path(os.environ.get("NACRE_BIN") or ROOT / "build/release/bin")
FULL = os.environ.get("NACRE_E2E_SCALE") == "full"
SANITIZED = bool(os.environ.get("NACRE_E2E_SANITIZED"))
MIB = 1024 * 1024
RSS_BOUND = 64 * MIB


def scaled(small, full):
    return full if FULL else small


# Of calls that move much.
LONG = scaled(60, 1200)


@functools.cache
def for_everybody(path):
    """A file or directory, or a copy of it where every user may read and run it."""
    if os.geteuid() != 0:
        return path
    where = pathlib.Path(tempfile.mkdtemp(prefix="nacre-e2e."))
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    where.chmod(0o755)
    path = pathlib.Path(path)
    (shutil.copytree if path.is_dir() else shutil.copy)(path, where / path.name)
    (where / path.name).chmod(0o755)
    return where / path.name


# --- /proc ---------------------------------------------------------------------------------------


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ProcessLookupError):
        return b""


def alive(pid):
    """Whether any of its threads exists and is no zombie: as long as one does, it has its descriptors."""
    with contextlib.suppress(OSError):
        return any(state_of(f"{pid}/task/{one}") not in ("", "Z", "X") for one in os.listdir(f"/proc/{pid}/task"))
    return False


def state_of(pid):
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return fields[0].decode() if fields else ""


def children(pid):
    """Direct children, zombies included: {pid: (name, state)}."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        head, _, tail = _read(f"/proc/{entry}/stat").rpartition(b")")
        fields = tail.split()
        if len(fields) > 1 and int(fields[1]) == pid:
            found[int(entry)] = (head.partition(b"(")[2].decode(errors="replace"), fields[0].decode())
    return found


def descriptors(pid):
    """What each descriptor refers to."""
    found = {}
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def threads(pid):
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0


def processes_with(variable):
    """Processes whose environment holds a variable that starts so, e.g. b"NACRE_SESSION_ID=5"."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        if any(one.startswith(variable) for one in _read(path).split(b"\0")):
            found.append(int(path.split("/")[2]))
    return found


def remove_cgroup(path):
    """Kills all that is in a cgroup and removes it, if it is still there."""
    if not path.is_dir():
        return
    with contextlib.suppress(OSError):
        (path / "cgroup.kill").write_text("1")
    wait_for(lambda: b"populated 0" in _read(path / "cgroup.events"), f"nothing is left in {path}")
    for directory, _, _ in os.walk(path, topdown=False):
        os.rmdir(directory)


def own_memory(pid):
    """Resident bytes but those of shared memory, i.e. of the rings. VmHWM would count them too."""
    fields = dict(re.findall(rb"(\w+):\s+(\d+) kB", _read(f"/proc/{pid}/status")))
    return (int(fields.get(b"VmRSS", 0)) - int(fields.get(b"RssShmem", 0))) * 1024


def await_standstill(pids):
    """Until none of these processes has read or written a byte for a while."""
    seen = []

    def stands():
        seen.append([_read(f"/proc/{pid}/io") for pid in pids])
        return len(seen) > 30 and all(one == seen[-1] for one in seen[-30:])

    wait_for(stands, "nobody moves a byte any more")


class MemoryWatch:
    """Samples own_memory() of some processes; peaks() tells the largest that was seen of each."""

    def __init__(self, **pids):
        self._pids, self._peaks = pids, dict.fromkeys(pids, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while True:
            for name, pid in self._pids.items():
                self._peaks[name] = max(self._peaks[name], own_memory(pid))
            if self._stop.wait(0.02):
                return

    def peaks(self):
        return dict(self._peaks)


# --- a daemon ------------------------------------------------------------------------------------


class _Client(subprocess.Popen):
    """A process that does not outlive its `with`."""

    def __exit__(self, *exception):
        if exception[0] is not None:
            self.kill()
        super().__exit__(*exception)


class Node:
    """One nacred with its state, in a temporary directory of its own. Stop it, or use it by `with`."""

    def __init__(self, *args, listen=None, front=None, nofile=None, env=None, directory=None, state=None):
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="nacre-e2e."))
        self._owns_directory = directory is None
        self.socket = str(self.directory / "s")
        self.state = state or self.directory / "state"
        self.log_path = self.directory / "log"
        listen = listen or [f"unix:{self.socket}"]
        # Of TCP the port is known once it listens.
        self.target = listen[0] if listen[0].startswith("unix:") else None
        # Whatever this machine's own node is configured to.
        config = [] if "--config" in args else ["--config", os.devnull]
        self._user = None
        nacred = BIN / "nacred"
        if front and os.geteuid() == 0:
            # No front may be root, and one of a test's own has to reach what the daemon has: both are a plain user.
            self._user = "games"
            nacred = for_everybody(nacred)
            args = [*args, "--files", str(for_everybody(BIN / "nacre-files"))]
            shutil.chown(self.directory, self._user, self._user)
        command = [str(nacred), *config, "--state-dir", str(self.state)]
        for address in listen:
            command += ["--listen", address]
        if front:
            command += ["--front", str(front)]
        command += args
        if nofile:
            command = ["sh", "-c", f'ulimit -n {nofile} && exec "$@"', "sh", *command]
        self._command = command
        self._env = {**os.environ, **(env or {})}
        self._epoch = None
        self._log_start = 0
        self.process = None
        self.baseline = None

    # life

    def launch(self):
        """Starts it without waiting until it serves."""
        with open(self.log_path, "ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, user=self._user,
                group=self._user, extra_groups=[] if self._user else None)
        return self

    def start(self):
        try:
            self.launch()
            self.await_serving()
        except BaseException:
            self.clean()
            raise
        return self

    def await_serving(self):
        def serves():
            if self.process.poll() is not None:
                raise AssertionError(f"nacred ended with {self.process.returncode}:\n{self.log()}")
            if self.target is None:
                bound = re.search(r"listening on (\S+)", self.log())  # names the port that the kernel chose
                if not bound:
                    return False
                self.target = bound.group(1)
            return self.ping().returncode == 0

        wait_for(serves, lambda: f"nacred serves\n{self.log()}")

    def terminate(self):
        """SIGTERM, without waiting."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"nacred does not end:\n{self.log()}") from None

    def stop(self):
        """Ends it as an administrator would; its exit status."""
        try:
            self.terminate()
            return self.wait()
        finally:
            self.clean()

    def clean(self):
        """Leaves nothing behind, whatever has happened."""
        if self.process is not None and self.process.poll() is None:
            front = self.front_pid()
            self.process.kill()
            self.process.wait()
            if front:
                wait_for(lambda: not alive(front), "the front ends with its keeper")
        if self._epoch:
            for pid in self.session_processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        if cgroup := self.cgroup():
            remove_cgroup(cgroup)
        if self._owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)
            if self.process.poll() is None:
                self.terminate()  # the second one ends the sessions too
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(10)
        self.clean()

    # what it says

    def log(self):
        return _read(self.log_path)[self._log_start:].decode(errors="replace")

    def cgroup(self):
        """The part of the cgroup tree that it divides among its sessions, if it can have one."""
        found = re.search(r"sessions are cgroups in (/\S+)", self.log()) if self.log_path.exists() else None
        return found and pathlib.Path(found.group(1))

    def audit(self):
        # What stands behind the last newline is being written.
        lines = (self.state / "audit.jsonl").read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    # callers

    def popen(self, *args, **options):
        """The client: a process."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        env = {**os.environ, "NACRE_HOST": self.target, **options.pop("env", {})}
        return _Client([BIN / "nacre", *args], env=env, **options)

    def nacre(self, *args, input=None, timeout=DEADLINE, **options):  # noqa: A002
        """Runs the client to its end."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        return self._finish(self.popen(*args, **options), input, timeout)

    def _finish(self, started, given=None, timeout=DEADLINE):
        with started as process:
            try:
                out, err = process.communicate(given, timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"{process.args} hangs; so far {out!r}, {err!r}\n{self.log()}") from None
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def sh(self, line, **options):
        """Runs a line of our own shell in which $nacre is the client."""
        return self._finish(_Client(
            ["sh", "-c", line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "NACRE_HOST": self.target, "nacre": str(BIN / "nacre")}), **options)

    def exec(self, *command, **options):
        return self.nacre("exec", "--", *command, **options)

    def ping(self):
        return self.nacre("ping")

    @contextlib.contextmanager
    def stub(self, target=None):
        with channel(target or self.target) as open_channel:
            yield shell_pb2_grpc.ShellServiceStub(open_channel)

    def connect(self):
        """A plain connection."""
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(DEADLINE)
        plain.connect(self.socket)
        return plain

    # census

    @property
    def pid(self):
        return self.process.pid

    def front_pid(self):
        """Process id of the front that runs, or None."""
        for pid, (name, state) in children(self.pid).items():
            if name == "nacre-front" and state not in ("Z", "X"):
                return pid
        return None

    @property
    def epoch(self):
        """First part of its session ids."""
        if self._epoch is None:
            self._epoch = self.exec("sh", "-c", "echo $NACRE_SESSION_ID").stdout.decode().split("-")[0]
        return self._epoch

    def session_processes(self):
        return processes_with(f"NACRE_SESSION_ID={self.epoch}-".encode())

    def warm_up(self, calls=16):
        """Makes it open what it opens but once, and remembers what it holds when idle."""
        assert self.epoch
        start = command("sh", "-c", "cat; echo $$; echo $$ >&2", input=command_pb2.INPUT_MODE_STREAM)
        with self.stub() as stub:
            started = [Exec(stub, start) for _ in range(calls)]
            for call in started:
                call.send(input=shell_pb2.Input(data=b"x" * 100_000, eof=True))
            for call in started:
                call.follow()
        previous = None
        while previous is None or previous != self.census():  # until two in a row agree
            previous = self.census()
            time.sleep(0.05)
        self.baseline = previous

    def census(self):
        front = self.front_pid()
        return {
            "nacred fds": len(descriptors(self.pid)),
            "front fds": len(descriptors(front)) if front else 0,
            "nacred threads": threads(self.pid),
            "front threads": threads(front) if front else 0,
            "children": len(children(self.pid)),
            "session processes": len(self.session_processes()),
        }

    # gRPC's pools keep the threads that a burst made them start.
    SLACK = {"front threads": 8}

    def _excess(self):
        now = self.census()
        return {name: (now[name], limit) for name, limit in self.baseline.items()
                if now[name] > limit + self.SLACK.get(name, 0)}

    def assert_settled(self):
        """The next call works, and nothing is left of those before it."""
        answer = self.exec("echo", "works")
        if (answer.returncode, answer.stdout) != (0, b"works\n"):
            raise AssertionError(f"the next call fails: {answer}\n{self.log()}")
        try:
            wait_for(lambda: not self._excess(), self._describe_excess, SETTLE_DEADLINE)
        except AssertionError:
            self.baseline = self.census()  # one leak fails one test
            raise

    def _describe_excess(self):
        front = self.front_pid()
        return (f"back at the baseline: (now, baseline) {self._excess()}\n"
                f"children: {children(self.pid)}\nsessions: {self.session_processes()}\n"
                f"nacred: {descriptors(self.pid)}\nfront: {descriptors(front) if front else None}\n"
                f"{self.log()[-4000:]}")


# --- test cases ----------------------------------------------------------------------------------


class NodeTest(unittest.TestCase):
    """Tests on one daemon; after each the next call works and nothing is left of the last."""

    node_arguments = ()
    node_options = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.node = Node(*cls.node_arguments, **cls.node_options)
        try:
            cls.node.start()
            cls.node.warm_up()
        except BaseException:
            cls.node.clean()
            raise

    @classmethod
    def tearDownClass(cls):
        status = cls.node.stop()
        assert status == 0, f"nacred ended with {status}"
        assert not cls.node.session_processes(), "processes outlive the daemon"

    def setUp(self):
        self.callers = contextlib.ExitStack()
        self.addCleanup(self.node.assert_settled)
        self.addCleanup(self.callers.close)

    def stub(self):
        """A stub on a connection of its own that ends with the test."""
        return self.callers.enter_context(self.node.stub())

    def exec(self, start, **options):
        """Runs one Exec to its end."""
        return Exec(self.stub(), start, **options).follow()

    def assert_ends(self, result, status, stdout=None, stderr=None):
        self.assertEqual(result.returncode, status, result)
        if stdout is not None:
            self.assertEqual(result.stdout, stdout)
        if stderr is not None:
            self.assertEqual(result.stderr, stderr)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        outcome = super().run(result)
        if result and len(result.failures) + len(result.errors) > before and hasattr(self, "node"):
            print(f"--- log of nacred at the failure of {self.id()}:\n{self.node.log()[-3000:]}", file=sys.stderr)
        return outcome


def is_socket(path):
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False
