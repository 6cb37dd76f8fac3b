"""What the tests of the compatibility port share: an old raw-socket client, a daemon with ports for it."""

import concurrent.futures
import contextlib
import hashlib
import os
import re
import resource
import shlex
import socket
import struct
import time

import support
from support import DEADLINE, Node, NodeTest, descriptors, wait_for

HEAD = struct.Struct("<i")
# When nothing follows for so long, the daemon takes text for whole. What belongs together is sent faster.
SILENCE = 0.020
# More than the kernel keeps for a client that does not read: so much of a reply stays with the daemon.
BEYOND_BUFFERS = 20 * support.MIB
LONG = 240.0


def frame(text):
    """A request with its length before it."""
    data = text if isinstance(text, bytes) else text.encode()
    return HEAD.pack(len(data)) + data


def allow_descriptors(count):
    """Lets this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def in_parallel(function, arguments, workers=16):
    """The results of function(argument), some at a time; raises what one of them raised."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, arguments))


class Client:
    """A connection as an old client has it. By `with`, or close() it."""

    def __init__(self, address, receive_buffer=None, timeout=DEADLINE):
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each send a segment
            self.socket.connect((host, int(port)))
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a reset instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    # saying

    def send(self, data):
        self.socket.sendall(data)

    def send_parts(self, *parts, pause=0.0):
        """Sends segments; whether none of them came so late that it may be taken for silence."""
        in_time = True
        before = time.monotonic()
        for i, part in enumerate(parts):
            if i:
                time.sleep(pause)
            self.send(part)
            now = time.monotonic()
            in_time, before = in_time and now - before < SILENCE * 0.8, now
        return in_time

    def ask(self, text):
        """Runs a command with a length before it; its reply."""
        self.send(frame(text))
        return self.reply()

    def ask_raw(self, text):
        """Runs a command as mere text; its reply."""
        self.send(text if isinstance(text, bytes) else text.encode())
        return self.reply()

    # hearing

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.socket.recv(min(count - len(data), 1 << 20))
            if not more:
                begin = bytes(data[:200])
                raise AssertionError(f"the connection ended after {len(data)} of {count} bytes: {begin!r}")
            data += more
        return bytes(data)

    def length(self):
        """The length before a reply."""
        length, = HEAD.unpack(self.exactly(HEAD.size))
        if length < 0:
            raise AssertionError(f"a reply of {length} bytes")
        return length

    def reply(self):
        """One reply, and not a byte more."""
        return self.exactly(self.length())

    def digest(self):
        """(length, SHA-256) of one reply, which is not kept."""
        length = left = self.length()
        sha, buffer = hashlib.sha256(), memoryview(bytearray(1 << 20))
        while left:
            count = self.socket.recv_into(buffer, min(left, len(buffer)))
            if not count:
                raise AssertionError(f"the connection ended {left} bytes before the end of {length}")
            sha.update(buffer[:count])
            left -= count
        return length, sha.hexdigest()

    def rest(self):
        """What still comes until the daemon ends the connection, by a FIN or by a reset."""
        data = bytearray()
        with contextlib.suppress(ConnectionError):
            while more := self.socket.recv(1 << 20):
                data += more
        return bytes(data)

    def finish(self):
        """Says that no more is asked; what still comes, which is nothing after the last reply."""
        self.half_close()
        return self.rest()


class LegacyNode(Node):
    """A daemon with compatibility listeners, each on a port of its own: {name: "KEY=VALUE,…"}."""

    def __init__(self, listeners=None, *args, host="127.0.0.1", **options):
        self._names = list(listeners or {"plain": ""})
        compat = []
        for text in (listeners or {"plain": ""}).values():
            compat += ["--compat", f"framed={host}:0" + (f",{text}" if text else "")]
        super().__init__(*compat, *args, **options)

    def address(self, name="plain"):
        """Where this listener listens."""
        found = re.search(rf"listening on (\S+) \(compat-{self._names.index(name)}\)", self.log())
        if not found:
            raise AssertionError(f"it does not listen for {name}:\n{self.log()}")
        return found.group(1)

    def client(self, name="plain", **options):
        return Client(self.address(name), **options)

    def ask(self, text, name="plain"):
        """Runs a command on a connection of its own; its reply, after which nothing may come."""
        with self.client(name) as client:
            reply = client.ask(text)
            rest = client.finish()
        if rest:
            raise AssertionError(f"after the reply to {text[:80]!r} came {rest[:80]!r}")
        return reply

    def starts(self):
        """The commands that old clients have started, by the audit."""
        return [line["argv"][-1] for line in self.audit() if line["event"] == "start" and "dialect" in line]

    def ends_of(self, word):
        """How the commands that hold this word ended: lines of the audit."""
        lines = self.audit()
        starts = [line for line in lines if line["event"] == "start" and word in line["argv"][-1]]
        sessions = {line["session"] for line in starts}
        return [line for line in lines if line["event"] == "end" and line["session"] in sessions]

    def refusals(self):
        return [line for line in self.audit() if line["event"] == "refused"]

    def spool_files(self):
        """Files of replies that the front holds open."""
        front = self.front_pid()
        spool = str(self.state / "spool") + "/"
        return [path for path in descriptors(front).values() if path.startswith(spool)] if front else []

    def assert_settled(self):
        if (answer := self.ask("echo works")) != b"works\n":
            raise AssertionError(f"the next command of an old client fails: {answer!r}")
        super().assert_settled()
        if left := os.listdir(self.state / "spool"):
            raise AssertionError(f"the spool holds {left}")


class LegacyTest(NodeTest):
    """Tests on one daemon with compatibility listeners."""

    listeners = {"plain": ""}
    node_arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.node = LegacyNode(cls.listeners, *cls.node_arguments, **cls.node_options)
        try:
            cls.node.start()
            cls.node.warm_up()
        except BaseException:
            cls.node.clean()
            raise

    def client(self, name="plain", **options):
        """A connection that ends with the test."""
        return self.callers.enter_context(self.node.client(name, **options))

    def path(self, name):
        """A name in the daemon's directory, free again after the test."""
        path = self.node.directory / name
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def gate(self, name="gate"):
        return self.callers.enter_context(Gate(self.node.directory / name))

    @contextlib.contextmanager
    def nothing_starts(self):
        """Within it no command of an old client starts."""
        before = self.node.starts()
        yield
        self.node.ask("true")  # later than whatever was started before
        self.assertEqual(self.node.starts()[len(before):], ["true"])

    def assert_refused(self, before, word):
        """One more refusal than before is in the audit, and it says why."""
        wait_for(lambda: len(self.node.refusals()) > before, "the refusal is in the audit")
        line = self.node.refusals()[-1]
        self.assertEqual((line["identity"], line["dialect"]), ("anonymous@127.0.0.1", "framed"))
        self.assertIn(word, line["why"])


class Gate:
    """Where a command waits until it is let through. Several may wait, each has to be let through."""

    def __init__(self, path):
        self._path = path
        self.wait = f"read go < {shlex.quote(str(path))}"
        self._fd = None

    def __enter__(self):
        os.mkfifo(self._path)
        return self

    def __exit__(self, *_):
        if self._fd is not None:
            os.close(self._fd)
        os.unlink(self._path)

    def await_command(self):
        """Until a command has come to the gate."""
        wait_for(self._try, "the command runs")

    def _try(self):
        if self._fd is None:
            with contextlib.suppress(OSError):  # nobody is there yet
                self._fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return self._fd is not None

    def open(self):
        self.await_command()
        os.write(self._fd, b"go\n")


def start_that_fails(*args, listeners=None):
    """Starts a daemon that must refuse to run: (exit status, what it said)."""
    node = LegacyNode(listeners, *args) if listeners else Node(*args)
    try:
        node.launch()
        return node.wait(), node.log()
    finally:
        node.clean()
