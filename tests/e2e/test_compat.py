"""Old raw-socket clients: a length, then what the command wrote, exact, whoever else misbehaves meanwhile."""

import contextlib
import hashlib
import hmac
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import support
from legacy import (BEYOND_BUFFERS, LONG, Client, Gate, LegacyNode, LegacyTest, frame, in_parallel,
                    start_that_fails)
from support import MIB, RSS_BOUND, SANITIZED, MemoryWatch, alive, scaled, wait_for

OUT_ERR = "echo out; echo err >&2"


def digest_of(*command):
    """(length, SHA-256) of what a command writes here."""
    sha, length = hashlib.sha256(), 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        while data := process.stdout.read(1 << 20):
            sha.update(data)
            length += len(data)
    return length, sha.hexdigest()


class Requests(LegacyTest):
    listeners = {"plain": "", "raw": "request=raw", "framed": "request=framed", "err-out": "order=err-out",
                 "err-or-out": "order=err-or-out", "quit": "quit=leave now"}

    def test_both_styles_of_a_request_give_the_same_reply(self):
        for line in ("echo same", OUT_ERR, "printf 'no newline'", "echo one  two 'three  four'", "exit 3"):
            with self.subTest(line=line):
                framed = self.client().ask(line)
                self.assertEqual(self.client().ask_raw(line), framed)
                self.assertEqual(self.client("raw").ask_raw(line), framed)
                self.assertEqual(self.client("framed").ask(line), framed)

    def test_text_in_utf_8_passes_both_ways(self):
        text = "żółw 你好 🐚 ñ"
        for client, ask in ((self.client(), Client.ask), (self.client(), Client.ask_raw)):
            for _ in range(2):
                self.assertEqual(ask(client, f"echo '{text}'"), f"{text}\n".encode())
        self.assertEqual(self.client().ask_raw("é; echo 你"), self.node.ask("é; echo 你"))

    def test_standard_output_is_followed_by_standard_error_in_one_reply(self):
        client = self.client()
        self.assertEqual(client.ask("echo e >&2; echo o; echo e2 >&2; echo o2"), b"o\no2\ne\ne2\n")
        self.assertEqual(client.finish(), b"")

    def test_the_order_of_the_streams_is_the_operators_choice(self):
        self.assertEqual(self.client("err-out").ask(OUT_ERR), b"err\nout\n")
        self.assertEqual(self.client("err-or-out").ask(OUT_ERR), b"err\n")
        self.assertEqual(self.client("err-or-out").ask("echo out"), b"out\n")
        self.assertEqual(self.client("err-or-out").ask("true"), b"")
        large = "head -c 300000 /dev/zero | tr '\\0' o; head -c 200000 /dev/zero | tr '\\0' e >&2"
        self.assertEqual(self.client("err-out").ask(large), b"e" * 200_000 + b"o" * 300_000)
        self.assertEqual(self.client("err-or-out").ask(large), b"e" * 200_000)

    def test_a_command_without_output_is_answered_by_the_length_0(self):
        for client in (self.client(), self.client("err-or-out")):
            for line in ("true", "false", "exit 7", ":"):
                self.assertEqual(client.ask(line), b"")
            self.assertEqual(client.ask("echo on"), b"on\n")
        self.assertEqual(self.client().ask_raw("true"), b"")

    def test_an_empty_frame_is_answered_by_the_length_0_and_starts_nothing(self):
        with self.nothing_starts():
            client = self.client()
            for _ in range(3):
                self.assertEqual(client.ask(b""), b"")
            client.send(frame(b"") * 10_000)
            self.assertEqual(client.exactly(40_000), bytes(40_000))
            self.assertEqual(client.finish(), b"")

    def test_one_line_end_behind_raw_text_is_no_part_of_the_command(self):
        client = self.client()
        for end in ("", "\n", "\r\n", "\r"):
            self.assertEqual(client.ask_raw("printf %s x" + end), b"x")
        self.assertEqual(self.node.starts()[-4:], ["printf %s x"] * 4)

    def test_a_framed_command_is_taken_as_it_is(self):
        for line in ("printf x\n", "\necho y", " echo z ", "echo a\necho b\n"):
            self.node.ask(line)
            self.assertEqual(self.node.starts()[-1], line)

    def test_a_command_that_begins_with_a_hyphen_is_a_command(self):
        for line in ("-c echo; echo yes", "--help; echo yes", "-; echo yes"):
            for ask in (Client.ask, Client.ask_raw):
                reply = ask(self.client(), line)
                self.assertTrue(reply.startswith(b"yes\n"), reply)
                self.assertIn(b"not found", reply)

    def test_standard_input_is_dev_null(self):
        self.assertEqual(self.node.ask("readlink /proc/self/fd/0; cat; echo end"), b"/dev/null\nend\n")

    def test_quit_and_exit_are_commands_like_others(self):
        client = self.client()
        self.assertIn(b"not found", client.ask("quit"))
        self.assertEqual(client.ask("exit"), b"")
        self.assertEqual(client.ask("echo still here"), b"still here\n")

    def test_the_operators_word_closes_the_connection(self):
        for said in (frame("leave now"), b"leave now", b"leave now\n", b"leave now\r\n"):
            with self.nothing_starts():
                client = self.client("quit")
                client.send(said)
                self.assertEqual(client.rest(), b"")
        client = self.client("quit")
        self.assertIn(b"not found", client.ask("leave"))
        client.send(frame("echo last") + frame("leave now") + frame("echo never"))
        self.assertEqual(client.reply(), b"last\n")
        self.assertEqual(client.rest(), b"")
        self.assertIn("not found", self.node.ask("leave now").decode())

    def test_the_replies_before_the_operators_word_are_whole_though_their_client_has_said_more(self):
        # A socket that is closed with bytes unread resets the connection, and what is on its way is lost.
        client = self.client("quit", receive_buffer=4096)
        client.send(frame("head -c 500000 /dev/zero") + frame("leave now") + b"x" * 200_000)
        wait_for(lambda: self.node.ends_of("500000"), "the command has ended")
        support.await_standstill([self.node.front_pid()])
        self.assertEqual(len(client.reply()), 500_000)
        self.assertEqual(client.rest(), b"")

    def test_frames_in_one_segment_are_answered_in_their_order(self):
        client = self.client()
        client.send(b"".join(frame(f"sleep 0.0{9 - i % 10}; echo {i}") for i in range(20)))
        self.assertEqual([client.reply() for _ in range(20)], [b"%d\n" % i for i in range(20)])
        # Together more than the daemon takes at once.
        client.send(b"".join(frame(f"echo {i} #" + "x" * 30_000) for i in range(6)))
        self.assertEqual([client.reply() for _ in range(6)], [b"%d\n" % i for i in range(6)])
        self.assertEqual(client.finish(), b"")

    def test_a_connection_carries_many_commands(self):
        client, raw = self.client(), self.client()
        for i in range(200):
            self.assertEqual(client.ask(f"echo {i}"), b"%d\n" % i)
            self.assertEqual(raw.ask_raw(f"echo {i}"), b"%d\n" % i)

    def test_a_command_that_fails_is_told_by_its_text(self):
        self.assertEqual(self.node.ask("echo before; echo wrong >&2; exit 3"), b"before\nwrong\n")
        self.assertRegex(self.node.ask("nosuchprogram"), rb"nosuchprogram: not found\n$")
        self.assertRegex(self.node.ask("cat /no/such/file"), rb"No such file or directory\n$")
        self.assertIn(b"yntax error", self.node.ask("if then"))
        self.assertEqual(self.node.ask("echo killed; kill -9 $$"), b"killed\n")

    def test_a_start_is_recorded_with_who_and_by_which_dialect(self):
        self.node.ask("echo who")
        start = [line for line in self.node.audit() if line["event"] == "start"][-1]
        self.assertEqual((start["identity"], start["dialect"]), ("anonymous@127.0.0.1", "framed"))
        self.assertEqual(start["argv"], ["/bin/sh", "-c", "--", "echo who"])
        wait_for(lambda: self.node.ends_of("echo who"), "its end is recorded")
        end = self.node.ends_of("echo who")[-1]
        self.assertEqual((end["cause"], end["exit_code"], end["stdout_bytes"]), ("EXITED", 0, 4))


class Leaving(LegacyTest):
    """However a client goes: what it asked before is done or ended, and nothing is left."""

    def test_a_request_with_a_fin_behind_it_is_answered_then_the_connection_is_closed(self):
        for said in (frame("sleep 0.1; echo answer"), b"sleep 0.1; echo answer", b"sleep 0.1; echo answer\n"):
            client = self.client()
            client.send(said)
            client.half_close()
            self.assertEqual(client.reply(), b"answer\n")
            self.assertEqual(client.rest(), b"")

    def test_all_requests_before_a_fin_are_answered(self):
        client = self.client()
        client.send(frame("sleep 0.1; echo one") + frame("echo two"))
        client.half_close()
        self.assertEqual((client.reply(), client.reply(), client.rest()), (b"one\n", b"two\n", b""))

    def test_a_fin_while_the_command_runs_does_not_end_it(self):
        gate, client = self.gate(), self.client()
        client.send(frame(f"{gate.wait}; echo done"))
        gate.await_command()
        client.half_close()
        gate.open()
        self.assertEqual((client.reply(), client.rest()), (b"done\n", b""))

    def test_a_reset_while_the_command_runs_ends_it(self):
        for i, line in enumerate((": reset-{}; {}; sleep 1000", ": reset-{}; sleep 1000 & {}; wait")):
            with self.subTest(line=line):
                gate, client = self.gate(f"gate{i}"), self.client()
                client.send(frame(line.format(i, gate.wait)))
                gate.await_command()
                client.reset()
                ends = wait_for(lambda i=i: self.node.ends_of(f"reset-{i}"), "the command is ended")
                self.assertEqual(ends[0]["cause"], "DISCONNECTED")
                wait_for(lambda: not self.node.session_processes(), "nothing of it is left")

    def test_a_reset_while_the_command_writes_ends_it_and_frees_its_files(self):
        client = self.client()
        client.send(frame("yes reset-writing"))
        wait_for(self.node.spool_files, "output is in a file")
        client.reset()
        ends = wait_for(lambda: self.node.ends_of("reset-writing"), "the command is ended")
        self.assertEqual(ends[0]["cause"], "DISCONNECTED")
        wait_for(lambda: not self.node.spool_files(), "the file is closed")

    def test_a_client_that_closes_while_it_waits_harms_nobody(self):
        gate, client = self.gate(), self.client()
        client.send(frame(f"{gate.wait}; echo closed-while-waiting"))
        gate.await_command()
        client.close()
        self.assertEqual(self.node.ask("echo other"), b"other\n")
        gate.open()
        ends = wait_for(lambda: self.node.ends_of("closed-while-waiting"), "the command ends")
        self.assertEqual(ends[0]["cause"], "EXITED")

    def test_a_client_that_goes_in_the_middle_of_its_reply_harms_nobody(self):
        for leave in (Client.close, Client.reset):
            for read in (0, 3, 4, 100, 200_000, 3 * MIB):
                client = self.client()
                client.send(frame(f"head -c {BEYOND_BUFFERS} /dev/zero"))
                client.exactly(read)
                leave(client)
        wait_for(lambda: not self.node.spool_files(), "their files are closed")

    def test_a_child_in_the_background_that_holds_the_output_does_not_hold_up_the_reply(self):
        for line in ("sleep 1000 & echo done; echo $!", "echo done; setsid sleep 1000 & echo $!"):
            with self.subTest(line=line):
                client = self.client()
                done, child, note = client.ask(line).splitlines()
                # It is nobody's business how long it lives on.
                self.addCleanup(wait_for, lambda child=child: not alive(int(child)), "the child is gone")
                self.addCleanup(self.end, int(child))
                self.assertEqual(done, b"done")
                self.assertIn(b"background processes hold the output", note)
                self.assertEqual(client.ask("echo next"), b"next\n")

    @staticmethod
    def end(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Clocks(LegacyTest):
    listeners = {"plain": "", "timeout": "timeout=1s", "timeout-err": "timeout=1s,order=err-or-out",
                 "idle": "idle_timeout=300ms", "write": "write_timeout=500ms"}
    NOTE = b"nacre: the command took longer than 1s and was ended\n"

    def test_a_command_that_takes_too_long_is_ended_and_the_reply_says_so_behind_its_output(self):
        client = self.client("timeout")
        line = "echo first; echo second >&2; sleep 1000"
        self.assertEqual(client.ask(line), b"first\nsecond\n" + self.NOTE)
        self.assertEqual(client.ask("echo on"), b"on\n")
        self.assertEqual(client.ask("head -c 1000000 /dev/zero; sleep 1000"), bytes(1_000_000) + self.NOTE)
        self.assertEqual(client.ask("sleep 1000"), self.NOTE)
        self.assertEqual(client.finish(), b"")

    def test_the_word_that_time_is_over_does_not_displace_the_output(self):
        # Of the command there is no standard error, so its output is what counts.
        client = self.client("timeout-err")
        self.assertEqual(client.ask("echo first; sleep 1000"), b"first\n" + self.NOTE)

    def test_a_silent_connection_is_closed_in_time(self):
        self.assertEqual(self.client("idle").rest(), b"")
        client = self.client("idle")
        client.ask("echo active")
        self.assertEqual(client.rest(), b"")

    def test_a_request_that_does_not_become_whole_is_closed_in_time(self):
        with self.nothing_starts():
            stalled = []
            for said in (frame("echo x")[:1], frame("echo x")[:3], frame("echo x")[:4], frame("echo x")[:-1]):
                client = self.client("idle")
                client.send(said)
                stalled.append(client)
            for client in stalled:
                self.assertEqual(client.rest(), b"")

    def test_bytes_one_by_one_do_not_keep_a_request_alive_for_ever(self):
        client = self.client("idle")
        client.socket.settimeout(0.02)
        heard = None
        for byte in b"\x10\x27\0\0" + b"#" * 9_000:
            try:
                client.send(bytes([byte]))
                heard = client.socket.recv(1)
            except TimeoutError:
                continue
            except ConnectionError:
                heard = b""
            break
        self.assertEqual(heard, b"")

    def test_a_command_may_run_longer_than_a_connection_may_be_silent(self):
        client = self.client("idle")
        self.assertEqual(client.ask("sleep 0.8; echo late"), b"late\n")

    def test_a_client_that_never_reads_is_closed_in_time(self):
        client = self.client("write", receive_buffer=4096)
        client.send(frame(f"head -c {BEYOND_BUFFERS} /dev/zero"))
        wait_for(self.node.spool_files, "the reply is there")
        wait_for(lambda: not self.node.spool_files(), "it is given up")
        self.assertLess(len(client.rest()), BEYOND_BUFFERS)

    def test_a_client_that_reads_slowly_but_reads_gets_everything(self):
        # Also where the kernel takes much of the reply at once, and then nothing for a long time.
        for buffer, size, step, pause in ((16_384, 4 * MIB, 16_384, 0.004), (None, 10 * MIB, 65_536, 0.03)):
            with self.subTest(buffer=buffer):
                client = self.client("write", receive_buffer=buffer)
                client.send(frame(f"head -c {size} /dev/zero"))
                left = client.length()
                self.assertEqual(left, size)
                while left:
                    time.sleep(pause)  # what makes it slow
                    got = client.socket.recv(min(left, step))
                    self.assertTrue(got, f"closed {left} bytes before the end")
                    left -= len(got)


class Output(LegacyTest):
    listeners = {"plain": "", "small": "max_output=1M", "err-out": "order=err-out"}

    def test_output_around_every_bound_is_exact(self):
        client = self.client()
        for size in (1, 4095, 4096, 65535, 65536, 65537, 131072, 262143, 262144, 262145, 524288, 524289, 1_000_003):
            line = f"seq 1 1000000 | head -c {size}"
            client.send(frame(line))
            self.assertEqual(client.digest(), digest_of("sh", "-c", line), size)
            both = f"seq 1 1000000 | head -c {size}; seq 1000001 2000000 | head -c {size} >&2"
            want = digest_of("sh", "-c", both.replace(">&2", ""))
            client.send(frame(both))
            self.assertEqual(client.digest(), want, size)

    def test_large_output_is_exact_and_takes_no_memory(self):
        last = scaled(3_000_000 if SANITIZED else 30_000_000, 180_000_000)
        client = self.client(timeout=LONG)
        with MemoryWatch(nacred=self.node.pid, front=self.node.front_pid()) as watch:
            client.send(frame(f"seq 1 {last}"))
            got = client.digest()
        self.assertEqual(got, digest_of("seq", "1", str(last)))
        if not SANITIZED:
            for name, peak in watch.peaks().items():
                self.assertLess(peak, RSS_BOUND, name)
        self.assertEqual(client.ask("echo next"), b"next\n")

    def test_both_streams_are_exact_when_they_are_written_at_once(self):
        last = scaled(1_000_000, 20_000_000)
        line = f"seq 1 {last} & seq 1 {last} | tr 0-9 a-j >&2; wait"
        want = digest_of("sh", "-c", f"seq 1 {last}; seq 1 {last} | tr 0-9 a-j")
        client = self.client(timeout=LONG)
        client.send(frame(line))
        self.assertEqual(client.digest(), want)
        line, out, err = f"exec {support.ALTERNATE} 70000 10000", b"x" * 70_000 + b"o" * 10_000, b"e" * 10_000
        self.assertEqual(client.ask(line), out + err)
        self.assertEqual(self.client("err-out").ask(line), err + out)

    def test_every_byte_value_passes(self):
        script = self.path("bytes")
        script.write_bytes(bytes(range(256)) * 3)
        self.assertEqual(self.node.ask(f"cat {script}"), bytes(range(256)) * 3)

    def test_output_beyond_the_bound_is_an_error_by_name_never_a_part_of_it(self):
        client = self.client("small")
        self.assertEqual(client.ask(f"head -c {MIB} /dev/zero"), bytes(MIB))
        for line in (f"head -c {MIB + 1} /dev/zero", f"head -c {MIB + 1} /dev/zero >&2",
                     "head -c 30000000 /dev/zero", f"head -c {MIB} /dev/zero; echo >&2"):
            reply = client.ask(line)
            self.assertRegex(reply, rb"^nacre: the output exceeds 1048576 bytes .*max_output.*\n$")
            self.assertEqual(client.ask("echo on"), b"on\n")

    def test_a_command_is_not_ended_for_what_it_writes(self):
        path = self.path("went-on")
        self.assertIn(b"max_output", self.client("small").ask(f"head -c 5000000 /dev/zero; touch {path}"))
        self.assertTrue(path.exists())

    @unittest.skipUnless(support.FULL, "needs gigabytes of disk")
    def test_more_than_a_length_can_say_is_an_error_that_names_the_dialect_without_the_bound(self):
        client = self.client(timeout=LONG)
        client.send(frame("head -c 3000000000 /dev/zero"))
        reply = client.reply()
        self.assertRegex(reply, rb"^nacre: .*2147483647.*header.*\n$")
        self.assertEqual(client.ask("echo on"), b"on\n")
        client.send(frame("head -c 2147483647 /dev/zero"))
        self.assertEqual(client.digest()[0], 2_147_483_647)
        self.assertEqual(client.finish(), b"")


class TheLongestReply(unittest.TestCase):
    @unittest.skipUnless(support.FULL, "needs gigabytes of disk")
    def test_a_note_behind_the_longest_output_does_not_break_the_length(self):
        with LegacyNode({"plain": "timeout=60s"}) as node:
            node.warm_up()
            with node.client(timeout=LONG) as client:
                client.send(frame("head -c 2147483647 /dev/zero; sleep 1000"))
                client.digest()
                self.assertEqual(client.finish(), b"")
            node.assert_settled()


class Chinese(LegacyTest):
    listeners = {"plain": "", "gbk": "encoding=gbk"}

    def test_commands_and_output_are_gbk_where_the_operator_says_so(self):
        self.assertEqual(self.client("gbk").ask("echo 你好".encode("gbk")), "你好\n".encode("gbk"))
        self.assertEqual(self.client("gbk").ask_raw("echo 你好; echo 乗 >&2".encode("gbk")), "你好\n乗\n".encode("gbk"))
        self.assertEqual(self.client().ask("echo 你好".encode("gbk")), "你好\n".encode("gbk"))  # bytes as they are

    def test_much_gbk_is_exact_wherever_the_output_is_cut(self):
        count = scaled(300_000, 30_000_000)
        reply = self.client("gbk").ask(f"yes 一二三abc | head -n {count}".encode("gbk"))
        self.assertEqual(hashlib.sha256(reply).digest(), hashlib.sha256("一二三abc\n".encode("gbk") * count).digest())

    def test_output_that_is_no_character_of_gbk_becomes_question_marks(self):
        client = self.client("gbk")
        self.assertEqual(client.ask("printf 'a\\377b\\360\\237\\220\\232c'"), b"a?b?c")
        self.assertEqual(client.ask("printf 'cut\\344\\275'"), b"cut??")

    def test_a_command_that_is_not_gbk_is_refused_and_the_connection_goes_on(self):
        client = self.client("gbk")
        with self.nothing_starts():
            self.assertEqual(client.ask(b"echo \x81"), b"nacre: the command is not GBK\n")
        self.assertEqual(client.ask("echo on"), b"on\n")


class Secrets(unittest.TestCase):
    """Callers that prove a shared secret."""

    SECRET = b"correct horse battery staple"

    @contextlib.contextmanager
    def node(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ops.key")
            with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(self.SECRET + b"\n")
            with LegacyNode({"plain": "", "secret": f"secret_file={path}"}) as node:
                node.warm_up(calls=4)
                yield node
                node.assert_settled()

    @staticmethod
    def answer(client, secret):
        client.send(hmac.new(secret, client.exactly(32), "md5").digest())

    def test_who_knows_the_secret_is_served_under_its_name(self):
        with self.node() as node:
            with node.client("secret") as client:
                self.answer(client, self.SECRET)
                self.assertEqual(client.ask("echo in"), b"in\n")
            starts = [line for line in node.audit() if line["event"] == "start" and "dialect" in line]
            self.assertEqual(starts[-1]["identity"], "secret:ops@127.0.0.1")

    def test_who_does_not_is_closed_without_a_word_and_runs_nothing(self):
        with self.node() as node:
            before = node.starts()
            for attempt in (lambda client: self.answer(client, b"wrong"),
                            lambda client: client.send(frame("echo in; echo more")),
                            lambda client: client.send(b"x" * 15),  # too little, then the end
                            lambda client: None):
                with node.client("secret") as client, contextlib.suppress(OSError):
                    attempt(client)
                    client.half_close()
                    self.assertEqual(len(client.rest()) % 32, 0)  # the challenge, or what is left of it
            self.assertEqual(node.starts(), before)
            wait_for(lambda: len(node.refusals()) == 2, "wrong answers are in the audit")
            self.assertIn("wrong answer", node.refusals()[-1]["why"])

    def test_an_answer_in_pieces_and_a_request_in_its_segment_are_taken(self):
        with self.node() as node, node.client("secret") as client:
            answer = hmac.new(self.SECRET, client.exactly(32), "md5").digest()
            client.send(answer[:5])
            client.send(answer[5:] + frame("echo in"))
            self.assertEqual(client.reply(), b"in\n")

    def test_a_secret_that_others_can_read_or_that_is_missing_stops_the_daemon(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ops.key")
            listener = f"framed=127.0.0.1:0,secret_file={path}"
            status, said = start_that_fails("--compat", listener)
            self.assertEqual((status, path in said), (2, True), said)
            with open(path, "wb") as file:
                file.write(self.SECRET)
            os.chmod(path, 0o644)
            status, said = start_that_fails("--compat", listener)
            self.assertEqual((status, "chmod 600" in said), (2, True), said)


class TheSpool(LegacyTest):
    listeners = {"plain": "", "impatient": "write_timeout=500ms"}
    node_arguments = ("--spool-limit", "24M")

    def test_a_full_spool_is_an_error_for_who_filled_it_and_for_nobody_else(self):
        with LegacyNode(None, "--spool-limit", "1M") as node:
            node.warm_up()
            with node.client() as small, node.client() as large:
                for _ in range(3):
                    large.send(frame("head -c 3000000 /dev/zero"))
                    self.assertEqual(small.ask("echo small"), b"small\n")
                    self.assertRegex(large.reply(), rb"^nacre: the spool is full.*\n$")
                    self.assertEqual(small.ask("head -c 60000 /dev/zero"), bytes(60_000))
                    self.assertEqual(large.ask("head -c 1000000 /dev/zero"), bytes(1_000_000))
            node.assert_settled()

    def test_the_space_of_a_client_that_does_not_read_is_given_back(self):
        line = f"head -c {BEYOND_BUFFERS} /dev/zero"
        for name, leave in (("impatient", None), ("plain", Client.close), ("plain", Client.reset)):
            with self.subTest(name=name, leave=leave):
                stuck = self.client(name, receive_buffer=4096)
                stuck.send(frame(line))
                wait_for(self.node.spool_files, "the reply is there")
                if leave:
                    stuck.length()  # so it is whole, and takes its space
                    self.assertIn(b"the spool is full", self.node.ask(line))
                    leave(stuck)
                wait_for(lambda: not self.node.spool_files(), "it is given up")
                self.assertEqual(self.node.ask(line), bytes(BEYOND_BUFFERS))


class Crowds(LegacyTest):
    listeners = {"plain": "", "few": "max_connections=3"}

    def test_many_clients_at_once_get_their_own_answers_while_others_misbehave(self):
        stalled, greedy, silent = self.client(), self.client(receive_buffer=4096), self.client()
        stalled.send(frame("echo stalled")[:3])
        greedy.send(frame(f"head -c {BEYOND_BUFFERS} /dev/zero"))
        wait_for(self.node.spool_files, "the reply that nobody reads is there")

        def one(number):
            with self.node.client() as client:
                for turn in range(4):
                    size = (number * 7919 + turn * 104_729) % 200_000
                    line = f"echo {number}-{turn}; head -c {size} /dev/zero; echo {number} >&2"
                    want = f"{number}-{turn}\n".encode() + bytes(size) + f"{number}\n".encode()
                    if (got := client.ask(line)) != want:
                        return number, turn, len(got), len(want), got[:50]
                return client.finish() or None

        wrong = [bad for bad in in_parallel(one, range(scaled(100, 1_000)), 32) if bad]
        self.assertEqual(wrong, [])
        stalled.send(frame("echo stalled")[3:])
        self.assertEqual((stalled.reply(), silent.ask("echo silent")), (b"stalled\n", b"silent\n"))

    def test_a_slow_command_holds_up_only_its_own_client(self):
        gate, slow = self.gate(), self.client()
        slow.send(frame(f"{gate.wait}; echo slow"))
        gate.await_command()
        for i in range(50):
            self.assertEqual(self.node.ask(f"echo {i}"), b"%d\n" % i)
        gate.open()
        self.assertEqual(slow.reply(), b"slow\n")

    def test_a_connection_beyond_the_bound_is_closed_at_once_and_the_others_stay(self):
        regulars = [self.client("few") for _ in range(3)]
        for client in regulars:
            self.assertEqual(client.ask("echo in"), b"in\n")
        for _ in range(5):
            self.assertEqual(self.client("few").rest(), b"")
        for client in regulars:
            self.assertEqual(client.ask("echo still in"), b"still in\n")
        self.assertEqual(regulars[0].finish(), b"")
        self.assertEqual(self.client("few").ask("echo next"), b"next\n")

    def test_a_connection_that_has_asked_nothing_makes_way(self):
        regulars = [self.client("few") for _ in range(2)]
        for client in regulars:
            self.assertEqual(client.ask("echo in"), b"in\n")
        for said in (b"", frame("echo x")[:3], frame("echo x")[:-1]):
            idle = self.client("few")
            idle.send(said)
            fresh = self.client("few")
            self.assertEqual(fresh.ask("echo served"), b"served\n")
            self.assertEqual(idle.rest(), b"")
            self.assertEqual(fresh.finish(), b"")
        for client in regulars:
            self.assertEqual(client.ask("echo still in"), b"still in\n")


class Ending(unittest.TestCase):
    def setUp(self):
        self.node = LegacyNode()
        self.enterContext(self.node)
        self.node.warm_up(calls=4)
        self.front = self.node.front_pid()

    def end(self):
        """It must end with 0 and leave nothing."""
        self.assertEqual(self.node.wait(), 0, self.node.log())
        wait_for(lambda: not alive(self.front), "the front ends")
        self.assertFalse(self.node.session_processes())

    def drain(self):
        self.node.terminate()
        wait_for(lambda: "draining: " in self.node.log().partition("nacre-front")[2], "the front drains")

    def test_sigterm_lets_a_running_command_end_and_its_client_hear_everything(self):
        with Gate(self.node.directory / "gate") as gate, self.node.client() as client:
            client.send(frame(f"{gate.wait}; seq 1 300000; echo last >&2"))
            gate.await_command()
            self.drain()
            gate.open()
            want = subprocess.run(["seq", "1", "300000"], capture_output=True, check=True).stdout + b"last\n"
            self.assertEqual(client.reply(), want)
            self.assertEqual(client.rest(), b"")
        self.end()

    def test_a_reply_that_waits_for_its_reader_at_sigterm_is_delivered(self):
        with self.node.client() as client:
            client.send(frame(f"head -c {BEYOND_BUFFERS} /dev/zero"))
            left = client.length()
            self.drain()
            self.assertEqual((client.exactly(left), client.rest()), (bytes(BEYOND_BUFFERS), b""))
        self.end()

    def test_the_reply_under_way_at_sigterm_is_whole_though_its_client_has_said_more(self):
        # A socket that is closed with bytes unread resets the connection, and what is on its way is lost.
        with Gate(self.node.directory / "gate") as gate, self.node.client(receive_buffer=4096) as client:
            client.send(frame(f"{gate.wait}; head -c 500000 /dev/zero"))
            gate.await_command()
            client.send(frame("echo not any more"))
            self.drain()
            gate.open()
            wait_for(lambda: self.node.ends_of("500000"), "the command has ended")
            support.await_standstill([self.front])
            self.assertEqual(client.reply(), bytes(500_000))
        self.end()

    def test_idle_and_stalled_connections_are_closed_at_sigterm(self):
        with self.node.client() as silent, self.node.client() as regular, self.node.client() as stalled:
            regular.ask("echo x")
            stalled.send(frame("echo x")[:6])
            self.node.ask("true")
            self.node.terminate()
            for client in (silent, regular, stalled):
                self.assertEqual(client.rest(), b"")
            self.end()

    def test_a_client_that_never_reads_does_not_hold_up_the_end_for_ever(self):
        with self.node.client(receive_buffer=4096) as client:
            client.send(frame(f"head -c {BEYOND_BUFFERS} /dev/zero"))
            client.length()
            self.node.terminate()
            wait_for(lambda: "draining" in self.node.log(), "it drains")
            self.node.terminate()
            self.end()

    def test_a_killed_front_takes_its_clients_along_and_the_next_one_serves_on_the_same_port(self):
        address = self.node.address()
        gate = self.enterContext(Gate(self.node.directory / "gate"))
        with self.node.client() as busy, self.node.client() as idle:
            idle.ask("echo x")
            busy.send(frame(f"{gate.wait}; sleep 1000"))
            gate.await_command()
            os.kill(self.front, signal.SIGKILL)
            self.assertEqual((busy.rest(), idle.rest()), (b"", b""))
            wait_for(lambda: self.node.front_pid() not in (None, self.front), "another front")
            self.assertEqual(self.node.address(), address)
            self.assertEqual(self.node.ask("echo again"), b"again\n")
        wait_for(lambda: not self.node.session_processes(), "the command is ended")
        self.node.assert_settled()


class Harm(unittest.TestCase):
    """What goes wrong with the port, or comes from it, stays with the port."""

    def test_a_secret_stays_as_it_was_until_it_is_read_again(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ops.key")
            with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(b"correct horse battery staple")
            with LegacyNode({"plain": "", "secret": f"secret_file={path}"}) as node:
                node.warm_up(calls=4)
                os.unlink(path)
                front = node.front_pid()
                os.kill(front, signal.SIGKILL)
                wait_for(lambda: node.front_pid() not in (None, front), "another front")
                self.assertEqual(node.exec("echo", "grpc").stdout, b"grpc\n")
                self.assert_proves(node, b"correct horse battery staple")
                node.process.send_signal(signal.SIGHUP)
                wait_for(lambda: "all stays as it is" in node.log(), "the file is missed")
                self.assert_proves(node, b"correct horse battery staple")
                with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    file.write(b"another secret altogether")
                node.process.send_signal(signal.SIGHUP)
                wait_for(lambda: node.log().count("the retired front") == 1, "another front")
                self.assert_proves(node, b"another secret altogether")
                node.assert_settled()

    def assert_proves(self, node, secret):
        with node.client("secret") as client:
            Secrets.answer(client, secret)
            self.assertEqual(client.ask("echo in"), b"in\n")

    def test_a_spool_that_is_no_directory_stops_the_daemon_at_its_start(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "state"), 0o700)
            for make in (lambda path: open(path, "w").close(), lambda path: os.symlink("/tmp", path)):
                path = os.path.join(directory, "state", "spool")
                make(path)
                node = LegacyNode(directory=directory).launch()
                self.addCleanup(node.clean)
                self.assertEqual(node.wait(), 1)
                self.assertIn("is no directory", node.log())
                os.unlink(path)

    def test_a_spool_that_goes_while_the_daemon_runs_costs_long_replies_only(self):
        with LegacyNode() as node:
            node.warm_up(calls=4)
            os.rmdir(node.state / "spool")
            self.assertEqual(node.ask("head -c 300000 /dev/zero"),
                             b"nacre: the spool is full; none of the output is sent\n")
            self.assertEqual(node.ask("echo short"), b"short\n")
            self.assertEqual(node.exec("echo", "grpc").stdout, b"grpc\n")
            os.mkdir(node.state / "spool")

    def test_nobody_who_reads_the_log_can_stop_it(self):
        with LegacyNode({"plain": "max_connections=2"}) as node:
            node.warm_up(calls=4)
            front = node.front_pid()
            with contextlib.ExitStack() as held:
                clients = [held.enter_context(node.client()) for _ in range(2)]
                for client in clients:
                    self.assertEqual(client.ask("echo in"), b"in\n")
                for _ in range(2_000):
                    with contextlib.suppress(ConnectionError):
                        node.client().close()
                self.assertEqual(clients[0].ask("echo still"), b"still\n")
            self.assertEqual(node.front_pid(), front)
            self.assertLess(node.log().count("connections are refused"), 100)
            node.assert_settled()

    def test_a_pipe_for_the_log_that_nobody_reads_stops_nobody(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        with LegacyNode() as node:
            node.warm_up(calls=4)
            # A second daemon, whose standard error is that pipe.
            other = tempfile.mkdtemp(prefix="nacre-e2e.")
            self.addCleanup(shutil.rmtree, other, ignore_errors=True)
            target = f"unix:{other}/s"
            process = subprocess.Popen([support.BIN / "nacred", "--listen", target, "--state-dir", f"{other}/state"],
                                       stdin=subprocess.DEVNULL, stderr=writer, stdout=writer)
            os.close(writer)
            self.addCleanup(process.wait)
            self.addCleanup(process.terminate)
            nacre = [support.BIN / "nacre", "exec", "echo", "on"]
            env = {**os.environ, "NACRE_HOST": target}
            wait_for(lambda: subprocess.run(nacre, env=env, capture_output=True).stdout == b"on\n", "it serves")

    def test_refusals_without_end_are_few_lines_in_the_audit(self):
        with LegacyNode() as node:
            node.warm_up(calls=4)
            for _ in range(1_000):
                with node.client() as client:
                    client.send(b"\xff" * 4)
                    client.reply()
            self.assertLess(len(node.refusals()), 600)
            wait_for(lambda: self.refuse(node) and "others before" in node.refusals()[-1]["why"], "the rest is counted")
            node.assert_settled()

    @staticmethod
    def refuse(node):
        with node.client() as client:
            client.send(b"\xff" * 4)
            return client.reply()

    def test_unfinished_requests_make_way_for_whole_ones(self):
        with LegacyNode() as node:
            node.warm_up(calls=4)
            with contextlib.ExitStack() as held:
                for _ in range(300):  # 65,000 bytes each: more than requests may hold together
                    client = held.enter_context(node.client())
                    with contextlib.suppress(ConnectionError):
                        client.send(struct.pack("<i", 65_536) + b"x" * 65_000)
                for i in range(20):
                    self.assertEqual(node.ask(f"echo {i}"), b"%d\n" % i)
            node.assert_settled()

    def test_who_has_proved_the_secret_does_not_make_way(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ops.key")
            secret = b"correct horse battery staple"
            with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(secret)
            with LegacyNode({"plain": "", "secret": f"secret_file={path},max_connections=3"}) as node:
                node.warm_up(calls=4)
                with node.client("secret") as proved, contextlib.ExitStack() as held:
                    Secrets.answer(proved, secret)
                    self.assertEqual(proved.ask("echo known"), b"known\n")
                    for _ in range(10):
                        held.enter_context(node.client("secret")).exactly(32)
                    self.assertEqual(proved.ask("echo in"), b"in\n")
                node.assert_settled()


class Starting(unittest.TestCase):
    def test_more_listeners_than_a_front_is_handed_are_refused(self):
        arguments = ["--compat", "framed=127.0.0.1:0"] * 64
        status, said = start_that_fails(*arguments)
        self.assertEqual(status, 2, said)
        self.assertIn("at most 64", said)

    def test_ipv6_loopback_serves_too(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError as error:
            self.skipTest(f"no IPv6 loopback: {error}")
        with LegacyNode(host="[::1]") as node:
            node.warm_up(calls=4)
            self.assertEqual(node.ask("echo six"), b"six\n")
            self.assertIn("anonymous@::1", [line.get("identity") for line in node.audit()])
            node.assert_settled()

    def test_it_says_where_it_listens_and_warns(self):
        with LegacyNode({"one": "", "two": "order=err-out"}) as node:
            node.warm_up(calls=4)
            self.assertNotEqual(node.address("one"), node.address("two"))
            self.assertIn("every local user can run commands", node.log())
            node_answers = node.ask(OUT_ERR, "one"), node.ask(OUT_ERR, "two")
            self.assertEqual(node_answers, (b"out\nerr\n", b"err\nout\n"))

    def test_what_cannot_be_served_is_refused_at_the_start_with_what_is_wrong(self):
        loopback = "framed=127.0.0.1:0"
        for text, *words in (
                ("framed=0.0.0.0:0", "loopback"), ("framed=[::]:0", "loopback"),
                ("framed=192.0.2.1:9100", "loopback"), ("framed=unix:/tmp/s", "HOST:PORT"),
                ("framed", "DIALECT=HOST:PORT"), ("framed=", "framed="), ("framed=127.0.0.1", "127.0.0.1"),
                ("framed=127.0.0.1:99999", "99999"), ("=127.0.0.1:0", "dialect"),
                ("framde=127.0.0.1:0", "framde", 'did you mean "framed"'),
                ("udp-time=127.0.0.1:0", "udp-time", "not served yet"),
                ("telnet=127.0.0.1:0", "telnet", "framed"), (f"{loopback},", "KEY=VALUE"),
                (f"{loopback},order", "KEY=VALUE"),
                (f"{loopback},oder=err-out", "oder", 'did you mean "order"'),
                (f"{loopback},colour=red", "colour", "known:"),
                (f"{loopback},suffix=x", "suffix", "not served yet"),
                (f"{loopback},timeout=1s,timeout=2s", "timeout", "twice"),
                (f"{loopback},order=sideways", "order", "sideways", "out-err"),
                (f"{loopback},request=any", "request", "any"),
                (f"{loopback},timeout=soon", "timeout", "soon"),
                (f"{loopback},timeout=-1s", "timeout", "-1s"), (f"{loopback},idle_timeout=", "idle_timeout"),
                (f"{loopback},write_timeout=5", "write_timeout", "5"),
                (f"{loopback},max_request=0", "max_request", "0"),
                (f"{loopback},max_request=1G", "max_request", "1G"),
                (f"{loopback},max_output=3G", "max_output", "3G"),
                (f"{loopback},max_output=-1", "max_output", "-1"),
                (f"{loopback},max_connections=0", "max_connections"),
                (f"{loopback},max_connections=lots", "lots"), (f"{loopback},quit=", "quit")):
            with self.subTest(text=text):
                status, said = start_that_fails("--compat", text)
                self.assertEqual(status, 2, said)
                for word in (f"--compat {text}", *words):
                    self.assertIn(word, said)
        status, said = start_that_fails("--compat", loopback, "--spool-limit", "lots")
        self.assertEqual(status, 2, said)
        self.assertRegex(said, "spool_limit.*lots")

    def test_a_second_daemon_on_the_same_port_is_refused_by_name(self):
        with LegacyNode() as first:
            first.warm_up(calls=4)
            status, said = start_that_fails("--compat", f"framed={first.address()}")
            self.assertEqual(status, 1, said)
            self.assertIn(first.address(), said)
            self.assertIn("another process serves this address", said)
            first.assert_settled()

    def test_a_port_of_a_dead_daemon_can_be_had_again_at_once(self):
        with LegacyNode() as first:
            address = first.address()
            with first.client() as client:  # closed by the daemon, whose side of it lingers
                client.ask("echo x")
                first.terminate()
                self.assertEqual((client.rest(), first.wait()), (b"", 0))
            with support.Node("--compat", f"framed={address}", directory=first.directory):
                with Client(address) as client:
                    self.assertEqual(client.ask("echo again"), b"again\n")


if __name__ == "__main__":
    unittest.main()
