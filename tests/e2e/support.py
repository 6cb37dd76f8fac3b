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
import glob
import json
import os
import pathlib
import queue
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

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests/programs"
TAKE_SIGNALS = str(PROGRAMS / "take_signals.py")
ALTERNATE = str(PROGRAMS / "alternate.py")
BIN = pathlib.Path(os.environ.get("NACRE_BIN") or ROOT / "build/release/bin")
FULL = os.environ.get("NACRE_E2E_SCALE") == "full"
SANITIZED = bool(os.environ.get("NACRE_E2E_SANITIZED"))
# Long enough that only a hang exceeds it, on a loaded machine and with a sanitizer.
DEADLINE = 30.0
SETTLE_DEADLINE = 15.0
MIB = 1024 * 1024
RSS_BOUND = 64 * MIB


def scaled(small, full):
    return full if FULL else small


# --- generated code ------------------------------------------------------------------------------


def _stubs():
    ready = os.environ.get("NACRE_E2E_STUBS")
    if ready:
        return ready
    where = tempfile.mkdtemp(prefix="nacre-stubs.")
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    protos = [str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto").rglob("*.proto")]
    plugin = shutil.which("grpc_python_plugin")
    subprocess.run(
        ["protoc", "-I", str(ROOT / "proto"), f"--python_out={where}", f"--grpc_python_out={where}",
         f"--plugin=protoc-gen-grpc_python={plugin}", *protos], check=True)
    return where


STUBS = _stubs()
sys.path.insert(0, STUBS)

from nacre.internal.v1 import status_pb2  # noqa: E402
from nacre.v1 import command_pb2, session_pb2, shell_pb2, shell_pb2_grpc  # noqa: E402,F401

# --- waiting -------------------------------------------------------------------------------------


def wait_for(condition, what, deadline=DEADLINE):
    """Returns the first true value of condition(); fails when there is none before the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.01)


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
        command = [str(BIN / "nacred"), "--state-dir", str(self.state)]
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
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env)
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


# --- calls ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def channel(target, *options):
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0), *options]
    made = grpc.insecure_channel(target, options=options)
    try:
        yield made
    finally:
        made.close()


def command(*argv, policies=None, **fields):
    """A Start of argv, with more fields of its Command, and policies."""
    return command_pb2.Start(
        command=command_pb2.Command(argv=argv, **fields),
        policies=command_pb2.StartPolicies(**policies) if policies is not None else None)


def shell(line, **fields):
    """A Start of sh -c line."""
    return command("sh", "-c", line, **fields)


def details(error):
    """The rich details of a failed call: {name: message}, by names of google.rpc."""
    raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if raw is None:
        return {}
    rich = status_pb2.Status.FromString(raw)
    assert rich.code == error.code().value[0], rich
    assert rich.message == error.details(), rich
    found = {}
    for detail in rich.details:
        prefix, _, name = detail.type_url.rpartition(".")
        assert prefix == "type.googleapis.com/google.rpc", detail.type_url
        found[name] = getattr(status_pb2, name).FromString(detail.value)
    return found


class BrokenPromise(AssertionError):
    """The stream's events break api.md."""


class Exec:
    """One Exec call. Checks each event against what every stream promises."""

    _END = object()

    def __init__(self, stub, start=None, timeout=DEADLINE, **options):
        self._requests = queue.SimpleQueue()
        self.started = self.termination = None
        self.stdout, self.stderr = bytearray(), bytearray()
        # (stream, data) in the order of arrival.
        self.outputs, self.input_acks = [], []
        self.position = 0
        self.messages = 0
        if start is not None:
            self.send(start=start)
        self.call = stub.Exec(iter(self._requests.get, self._END), timeout=timeout, **options)

    def send(self, **request):
        self._requests.put(shell_pb2.ExecRequest(**request))

    def half_close(self):
        self._requests.put(self._END)

    def cancel(self):
        """Drops the call, as a lost connection would."""
        self.call.cancel()
        self.half_close()

    def events(self):
        """The events as they come; raises grpc.RpcError when the call fails."""
        try:
            for response in self.call:
                self.messages += 1
                self._check(response.events, "a response without events")
                for event in response.events:
                    self._enter(event)
                    yield event
        finally:
            self.half_close()
        self._check(self.termination is not None, "no termination before OK")

    def await_event(self, kind):
        """Follows the stream to its next event of this kind; the stream can then be followed on."""
        for event in self._stream():
            if event.WhichOneof("event") == kind:
                return getattr(event, kind)
        raise BrokenPromise(f"the stream ended without {kind}")

    def await_output(self, text):
        """Follows the stream until standard output holds these bytes."""
        for _ in self._stream():
            if text in self.stdout:
                return
        raise BrokenPromise(f"the stream ended without {text!r}; stdout {bytes(self.stdout)!r}")

    def follow(self):
        """Follows the stream to its end; self."""
        for _ in self._stream():
            pass
        return self

    def error(self):
        """Follows a call that must fail; its error."""
        try:
            self.follow()
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"the call succeeded: {self.termination}")

    def _stream(self):
        if not hasattr(self, "_events"):
            self._events = self.events()
        while True:
            try:
                yield next(self._events)
            except StopIteration:
                return

    @staticmethod
    def _check(condition, what):
        if not condition:
            raise BrokenPromise(what)

    def _enter(self, event):
        kind = event.WhichOneof("event")
        self._check(kind is not None, "an empty event")
        self._check((self.started is None) == (kind == "started"), f"{kind} out of order")
        self._check(self.termination is None, f"{kind} after the termination")
        getattr(self, "_on_" + kind)(getattr(event, kind))

    def _on_started(self, started):
        self.started = started
        self._check(started.next_position == 0 and started.input_offset == 0, str(started))

    def _on_output(self, output):
        self._check(output.position == self.position, f"position {output.position}, not {self.position}")
        self._check(len(output.data) > 0, "empty output")
        self.position += len(output.data)
        self.outputs.append((output.stream, output.data))
        is_stdout = output.stream == session_pb2.OUTPUT_STREAM_STDOUT
        (self.stdout if is_stdout else self.stderr).extend(output.data)

    def _on_input_ack(self, ack):
        self._check(not self.input_acks or ack.offset > self.input_acks[-1], "an ack that does not advance")
        self.input_acks.append(ack.offset)

    def _on_terminated(self, terminated):
        self.termination = terminated.termination
        for summary in self.termination.streams:
            got = self.stdout if summary.stream == session_pb2.OUTPUT_STREAM_STDOUT else self.stderr
            self._check(summary.bytes == len(got), f"{summary.bytes} bytes written, {len(got)} arrived")
            self._check(len(summary.xxh3_128) == 16, "the hash is not 16 bytes")


# --- test cases ----------------------------------------------------------------------------------


class NodeTest(unittest.TestCase):
    """Tests on one daemon; after each the next call works and nothing is left of the last."""

    node_options = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.node = Node(**cls.node_options)
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
