"""Output is byte-exact and complete at any size, with any bytes, in little memory."""

import concurrent.futures
import hashlib
import os
import signal
import subprocess
import threading
import unittest

import support
from support import MIB, RSS_BOUND, Exec, MemoryWatch, NodeTest, command, scaled, session_pb2, shell, wait_for

LONG = scaled(60, 1200)
BLOCK = os.urandom(MIB)


def sink(stream):
    """Reads a stream to its end: (bytes, sha256)."""
    digest, total = hashlib.sha256(), 0
    while block := stream.read1(MIB):
        digest.update(block)
        total += len(block)
    return total, digest.hexdigest()


class Volume(NodeTest):
    def assert_small(self, watch):
        if support.SANITIZED:
            return
        for name, peak in watch.peaks().items():
            self.assertGreater(peak, 0, name)
            self.assertLess(peak, RSS_BOUND, f"{name} grew to {peak // MIB} MiB")

    def watch(self, client):
        return MemoryWatch(nacred=self.node.pid, front=self.node.front_pid(), nacre=client.pid)

    def test_random_bytes_pass_through_both_ways_in_little_memory(self):
        blocks = scaled(48, 1024)
        want = hashlib.sha256()
        for i in range(blocks):
            want.update(BLOCK[i:] + BLOCK[:i])

        def feed(stream):
            with stream:
                for i in range(blocks):
                    stream.write(BLOCK[i:] + BLOCK[:i])

        with self.node.popen("exec", "-i", "cat", stdin=subprocess.PIPE) as client, self.watch(client) as watch:
            feeder = threading.Thread(target=feed, args=(client.stdin,), daemon=True)
            feeder.start()
            self.assertEqual(sink(client.stdout), (blocks * MIB, want.hexdigest()))
            self.assertEqual(client.wait(LONG), 0)
            feeder.join(LONG)
            client.stdin = None
        self.assert_small(watch)

    def test_a_long_output_is_exact_in_little_memory(self):
        size = scaled(512, 8192) * MIB
        with self.node.popen("exec", "--", "head", "-c", str(size), "/dev/zero") as client, self.watch(client) as watch:
            total = 0
            buffer = bytearray(MIB)
            while count := client.stdout.readinto1(buffer):
                total += count
            self.assertEqual(client.wait(LONG), 0)
        self.assertEqual(total, size)
        self.assert_small(watch)

    def test_a_reader_that_pauses_stops_the_command_and_gets_everything(self):
        size = 96 * MIB
        with self.node.popen("exec", "--", "head", "-c", str(size), "/dev/zero") as client, self.watch(client) as watch:
            self._await_standstill(client)
            total, digest = sink(client.stdout)
            self.assertEqual(client.wait(LONG), 0)
        self.assertEqual((total, digest), (size, hashlib.sha256(bytes(size)).hexdigest()))
        self.assert_small(watch)

    def _await_standstill(self, client):
        support.await_standstill([self.node.pid, self.node.front_pid(), client.pid, *self.node.session_processes()])
        self.assertTrue(self.node.session_processes())

    def test_input_waits_for_a_command_that_does_not_read(self):
        size = 64 * MIB
        reading, writing = os.pipe()
        with self.node.popen("exec", "-i", "--", "sh", "-c", "read go < %s; wc -c" % self._fifo(),
                             stdin=reading) as client, self.watch(client) as watch:
            os.close(reading)
            feeder = threading.Thread(target=self._feed, args=(writing, size), daemon=True)
            feeder.start()
            self._await_standstill(client)
            with open(self._fifo(), "w") as fifo:
                fifo.write("go\n")
            out, _ = client.communicate(timeout=LONG)
            feeder.join(LONG)
        self.assertEqual((int(out), client.returncode), (size, 0))
        self.assert_small(watch)

    def _fifo(self):
        path = self.node.directory / "fifo"
        if not path.exists():
            os.mkfifo(path)
        return path

    @staticmethod
    def _feed(fd, size):
        with open(fd, "wb") as stream:
            for _ in range(size // MIB):
                stream.write(BLOCK)

    def test_output_around_the_size_of_the_ring_is_exact(self):
        stub = self.stub()
        for size in (1, 4095, 65536, 65537, 262143, 262144, 262145, 524287, 524288, 524289, 1_000_003):
            got = Exec(stub, shell(f"head -c {size} /dev/zero; head -c {size} /dev/zero >&2")).follow()
            self.assertEqual((got.stdout, got.stderr), (bytes(size), bytes(size)))
            self.assertTrue(got.termination.output_complete)


class Bytes(NodeTest):
    def test_every_byte_value_and_nothing_else(self):
        every = bytes(range(256)) * 3 + b"no newline at the end"
        result = self.node.nacre("exec", "-i", "--", "sh", "-c", "tee /dev/stderr", input=every)
        self.assert_ends(result, 0, every, every)

    def test_no_output_is_no_output(self):
        self.assert_ends(self.node.exec("true"), 0, b"", b"")

    def test_both_streams_are_exact_when_they_alternate(self):
        count = scaled(20_000, 200_000)
        line = f"i=0; while [ $i -lt {count} ]; do echo $i; echo -$i >&2; i=$((i+1)); done"
        result = self.node.exec("sh", "-c", line, timeout=LONG)
        self.assertEqual(result.stdout, b"".join(b"%d\n" % i for i in range(count)))
        self.assertEqual(result.stderr, b"".join(b"-%d\n" % i for i in range(count)))

    def test_both_streams_are_exact_when_no_two_writes_can_be_read_together(self):
        for first, turns in ((0, 10_000), (200_000, 10_000)):
            with self.subTest(first=first):
                result = self.node.exec(support.ALTERNATE, str(first), str(turns))
                self.assert_ends(result, 0, b"x" * first + b"o" * turns, b"e" * turns)

    def test_both_streams_are_exact_when_the_front_was_away_while_they_alternated(self):
        turns, fifo = 10_000, self.node.directory / "go"
        os.mkfifo(fifo)
        self.addCleanup(os.unlink, fifo)
        call = Exec(self.stub(), shell(f"echo first; read go < {fifo}; exec {support.ALTERNATE} 0 {turns}"))
        call.await_output(b"first\n")
        front = self.node.front_pid()
        wait_for(lambda: support.state_of(front) == "S", "the front has nothing more to do")
        os.kill(front, signal.SIGSTOP)
        try:
            with open(fifo, "w", encoding="ascii") as go:
                go.write("go\n")
            support.await_standstill([self.node.pid])
        finally:
            os.kill(front, signal.SIGCONT)
        call.follow()
        self.assertEqual((call.stdout.count(b"o"), call.stderr.count(b"e")), (turns, turns))
        self.assertEqual((bytes(call.stdout), bytes(call.stderr)), (b"first\n" + b"o" * turns, b"e" * turns))

    def test_streams_written_in_turn_with_pauses_keep_their_order(self):
        # Each word is read before the next is written, so this order is certain.
        line = "for i in 1 2 3 4 5; do echo out$i; read go; echo err$i >&2; read go; done"
        call = Exec(self.stub(), shell(line, input=support.command_pb2.INPUT_MODE_STREAM))
        for _ in range(10):
            call.await_event("output")
            call.send(input=support.shell_pb2.Input(data=b"go\n"))
        call.follow()
        want = [(stream, b"%s%d\n" % (word, i)) for i in range(1, 6) for stream, word in
                ((session_pb2.OUTPUT_STREAM_STDOUT, b"out"), (session_pb2.OUTPUT_STREAM_STDERR, b"err"))]
        self.assertEqual(call.outputs, want)

    def test_merged_streams_keep_the_exact_order(self):
        count = scaled(10_000, 100_000)
        line = f"i=0; while [ $i -lt {count} ]; do echo $i; echo -$i >&2; i=$((i+1)); done"
        got = self.exec(shell(line, stderr_mode=support.command_pb2.STDERR_MODE_MERGED))
        self.assertEqual(got.stdout, b"".join(b"%d\n-%d\n" % (i, i) for i in range(count)))
        self.assertEqual([one.stream for one in got.termination.streams], [session_pb2.OUTPUT_STREAM_STDOUT])

    def test_run_returns_both_streams_exactly(self):
        got = self.stub().Run(support.shell_pb2.RunRequest(start=shell("printf 'a\\0b'; printf '\\377' >&2; exit 9")),
                              timeout=support.DEADLINE)
        self.assertEqual((got.stdout, got.stderr, got.termination.exit_code), (b"a\0b", b"\xff", 9))
        self.assertFalse(got.truncated)


class Many(NodeTest):
    def test_no_output_is_ever_empty_or_anothers_through_the_client(self):
        count = scaled(2_000, 10_000)

        def one(number):
            result = self.node.exec("sh", "-c", f"echo {number}", timeout=LONG)
            return (result.returncode, result.stdout, result.stderr) == (0, b"%d\n" % number, b"") or result

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            wrong = [result for result in pool.map(one, range(count)) if result is not True]
        self.assertEqual(wrong, [])

    def test_output_and_exit_in_the_same_moment_lose_nothing(self):
        count, callers = scaled(3_000, 100_000), 8

        def some(first):
            with self.node.stub() as stub:
                for number in range(first, count, callers):
                    start = command("printf", "%s", f"{number}" * (1 + number % 50))
                    if number % 2:
                        got = stub.Run(support.shell_pb2.RunRequest(start=start), timeout=LONG)
                    else:
                        got = Exec(stub, start, timeout=LONG).follow()
                    want = (f"{number}" * (1 + number % 50)).encode()
                    if (bytes(got.stdout), got.termination.exit_code) != (want, 0):
                        return number, got
            return None

        with concurrent.futures.ThreadPoolExecutor(callers) as pool:
            self.assertEqual([bad for bad in pool.map(some, range(callers)) if bad], [])


if __name__ == "__main__":
    unittest.main()
