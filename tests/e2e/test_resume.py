"""The client goes on by itself: over deaths of the front, over cut connections, and from one client to the next."""

import contextlib
import hashlib
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

import support
from sessions import count, counted, kill_front
from support import DEADLINE, LONG, MIB, NodeTest, alive, scaled, wait_for


class FrontDeaths:
    """Kills the node's front again and again, each a moment after it began to serve, as long as the `with` lasts."""

    EVERY = 0.2

    def __init__(self, node):
        self._node = node
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.kills = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._node.await_serving()

    def _run(self):
        while not self._stop.wait(self.EVERY):
            front, served = self._node.front_pid(), self._served()
            if front is None:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(front, signal.SIGKILL)
                self.kills += 1
            while self._served() == served and not self._stop.wait(0.01):
                pass

    def _served(self):
        """How many fronts have served so far."""
        return self._node.log().count("front serves")


class Proxy:
    """A Unix socket before the node's whose connections can be cut."""

    def __init__(self, node):
        self.path = str(node.directory / "proxy")
        self._node = node
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._open = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def target(self):
        return f"unix:{self.path}"

    def cut(self):
        """Cuts all connections; how many there were."""
        with self._lock:
            pairs, self._open = self._open, set()
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        os.unlink(self.path)

    def _accept(self):
        while True:
            try:
                ours = self._listener.accept()[0]
            except OSError:
                return
            pair = (ours, self._node.connect())
            with self._lock:
                self._open.add(pair)
            threading.Thread(target=self._relay, args=pair, daemon=True).start()

    @staticmethod
    def _relay(ours, theirs):
        other = {ours: theirs, theirs: ours}
        with ours, theirs, contextlib.suppress(OSError):
            while True:
                for one in select.select([ours, theirs], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    other[one].sendall(data)


class ResumeTest(NodeTest):
    def setUp(self):
        super().setUp()
        self.tokens = self.node.directory / "tokens"
        self.tokens.write_text("")

    def begin(self, line, *options, **more):
        """The client at a command that has said "ready"."""
        # What communicate() reads later must not lie in a buffer.
        client = self.node.popen("exec", *options, "--", "sh", "-c", f"echo ready; {line}", bufsize=0, **more)
        self.addCleanup(client.__exit__, None, None, None)
        self.addCleanup(client.kill)
        self.assertEqual(client.stdout.readline(), b"ready\n")
        return client

    def finish(self, client, timeout=DEADLINE):
        out, err = client.communicate(timeout=timeout)
        return client.returncode, out, err

    def kill_front(self):
        kill_front(self.node)

    def sessions(self):
        """Ids of those that run."""
        return re.findall(r"^[0-9a-f]{8}-\d+", self.node.nacre("ps").stdout.decode(), re.MULTILINE)


class Front(ResumeTest):
    def test_a_command_that_is_silent_meanwhile_ends_as_if_nothing_had_happened(self):
        client = self.begin("read go; echo end; exit 7", "-i", stdin=subprocess.PIPE)
        for _ in range(3):
            self.kill_front()
        client.stdin.write(b"\n")
        self.assertEqual(self.finish(client), (7, b"end\n", b""))

    def test_a_long_output_is_exact_over_many_deaths(self):
        size = scaled(192, 4096) * MIB
        line = f"head -c {size} /dev/zero | tr '\\0' x; exit 9"
        with FrontDeaths(self.node) as deaths:
            client = self.begin(line)
            digest = hashlib.sha256()
            while block := client.stdout.read(MIB):
                digest.update(block)
            self.assertEqual((client.wait(LONG), client.stderr.read()), (9, b""))
            wait_for(lambda: deaths.kills > 2, "it died")
        want = hashlib.sha256()
        for _ in range(size // MIB):
            want.update(b"x" * MIB)
        self.assertEqual(digest.hexdigest(), want.hexdigest())

    def test_both_streams_are_exact_over_many_deaths(self):
        turns = scaled(150, 2000)
        line = f"i=0; while [ $i -lt {turns} ]; do echo $i; echo -$i >&2; i=$((i+1)); sleep 0.01; done; exit 3"
        with FrontDeaths(self.node) as deaths:
            status, out, err = self.finish(self.begin(line), LONG)
        self.assertEqual((status, out), (3, b"".join(b"%d\n" % i for i in range(turns))))
        self.assertEqual(err, b"".join(b"-%d\n" % i for i in range(turns)))
        self.assertGreater(deaths.kills, 3)

    def test_an_upload_is_exact_over_many_deaths(self):
        blocks = scaled(128, 2048)
        block = os.urandom(MIB)
        want = hashlib.sha256()
        with FrontDeaths(self.node) as deaths:
            client = self.node.popen("exec", "-i", "sha256sum", stdin=subprocess.PIPE)
            with client:
                for i in range(blocks):
                    piece = block[i:] + block[:i]
                    want.update(piece)
                    client.stdin.write(piece)
                    time.sleep(0.01)  # longer than a front lives
                out, err = client.communicate(timeout=LONG)
        self.assertEqual((client.returncode, out.split()[0].decode(), err), (0, want.hexdigest(), b""))
        self.assertGreater(deaths.kills, 3)

    def test_each_command_runs_once_whenever_the_front_dies(self):
        number = scaled(60, 1000)
        with FrontDeaths(self.node):
            for i in range(number):
                result = self.node.exec("sh", "-c", f"echo {i} >> {self.tokens}; echo {i}; exit {i % 100}")
                self.assert_ends(result, i % 100, b"%d\n" % i, b"")
        self.assertEqual(self.tokens.read_text().split(), [str(i) for i in range(number)])

    def test_signals_reach_the_command_afterwards(self):
        client = self.node.popen("exec", "--", support.TAKE_SIGNALS, "2", bufsize=0)
        self.addCleanup(client.__exit__, None, None, None)
        self.addCleanup(client.kill)
        self.assertEqual(client.stdout.readline(), b"ready\n")
        self.kill_front()
        for number in (signal.SIGHUP, signal.SIGINT):
            client.send_signal(number)
            self.assertEqual(client.stdout.readline(), b"%d\n" % number)
        self.assertEqual(self.finish(client)[0], 5)

    def test_verbose_says_when_it_was_away(self):
        client = self.begin("read go < /proc/self/fd/0; exit 0", "-i", "-v", stdin=subprocess.PIPE)
        self.kill_front()
        status, _, err = self.finish(client)
        self.assertEqual(status, 0)
        self.assertIn(b"connected again", err)

    def test_without_resuming_the_loss_is_an_error_and_the_command_runs_on(self):
        client = self.begin(f"sleep 1; echo done >> {self.tokens}", "--no-resume")
        self.kill_front()
        status, _, err = self.finish(client)
        self.assertEqual(status, 125)
        self.assertTrue(err)
        wait_for(lambda: self.tokens.read_text() == "done\n", "it has run on")

    def test_a_client_that_waits_for_room_to_write_goes_on(self):
        size = 16 * MIB
        client = self.begin(f"head -c {size} /dev/zero")
        support.await_standstill([self.node.pid, client.pid])
        self.kill_front()
        status, out, _ = self.finish(client)
        self.assertEqual((status, len(out)), (0, size))


class Connection(ResumeTest):
    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.node)
        self.addCleanup(self.proxy.close)

    def popen(self, *words, **options):
        return self.node.popen("-H", self.proxy.target, *words, **options)

    def cut_some(self, client):
        """Cuts the connection some times while the client runs, and waits for its end."""
        wait_for(self.node.session_processes, "the command runs")
        for _ in range(5):
            time.sleep(0.1)
            wait_for(lambda: self.proxy.cut() or client.poll() is not None, "there is a connection")
            self.assertIsNone(client.poll())
        client.wait(LONG)

    def test_a_cut_connection_costs_no_byte_of_output(self):
        turns = 200
        line = f"i=0; while [ $i -lt {turns} ]; do {count(2000)}; sleep 0.005; i=$((i+1)); done; exit 4"
        with self.popen("exec", "--", "sh", "-c", line) as client:
            got = []
            reader = threading.Thread(target=lambda: got.append(client.stdout.read()))
            reader.start()
            self.cut_some(client)
            reader.join(LONG)
            self.assertEqual(client.returncode, 4, client.stderr.read())
        self.assertEqual(got[0], counted(2000) * turns)

    def test_a_cut_connection_costs_no_byte_of_input(self):
        data = os.urandom(MIB)
        with self.popen("exec", "-i", "--", "sh", "-c", "sha256sum; exit 6", stdin=subprocess.PIPE) as client:
            def feed():
                with client.stdin:
                    for _ in range(100):
                        client.stdin.write(data)
                        time.sleep(0.01)

            feeder = threading.Thread(target=feed)
            feeder.start()
            self.cut_some(client)
            feeder.join(LONG)
            want = hashlib.sha256(data * 100).hexdigest()
            self.assertEqual((client.returncode, client.stdout.read().split()[0].decode()), (6, want))

    def test_the_end_of_input_is_not_taken_for_a_loss_nor_a_loss_for_the_end(self):
        with self.popen("exec", "-i", "--", "sh", "-c", "cat; echo end", stdin=subprocess.PIPE) as client:
            for i in range(5):
                client.stdin.write(b"%d\n" % i)
                client.stdin.flush()
                self.assertEqual(client.stdout.readline(), b"%d\n" % i)
                self.assertEqual(self.proxy.cut(), 1)
            client.stdin.close()
            client.stdin = None
            self.assertEqual(client.stdout.read(), b"end\n")
            self.assertEqual(client.wait(DEADLINE), 0)

    def test_the_command_is_told_of_the_loss_of_a_client_that_does_not_come_back(self):
        with self.popen("exec", "--grace", "200ms", "--", "sh", "-c", "echo ready; exec sleep 1000") as client:
            self.assertEqual(client.stdout.readline(), b"ready\n")
            client.kill()
            client.wait()
        wait_for(lambda: not self.node.session_processes(), "the command ends")


class Next(ResumeTest):
    """What one client has begun another one goes on with."""

    def start(self, line, *options):
        result = self.node.nacre("start", *options, "--", "sh", "-c", line)
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        return result.stdout.decode().strip()

    def test_a_started_one_is_attached_to_after_the_front_has_died(self):
        session = self.start(f"{count(3000)}; sleep 0.5; echo end >&2; exit 5")
        self.kill_front()
        self.assert_ends(self.node.nacre("attach", "--from", "0", session), 5, counted(3000), b"end\n")

    def test_attach_goes_on_over_many_deaths(self):
        turns = 150
        session = self.start(f"i=0; while [ $i -lt {turns} ]; do echo $i; i=$((i+1)); sleep 0.01; done; exit 8")
        with FrontDeaths(self.node) as deaths:
            self.assert_ends(self.node.nacre("attach", "--from", "0", session), 8, b"".join(b"%d\n" % i for i in range(turns)), b"")
        self.assertGreater(deaths.kills, 3)

    def test_watching_and_logs_go_on_over_many_deaths(self):
        turns = 150
        session = self.start(f"i=0; while [ $i -lt {turns} ]; do echo $i; i=$((i+1)); sleep 0.01; done; exit 8")
        everything = b"".join(b"%d\n" % i for i in range(turns))
        with FrontDeaths(self.node):
            clients = [self.node.popen("attach", "--read-only", "--from", "0", session),
                       self.node.popen("logs", "-f", "--from", "0", session)]
            for client, status in zip(clients, (8, 0)):
                with client:
                    out, err = client.communicate(timeout=LONG)
                    self.assertEqual((client.returncode, out, err), (status, everything, b""))
        self.assert_ends(self.node.nacre("logs", session), 0, everything, b"")

    def test_wait_goes_on_over_deaths_and_has_the_commands_status(self):
        session = self.start("sleep 1; exit 6")
        with FrontDeaths(self.node):
            result = self.node.nacre("wait", session)
        self.assertEqual(result.returncode, 6, result)
        self.assertEqual(self.node.nacre("wait", session).returncode, 6)  # also later

    def test_each_start_under_a_request_id_runs_once_whenever_the_front_dies(self):
        with FrontDeaths(self.node):
            for i in range(30):
                line = f"echo {i} >> {self.tokens}"
                first = self.start(line, "--request-id", f"once-{i}")
                self.assertEqual(self.start(line, "--request-id", f"once-{i}"), first)
                waited = self.node.nacre("wait", first)
                self.assertEqual((waited.returncode, waited.stderr), (0, b""))
        self.assertEqual(self.tokens.read_text().split(), [str(i) for i in range(30)])

    def test_after_a_killed_client_another_one_gets_all_that_was_not_taken(self):
        lines = 300_000
        client = self.node.popen("exec", "--tag", "killed=x", "--", "sh", "-c", f"{count(lines)}; exit 3")
        with client:
            taken = client.stdout.read(500_000)
            client.kill()
            taken += client.stdout.read()
        session = self.node.nacre("ps", "--tag", "killed=x", "-a").stdout.decode()
        session = re.search(r"[0-9a-f]{8}-\d+", session).group()
        result = self.node.nacre("attach", session)
        everything = counted(lines)
        self.assertEqual((result.returncode, result.stderr), (3, b""))
        self.assertTrue(everything.startswith(taken))
        self.assertTrue(everything.endswith(result.stdout))
        self.assertGreaterEqual(len(taken) + len(result.stdout), len(everything))

    def test_the_other_verbs_work_after_the_front_has_died(self):
        session = self.start("echo ready; exec sleep 1000", "--tag", "verbs=x")
        self.kill_front()
        self.assertIn(session, self.node.nacre("ps", "--tag", "verbs=x").stdout.decode())
        self.assertEqual(self.node.nacre("kill", "-s", "USR1", session).returncode, 0)
        self.assertEqual(self.node.nacre("wait", session).returncode, 128 + signal.SIGUSR1)
        self.kill_front()
        self.assert_ends(self.node.nacre("logs", session), 0, b"ready\n", b"")
        self.assertEqual(self.node.nacre("rm", session).returncode, 0)
        self.kill_front()
        self.assertNotIn(session, self.node.nacre("ps", "-a").stdout.decode())
        self.assertEqual(self.node.nacre("wait", session).returncode, 125)


class Daemon(support.unittest.TestCase):
    def test_a_restarted_daemon_is_said_to_be_one(self):
        with support.Node() as first:
            client = first.popen("exec", "--", "sh", "-c", "echo ready; exec sleep 1000")
            with client:
                self.assertEqual(client.stdout.readline(), b"ready\n")
                front = first.front_pid()
                first.process.kill()
                first.process.wait()
                wait_for(lambda: not alive(front), "the front ends")
                first.start()
                _, err = client.communicate(timeout=DEADLINE)
                self.assertEqual(client.returncode, 125)
                self.assertIn(b"restarted", err)


if __name__ == "__main__":
    support.unittest.main()
