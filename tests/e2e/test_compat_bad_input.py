"""Whatever comes to the compatibility port: nothing runs in half, nobody waits, nothing is left behind."""

import contextlib
import itertools
import random
import shlex
import socket
import ssl
import struct
import time
import unittest

from legacy import (BEYOND_BUFFERS, HEAD, LONG, Client, LegacyNode, LegacyTest, allow_descriptors, frame,
                    in_parallel)
from support import MIB, SANITIZED, own_memory, scaled, wait_for

KIB = 1024
# Between two segments that the daemon is to see as two. It takes framed requests however slowly they come.
PAUSE = 0.03
# The same for text, all of which must come without a silence.
BRIEF = 0.004


def split(data, *places):
    """The parts between these places."""
    bounds = [0, *places, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


class Lengths(LegacyTest):
    listeners = {"plain": "", "framed": "request=framed", "short": "max_request=100"}

    def refused(self, said, word, name="plain"):
        """It is answered by an error, then closed; nothing starts, and the audit says why."""
        with self.subTest(said=said[:40], listener=name), self.nothing_starts():
            before = len(self.node.refusals())
            client = self.client(name)
            client.send(said)
            reply = client.reply()
            self.assertTrue(reply.startswith(b"nacre: ") and reply.endswith(b"\n"), reply)
            self.assertIn(word, reply.decode())
            self.assertEqual(client.rest(), b"")
            self.assert_refused(before, word)

    def test_a_negative_length_is_refused(self):
        for length in (-1, -2, -256, -65_536, -(2**31)):
            for name in ("plain", "framed"):
                self.refused(HEAD.pack(length), "negative", name)
                self.refused(HEAD.pack(length) + b"echo run", "negative", name)

    def test_a_length_beyond_the_bound_is_refused(self):
        for length in (64 * KIB + 1, 2**24, 2**24 - 256, 2**30):
            self.refused(HEAD.pack(length) + b"echo run", "max_request")
        self.refused(HEAD.pack(2**31 - 1), "max_request", "framed")
        self.refused(HEAD.pack(2**31 - 1), "negative")  # no NUL, but 0xFF: what a negative one has
        self.refused(HEAD.pack(101) + b"x" * 101, "101", "short")
        self.refused(struct.pack(">i", 10) + b"echo run..", str(10 << 24))  # another byte order

    def test_the_longest_command_runs(self):
        for name, length in (("plain", 64 * KIB), ("framed", 64 * KIB), ("short", 100)):
            for ask in (Client.ask, Client.ask_raw) if name != "framed" else (Client.ask,):
                line = "echo run #"
                client = self.client(name)
                self.assertEqual(ask(client, line + "x" * (length - len(line))), b"run\n")
                self.assertEqual(client.finish(), b"")

    def test_what_no_length_can_begin_with_and_no_text_either_is_refused(self):
        for said in (b"\x01\x02\x03\x04", b"\x16\x03\x01\x02", b"\x1b[A\r\n", b"\x04\x05text"):
            with self.subTest(said=said), self.nothing_starts():
                client = self.client()
                client.send(said)
                self.assertTrue(client.reply().startswith(b"nacre: "))
                self.assertEqual(client.rest(), b"")

    def test_the_style_of_the_first_request_holds(self):
        for first, second in ((frame("echo a"), b"echo text\n"), (b"echo a", frame("echo framed"))):
            client = self.client()
            client.send(first)
            self.assertEqual(client.reply(), b"a\n")
            with self.nothing_starts():
                client.send(second)
                self.assertTrue(client.reply().startswith(b"nacre: "))
                self.assertEqual(client.rest(), b"")

    def test_a_length_that_breaks_off_starts_nothing(self):
        path = self.path("never")
        whole = frame(f"touch {path}")
        for name in ("plain", "framed"):
            for count in (*range(1, 9), len(whole) - 1):
                for leave in (Client.half_close, Client.close, Client.reset):
                    client = self.client(name)
                    client.send(whole[:count])
                    leave(client)
                    if leave is Client.half_close:
                        client.rest()
        self.node.ask("true")
        self.assertNotIn(str(path), "".join(self.node.starts()))

    def test_a_length_that_breaks_off_with_a_fin_is_closed_with_why(self):
        for count in range(1, 12):
            with self.nothing_starts():
                client = self.client()
                client.send(frame("echo break")[:count])
                client.half_close()
                self.assertRegex(client.reply(), b"^nacre: the connection ended (within|after) ")
                self.assertEqual(client.rest(), b"")

    def test_clients_that_stall_within_a_request_keep_nobody_waiting_and_may_go_on(self):
        whole = frame("echo whole")
        stalled = [self.client() for _ in range(1, len(whole))]
        for count, client in enumerate(stalled, 1):
            client.send(whole[:count])
        for i in range(20):
            self.assertEqual(self.node.ask(f"echo {i}"), b"%d\n" % i)
        for count, client in enumerate(stalled, 1):
            client.send(whole[count:])
            self.assertEqual(client.reply(), b"whole\n")
            self.assertEqual(client.finish(), b"")

    def test_a_client_that_says_nothing_and_half_closes_is_closed(self):
        for name in ("plain", "framed"):
            client = self.client(name)
            self.assertEqual(client.finish(), b"")


class Segments(LegacyTest):
    """TCP cuts where it likes."""

    listeners = {"plain": "", "framed": "request=framed"}

    def in_two(self, name, said, places, replies):
        """Each split of it on a connection of its own, all at the same time."""
        clients = [self.client(name) for _ in places]
        for place, client in zip(places, clients):
            client.send(said[:place])
        time.sleep(PAUSE)
        for place, client in zip(places, clients):
            client.send(said[place:])
        for place, client in zip(places, clients):
            for reply in replies:
                self.assertEqual(client.reply(), reply, f"split at {place}")
            self.assertEqual(client.finish(), b"", f"split at {place}")
            client.close()

    def test_a_framed_request_may_be_split_anywhere(self):
        short, long = frame("echo split"), frame("echo split #" + "x" * 300)
        self.in_two("plain", short, range(1, len(short)), [b"split\n"])
        self.in_two("framed", short, range(1, len(short)), [b"split\n"])
        self.in_two("plain", long, range(3, len(long)), [b"split\n"])  # shorter, it could be text
        self.in_two("framed", long, range(1, len(long)), [b"split\n"])

    def test_a_length_that_begins_like_text_may_be_split_within_if_all_of_it_comes_soon(self):
        short, long = frame("echo split #".ljust(ord("x"), "x")), frame("echo split #".ljust(0x178, "x"))
        self.assertEqual((short[:4], long[:4]), (b"x\0\0\0", b"x\1\0\0"))
        for said, *places in ((short, 1), (short, 2), (long, 1), (long, 2), (long, 1, 2), (short, 1, 2, 3)):
            for _ in range(5):
                client = self.client()
                if client.send_parts(*split(said, *places), pause=BRIEF):
                    self.assertEqual(client.reply(), b"split\n", places)
                    self.assertEqual(client.finish(), b"", places)
                client.close()  # we were too slow ourselves, or it is done

    def test_a_request_may_come_byte_by_byte(self):
        # The first byte of the last one could be text, which the others' could not.
        lines = ("plain", "echo bytes"), ("framed", "echo bytes"), ("framed", "echo bytes".ljust(33))
        for name, line in lines:
            client = self.client(name)
            for byte in frame(line):
                client.send(bytes([byte]))
                time.sleep(0.05)
            self.assertEqual(client.reply(), b"bytes\n")
            self.assertEqual(client.finish(), b"")

    def test_two_requests_in_one_segment_may_be_split_anywhere(self):
        said = frame("echo one") + frame("echo two")
        for name in ("plain", "framed"):
            self.in_two(name, said, range(1, len(said)), [b"one\n", b"two\n"])

    def test_two_requests_may_come_in_three_parts(self):
        said = frame("echo one") + frame("echo two")
        rng = random.Random(11)
        for _ in range(scaled(20, 200)):
            places = sorted(rng.sample(range(1, len(said)), 2))
            client = self.client()
            client.send_parts(*split(said, *places), pause=BRIEF)
            heard = client.reply(), client.reply(), client.finish()
            self.assertEqual(heard, (b"one\n", b"two\n", b""), places)
            client.close()

    def test_a_large_request_in_small_segments_is_whole(self):
        said = frame("echo whole #" + "x" * 60_000)
        for size in (536, 1448, 4096):
            client = self.client()
            client.send_parts(*(said[at:at + size] for at in range(0, len(said), size)))
            self.assertEqual((client.reply(), client.finish()), (b"whole\n", b""))


class Text(LegacyTest):
    """Commands without a length before them."""

    listeners = {"plain": "", "raw": "request=raw"}
    numbers = itertools.count()

    def test_text_of_one_two_and_three_bytes_runs(self):
        for name in ("plain", "raw"):
            for text, want in ((":", rb"^$"), ("x", rb"x: not found"), ("id", rb"^uid="), ("a=1", rb"^$"),
                               ("pwd", rb"^/"), ("env", rb"NACRE_SESSION_ID=")):
                for said in (text, text + "\n"):
                    self.assertRegex(self.client(name).ask_raw(said), want)
            client = self.client(name)
            client.send(b"id")
            client.half_close()
            self.assertTrue(client.reply().startswith(b"uid="))
            self.assertEqual(client.rest(), b"")

    def counted(self, path, size):
        """Text of this size that counts its runs. Its first 300 bytes would run alone, too."""
        head = f"echo run >> {shlex.quote(str(path))}\n#"
        tail = "\necho whole"
        text = head + "x" * (size - len(head) - len(tail)) + tail
        self.assertEqual(len(text), size)
        self.assertLess(len(head), 300)
        return text.encode()

    def once(self, size, *places, end=b""):
        """Sends it in these parts until they have come together; it must run once, and whole."""
        while True:
            path = self.path(f"runs.{next(self.numbers)}")
            client = self.client()
            parts = split(self.counted(path, size) + end, *places)
            if client.send_parts(*parts, pause=BRIEF):
                break
            client.close()  # we were too slow ourselves
        where = f"{size} bytes split at {places}"
        if size <= 64 * KIB:
            self.assertEqual(client.reply(), b"whole\n", where)
            self.assertEqual(client.finish(), b"", where)
            self.assertEqual(path.read_text(), "run\n", where)
        else:
            self.assertIn(b"max_request", client.reply(), where)
            self.assertEqual(client.rest(), b"", where)
            self.assertFalse(path.exists(), where)
        client.close()

    def test_text_of_any_size_up_to_the_bound_runs_whole(self):
        for size in (400, 535, 536, 537, 1000, 1448, 1460, 4096, 16 * KIB, 16 * KIB + 1, 64 * KIB):
            self.once(size)
            self.once(size, end=b"\n")
            self.once(size, end=b"\r\n")

    def test_text_beyond_the_bound_never_runs_not_even_in_part(self):
        for size in (64 * KIB + 1, 70_000, 200_000):
            self.once(size)
            self.once(size, end=b"\n")
            for places in ((536,), (1448,), (64 * KIB,), (536, 64 * KIB)):
                self.once(size, *places)

    def test_text_that_was_cut_where_a_segment_ends_never_runs_in_half(self):
        for size in (537, 1000, 1448, 1460, 4096, 64 * KIB):
            for place in sorted({536, 537, 1000, 1448, 1460, 4096, size // 2, size - 1}):
                if 536 <= place < size:
                    self.once(size, place)
        self.once(4096, 536, 1072, 1608, 2144)
        self.once(4096, 1448, 2896)

    def test_text_with_a_fin_right_behind_it_runs_at_once_and_whole(self):
        for size in (536, 4096, 64 * KIB):
            path = self.path(f"fin.{size}")
            client = self.client()
            client.send(self.counted(path, size))
            client.half_close()
            self.assertEqual((client.reply(), client.rest(), path.read_text()), (b"whole\n", b"", "run\n"))

    def test_text_with_control_bytes_is_refused(self):
        for name in ("plain", "raw"):
            for byte in (0, 1, 3, 4, 7, 8, 0x1b, 0x1f, 0x7f):
                for text in (b"echo a%cb", b"echo run; echo %c\n", b"echo%c" + b"x" * 600):
                    with self.subTest(name=name, text=text[:20], byte=byte), self.nothing_starts():
                        before = len(self.node.refusals())
                        client = self.client(name)
                        client.send(text % byte)
                        self.assertTrue(client.reply().startswith(b"nacre: "))
                        self.assertEqual(client.rest(), b"")
                        self.assert_refused(before, "control")

    def test_tabs_and_line_ends_within_text_are_no_control_bytes(self):
        self.assertEqual(self.client().ask_raw("echo\ta\necho b\n"), b"a\nb\n")
        self.assertEqual(self.client().ask_raw("\techo tab"), b"tab\n")
        self.assertEqual(self.client().ask_raw("\necho line"), b"line\n")

    def test_a_nul_in_a_framed_command_is_an_error_and_the_connection_goes_on(self):
        client = self.client()
        with self.nothing_starts():
            for text in (b"echo a\0b", b"\0", b"echo\0", b"\0echo"):
                self.assertRegex(client.ask(text), rb"^nacre: .*NUL")
        self.assertEqual(client.ask("echo on"), b"on\n")

    def test_control_bytes_in_a_framed_command_pass(self):
        self.assertEqual(self.node.ask(b"printf %s '\x01\x1b\x7f'"), b"\x01\x1b\x7f")

    def test_bytes_that_are_no_utf_8_pass_as_they_are(self):
        odd = bytes(range(0x80, 0x100)) + b"\xc3\x28\xed\xa0\x80"
        self.assertEqual(self.node.ask(b"printf %s '" + odd + b"'"), odd)
        self.assertEqual(self.client().ask_raw(b"printf %s '" + odd + b"'"), odd)
        self.assertEqual(self.client().ask_raw(b": \x80\xfe \xff\necho on"), b"on\n")


def client_hello(name=None):
    """The first bytes of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


class Strangers(LegacyTest):
    """Who speaks another protocol."""

    listeners = {"plain": "", "raw": "request=raw", "framed": "request=framed"}

    def test_an_http_request_is_closed_without_an_answer_and_nothing_of_it_runs(self):
        path = self.path("posted")
        body = f"\ntouch {path}\n"
        headers = f"Host: 127.0.0.1:9100\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        for name in ("plain", "raw"):
            for parts in (["GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ["GET / HTTP/1.0\r\n\r\n"],
                          ["GET /x HTTP/1.1\n\n"], [f"POST / HTTP/1.1\r\n{headers}\r\n{body}"],
                          [f"POST / HTTP/1.1\r\n{headers}\r\n", body],
                          [f"POST / HTTP/1.1\r\n{headers}\r\n{body}{'b' * 100_000}"],
                          [f"POST / HTTP/1.1\r\n{headers}Cookie: {'c' * 3_000}\r\n\r\n{body}"],
                          [f"POST /{'p' * 2_000} HTTP/1.1\r\n{headers}\r\n", body],
                          ["HEAD /;id HTTP/1.1\r\n\r\n"], ["OPTIONS * HTTP/1.1\r\n\r\n"],
                          ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
                          ["GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", body]):
                with self.subTest(name=name, parts=[part[:60] for part in parts]), self.nothing_starts():
                    before = len(self.node.refusals())
                    client = self.client(name)
                    with contextlib.suppress(ConnectionError):  # it may be closed before the second part
                        client.send_parts(*map(str.encode, parts), pause=PAUSE)
                    self.assertEqual(client.rest(), b"")
                    self.assert_refused(before, "HTTP")
        self.assertFalse(path.exists())
        with self.nothing_starts():
            client = self.client("framed")
            client.send(b"POST / HTTP/1.1\r\n" + headers.encode() + b"\r\n" + body.encode())
            client.rest()
        self.assertFalse(path.exists())

    def test_a_command_that_only_speaks_of_http_is_a_command(self):
        for line in ("echo GET / HTTP/1.1", "echo x HTTP/1.1 y", "echo a\necho POST / HTTP/1.1"):
            self.assertIn(b"HTTP/1.1", self.client().ask_raw(line))

    def test_a_tls_client_is_closed_and_nothing_runs(self):
        for hello in (client_hello(), client_hello("localhost")):
            self.assertEqual(hello[:2], b"\x16\x03")
            for name in ("plain", "raw", "framed"):
                with self.subTest(name=name), self.nothing_starts():
                    before = len(self.node.refusals())
                    client = self.client(name)
                    client.send(hello)
                    client.rest()
                    self.assert_refused(before, "")

    def test_other_protocols_are_closed_and_nothing_runs(self):
        for said in (b"\x05\x01\x00", b"\x04\x01\x00\x50\x7f\0\0\x01\0", b"\0\0\0\x2f\xffSMB" + bytes(43),
                     b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
                     b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc"):
            with self.subTest(said=said), self.nothing_starts():
                client = self.client()
                client.send(said)
                client.finish()

    def test_garbage_starts_nothing_and_is_closed(self):
        rng = random.Random(12)
        clients = []
        with self.nothing_starts():
            for _ in range(scaled(300, 5_000)):
                said = rng.randbytes(rng.choice((1, 2, 3, 4, 5, 8, 100, 536, 2_000, 70_000)))
                # A control byte, so that not even by chance it is a command; and no short length.
                said = bytes([rng.choice((0x01, 0x02, 0x1f))]) + said[1:3] + b"\x81" + said[4:]
                client = self.client(rng.choice(("plain", "raw", "framed")))
                with contextlib.suppress(ConnectionError):
                    client.send(said)
                    client.half_close()
                clients.append(client)
                if len(clients) == 50:
                    for one in clients:
                        one.rest()
                        one.close()
                    clients.clear()
            for one in clients:
                one.rest()

    def test_urgent_data_harms_nobody(self):
        for said in (b"", frame("echo x")[:5], frame("sleep 1000"), b"echo text"):
            with self.subTest(said=said):
                client = self.client()
                client.send(said)
                with contextlib.suppress(OSError):  # it may be closed at once
                    client.socket.send(b"!", socket.MSG_OOB)
                    client.half_close()
                self.assertEqual(self.node.ask("echo other"), b"other\n")
                client.reset()
        wait_for(lambda: not self.node.session_processes(), "no command is left")


class Readers(LegacyTest):
    listeners = {"plain": "", "patient": "write_timeout=0s"}

    def test_a_client_that_reads_slowly_gets_everything_and_holds_up_nobody(self):
        slow = self.client(receive_buffer=8 * KIB)
        slow.send(frame("seq 1 300000; echo end"))
        left, heard = slow.length(), bytearray()
        for turn in itertools.count():
            data = slow.socket.recv(min(left, 4 * KIB))
            self.assertTrue(data)
            heard += data
            left -= len(data)
            if not left:
                break
            time.sleep(0.001)
            if turn % 100 == 0:
                self.assertEqual(self.node.ask("echo other"), b"other\n")
        self.assertEqual(bytes(heard), b"".join(b"%d\n" % i for i in range(1, 300_001)) + b"end\n")
        self.assertEqual(slow.finish(), b"")

    def test_clients_that_never_read_hold_up_nobody_and_take_no_memory(self):
        size = scaled(64 * MIB, 1024 * MIB)
        before = own_memory(self.node.front_pid())
        stuck = [self.client("patient", receive_buffer=4 * KIB) for _ in range(3)]
        for client in stuck:
            client.send(frame(f"head -c {size} /dev/zero"))
        for client in stuck:
            client.socket.settimeout(LONG)
            self.assertEqual(client.length(), size)
        for i in range(50):
            line = f"echo {i}; head -c 100000 /dev/zero"
            self.assertEqual(self.node.ask(line), b"%d\n" % i + bytes(100_000))
        if not SANITIZED:
            self.assertLess(own_memory(self.node.front_pid()) - before, 16 * MIB)
        stuck[0].close()
        stuck[1].reset()
        self.assertEqual(len(stuck[2].exactly(size)), size)

    def test_a_client_that_does_not_read_many_small_replies_is_waited_for(self):
        client = self.client("patient", receive_buffer=4 * KIB)
        said = frame("echo " + "x" * 200) * 300
        client.send(said)
        self.assertEqual(self.node.ask("echo other"), b"other\n")
        for _ in range(300):
            self.assertEqual(client.reply(), b"x" * 200 + b"\n")
        self.assertEqual(client.finish(), b"")


class Crowds(LegacyTest):
    listeners = {"plain": "max_connections=5000", "long": "max_request=131071,max_connections=5000"}

    def test_claimed_lengths_take_no_memory(self):
        self.node.ask("true", "long")
        before = own_memory(self.node.front_pid())
        claims = [self.client("long") for _ in range(200)]
        for client in claims:
            client.send(HEAD.pack(131_070))
        self.node.ask("true", "long")
        grown = own_memory(self.node.front_pid()) - before
        if not SANITIZED:
            self.assertLess(grown, 8 * MIB)  # of 25 that are claimed
        self.assertEqual(self.node.ask("echo other", "long"), b"other\n")

    def test_storms_of_connections_that_say_nothing_or_a_little(self):
        rng = random.Random(13)
        whole = frame("echo x")
        for _ in range(scaled(1_000, 10_000)):
            with self.node.client() as client, contextlib.suppress(ConnectionError):
                client.send(whole[:rng.randrange(len(whole))])
                if rng.randrange(2):
                    client.reset()

    def test_thousands_of_connections_one_after_the_other_are_served(self):
        def some(first):
            for number in range(first, first + 50):
                if (got := self.node.ask(f"echo {number}")) != b"%d\n" % number:
                    return number, got
            return None

        wrong = [bad for bad in in_parallel(some, range(0, scaled(2_000, 10_000), 50), 4) if bad]
        self.assertEqual(wrong, [])

    def test_hundreds_of_connections_at_once_are_served(self):
        count = scaled(300, 1_000)
        allow_descriptors(count + 200)
        clients = [self.client() for _ in range(count)]
        for number, client in enumerate(clients):
            client.send(frame(f"echo {number}") if number % 2 else f"echo {number}\n".encode())
        for number, client in enumerate(clients):
            self.assertEqual(client.reply(), b"%d\n" % number)
        for number, client in enumerate(clients):
            self.assertEqual(client.finish(), b"")
            client.close()

    def test_clients_that_vanish_at_any_moment(self):
        rng = random.Random(14)
        for i in range(scaled(200, 3_000)):
            with self.node.client() as client, contextlib.suppress(ConnectionError, TimeoutError):
                client.send(frame("echo out; head -c 300000 /dev/zero; sleep 0.05; echo end"))
                client.socket.settimeout(0.01)
                left = rng.choice((0, 4, 5, rng.randrange(300_000)))
                while left and (data := client.socket.recv(left)):
                    left -= len(data)
                if i % 2:
                    client.reset()
        wait_for(lambda: not self.node.session_processes(), "their commands end")


class Descriptors(unittest.TestCase):
    def test_connections_beyond_the_descriptors_are_served_or_closed_never_hung(self):
        with LegacyNode(nofile=100) as node:
            node.warm_up(calls=4)
            with contextlib.ExitStack() as held:
                clients = [held.enter_context(node.client()) for _ in range(150)]
                served = 0
                for number, client in enumerate(clients):
                    with contextlib.suppress(ConnectionError):
                        client.send(frame(f"echo {number}"))
                    try:
                        heard = client.reply()
                    except (AssertionError, ConnectionError):  # closed
                        continue
                    self.assertEqual(heard, b"%d\n" % number)
                    served += 1
                self.assertGreater(served, 0)
            node.assert_settled()

    def test_idle_connections_beyond_the_descriptors_do_not_keep_a_client_out(self):
        with LegacyNode(nofile=100) as node:
            node.warm_up(calls=4)
            with contextlib.ExitStack() as held:
                for _ in range(150):
                    held.enter_context(node.client())
                for i in range(20):
                    self.assertEqual(node.ask(f"echo {i}"), b"%d\n" % i)
            node.assert_settled()

    def test_replies_beyond_the_descriptors_are_an_error_by_name_or_whole(self):
        with LegacyNode(nofile=100) as node:
            node.warm_up(calls=4)
            with contextlib.ExitStack() as held:
                clients = [held.enter_context(node.client(receive_buffer=4 * KIB)) for _ in range(45)]
                for client in clients:
                    client.send(frame(f"head -c {BEYOND_BUFFERS // 8} /dev/zero"))
                whole = 0
                for client in clients:
                    try:
                        reply = client.reply()
                    except (AssertionError, ConnectionError):
                        continue
                    if len(reply) == BEYOND_BUFFERS // 8:
                        whole += 1
                    else:
                        self.assertRegex(reply, rb"^nacre: .*open files.*\n$")
                self.assertGreater(whole, 0)
            node.assert_settled()


if __name__ == "__main__":
    unittest.main()
