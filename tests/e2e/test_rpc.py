"""The gRPC surface as a generated client sees it: Run, Exec, policies, and how a session ends."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

import grpc

import support
from support import (DEADLINE, Exec, NodeTest, command, command_pb2, session_pb2, shell, shell_pb2, wait_for)

STREAM = command_pb2.INPUT_MODE_STREAM
STUBBORN = 'trap "" TERM; echo ready; sleep 1000'
QUICK_LADDER = {"kill_ladder": command_pb2.KillLadder(grace={"nanos": 100_000_000})}


def run(stub, start, **fields):
    return stub.Run(shell_pb2.RunRequest(start=start, **fields), timeout=DEADLINE)


def summaries(termination):
    return {one.stream: one.bytes for one in termination.streams}


class Run(NodeTest):
    def test_a_generated_client_runs_uname(self):
        got = run(self.stub(), command("uname", "-a"))
        self.assertEqual(got.stdout.decode().split()[:2], ["Linux", os.uname().nodename])
        self.assertEqual(got.stdout, subprocess.check_output(["uname", "-a"]))
        self.assertEqual((got.stderr, got.truncated, got.termination.exit_code), (b"", False, 0))

    def test_the_termination_tells_everything(self):
        end = run(self.stub(), shell("echo out; echo error >&2; exit 3")).termination
        self.assertEqual(end.WhichOneof("result"), "exit_code")
        self.assertEqual((end.exit_code, end.cause), (3, session_pb2.CAUSE_EXITED))
        self.assertEqual(summaries(end), {session_pb2.OUTPUT_STREAM_STDOUT: 4, session_pb2.OUTPUT_STREAM_STDERR: 6})
        self.assertTrue(all(len(one.xxh3_128) == 16 for one in end.streams))
        self.assertTrue(end.output_complete)
        self.assertFalse(end.output_held_open)
        self.assertGreater(end.usage.max_rss_bytes, 0)
        self.assertGreaterEqual(end.end_time.ToNanoseconds(), end.start_time.ToNanoseconds())
        self.assertGreater(end.run_time.ToNanoseconds(), 0)

    def test_the_hash_of_no_output_is_that_of_no_bytes_and_equal_output_has_equal_hashes(self):
        stub = self.stub()
        none = run(stub, command("true")).termination.streams[0].xxh3_128
        self.assertEqual(none.hex(), "99aa06d3014798d86001c324468d497f")
        one, two = (run(stub, command("echo", word)).termination.streams[0].xxh3_128 for word in ("x", "x"))
        self.assertEqual(one, two)
        self.assertNotEqual(one, none)

    def test_the_session_has_an_id_an_owner_and_a_start(self):
        got = run(self.stub(), shell("echo $NACRE_SESSION_ID"))
        self.assertEqual(got.stdout.decode().strip(), got.session.id)
        self.assertEqual(got.session.owner, f"uid:{os.getuid()}")
        self.assertGreater(got.session.start_time.seconds, 1_600_000_000)

    def test_output_beyond_the_bound_is_left_out_and_said(self):
        stub = self.stub()
        for bound in (1, 10, 100_000):
            got = run(stub, command("head", "-c", "100001", "/dev/zero"), max_output_bytes=bound)
            self.assertEqual((len(got.stdout), got.truncated), (bound, True))
            self.assertEqual(summaries(got.termination)[session_pb2.OUTPUT_STREAM_STDOUT], 100_001)
        exact = run(stub, command("head", "-c", "100001", "/dev/zero"), max_output_bytes=100_001)
        self.assertEqual((len(exact.stdout), exact.truncated), (100_001, False))

    def test_the_default_bound_is_a_mebibyte_and_the_largest_fits_a_default_client(self):
        stub = self.stub()
        got = run(stub, command("head", "-c", "2000000", "/dev/zero"))
        self.assertEqual((len(got.stdout), got.truncated), (1 << 20, True))
        got = run(stub, command("head", "-c", "4000000", "/dev/zero"), max_output_bytes=3 << 20)
        self.assertEqual((len(got.stdout), got.truncated), (3 << 20, True))

    def test_death_by_signal_is_told_apart_from_a_status(self):
        end = run(self.stub(), shell("kill -9 $$")).termination
        self.assertEqual((end.WhichOneof("result"), end.signal.number, end.signal.name), ("signal", 9, "SIGKILL"))
        self.assertEqual(end.cause, session_pb2.CAUSE_SIGNALED)

    def test_a_deadline_of_the_call_ends_the_call(self):
        start = command("sleep", "1000", policies={"on_disconnect": command_pb2.ON_DISCONNECT_KILL})
        with self.assertRaises(grpc.RpcError) as caught:
            self.stub().Run(shell_pb2.RunRequest(start=start), timeout=0.3)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_a_shell_line_runs_by_sh_or_by_the_users_own_shell(self):
        for login, want in ((False, "/bin/sh"), (True, None)):
            start = command_pb2.Start(command=command_pb2.Command(
                shell_line=command_pb2.ShellLine(line="echo $0 $SHELL | cat", login_shell=login)))
            program, own = run(self.stub(), start).stdout.decode().split()
            self.assertEqual(program, want or own)

    def test_the_health_service_says_serving(self):
        with support.channel(self.node.target) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            self.assertEqual(check(b"", timeout=DEADLINE), b"\x08\x01")


class Streaming(NodeTest):
    def test_output_comes_while_the_command_runs(self):
        call = Exec(self.stub(), shell("echo one; read go; echo two", input=STREAM))
        call.await_output(b"one\n")
        call.send(input=shell_pb2.Input(data=b"\n"))
        call.follow()
        self.assertEqual(call.stdout, b"one\ntwo\n")

    def test_positions_number_the_bytes_of_both_streams_together(self):
        got = self.exec(shell("head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait"))
        self.assertEqual(got.position, 5_000_000)  # contiguity is checked for each event
        self.assertEqual(summaries(got.termination), {session_pb2.OUTPUT_STREAM_STDOUT: 3_000_000,
                                                      session_pb2.OUTPUT_STREAM_STDERR: 2_000_000})

    def test_a_short_command_takes_few_messages(self):
        self.assertLessEqual(self.exec(command("echo", "x")).messages, 3)

    def test_a_silent_command_is_announced_at_once(self):
        call = Exec(self.stub(), command("cat", input=STREAM))
        self.assertGreater(call.await_event("started").input_window, 0)
        call.half_close()
        call.follow()

    def test_input_is_acknowledged_to_its_last_byte(self):
        call = Exec(self.stub(), command("cat", input=STREAM))
        for _ in range(40):
            call.send(input=shell_pb2.Input(data=b"x" * 25_000))
        call.send(input=shell_pb2.Input(eof=True))
        call.follow()
        self.assertEqual(len(call.stdout), 1_000_000)
        self.assertEqual(call.input_acks[-1], 1_000_000)

    def test_input_in_messages_larger_than_its_ring_never_stalls(self):
        stub, size = self.stub(), 1 << 20
        for _ in range(10):
            calls = [Exec(stub, command("wc", "-c", input=STREAM, policies=QUICK_LADDER)) for _ in range(4)]
            for call in calls:
                call.send(input=shell_pb2.Input(data=bytes(size), eof=True))
            self.assertEqual([int(call.follow().stdout) for call in calls], [size] * 4)

    def test_repeated_input_is_skipped_by_its_offset(self):
        call = Exec(self.stub(), command("cat", input=STREAM))
        for offset, data, eof in ((0, b"abc", False), (0, b"abcdef", False), (2, b"cd", False), (6, b"gh", True)):
            call.send(input=shell_pb2.Input(offset=offset, data=data, eof=eof))
        self.assertEqual(call.follow().stdout, b"abcdefgh")

    def test_input_beyond_the_expected_offset_is_refused(self):
        call = Exec(self.stub(), command("cat", input=STREAM))
        call.send(input=shell_pb2.Input(offset=1, data=b"x"))
        self.assertEqual(call.error().code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_input_after_its_end_is_refused(self):
        call = Exec(self.stub(), command("sleep", "1000", input=STREAM))
        call.send(input=shell_pb2.Input(data=b"x", eof=True))
        call.send(input=shell_pb2.Input(data=b"y"))
        self.assertEqual(call.error().code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_a_half_close_closes_standard_input_and_the_output_goes_on(self):
        call = Exec(self.stub(), shell("cat; echo end", input=STREAM))
        call.send(input=shell_pb2.Input(data=b"data\n"))
        call.half_close()
        self.assertEqual(call.follow().stdout, b"data\nend\n")

    def test_a_half_close_at_once_is_an_empty_input(self):
        call = Exec(self.stub(), shell("cat; echo end", input=STREAM))
        call.half_close()
        self.assertEqual(call.follow().stdout, b"end\n")

    def test_without_input_the_command_reads_end_of_file(self):
        self.assertEqual(self.exec(shell("cat; echo end")).stdout, b"end\n")

    def test_unacknowledged_output_holds_the_command_and_an_ack_lets_it_go_on(self):
        size, ring, acked = 8 << 20, 512 << 10, 6
        call = Exec(self.stub(), shell(f"echo first; read go; head -c {size} /dev/zero", input=STREAM))
        call.await_output(b"first\n")
        call.send(ack=shell_pb2.Ack(position=acked))
        call.send(input=shell_pb2.Input(data=b"\n"))
        while call.termination is None:
            call.await_event("output")
            self.assertLessEqual(call.position, acked + ring)
            if call.position in (acked + ring, size + 6):
                acked = call.position
                call.send(ack=shell_pb2.Ack(position=acked))
                if acked == size + 6:
                    call.follow()
        self.assertEqual(len(call.stdout), size + 6)

    def test_an_ack_beyond_what_was_sent_is_refused(self):
        call = Exec(self.stub(), command("sleep", "1000"))
        call.await_event("started")
        call.send(ack=shell_pb2.Ack(position=1))
        self.assertEqual(call.error().code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_many_streams_share_a_connection_and_a_stuck_one_stops_only_itself(self):
        stub = self.stub()
        stuck = Exec(stub, command("yes", policies={"on_disconnect": command_pb2.ON_DISCONNECT_KILL}))
        stuck.await_event("output")
        for i in range(50):
            self.assertEqual(Exec(stub, command("echo", str(i))).follow().stdout, b"%d\n" % i)
        stuck.cancel()

    def test_a_program_is_looked_up_in_the_commands_own_path(self):
        bin_dir = self.node.directory / "bin"
        bin_dir.mkdir()
        (bin_dir / "own-program").write_text("#!/bin/sh\necho found $0\n")
        (bin_dir / "own-program").chmod(0o755)
        got = self.exec(command("own-program", env={"PATH": f"/nosuch:{bin_dir}"}))
        self.assertEqual(got.stdout, f"found {bin_dir}/own-program\n".encode())


class Ending(NodeTest):
    def ended(self, call, cause, number=None):
        end = call.follow().termination
        self.assertEqual(session_pb2.Cause.Name(end.cause), session_pb2.Cause.Name(cause))
        if number is not None:
            self.assertEqual(end.signal.number, number)
        return end

    def test_cancel_ends_the_command_and_says_who_did_it(self):
        call = Exec(self.stub(), shell("echo ready; exec sleep 1000"))
        call.await_output(b"ready\n")
        call.send(cancel=shell_pb2.Cancel())
        end = self.ended(call, session_pb2.CAUSE_CANCELLED, signal.SIGTERM)
        self.assertEqual(end.cancelled_by, f"uid:{os.getuid()}")
        self.assertEqual(end.signal.name, "SIGTERM")

    def test_cancel_right_behind_the_start_is_no_accident(self):
        for _ in range(20):
            call = Exec(self.stub(), command("sleep", "1000"))
            call.send(cancel=shell_pb2.Cancel())
            self.ended(call, session_pb2.CAUSE_CANCELLED)

    def test_a_cancelled_command_may_still_speak_and_choose_its_status(self):
        call = Exec(self.stub(), command(support.TAKE_SIGNALS, "1"))
        call.await_output(b"ready\n")
        call.send(cancel=shell_pb2.Cancel())
        end = self.ended(call, session_pb2.CAUSE_CANCELLED)
        self.assertEqual((end.exit_code, bytes(call.stdout)), (5, b"ready\n15\n"))

    def test_a_stubborn_command_is_killed_when_the_ladders_grace_has_passed(self):
        call = Exec(self.stub(), shell(STUBBORN, policies=QUICK_LADDER))
        call.await_output(b"ready\n")
        call.send(cancel=shell_pb2.Cancel())
        self.ended(call, session_pb2.CAUSE_CANCELLED, signal.SIGKILL)

    def test_the_ladders_signals_are_the_callers_choice(self):
        ladder = command_pb2.KillLadder(first_signal=signal.SIGUSR1, last_signal=signal.SIGALRM,
                                        grace={"nanos": 100_000_000})
        call = Exec(self.stub(), command(support.TAKE_SIGNALS, policies={"kill_ladder": ladder}))
        call.await_output(b"ready\n")
        call.send(cancel=shell_pb2.Cancel())
        self.ended(call, session_pb2.CAUSE_CANCELLED, signal.SIGALRM)
        self.assertEqual(call.stdout, b"ready\n%d\n" % signal.SIGUSR1)

    def test_a_ladder_without_grace_kills_at_once(self):
        ladder = command_pb2.KillLadder(grace={})
        call = Exec(self.stub(), shell(STUBBORN, policies={"kill_ladder": ladder}))
        call.await_output(b"ready\n")
        call.send(cancel=shell_pb2.Cancel())
        self.ended(call, session_pb2.CAUSE_CANCELLED, signal.SIGKILL)

    def test_a_stopped_command_can_be_ended(self):
        call = Exec(self.stub(), shell("echo ready; kill -STOP $$"))
        call.await_output(b"ready\n")
        call.send(cancel=shell_pb2.Cancel())
        self.ended(call, session_pb2.CAUSE_CANCELLED, signal.SIGTERM)

    def test_the_timeout_is_the_commands_and_its_children_go_too(self):
        call = Exec(self.stub(), shell(STUBBORN, timeout={"nanos": 300_000_000}, policies=QUICK_LADDER))
        self.ended(call, session_pb2.CAUSE_TIMED_OUT, signal.SIGKILL)
        wait_for(lambda: not self.node.session_processes(), "nothing is left")

    def test_the_smallest_timeout_is_one(self):
        self.ended(Exec(self.stub(), command("sleep", "1000", timeout={"nanos": 1_000_000})),
                   session_pb2.CAUSE_TIMED_OUT)

    def test_signals_reach_the_process_group_in_order(self):
        call = Exec(self.stub(), command(support.TAKE_SIGNALS, "3"))
        call.await_output(b"ready\n")
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
            call.send(signal=shell_pb2.Signal(number=number))
            call.await_output(b"%d\n" % number)
        end = self.ended(call, session_pb2.CAUSE_EXITED)
        self.assertEqual(end.exit_code, 5)

    def test_a_signal_that_kills_is_its_cause(self):
        for number in (signal.SIGKILL, signal.SIGUSR2, 34, 64):
            call = Exec(self.stub(), command("sleep", "1000"))
            call.await_event("started")
            call.send(signal=shell_pb2.Signal(number=number))
            self.ended(call, session_pb2.CAUSE_SIGNALED, number)

    def test_a_signal_is_not_held_up_by_output_that_nobody_takes(self):
        call = Exec(self.stub(), command("yes"))
        call.await_event("output")
        call.send(signal=shell_pb2.Signal(number=signal.SIGKILL))
        self.ended(call, session_pb2.CAUSE_SIGNALED, signal.SIGKILL)

    def test_output_held_open_by_a_child_is_waited_for_briefly_and_said(self):
        call = Exec(self.stub(), shell("sleep 1000 & echo $!; exit 3"))
        end = call.follow().termination
        os.kill(int(call.stdout), signal.SIGKILL)
        self.assertEqual((end.exit_code, end.cause), (3, session_pb2.CAUSE_EXITED))
        self.assertTrue(end.output_held_open)
        self.assertFalse(end.output_complete)
        self.assertLess(end.run_time.ToNanoseconds(), 10e9)
        self.assertGreaterEqual(end.run_time.ToNanoseconds(), 0.9e9)

    def test_what_a_child_writes_within_the_brief_wait_still_comes(self):
        got = self.exec(shell("(sleep 0.2; echo late) & echo early"))
        self.assertEqual(got.stdout, b"early\nlate\n")
        self.assertTrue(got.termination.output_complete)

    def test_wait_for_eof_takes_all_that_children_write(self):
        policies = {"on_leader_exit": command_pb2.ON_LEADER_EXIT_WAIT_FOR_EOF}
        got = self.exec(shell("(sleep 1.5; echo late) & echo early", policies=policies))
        self.assertEqual(got.stdout, b"early\nlate\n")
        self.assertTrue(got.termination.output_complete)
        self.assertFalse(got.termination.output_held_open)

    def test_wait_for_eof_can_be_cancelled(self):
        policies = {"on_leader_exit": command_pb2.ON_LEADER_EXIT_WAIT_FOR_EOF, **QUICK_LADDER}
        call = Exec(self.stub(), shell('trap "" TERM; sleep 1000 & echo early', policies=policies))
        call.await_output(b"early\n")
        call.send(cancel=shell_pb2.Cancel())
        self.ended(call, session_pb2.CAUSE_CANCELLED)

    def test_the_timeout_holds_while_children_hold_the_output(self):
        policies = {"on_leader_exit": command_pb2.ON_LEADER_EXIT_WAIT_FOR_EOF, **QUICK_LADDER}
        call = Exec(self.stub(), shell("sleep 1000 & exit 0", timeout={"seconds": 1}, policies=policies))
        self.ended(call, session_pb2.CAUSE_TIMED_OUT)

    def test_the_timeout_holds_while_children_write_without_end(self):
        line = "for i in 1 2 3; do cat /dev/zero & done; exit 0"
        call = Exec(self.stub(), shell(line, timeout={"seconds": 1}, policies=QUICK_LADDER))
        self.ended(call, session_pb2.CAUSE_TIMED_OUT)

    def test_a_leader_that_a_tracer_keeps_stops_nobody_else(self):
        tracer = pathlib.Path(__file__).parents[1] / "programs" / "traced_zombie.py"
        call = Exec(self.stub(), command("/usr/bin/python3", str(tracer), timeout={"seconds": 60}))
        call.await_output(b"traced\n")
        answer = self.stub().Run(shell_pb2.RunRequest(start=command("echo", "works")), timeout=DEADLINE)
        self.assertEqual(answer.stdout, b"works\n")
        call.send(cancel=shell_pb2.Cancel())
        os.kill(int(call.stdout.split()[0]), signal.SIGKILL)
        call.follow()

    def test_a_child_that_leaves_the_output_alone_delays_nothing(self):
        call = Exec(self.stub(), shell("sleep 1000 >/dev/null 2>&1 & echo $!"))
        end = call.follow().termination
        os.kill(int(call.stdout), signal.SIGKILL)
        self.assertTrue(end.output_complete)
        self.assertFalse(end.output_held_open)


# Starts a stubborn command by Exec, says so, and then does nothing.
CLIENT = """
import sys, time
import support
from support import *
stub = shell_pb2_grpc.ShellServiceStub(grpc.insecure_channel(sys.argv[1]))
call = Exec(stub, command_pb2.Start.FromString(bytes.fromhex(sys.argv[2])), timeout=None)
call.await_output(b"ready\\n")
print("ready", flush=True)
for _ in call.call: pass
"""


class Disconnect(NodeTest):
    """What becomes of a command whose client vanishes."""

    POLICIES = {
        "kill": {"on_disconnect": command_pb2.ON_DISCONNECT_KILL, **QUICK_LADDER},
        "grace": {"disconnect_grace": {"nanos": 200_000_000}, **QUICK_LADDER},
        "no grace": {"disconnect_grace": {}, **QUICK_LADDER},
    }

    def ends(self):
        def written():
            return [line for line in self.node.audit() if line["event"] == "end"]

        for name, policies in self.POLICIES.items():
            with self.subTest(policy=name):
                before = len(written())
                yield policies
                wait_for(lambda: not self.node.session_processes(), "nothing is left")
                # A zombie has no environment: its end may be written a moment later.
                wait_for(lambda: len(written()) > before, "its end is in the audit")
                last = written()[-1]
                self.assertEqual((last["cause"], last["signal"]), ("DISCONNECTED", 9))

    def test_a_cancelled_call(self):
        for policies in self.ends():
            call = Exec(self.stub(), shell(STUBBORN, policies=policies))
            call.await_output(b"ready\n")
            call.cancel()

    def test_a_closed_channel(self):
        for policies in self.ends():
            with self.node.stub() as stub:
                call = Exec(stub, shell(STUBBORN, policies=policies))
                call.await_output(b"ready\n")

    def test_a_killed_client(self):
        for policies in self.ends():
            start = shell(STUBBORN, policies=policies).SerializeToString().hex()
            environment = {**os.environ, "NACRE_E2E_STUBS": support.STUBS}
            with subprocess.Popen([sys.executable, "-c", CLIENT, self.node.target, start], env=environment,
                                  cwd=os.path.dirname(__file__), stdout=subprocess.PIPE) as client:
                self.assertEqual(client.stdout.readline(), b"ready\n")
                client.kill()

    def test_a_client_that_vanishes_while_output_is_stuck(self):
        policies = {"disconnect_grace": {"nanos": 200_000_000}}
        call = Exec(self.stub(), command("yes", policies=policies))
        call.await_event("output")
        call.cancel()
        wait_for(lambda: not self.node.session_processes(), "yes ends")

    def test_a_cancelled_run(self):
        start = shell(STUBBORN, policies=self.POLICIES["kill"])
        future = self.stub().Run.future(shell_pb2.RunRequest(start=start), timeout=DEADLINE)
        wait_for(self.node.session_processes, "it runs")
        future.cancel()
        wait_for(lambda: not self.node.session_processes(), "nothing is left")

    def test_within_the_grace_the_command_runs_on(self):
        marker = self.node.directory / "marker"
        policies = {"disconnect_grace": {"seconds": 600}}
        os.mkfifo(f"{marker}.fifo")
        line = f"echo ready; read line < {marker}.fifo; echo $line > {marker}"
        call = Exec(self.stub(), shell(line, policies=policies))
        call.await_output(b"ready\n")
        call.cancel()
        with open(f"{marker}.fifo", "w") as fifo:
            fifo.write("survived\n")
        wait_for(lambda: marker.exists() and marker.read_text() == "survived\n", "it ran to its end")


if __name__ == "__main__":
    unittest.main()
