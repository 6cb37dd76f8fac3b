"""Sessions by single calls: starting, finding, waiting, ending, deleting, signals, input, output, retention."""

import concurrent.futures
import os
import signal
import unittest

import support
from sessions import (BLOCK, ENDED, KEPT, QUICK_LADDER, RUNNING, STREAM, SessionTest, count, counted, with_request_id,
                      with_tags)
from support import Exec, Node, StreamOutput, command, command_pb2, session_pb2, shell, shell_pb2, wait_for

STUBBORN = 'trap "" TERM; echo ready; sleep 1000'


class Starting(SessionTest):
    def test_a_start_returns_once_the_command_runs_and_nobody_drives_it(self):
        session = self.start(command("sleep", "1000"))
        self.assertEqual((session.state, session.driven, session.owner), (RUNNING, False, f"uid:{os.getuid()}"))
        self.assertIn(b"sleep\0", [support._read(f"/proc/{pid}/cmdline")[:6] for pid in self.node.session_processes()])

    def test_it_runs_on_without_anybody(self):
        marker = self.node.directory / "marker"
        self.ended(shell(f"sleep 0.2; echo done > {marker}", policies={"disconnect_grace": {}}))
        self.assertEqual(marker.read_text(), "done\n")

    def test_a_start_that_fails_says_why_and_leaves_no_session(self):
        before = self.listed()
        self.assert_refused(lambda: self.start(command("nosuchprogram")), "NOT_FOUND", "COMMAND_NOT_FOUND")
        self.assert_refused(lambda: self.start(command("/tmp")), "FAILED_PRECONDITION", "COMMAND_NOT_EXECUTABLE")
        self.assert_refused(lambda: self.start(command("true", cwd="/no/such")), "INVALID_ARGUMENT")
        self.assert_refused(lambda: self.start(command_pb2.Start()), "INVALID_ARGUMENT")
        self.assertEqual(self.listed(), before)

    def test_a_failed_start_does_not_use_its_request_id_up(self):
        path = self.node.directory / "later"
        start = with_request_id(command(str(path)), "failed-first")
        self.assert_refused(lambda: self.start(start), "NOT_FOUND", "COMMAND_NOT_FOUND")
        path.write_text("#!/bin/sh\nexit 4\n")
        path.chmod(0o755)
        answer = self.start_answer(start)
        self.assertFalse(answer.already_started)
        self.assertEqual(self.wait(answer.session.id).termination.exit_code, 4)


class Finding(SessionTest):
    def test_a_session_is_told_as_it_was_started(self):
        start = with_request_id(with_tags(shell("echo 'a b'; exit 3"), team="x", run="1/2"), "told")
        session = self.ended(start)
        self.assertEqual((dict(session.tags), session.request_id), ({"team": "x", "run": "1/2"}, "told"))
        self.assertIn("sh -c", session.command_line)
        self.assertEqual((session.state, session.end_position, session.kept_position), (ENDED, 4, 0))
        self.assertEqual((session.termination.exit_code, session.termination.cause), (3, session_pb2.CAUSE_EXITED))
        self.assertGreater(session.expire_time.ToNanoseconds(), session.termination.end_time.ToNanoseconds())
        self.assertEqual(self.get(session.id).termination, session.termination)

    def test_a_running_one_tells_how_far_it_is(self):
        session = self.start(shell("printf abc; sleep 1000"))
        got = wait_for(lambda: (now := self.get(session.id)).end_position == 3 and now, "it has written")
        self.assertEqual((got.state, got.driven), (RUNNING, False))
        self.assertFalse(got.HasField("termination") or got.HasField("expire_time"))

    def test_the_command_line_is_cut_off(self):
        session = self.ended(command("true", *["x" * 100] * 100))
        self.assertLessEqual(len(session.command_line.encode()), 1024 + len("…"))

    def test_those_of_exec_and_run_are_found_too(self):
        by_exec = Exec(self.calls, command("true")).follow().session.id
        by_run = self.calls.Run(shell_pb2.RunRequest(start=command("true")), timeout=support.DEADLINE).session.id
        self.assertLessEqual({by_exec, by_run}, set(self.listed()))
        self.assertEqual(self.get(by_exec).state, ENDED)

    def test_a_list_is_in_the_order_of_starts(self):
        ids = [self.start(with_tags(command("true"), order="x")).id for _ in range(10)]
        self.assertEqual(self.listed(tags={"order": "x"}), ids)

    def test_a_list_is_filtered_by_state_and_by_all_tags(self):
        over = [self.ended(with_tags(command("true"), kind="a", number=str(i))).id for i in range(3)]
        runs = self.start(with_tags(command("sleep", "1000"), kind="a", number="0")).id
        self.assertEqual(self.listed(tags={"kind": "a"}), [*over, runs])
        self.assertEqual(self.listed(tags={"kind": "a"}, state=ENDED), over)
        self.assertEqual(self.listed(tags={"kind": "a"}, state=RUNNING), [runs])
        self.assertEqual(self.listed(tags={"kind": "a", "number": "0"}), [over[0], runs])
        self.assertEqual(self.listed(tags={"kind": "b"}), [])
        self.assertEqual(self.listed(tags={"nosuch": ""}), [])

    def test_pages_join_to_the_whole(self):
        ids = [self.start(with_tags(command("true"), page="x")).id for _ in range(11)]
        for size in (1, 3, 10, 11, 12):
            self.assertEqual(self.listed(page_size=size, tags={"page": "x"}), ids)
        first = self.list(page_size=3, tags={"page": "x"})
        self.assertEqual([one.id for one in first.sessions], ids[:3])

    def test_pages_stay_right_while_sessions_come_and_go(self):
        ids = [self.ended(with_tags(command("true"), go="x")).id for _ in range(9)]
        first = self.list(page_size=3, tags={"go": "x"})
        for gone in (ids[1], ids[2], ids[4]):  # also the one that the token stands for
            self.delete(gone)
        ids.append(self.start(with_tags(command("true"), go="x")).id)
        rest = self.list(page_size=100, page_token=first.next_page_token, tags={"go": "x"})
        self.assertEqual([one.id for one in rest.sessions], [ids[3], *ids[5:]])

    def test_a_page_token_that_is_none_is_refused(self):
        for token in ("nonsense", "-1", "1x", "9" * 40, "\x01"):
            self.assert_refused(lambda token=token: self.list(page_token=token), "INVALID_ARGUMENT", field="page_token")

    def test_more_than_a_thousand_counts_as_a_thousand(self):
        self.start(command("true"))
        self.assertGreaterEqual(len(self.list(page_size=4_000_000_000).sessions), 1)

    def test_ids_that_are_none_are_not_found(self):
        node_epoch = self.node.epoch
        for name in ("x", "-", "0-0", f"{node_epoch}-99999999", f"{node_epoch}-", f"{node_epoch}-1-1", f"{node_epoch}-x",
                     f"{node_epoch}-99999999999999999999999", "é" * 1000, "\0", " " + node_epoch + "-1"):
            for call in (self.get, self.wait, self.end, self.delete, self.write, lambda one: self.signal(one, 15)):
                with self.subTest(id=name[:40], call=call):
                    self.assert_refused(lambda call=call, name=name: call(name), "NOT_FOUND")
            for kind in (support.Attach, StreamOutput):
                self.assert_refused(kind(self.calls, name).error(), "NOT_FOUND")

    def test_an_empty_id_is_refused(self):
        for call in (self.get, self.wait, self.end, self.delete, self.write, lambda one: self.signal(one, 15)):
            self.assert_refused(lambda call=call: call(""), "INVALID_ARGUMENT", field="session_id")


class Waiting(SessionTest):
    def test_a_wait_ends_with_the_session(self):
        session = self.start(shell("read line; exit 9", input=STREAM))
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            waits = [pool.submit(self.wait, session.id) for _ in range(3)]
            self.write(session.id, b"\n")
            for one in waits:
                self.assertEqual((one.result().state, one.result().termination.exit_code), (ENDED, 9))

    def test_a_wait_for_an_ended_one_returns_at_once(self):
        session = self.ended(shell("exit 5"))
        self.assertEqual(self.wait(session.id, timeout=0).termination.exit_code, 5)
        self.assertEqual(self.wait(session.id).termination.exit_code, 5)

    def test_a_bounded_wait_tells_how_it_is_then(self):
        session = self.start(command("sleep", "1000"))
        for timeout in (0, 0.05):
            got = self.wait(session.id, timeout=timeout)
            self.assertEqual((got.state, got.HasField("termination")), (RUNNING, False))

    def test_a_bound_that_is_no_duration_is_refused(self):
        session = self.start(command("sleep", "1000"))
        request = shell_pb2.WaitSessionRequest(session_id=session.id, timeout={"seconds": -1})
        self.assert_refused(lambda: self.calls.WaitSession(request, timeout=support.DEADLINE), "INVALID_ARGUMENT", field="timeout")

    def test_a_deadline_of_the_call_ends_the_wait_alone(self):
        session = self.start(command("sleep", "1000"))
        request = shell_pb2.WaitSessionRequest(session_id=session.id)
        self.assert_refused(lambda: self.calls.WaitSession(request, timeout=0.2), "DEADLINE_EXCEEDED")
        self.assertEqual(self.get(session.id).state, RUNNING)


class Ending(SessionTest):
    def test_an_end_by_the_ladder_says_who_did_it_and_the_record_stays(self):
        session = self.start(shell("echo ready; exec sleep 1000"))
        self.assertEqual(self.end(session.id).id, session.id)
        end = self.wait(session.id).termination
        self.assertEqual((end.cause, end.cancelled_by, end.signal.number),
                         (session_pb2.CAUSE_CANCELLED, f"uid:{os.getuid()}", signal.SIGTERM))
        self.assertEqual(StreamOutput(self.calls, session.id, position=0).follow().termination, end)

    def test_a_stubborn_one_is_killed_when_the_ladders_grace_has_passed(self):
        session = self.start(shell(STUBBORN, policies=QUICK_LADDER))
        StreamOutput(self.calls, session.id, position=0).await_output(b"ready\n").cancel()
        self.assertEqual(self.end(session.id).state, RUNNING)  # at once
        self.assertEqual(self.wait(session.id).termination.signal.number, signal.SIGKILL)

    def test_an_ended_one_stays_as_it_is(self):
        session = self.ended(shell("exit 3"))
        self.assertEqual(self.end(session.id).termination, session.termination)

    def test_an_end_is_not_held_up_by_output_that_nobody_takes(self):
        session = self.start(command("yes", policies={"overflow": BLOCK}))
        wait_for(lambda: self.get(session.id).end_position >= KEPT, "its log is full")
        self.end(session.id)
        self.assertEqual(self.wait(session.id).termination.cause, session_pb2.CAUSE_CANCELLED)

    def test_its_driver_hears_of_the_end(self):
        call = Exec(self.calls, shell("echo ready; exec sleep 1000"))
        call.await_output(b"ready\n")
        self.end(call.session.id)
        self.assertEqual(call.follow().termination.cause, session_pb2.CAUSE_CANCELLED)


class Deleting(SessionTest):
    def test_an_ended_one_is_forgotten_with_all_that_it_had(self):
        session = self.ended(with_request_id(with_tags(command("echo", "x"), deleted="x"), "deleted"))
        self.delete(session.id)
        self.assert_gone(session.id)
        self.assertEqual(self.listed(tags={"deleted": "x"}), [])
        for call in (self.wait, self.end, self.delete, self.write):
            self.assert_refused(lambda call=call: call(session.id), "NOT_FOUND", "SESSION_NOT_FOUND")
        self.assert_refused(StreamOutput(self.calls, session.id, position=0).error(), "NOT_FOUND", "SESSION_NOT_FOUND")
        again = self.start_answer(with_request_id(command("echo", "y"), "deleted"))
        self.assertFalse(again.already_started)

    def test_a_running_one_is_not_deleted(self):
        session = self.start(command("sleep", "1000"))
        self.assert_refused(lambda: self.delete(session.id), "FAILED_PRECONDITION", "SESSION_RUNNING")
        self.assertEqual(self.get(session.id).state, RUNNING)

    def test_by_force_a_running_one_is_gone_at_once_and_its_processes_soon(self):
        session = self.start(shell(STUBBORN, policies=QUICK_LADDER))
        self.delete(session.id, force=True)
        self.assert_gone(session.id)
        self.assertNotIn(session.id, self.listed())
        wait_for(lambda: not self.node.session_processes(), "its processes end")

    def test_by_force_one_whose_output_nobody_takes_is_gone_too(self):
        for policies in ({"overflow": BLOCK}, {}):
            session = self.start(command("yes", policies=policies))
            wait_for(lambda session=session: self.get(session.id).end_position >= KEPT, "its log is full")
            self.delete(session.id, force=True)
            wait_for(lambda: not self.node.session_processes(), "its processes end")

    def test_by_force_one_whose_output_is_held_for_its_lost_driver_is_gone_too(self):
        call = Exec(self.calls, command("yes", policies={"disconnect_grace": {"seconds": 600}}))
        call.await_event("output")
        session_id = call.session.id
        call.cancel()
        wait_for(lambda: not self.get(session_id).driven, "its driver is lost")
        self.delete(session_id, force=True)  # settling is checked after each test

    def test_the_driver_of_a_deleted_one_hears_its_end(self):
        call = Exec(self.calls, shell("echo ready; exec sleep 1000"))
        call.await_output(b"ready\n")
        self.delete(call.session.id, force=True)
        self.assertEqual(call.follow().termination.cause, session_pb2.CAUSE_CANCELLED)
        self.assert_gone(call.session.id)

    def test_a_wait_does_not_outlive_a_deleted_session(self):
        session = self.start(command("sleep", "1000"))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            wait = pool.submit(self.wait, session.id)
            self.delete(session.id, force=True)
            error = wait.exception()
            if error is None:
                self.assertEqual(wait.result().state, ENDED)
            else:
                self.assert_refused(error, "NOT_FOUND")


class Signals(SessionTest):
    def test_a_signal_reaches_the_command(self):
        session = self.start(command(support.TAKE_SIGNALS, "2"))
        output = StreamOutput(self.calls, session.id, position=0).await_output(b"ready\n")
        for number in (signal.SIGUSR1, signal.SIGHUP):
            self.signal(session.id, number)
            output.await_output(b"%d\n" % number)
        self.assertEqual(output.follow().termination.exit_code, 5)

    def test_no_signal_for_one_that_has_ended(self):
        session = self.ended(command("true"))
        self.assert_refused(lambda: self.signal(session.id, 15), "FAILED_PRECONDITION", "SESSION_ENDED")

    def test_a_number_that_is_none_is_refused(self):
        session = self.start(command("sleep", "1000"))
        for number in (0, 65, 4_000_000_000):
            self.assert_refused(lambda number=number: self.signal(session.id, number), "INVALID_ARGUMENT", field="signal.number")
        request = shell_pb2.SignalSessionRequest(session_id=session.id)
        self.assert_refused(lambda: self.calls.SignalSession(request, timeout=support.DEADLINE), "INVALID_ARGUMENT", field="signal")


class Input(SessionTest):
    def cat(self, **policies):
        return self.start(shell("cat; echo end", input=STREAM, policies=policies))

    def output(self, session_id):
        self.wait(session_id)
        return bytes(StreamOutput(self.calls, session_id, position=0).follow().stdout)

    def test_input_arrives_in_order_and_ends(self):
        session = self.cat()
        self.assertEqual(self.write(session.id, b"abc"), 3)
        self.assertEqual(self.write(session.id, b"def", offset=3), 6)
        self.assertEqual(self.write(session.id, eof=True), 6)
        self.assertEqual(self.output(session.id), b"abcdefend\n")

    def test_a_retry_with_an_offset_is_not_typed_twice(self):
        session = self.cat()
        for _ in range(3):
            self.assertEqual(self.write(session.id, b"abc", offset=0), 3)
        self.assertEqual(self.write(session.id, b"bcde", offset=1), 5)
        self.write(session.id, offset=5, eof=True)
        self.assertEqual(self.output(session.id), b"abcdeend\n")

    def test_a_repeated_end_is_no_mistake_while_the_command_runs(self):
        session = self.start(shell("cat; sleep 1000", input=STREAM))
        for _ in range(2):
            self.assertEqual(self.write(session.id, b"x", offset=0, eof=True), 1)

    def test_a_gap_is_refused(self):
        session = self.cat()
        self.assert_refused(lambda: self.write(session.id, b"x", offset=1), "INVALID_ARGUMENT", field="input.offset")
        self.assertEqual(self.write(session.id, b"x", offset=0), 1)

    def test_bytes_after_the_end_are_refused(self):
        session = self.start(shell("cat; sleep 1000", input=STREAM))
        self.write(session.id, b"abc", eof=True)
        self.assert_refused(lambda: self.write(session.id, b"d"), "INVALID_ARGUMENT")

    def test_a_command_without_input_takes_none(self):
        session = self.start(command("sleep", "1000"))
        self.assert_refused(lambda: self.write(session.id, b"x"), "INVALID_ARGUMENT", field="input")

    def test_an_ended_command_takes_no_more(self):
        session = self.ended(shell("exit 0", input=STREAM))
        self.assert_refused(lambda: self.write(session.id, b"x"), "FAILED_PRECONDITION", "SESSION_ENDED")

    def test_a_request_without_input_or_with_too_much_is_refused(self):
        session = self.cat()
        request = shell_pb2.WriteInputRequest(session_id=session.id)
        self.assert_refused(lambda: self.calls.WriteInput(request, timeout=support.DEADLINE), "INVALID_ARGUMENT", field="input")
        self.assert_refused(lambda: self.write(session.id, bytes((1 << 20) + 1)), "INVALID_ARGUMENT", field="input.data")

    def test_more_than_fits_is_taken_in_part_and_the_rest_by_another_call(self):
        size = 3 << 20
        session = self.start(shell("read go; wc -c", input=STREAM))
        data = b"\n" + bytes(size)
        offset = self.write(session.id, data[:1 << 20])
        while offset < len(data):
            reached = self.write(session.id, data[offset:offset + (1 << 20)], offset=offset)
            self.assertGreater(reached, offset)
            offset = reached
        self.write(session.id, offset=offset, eof=True)
        self.assertEqual(self.output(session.id), b"%d\n" % size)

    def test_a_write_waits_for_room(self):
        session = self.start(shell("read go < %s; wc -c" % self.fifo(), input=STREAM))
        offset = 0
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            while True:
                write = pool.submit(self.write, session.id, bytes(1 << 20), offset=offset)
                try:
                    offset = write.result(timeout=0.5)
                except concurrent.futures.TimeoutError:
                    break
            with open(self.fifo(), "w", encoding="ascii") as fifo:
                fifo.write("go\n")
            self.assertGreater(write.result(), offset)
            offset = write.result()
        self.write(session.id, eof=True)
        self.assertEqual(self.output(session.id), b"%d\n" % offset)

    def test_a_write_takes_the_input_over_and_who_wrote_before_is_told(self):
        call = Exec(self.calls, shell("cat; echo end", input=STREAM))
        call.send(input=shell_pb2.Input(data=b"a"))
        call.await_output(b"a")
        self.assertEqual(self.write(call.session.id, b"b", offset=1), 2)
        call.await_event("input_taken")
        call.send(input=shell_pb2.Input(offset=2, data=b"dropped"))
        self.write(call.session.id, b"c", offset=2, eof=True)
        self.assertEqual(bytes(call.follow().stdout), b"abcend\n")

    def fifo(self):
        path = self.node.directory / "fifo"
        if not path.exists():
            os.mkfifo(path)
            self.addCleanup(path.unlink)
        return path


class Reading(SessionTest):
    def test_the_output_of_an_ended_one_is_read_from_the_beginning(self):
        session = self.ended(shell("echo out; echo err >&2; exit 3"))
        for _ in range(2):
            got = StreamOutput(self.calls, session.id, position=0).follow()  # checked against its hashes
            self.assertEqual((bytes(got.stdout), bytes(got.stderr), got.termination), (b"out\n", b"err\n", session.termination))
            self.assertEqual((got.session.id, got.session.state), (session.id, ENDED))

    def test_from_any_position_the_rest_comes(self):
        session = self.ended(command("printf", "0123456789"))
        for position in range(11):
            got = StreamOutput(self.calls, session.id, position=position).follow()
            self.assertEqual((got.begin, bytes(got.stdout)), (position, b"0123456789"[position:]))

    def test_without_a_position_a_viewer_gets_what_comes(self):
        session = self.start(shell("echo before; read go; echo after", input=STREAM))
        wait_for(lambda: self.get(session.id).end_position == 7, "it has written")
        output = StreamOutput(self.calls, session.id)
        self.assertEqual(output.await_event("attached").next_position, 7)
        self.write(session.id, b"\n")
        self.assertEqual(bytes(output.follow().stdout), b"after\n")

    def test_beyond_the_output_there_is_nothing_to_read(self):
        session = self.ended(command("echo", "x"))
        self.assert_refused(StreamOutput(self.calls, session.id, position=3).error(), "OUT_OF_RANGE")
        self.assert_refused(StreamOutput(self.calls, session.id, position=2**64 - 1).error(), "OUT_OF_RANGE")

    def test_output_is_read_while_it_comes(self):
        session = self.start(shell("echo one; read go; echo two", input=STREAM))
        output = StreamOutput(self.calls, session.id, position=0).await_output(b"one\n")
        self.write(session.id, b"\n")
        self.assertEqual(bytes(output.follow().stdout), b"one\ntwo\n")

    def test_one_that_drives_gets_all_of_what_waits_for_it(self):
        session = self.start(shell(count(400_000), policies={"overflow": BLOCK}))
        got = StreamOutput(self.calls, session.id, position=0, drive=True).follow()
        self.assertEqual(bytes(got.stdout), counted(400_000))

    def test_many_read_the_same_output(self):
        session = self.ended(shell(count(30_000)))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            outputs = list(pool.map(lambda _: StreamOutput(self.calls, session.id, position=0).follow().stdout, range(64)))
        self.assertEqual({bytes(one) for one in outputs}, {counted(30_000)})


class Overflow(SessionTest):
    LINES = 200_000

    def test_the_newest_output_is_kept_and_what_is_older_refused_with_the_oldest_position(self):
        everything = counted(self.LINES)
        session = self.ended(shell(count(self.LINES)))
        self.assertEqual(session.end_position, len(everything))
        self.assertEqual(session.kept_position, len(everything) - KEPT)
        for position in (0, 1, session.kept_position - 1):
            for kind in (StreamOutput, support.Attach):
                info = self.assert_refused(kind(self.calls, session.id, position=position).error(), "OUT_OF_RANGE",
                                           "POSITION_NOT_KEPT")
                self.assertEqual(int(info.metadata["oldest_position"]), session.kept_position)
        got = StreamOutput(self.calls, session.id, position=session.kept_position).follow()
        self.assertEqual(bytes(got.stdout), everything[-KEPT:])
        self.assertTrue(got.termination.output_complete)

    def test_as_much_as_asked_for_is_kept(self):
        session = self.ended(shell(count(self.LINES), policies={"retention_bytes": 1 << 20}))
        self.assertEqual(session.end_position - session.kept_position, 1 << 20)
        got = StreamOutput(self.calls, session.id, position=session.kept_position).follow()
        self.assertEqual(bytes(got.stdout), counted(self.LINES)[-(1 << 20):])

    def test_a_driver_without_a_position_begins_with_the_oldest_that_is_kept(self):
        session = self.ended(shell(count(self.LINES)))
        got = support.Attach(self.calls, session.id, drive=True).follow()
        self.assertEqual((got.begin, bytes(got.stdout)), (session.kept_position, counted(self.LINES)[-KEPT:]))

    def test_a_command_that_is_to_wait_waits_for_a_driver_and_loses_nothing(self):
        session = self.start(shell(count(self.LINES), policies={"overflow": BLOCK}))
        wait_for(lambda: self.get(session.id).end_position == KEPT, "its log is full")
        support.await_standstill([self.node.pid, *self.node.session_processes()])
        got = self.get(session.id)
        self.assertEqual((got.state, got.end_position, got.kept_position), (RUNNING, KEPT, 0))
        viewer = support.Attach(self.calls, session.id, position=0).await_position(KEPT)  # does not set it going
        self.assertEqual(self.get(session.id).end_position, KEPT)
        got = support.Attach(self.calls, session.id, drive=True).follow()
        self.assertEqual(bytes(got.stdout), counted(self.LINES))
        viewer.follow()

    def test_one_that_goes_on_without_its_driver_goes_on_to_its_end(self):
        policies = {"on_disconnect": command_pb2.ON_DISCONNECT_KEEP, "disconnect_grace": {"nanos": 100_000_000}}
        call = Exec(self.calls, shell(count(self.LINES), policies=policies))
        call.await_event("output")
        call.cancel()
        session = self.wait(call.session.id)
        self.assertEqual((session.termination.exit_code, session.end_position), (0, 8 * self.LINES))


class RequestIds(SessionTest):
    def test_the_same_start_twice_is_one_session(self):
        tokens = self.node.directory / "twice"
        start = with_request_id(shell(f"echo x >> {tokens}; sleep 1000"), "twice")
        first, second = self.start_answer(start), self.start_answer(start)
        self.assertEqual((first.already_started, second.already_started), (False, True))
        self.assertEqual(first.session.id, second.session.id)
        wait_for(tokens.exists, "it runs")
        self.end(first.session.id)
        self.wait(first.session.id)
        self.assertTrue(self.start_answer(start).already_started)  # also once it is over
        self.assertEqual(tokens.read_text(), "x\n")

    def test_many_at_once_are_one_session(self):
        tokens = self.node.directory / "many"
        start = with_request_id(shell(f"echo x >> {tokens}"), "many")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: self.start_answer(start), range(64)))
        self.assertEqual(len({one.session.id for one in answers}), 1)
        self.assertEqual([one.already_started for one in answers].count(False), 1)
        self.wait(answers[0].session.id)
        self.assertEqual(tokens.read_text(), "x\n")

    def test_an_exec_of_a_session_that_exists_attaches_as_its_driver(self):
        start = with_request_id(shell("echo one; read go; echo two", input=STREAM), "exec")
        first = Exec(self.calls, start)
        first.await_output(b"one\n")
        second = Exec(self.stub(), start)
        self.assertEqual(second.await_event("attached").session.id, first.session.id)
        first.await_event("input_taken")
        second.send(input=shell_pb2.Input(offset=0, data=b"\n"))
        self.assertTrue(second.follow().stdout.endswith(b"two\n"))
        first.follow()

    def test_a_retried_exec_of_an_ended_session_gets_its_whole_output_and_its_end(self):
        start = with_request_id(shell("echo one; echo two >&2; exit 7"), "over")
        start.will_ack = True
        first = Exec(self.calls, start).follow()
        second = Exec(self.calls, start).follow()
        self.assertEqual((second.session.id, second.begin), (first.session.id, 0))
        self.assertEqual((bytes(second.stdout), second.termination), (b"one\n", first.termination))

    def test_another_command_or_policy_under_the_same_id_is_refused(self):
        def start(word="x", tags=None, **fields):
            return with_tags(with_request_id(command("echo", word, **fields), "reused"), **(tags or {}))

        self.start(start())
        for other in (start("y"), start(cwd="/tmp"), start(env={"A": "1"}), start(tags={"a": "1"}),
                      start(policies={"disconnect_grace": {"seconds": 7}}), start(timeout={"seconds": 9})):
            self.assert_refused(lambda other=other: self.start(other), "ALREADY_EXISTS", "REQUEST_ID_REUSED")
            self.assert_refused(Exec(self.calls, other).error(), "ALREADY_EXISTS", "REQUEST_ID_REUSED")
        self.assertTrue(self.start_answer(start()).already_started)

    def test_an_id_that_breaks_the_rules_is_refused(self):
        for bad in ("x" * 129, "a b", "a\nb", "ä", "a\x7f", "\0"):
            self.assert_refused(lambda bad=bad: self.start(with_request_id(command("true"), bad)), "INVALID_ARGUMENT",
                                field="request_id")
        self.start(with_request_id(command("true"), "~" * 128))

    def test_tags_that_break_the_rules_are_refused(self):
        for bad in ({"": "x"}, {"a b": "x"}, {"x" * 64: ""}, {"ä": ""}, {"a": "x" * 256}, {"a:b": ""},
                    {str(i): "" for i in range(33)}):
            self.assert_refused(lambda bad=bad: self.start(with_tags(command("true"), **bad)), "INVALID_ARGUMENT", field="tags")
        good = {"x" * 63: "ä" * 127, "A-z_0.9/x": "", **{str(i): "" for i in range(30)}}
        self.assertEqual(dict(self.start(with_tags(command("true"), **good)).tags), good)


class Retention(SessionTest):
    def test_an_ended_session_is_kept_ten_minutes_by_default(self):
        session = self.ended(command("true"))
        kept = session.expire_time.ToNanoseconds() - session.termination.end_time.ToNanoseconds()
        self.assertAlmostEqual(kept / 1e9, 600, delta=5)

    def test_as_long_as_asked_for_and_no_longer(self):
        session = self.start(with_request_id(with_tags(command("echo", "x", policies={"retention": {"nanos": 300_000_000}}),
                                                       short="x"), "short"))
        self.await_gone(session.id)
        self.assertEqual(self.listed(tags={"short": "x"}), [])
        self.assert_refused(StreamOutput(self.calls, session.id, position=0).error(), "NOT_FOUND", "SESSION_NOT_FOUND")
        self.assertFalse(self.start_answer(with_request_id(command("true"), "short")).already_started)

    def test_none_at_all_forgets_what_nobody_follows_at_once(self):
        session = self.start(command("true", policies={"retention": {}}))
        self.await_gone(session.id)

    SHORT_GRACE = {"retention": {}, "disconnect_grace": {"nanos": 300_000_000}}

    def test_none_at_all_forgets_what_was_driven_after_its_grace(self):
        call = Exec(self.calls, command("echo", "x", policies=self.SHORT_GRACE)).follow()
        self.await_gone(call.session.id)

    def test_none_at_all_lets_a_lost_driver_hear_the_end_within_its_grace(self):
        policies = {"retention": {}, "disconnect_grace": {"seconds": 600}}
        call = Exec(self.calls, shell("echo one; read go; echo two", input=STREAM, policies=policies))
        call.await_output(b"one\n")
        call.cancel()
        session_id = call.session.id
        self.write(session_id, b"\n")
        self.await_state(session_id, ENDED)
        again = support.Attach(self.calls, session_id, drive=True, position=4).follow()
        self.assertEqual((bytes(again.stdout), again.termination.exit_code), (b"two\n", 0))

    def test_who_reads_while_it_expires_reads_to_the_end(self):
        session = self.ended(shell(count(30_000), policies={"retention": {"nanos": 500_000_000}}))
        output = StreamOutput(self.calls, session.id, position=0)
        output.await_event("attached")
        self.await_gone(session.id)
        self.assertEqual(bytes(output.follow().stdout), counted(30_000))

    def test_thousands_of_ended_sessions_take_no_descriptors_and_are_all_readable(self):
        number = support.scaled(1500, 20_000)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            ids = list(pool.map(lambda i: self.start(with_tags(command("echo", str(i)), many="x")).id, range(number)))
        wait_for(lambda: self.node.census()["nacred fds"] == self.node.baseline["nacred fds"], "the keeper holds no more")
        self.assertEqual(sorted(self.listed(page_size=1000, tags={"many": "x"})), sorted(ids))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            texts = list(pool.map(lambda one: bytes(StreamOutput(self.calls, one, position=0).follow().stdout), ids))
            list(pool.map(self.delete, ids))
        self.assertEqual(texts, [b"%d\n" % i for i in range(number)])


class Epochs(unittest.TestCase):
    def test_sessions_of_before_a_restart_are_not_found_and_the_error_says_why(self):
        with Node() as first, first.stub() as stub:
            runs = Exec(stub, shell("echo ready; exec sleep 1000"))
            runs.await_output(b"ready\n")
            over = Exec(stub, command("true")).follow().session.id
            first.process.kill()
            first.process.wait()
            with Node(directory=first.directory) as second, second.stub() as stub:
                for one in (runs.session.id, over):
                    error = StreamOutput(stub, one, position=0).error()
                    self.assertEqual(error.code(), support.grpc.StatusCode.NOT_FOUND)
                    self.assertEqual(support.details(error)["ErrorInfo"].reason, "NODE_RESTARTED")
                self.assertEqual(len(stub.ListSessions(shell_pb2.ListSessionsRequest(), timeout=30).sessions), 0)


class Identities(unittest.TestCase):
    """Callers over loopback are all one stranger to the daemon's user."""

    def test_anothers_sessions_are_neither_found_nor_listed_nor_touched(self):
        directory = support.tempfile.mkdtemp(prefix="nacre-e2e.")
        self.addCleanup(support.shutil.rmtree, directory, ignore_errors=True)
        listen = [f"unix:{directory}/s", "127.0.0.1:0"]
        with Node("--insecure-loopback", listen=listen, directory=directory) as node:
            address = wait_for(lambda: [one for one in node.log().split() if one.startswith("127.0.0.1:")], "it listens")[0]
            with node.stub() as owner, node.stub(address) as stranger:
                self._check(owner, stranger)

    def _check(self, owner, stranger):
        mine = owner.StartSession(shell_pb2.StartSessionRequest(start=with_request_id(command("sleep", "1000"), "same")),
                                  timeout=30).session.id
        theirs = stranger.StartSession(shell_pb2.StartSessionRequest(start=with_request_id(command("true"), "same")),
                                       timeout=30)
        self.assertFalse(theirs.already_started)  # a request_id is of its caller
        listed = stranger.ListSessions(shell_pb2.ListSessionsRequest(), timeout=30).sessions
        self.assertEqual([one.id for one in listed], [theirs.session.id])
        for method, request in (
                ("GetSession", shell_pb2.GetSessionRequest(session_id=mine)),
                ("WaitSession", shell_pb2.WaitSessionRequest(session_id=mine)),
                ("EndSession", shell_pb2.EndSessionRequest(session_id=mine)),
                ("DeleteSession", shell_pb2.DeleteSessionRequest(session_id=mine, force=True)),
                ("SignalSession", shell_pb2.SignalSessionRequest(session_id=mine, signal={"number": 9})),
                ("WriteInput", shell_pb2.WriteInputRequest(session_id=mine, input={"data": b"x"}))):
            with self.subTest(method=method), self.assertRaises(support.grpc.RpcError) as caught:
                getattr(stranger, method)(request, timeout=30)
            self.assertEqual(caught.exception.code(), support.grpc.StatusCode.NOT_FOUND)
        for error in (support.Attach(stranger, mine, drive=True).error(), StreamOutput(stranger, mine).error()):
            self.assertEqual(error.code(), support.grpc.StatusCode.NOT_FOUND)
        # The daemon's own user sees all.
        self.assertEqual({one.id for one in owner.ListSessions(shell_pb2.ListSessionsRequest(), timeout=30).sessions},
                         {mine, theirs.session.id})
        self.assertEqual(owner.GetSession(shell_pb2.GetSessionRequest(session_id=mine), timeout=30).session.state, RUNNING)


if __name__ == "__main__":
    unittest.main()
