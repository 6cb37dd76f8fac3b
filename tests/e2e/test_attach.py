"""Following a session by Attach: drivers that come back, viewers, and who may do what."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
import unittest

import support
from sessions import (BLOCK, ENDED, KEPT, QUICK_LADDER, RUNNING, STREAM, SessionTest, count, counted, with_request_id,
                      with_tags)
from support import (MIB, RSS_BOUND, Attach, Exec, MemoryWatch, StreamOutput, command, command_pb2, scaled, session_pb2,
                     shell, shell_pb2, wait_for)

AT_ONCE = {"on_disconnect": command_pb2.ON_DISCONNECT_KILL, **QUICK_LADDER}

# Views a session, whose node and id it is given, and tells how much it took and how much it missed.
READER = """
import sys
from support import *
with channel(sys.argv[1]) as made:
    call = shell_pb2_grpc.ShellServiceStub(made).Attach(iter([shell_pb2.AttachRequest(
        attach=shell_pb2.Attach(session_id=sys.argv[2], position=0))]), timeout=LONG)
    taken = skipped = 0
    for response in call:
        for event in response.events:
            if event.HasField("attached"):
                print("attached", flush=True)
            taken += len(event.output.data)
            skipped += event.gap.to - getattr(event.gap, "from")
    print(taken, skipped, flush=True)
"""


class ReaderTest(SessionTest):
    def reader(self, session_id):
        """A process that views a session; it is attached."""
        process = subprocess.Popen(
            [sys.executable, "-c", READER, self.node.target, session_id], stdout=subprocess.PIPE,
            cwd=os.path.dirname(__file__), env={**os.environ, "NACRE_E2E_STUBS": support.STUBS})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"attached\n")
        return process


SLOW_READER = """
import os, time
taken = 0
while data := os.read(0, 32768):
    taken += len(data)
    time.sleep(0.1)
print(taken)
"""


class IdleStreams(SessionTest):
    node_arguments = ("--stream-idle-timeout", "2s")

    def test_a_quiet_stream_is_ended_keepalives_or_not_and_its_session_goes_on_as_its_policy_says(self):
        start = command("sleep", "1000", policies={"on_disconnect": command_pb2.ON_DISCONNECT_KEEP})
        start.keepalive_interval.nanos = 100_000_000
        kept, lost = Exec(self.calls, start), Exec(self.calls, command("sleep", "1000", policies=AT_ONCE))
        session, doomed = (call.await_event("started").session.id for call in (kept, lost))
        viewers = [Attach(self.calls, session), StreamOutput(self.calls, session)]
        for stream in (kept, lost, *viewers):
            self.assert_refused(stream.error(), "RESOURCE_EXHAUSTED", "STREAM_IDLE")
        self.assertEqual(self.get(session).state, RUNNING)
        self.assertEqual(self.wait(doomed).termination.cause, session_pb2.CAUSE_DISCONNECTED)

    def test_input_that_the_command_takes_slowly_acks_and_a_slow_reader_keep_a_stream(self):
        slow = Exec(self.calls, command("python3", "-c", SLOW_READER, input=STREAM))
        slow.send(input=shell_pb2.Input(data=bytes(MIB), eof=True))
        acked = Exec(self.calls, shell("head -c 100000 /dev/zero; exec sleep 4"))
        acked.await_position(100_000)
        for position in range(15):
            time.sleep(0.2)  # what is shown is that time passes
            acked.send(ack=shell_pb2.Ack(position=position))
        self.assertEqual(acked.follow().termination.exit_code, 0)
        self.assertEqual(slow.follow().stdout, b"%d\n" % MIB)
        taken = subprocess.run(f"{support.BIN}/nacre exec -- head -c 50M /dev/zero | (sleep 4; wc -c)", shell=True,
                               env={**os.environ, "NACRE_HOST": self.node.target}, capture_output=True, timeout=60)
        self.assertEqual(taken.stdout.strip(), b"%d" % (50 << 20), taken.stderr)

    def test_what_others_do_to_its_session_keeps_a_stream(self):
        session = self.start(command("cat", input=STREAM, terminal={"rows": 24}))
        watching = StreamOutput(self.calls, session.id, drive=True)
        watching.await_event("attached")
        for rows in range(15):
            time.sleep(0.2)  # what is shown is that time passes
            self.calls.ResizeTerminal(shell_pb2.ResizeTerminalRequest(session_id=session.id, size={"rows": 24 + rows}))
        self.end(session.id)
        self.assertIsNotNone(watching.follow().termination)

    def test_output_and_input_keep_a_stream(self):
        writes = Exec(self.calls, shell("for i in $(seq 15); do sleep 0.2; echo $i; done"))
        self.assertEqual(writes.follow().stdout.split()[-1], b"15")
        reads = Exec(self.calls, shell("cat >/dev/null; echo end", input=STREAM))
        for _ in range(15):
            time.sleep(0.2)  # what is shown is that time passes
            reads.send(input=shell_pb2.Input(data=b"x"))
        reads.half_close()
        self.assertEqual(reads.follow().stdout, b"end\n")


class Driver(SessionTest):
    def test_one_that_comes_back_with_its_position_gets_exactly_the_bytes_it_lacks(self):
        everything = counted(300_000)
        start = shell(count(300_000))
        start.will_ack = True
        call, got, streams = Exec(self.calls, start), bytearray(), 1
        while call.termination is None:
            for event in call.events():
                if event.WhichOneof("event") == "output":
                    got += event.output.data
                    call.send(ack=shell_pb2.Ack(position=len(got) // 2))  # it has more than it says
                if call.termination is None and len(got) - call.begin > 100_000:
                    call.cancel()
                    call = Attach(self.calls, call.session.id, drive=True, position=len(got), will_ack=True)
                    self.assertEqual(call.await_event("attached").next_position, len(got))
                    streams += 1
                    break
        self.assertEqual((bytes(got), call.gaps), (everything, []))
        self.assertGreater(streams, 10)

    def test_without_a_position_it_goes_on_behind_its_last_ack(self):
        start = shell("printf 0123456789; read go; printf abc", input=STREAM)
        start.will_ack = True
        call = Exec(self.calls, start).await_position(10)
        call.send(ack=shell_pb2.Ack(position=4))
        call.send(input=shell_pb2.Input(data=b""))  # behind the ack
        wait_for(lambda: self.probe(call.session.id) == 4, "the ack has arrived")
        call.cancel()
        again = Attach(self.calls, call.session.id, drive=True, input=True, will_ack=True).await_position(10)
        self.assertEqual((again.begin, bytes(again.stdout)), (4, b"456789"))
        again.send(input=shell_pb2.Input(offset=0, data=b"\n"))
        self.assertEqual(bytes(again.follow().stdout), b"456789abc")

    def probe(self, session_id):
        """Where a driver without a position would begin; leaves the session as it was."""
        with self.node.stub() as stub:
            call = Attach(stub, session_id, drive=True, will_ack=True)
            begin = call.await_event("attached").next_position
            call.cancel()
            return begin

    def test_what_it_has_not_acknowledged_is_held_within_the_grace(self):
        start = shell(count(300_000), policies={"disconnect_grace": {"seconds": 600}})
        start.will_ack = True
        call = Exec(self.calls, start)
        call.await_event("output")
        call.cancel()
        support.await_standstill([self.node.pid, *self.node.session_processes()])
        self.assertEqual(self.get(call.session.id).state, RUNNING)
        again = Attach(self.calls, call.session.id, drive=True).follow()
        self.assertEqual((again.begin, bytes(again.stdout)), (0, counted(300_000)))

    def test_one_that_takes_over_makes_the_other_a_viewer(self):
        first = Exec(self.calls, shell("echo one; read go; echo two; read go; echo three", input=STREAM, policies=AT_ONCE))
        first.await_output(b"one\n")
        second = Attach(self.stub(), first.session.id, drive=True, position=0).await_output(b"one\n")
        # Both still hear everything, and the loss of the first is no loss of a driver.
        first.send(input=shell_pb2.Input(data=b"\n"))  # the input is still the first one's
        first.await_output(b"two\n")
        second.await_output(b"two\n")
        self.assertEqual((first.drive_taken, second.drive_taken), (True, False))
        first.cancel()
        self.write(second.session.id, b"\n")
        self.assertEqual((bytes(second.follow().stdout), second.termination.exit_code), (b"one\ntwo\nthree\n", 0))

    def test_the_command_waits_for_the_new_driver_and_no_more_for_the_old_one(self):
        first = Exec(self.calls, shell(count(400_000)))
        first.await_event("output")  # and takes nothing from now on
        second = Attach(self.stub(), first.session.id, drive=True, position=0)
        try:
            second.follow()
        except support.grpc.RpcError as error:
            # What the first had taken is not held for the second.
            self.assert_refused(error, "OUT_OF_RANGE", "POSITION_NOT_KEPT")
            second = Attach(self.stub(), first.session.id, drive=True).follow()
        self.assertEqual(bytes(second.stdout), counted(400_000)[second.begin:])
        self.assertEqual(self.get(first.session.id).state, ENDED)

    def test_the_loss_of_the_one_that_took_over_counts(self):
        first = Exec(self.calls, shell('trap "" TERM; echo ready; sleep 1000', policies=AT_ONCE))
        first.await_output(b"ready\n")
        second = Attach(self.stub(), first.session.id, drive=True)
        second.await_event("attached")
        second.cancel()
        end = first.follow().termination
        self.assertEqual((end.cause, end.signal.number), (session_pb2.CAUSE_DISCONNECTED, signal.SIGKILL))

    def test_an_ended_session_is_followed_to_its_end_at_once(self):
        session = self.ended(shell("echo x; exit 4"))
        got = Attach(self.calls, session.id, drive=True, position=0).follow()
        self.assertEqual((bytes(got.stdout), got.termination), (b"x\n", session.termination))
        got = Attach(self.calls, session.id).follow()
        self.assertEqual((got.begin, bytes(got.stdout), got.termination), (2, b"", session.termination))

    def test_it_may_signal_and_cancel(self):
        session = self.start(command(support.TAKE_SIGNALS))
        call = Attach(self.calls, session.id, drive=True, position=0).await_output(b"ready\n")
        call.send(signal=shell_pb2.Signal(number=signal.SIGHUP))
        call.await_output(b"%d\n" % signal.SIGHUP)
        call.send(cancel=shell_pb2.Cancel())
        call.await_output(b"%d\n" % signal.SIGTERM)
        call.send(signal=shell_pb2.Signal(number=signal.SIGKILL))
        end = call.follow().termination
        self.assertEqual((end.cause, end.cancelled_by), (session_pb2.CAUSE_CANCELLED, f"uid:{os.getuid()}"))


class Leaving(SessionTest):
    def test_a_detached_session_runs_on_whatever_its_policy(self):
        for policies in (AT_ONCE, {"disconnect_grace": {}}, {}):
            call = Exec(self.calls, shell("echo ready; read go; exit 6", input=STREAM, policies=policies))
            call.await_output(b"ready\n")
            call.send(detach=shell_pb2.Detach())
            self.assertIsNone(call.follow().termination)
            session = self.get(call.session.id)
            self.assertEqual((session.state, session.driven), (RUNNING, False))
            self.write(session.id, b"\n")
            self.assertEqual(self.wait(session.id).termination.exit_code, 6)

    def test_keep_survives_a_lost_connection_and_its_grace(self):
        policies = {"on_disconnect": command_pb2.ON_DISCONNECT_KEEP, "disconnect_grace": {"nanos": 50_000_000}}
        call = Exec(self.calls, shell("echo ready; read go; exit 6", input=STREAM, policies=policies))
        call.await_output(b"ready\n")
        call.cancel()
        wait_for(lambda: not self.get(call.session.id).driven, "its driver is lost")
        self.assertEqual(self.wait(call.session.id, timeout=0.3).state, RUNNING)
        self.write(call.session.id, b"\n")
        self.assertEqual(self.wait(call.session.id).termination.exit_code, 6)

    def test_who_comes_back_after_a_detach_can_be_lost_again(self):
        call = Exec(self.calls, shell("echo ready; exec sleep 1000", policies=AT_ONCE))
        call.await_output(b"ready\n")
        call.send(detach=shell_pb2.Detach())
        call.follow()
        again = Attach(self.calls, call.session.id, drive=True)
        again.await_event("attached")
        again.cancel()
        self.assertEqual(self.wait(call.session.id).termination.cause, session_pb2.CAUSE_DISCONNECTED)

    def test_the_loss_of_a_viewer_or_of_a_writer_is_nothing_to_the_command(self):
        for fields in ({}, {"input": True}):
            session = self.start(shell("echo ready; exec sleep 1000", input=STREAM, policies=AT_ONCE))
            call = Attach(self.calls, session.id, position=0, **fields).await_output(b"ready\n")
            call.cancel()
            self.assertEqual(self.wait(session.id, timeout=0.3).state, RUNNING)

    def test_a_half_close_ends_the_input_of_its_writer_alone(self):
        session = self.start(shell("cat; echo end", input=STREAM))
        viewer = Attach(self.calls, session.id, position=0)
        viewer.await_event("attached")
        viewer.half_close()
        self.assertEqual(self.wait(session.id, timeout=0.3).state, RUNNING)
        writer = Attach(self.calls, session.id, input=True)
        writer.await_event("attached")
        writer.half_close()
        self.assertEqual(bytes(viewer.follow().stdout), b"end\n")


class Viewer(ReaderTest):
    def test_it_sees_what_the_driver_sees_and_the_same_end(self):
        driver = Exec(self.calls, shell("echo one; read go; echo two >&2; exit 3", input=STREAM))
        driver.await_output(b"one\n")
        viewers = [Attach(self.stub(), driver.session.id, position=position) for position in (0, 2, 4)]
        for viewer in viewers:
            viewer.await_event("attached")
        driver.send(input=shell_pb2.Input(data=b"\n"))
        driver.follow()
        for viewer in viewers:
            viewer.follow()
            self.assertEqual((bytes(viewer.stdout), bytes(viewer.stderr), viewer.termination),
                             (b"one\n"[viewer.begin:], b"two\n", driver.termination))

    def test_it_may_do_nothing_but_leave(self):
        session = self.start(shell("echo ready; cat", input=STREAM))
        wait_for(lambda: self.get(session.id).end_position, "it has written")
        for request in ({"input": shell_pb2.Input(data=b"x")}, {"signal": shell_pb2.Signal(number=9)},
                        {"ack": shell_pb2.Ack(position=0)}, {"cancel": shell_pb2.Cancel()}):
            call = Attach(self.calls, session.id, position=0).await_output(b"ready\n")
            call.send(**request)
            self.assert_refused(call.error(), "INVALID_ARGUMENT", field=next(iter(request)))
        call = Attach(self.calls, session.id, position=0).await_output(b"ready\n")
        call.send(detach=shell_pb2.Detach())
        self.assertIsNone(call.follow().termination)
        self.assertEqual((self.get(session.id).state, self.get(session.id).end_position), (RUNNING, 6))

    def test_a_slow_one_gets_a_gap_and_then_what_is_kept(self):
        lines = 3_000_000
        session = self.start(shell(f"printf '0000000\\n'; read go; {count(lines)}", input=STREAM))
        wait_for(lambda: self.get(session.id).end_position == 8, "it has begun")
        viewer = Attach(self.calls, session.id, position=0)
        viewer.await_output(b"0000000\n")
        self.write(session.id, b"\n")
        self.wait(session.id)  # nobody waits for it, and it takes nothing meanwhile
        viewer.follow()
        self.assertTrue(viewer.gaps)
        everything, position = b"0000000\n" + counted(lines), 0
        gaps = dict(viewer.gaps)
        for _, data in viewer.outputs:
            position = gaps.get(position, position)
            self.assertEqual(everything[position:position + len(data)], data)
            position += len(data)
        self.assertEqual(position, len(everything))

    def test_a_stuck_one_and_a_stopped_process_harm_nobody_else(self):
        size = scaled(24, 200) * MIB
        driver = Exec(self.calls, shell(f"read go; head -c {size} /dev/zero", input=STREAM), timeout=support.LONG)
        session_id = driver.await_event("started").session.id
        readers = [self.reader(session_id) for _ in range(2)]
        stopped = readers[0]
        stopped.send_signal(signal.SIGSTOP)
        self.addCleanup(stopped.send_signal, signal.SIGCONT)
        with MemoryWatch(nacred=self.node.pid, front=self.node.front_pid(), reader=readers[1].pid) as watch:
            driver.send(input=shell_pb2.Input(data=b"\n"))
            total = 0
            for event in driver.events():
                total += len(event.output.data)
                driver.outputs.clear()
                driver.stdout.clear()
                if event.WhichOneof("event") == "output" and total == size:
                    break
            self.assertEqual(total, size)
            taken, skipped = map(int, readers[1].communicate(timeout=support.LONG)[0].split())
            self.assertEqual(taken + skipped, size)
            stopped.send_signal(signal.SIGCONT)
            taken, skipped = map(int, stopped.communicate(timeout=support.LONG)[0].split())
            self.assertEqual(taken + skipped, size)
        driver.cancel()
        if not support.SANITIZED:
            for name, peak in watch.peaks().items():
                self.assertLess(peak, RSS_BOUND, f"{name} grew to {peak // MIB} MiB")


class Writer(SessionTest):
    def test_one_that_takes_the_input_over_writes_it_from_now_on(self):
        first = Exec(self.calls, shell("cat; echo end", input=STREAM))
        first.send(input=shell_pb2.Input(data=b"a"))
        first.await_output(b"a")
        second = Attach(self.stub(), first.session.id, input=True, position=0)
        attached = second.await_event("attached")
        self.assertEqual(attached.input_offset, 1)
        self.assertGreater(attached.input_window, 0)
        first.await_event("input_taken")
        first.send(input=shell_pb2.Input(offset=1, data=b"dropped"))
        first.send(input=shell_pb2.Input(eof=True))
        second.send(input=shell_pb2.Input(offset=1, data=b"b"))
        second.await_output(b"ab")
        second.send(input=shell_pb2.Input(offset=2, data=b"c", eof=True))
        second.follow()
        self.assertEqual((bytes(second.stdout), bytes(first.follow().stdout)), (b"abcend\n", b"abcend\n"))
        self.assertTrue(first.input_taken)
        self.assertFalse(second.input_taken)

    def test_one_that_comes_back_resends_from_where_the_node_is(self):
        data = os.urandom(1_000_000)
        call = Exec(self.calls, command("sha256sum", input=STREAM))
        for start in range(0, 500_000, 50_000):
            call.send(input=shell_pb2.Input(offset=start, data=data[start:start + 50_000]))
        while not call.input_acks or call.input_acks[-1] < 200_000:
            call.await_event("input_ack")
        acked = call.input_acks[-1]
        call.cancel()
        again = Attach(self.calls, call.session.id, drive=True, input=True)
        offset = again.await_event("attached").input_offset
        self.assertTrue(acked <= offset <= 500_000, (acked, offset))
        for start in range(offset - 7, len(data), 60_000):  # what repeats is skipped
            again.send(input=shell_pb2.Input(offset=start, data=data[start:start + 60_000]))
        again.send(input=shell_pb2.Input(offset=len(data), eof=True))
        want = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout
        self.assertEqual(bytes(again.follow().stdout), want)

    def test_without_input_there_is_nothing_to_take(self):
        session = self.start(command("sleep", "1000"))
        self.assert_refused(Attach(self.calls, session.id, input=True).error(), "INVALID_ARGUMENT", field="attach.input")


class BadRequests(SessionTest):
    def test_what_does_not_begin_with_an_attach_is_refused(self):
        session = self.start(command("sleep", "1000"))
        call = Attach(self.calls)
        call.half_close()
        self.assert_refused(call.error(), "INVALID_ARGUMENT")
        for request in ({}, {"detach": shell_pb2.Detach()}, {"input": shell_pb2.Input(data=b"x")}):
            call = Attach(self.calls)
            call.send(**request)
            self.assert_refused(call.error(), "INVALID_ARGUMENT")
        call = Attach(self.calls, session.id)
        call.await_event("attached")
        call.send(attach=shell_pb2.Attach(session_id=session.id))
        self.assert_refused(call.error(), "INVALID_ARGUMENT")

    def test_a_driver_that_acknowledges_what_was_not_sent_harms_only_itself(self):
        session = self.start(shell("echo ready; exec sleep 1000"))
        call = Attach(self.calls, session.id, drive=True, position=0).await_output(b"ready\n")
        call.send(ack=shell_pb2.Ack(position=7))
        self.assert_refused(call.error(), "INVALID_ARGUMENT", field="ack.position")
        self.assertEqual(self.get(session.id).state, RUNNING)

    def test_a_position_beyond_the_output_is_out_of_range(self):
        session = self.start(shell("echo ready; exec sleep 1000"))
        wait_for(lambda: self.get(session.id).end_position == 6, "it has written")
        for drive in (False, True):
            self.assert_refused(Attach(self.calls, session.id, position=7, drive=drive).error(), "OUT_OF_RANGE")


class Fronts(ReaderTest):
    """What outlives a front."""

    def test_a_driver_goes_on_with_exactly_the_bytes_it_lacks(self):
        go = self.node.directory / "go"
        os.mkfifo(go)
        self.addCleanup(go.unlink)
        start = shell(f"{count(10_000)}; read go < {go}; {count(40_000)}; exit 7")
        start.will_ack = True
        call = Exec(self.calls, start).await_position(50_000)
        call.send(ack=shell_pb2.Ack(position=30_000))
        self.kill_front()
        self.assert_refused(call.error(), "UNAVAILABLE")
        taken = call.position
        again = Attach(self.calls, call.session.id, drive=True, position=taken)
        again.await_position(80_000)
        with open(go, "w", encoding="ascii") as fifo:
            fifo.write("\n")
        again.follow()
        self.assertEqual(bytes(call.stdout + again.stdout), counted(10_000) + counted(40_000))
        self.assertEqual((again.begin, again.termination.exit_code), (taken, 7))

    def test_ended_sessions_keep_record_output_tags_and_request_id(self):
        start = with_request_id(shell("echo out; echo err >&2; exit 3"), "kept")
        start.tags["kept"] = "x"
        before = self.ended(start)
        large = self.ended(shell(count(100_000)))
        for _ in range(2):
            self.kill_front()
            after = self.get(before.id)
            self.assertAlmostEqual(after.expire_time.ToNanoseconds() / 1e9, before.expire_time.ToNanoseconds() / 1e9, delta=2)
            after.expire_time.CopyFrom(before.expire_time)
            self.assertEqual(after, before)
            got = StreamOutput(self.calls, before.id, position=0).follow()
            self.assertEqual((bytes(got.stdout), bytes(got.stderr), got.termination), (b"out\n", b"err\n", before.termination))
            got = StreamOutput(self.calls, large.id, position=large.kept_position).follow()
            self.assertEqual(bytes(got.stdout), counted(100_000)[-KEPT:])
            self.assertEqual(self.listed(tags={"kept": "x"}), [before.id])
            again = self.start_answer(start)
            self.assertEqual((again.already_started, again.session.id), (True, before.id))
            other = with_request_id(command("true"), "kept")
            self.assert_refused(lambda other=other: self.start(other), "ALREADY_EXISTS", "REQUEST_ID_REUSED")

    def test_running_sessions_keep_tags_request_id_and_input(self):
        start = with_request_id(shell("cat; exit 4", input=STREAM), "runs")
        start.tags["runs"] = "x"
        session = self.start(start)
        self.assertEqual(self.write(session.id, b"abc", offset=0), 3)
        self.kill_front()
        self.assertEqual(self.listed(tags={"runs": "x"}, state=RUNNING), [session.id])
        self.assertTrue(self.start_answer(start).already_started)
        self.assertEqual(self.write(session.id, b"abcdef", offset=0), 6)
        self.write(session.id, offset=6, eof=True)
        got = StreamOutput(self.calls, session.id, position=0).follow()
        self.assertEqual((bytes(got.stdout), got.termination.exit_code), (b"abcdef", 4))

    def test_a_wait_is_cut_off_and_the_next_one_hears_of_an_end_in_between(self):
        session = self.start(shell("read go; exit 9", input=STREAM))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            wait = pool.submit(self.wait, session.id)
            wait_for(lambda: not wait.done() and self.get(session.id).state == RUNNING, "it waits")
            self.kill_front()
            self.assert_refused(wait.exception(), "UNAVAILABLE")
        self.write(session.id, b"\n")
        self.assertEqual(self.wait(session.id).termination.exit_code, 9)

    def test_one_deleted_while_it_ran_stays_deleted(self):
        session = self.start(shell('trap "" TERM; echo ready; sleep 1000',
                                   policies={"kill_ladder": command_pb2.KillLadder(grace={"seconds": 2})}))
        StreamOutput(self.calls, session.id, position=0).await_output(b"ready\n").cancel()
        self.delete(session.id, force=True)
        self.kill_front()
        self.assert_gone(session.id)
        self.assertNotIn(session.id, self.listed())
        wait_for(lambda: not self.node.session_processes(), "its processes end")
        self.assert_gone(session.id)

    def test_one_deleted_after_its_end_stays_deleted_even_if_somebody_still_reads_it(self):
        session = self.start(shell(f"read go; {count(MIB // 8)}", input=STREAM, policies={"retention_bytes": MIB}))
        reader = self.reader(session.id)
        reader.send_signal(signal.SIGSTOP)
        self.addCleanup(reader.send_signal, signal.SIGCONT)
        self.write(session.id, b"\n")
        self.wait(session.id)
        self.delete(session.id)
        self.kill_front()
        self.assert_gone(session.id)

    def test_a_detached_one_whose_policy_is_to_end_runs_on(self):
        call = Exec(self.calls, shell("echo ready; read go; exit 6", input=STREAM, policies=AT_ONCE))
        call.await_output(b"ready\n")
        call.send(detach=shell_pb2.Detach())
        call.follow()
        self.kill_front()
        self.assertEqual(self.wait(call.session.id, timeout=0.3).state, RUNNING)
        self.write(call.session.id, b"\n")
        self.assertEqual(self.wait(call.session.id).termination.exit_code, 6)

    def test_a_started_one_that_nobody_drives_runs_on(self):
        session = self.start(shell("read go; exit 6", input=STREAM, policies={"disconnect_grace": {}}))
        self.kill_front()
        self.write(session.id, b"\n")
        self.assertEqual(self.wait(session.id).termination.exit_code, 6)

    def test_one_that_waits_for_a_driver_still_waits_and_loses_nothing(self):
        session = self.start(shell(count(100_000), policies={"overflow": BLOCK}))
        wait_for(lambda: self.get(session.id).end_position == KEPT, "its log is full")
        self.kill_front()
        self.assertEqual((self.get(session.id).state, self.get(session.id).kept_position), (RUNNING, 0))
        self.assertEqual(bytes(Attach(self.calls, session.id, drive=True).follow().stdout), counted(100_000))

    def test_retention_goes_on_across_fronts(self):
        session = self.ended(command("true", policies={"retention": {"nanos": 700_000_000}}))
        self.kill_front()
        self.await_gone(session.id)

    def test_pages_are_the_same_after_a_front(self):
        ids = [self.ended(with_tags(command("true"), page="x")).id for _ in range(5)]
        first = self.list(page_size=2, tags={"page": "x"})
        self.kill_front()
        rest = self.list(page_token=first.next_page_token, tags={"page": "x"})
        self.assertEqual([one.id for one in [*first.sessions, *rest.sessions]], ids)

    def test_a_request_id_of_a_start_whose_answer_was_lost_starts_nothing_twice(self):
        tokens = self.node.directory / "tokens"
        start = with_request_id(shell(f"echo x >> {tokens}; sleep 1"), "lost")
        call = Exec(self.calls, start)
        wait_for(tokens.exists, "it runs")
        self.kill_front()
        call.cancel()
        again = Exec(self.calls, start)
        self.assertEqual(again.await_event("attached").session.state, RUNNING)
        again.follow()
        self.assertEqual(tokens.read_text(), "x\n")


if __name__ == "__main__":
    unittest.main()
