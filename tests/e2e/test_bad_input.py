"""Bad input gets a clear error, harms nobody, and leaves nothing behind."""

import contextlib
import os
import random
import shutil
import socket
import ssl
import subprocess
import threading
import unittest

import grpc

import support
from support import (DEADLINE, Exec, Node, NodeTest, command, command_pb2, details, scaled, shell, shell_pb2,
                     wait_for)

KIB = 1024
STRING = 128 * KIB - 1
KILL = {"on_disconnect": command_pb2.ON_DISCONNECT_KILL}


def run_error(stub, start, **fields):
    try:
        answer = stub.Run(shell_pb2.RunRequest(start=start, **fields), timeout=DEADLINE)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"the call succeeded: {answer}")


class Refusals(NodeTest):
    """Each by Run and by Exec, with its code, its reason, and the name of the field."""

    def refused(self, start, code, reason, field=None, words=()):
        stub = self.stub()
        for name, error in (("Run", run_error(stub, start)), ("Exec", Exec(stub, start).error())):
            with self.subTest(rpc=name, start=str(start)[:300]):
                self.assertEqual(error.code(), code, error.details())
                rich = details(error)
                self.assertEqual((rich["ErrorInfo"].reason, rich["ErrorInfo"].domain), (reason, "nacre"))
                for word in words:
                    self.assertIn(word, error.details())
                if field:
                    self.assertIn(field, error.details())
                    self.assertIn(field, rich["ErrorInfo"].metadata["field"])
                if code == grpc.StatusCode.INVALID_ARGUMENT:
                    self.assertIn(field, rich["BadRequest"].field_violations[0].field)
                    self.assertTrue(rich["BadRequest"].field_violations[0].description)

    def invalid(self, start, field, reason="INVALID_FIELD"):
        self.refused(start, grpc.StatusCode.INVALID_ARGUMENT, reason, field)

    def test_a_missing_program(self):
        for program in ("nosuchprogram", "/no/such/program"):
            self.refused(command(program), grpc.StatusCode.NOT_FOUND, "COMMAND_NOT_FOUND", words=[program])

    def test_what_cannot_be_executed(self):
        script = self.node.directory / "script"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        for program in ("/tmp", "/etc/passwd", str(script)):
            self.refused(command(program), grpc.StatusCode.FAILED_PRECONDITION, "COMMAND_NOT_EXECUTABLE", words=[program])

    def test_a_bad_directory(self):
        for directory in ("/no/such/directory", "/etc/passwd", "relative", "/tmp/\0"):
            self.invalid(command("true", cwd=directory), "command.cwd")
        self.invalid(command("true", cwd="/tmp", cwd_bytes=b"/tmp"), "command.cwd")

    def test_a_nul_byte(self):
        self.invalid(command("echo", "a\0b"), "command.argv")
        self.invalid(command("ec\0ho"), "command.argv")
        self.invalid(command("true", env={"A": "x\0"}), "command.env")
        self.invalid(command("true", env={"A\0": "x"}), "command.env")
        line = command_pb2.ShellLine(line="echo \0")
        self.invalid(command_pb2.Start(command=command_pb2.Command(shell_line=line)), "command.")

    def test_a_bad_name_in_the_environment(self):
        for name in ("", "A=B", "="):
            self.invalid(command("true", env={name: "x"}), "command.env")
            twin = command_pb2.EnvironmentVariable(name=name.encode(), value=b"x")
            self.invalid(command("true", env_bytes=[twin]), "command.env")
        twin = command_pb2.EnvironmentVariable(name=b"A", value=b"x")
        self.invalid(command("true", env={"A": "x"}, env_bytes=[twin]), "command.env")
        self.invalid(command("true", env_bytes=[twin, twin]), "command.env")

    def test_nothing_or_too_many_things_to_run(self):
        self.invalid(command_pb2.Start(), "command")
        self.invalid(command(), "command.argv")
        self.invalid(command(""), "command.argv")
        self.invalid(command("true", argv_bytes=[b"true"]), "command.argv")
        self.invalid(command("true", shell_line=command_pb2.ShellLine(line="true")), "command.argv")
        self.invalid(command_pb2.Start(command=command_pb2.Command(shell_line=command_pb2.ShellLine())), "command.shell_line")

    def test_a_string_that_is_too_long_and_the_longest_that_fits(self):
        too_long = "x" * (STRING + 1)
        self.invalid(command("true", too_long), "command.argv")
        self.invalid(command("true", env={"A": too_long[2:]}), "command.env")
        self.invalid(command("true", cwd="/" + too_long), "command.cwd")
        stub = self.stub()
        fits = Exec(stub, shell('printf %s "$1" | wc -c; printf %s "$A" | wc -c', env={"A": too_long[3:]}))
        self.assertEqual(fits.follow().termination.exit_code, 0)
        start = command("sh", "-c", 'printf %s "$1" | wc -c; printf %s "$A" | wc -c', "sh", too_long[1:],
                        env={"A": too_long[3:]})
        self.assertEqual(Exec(stub, start).follow().stdout.split(), [b"%d" % STRING, b"%d" % (STRING - 2)])

    def test_strings_that_are_too_much_together_and_as_much_as_fits(self):
        self.invalid(command("true", *["x" * 100 * KIB] * 11), "command.argv")
        self.invalid(command("true", *["x" * 100 * KIB] * 5, env={f"A{i}": "x" * 100 * KIB for i in range(6)}), "command.env")
        arguments = ["x" * 100 * KIB] * 9
        got = Exec(self.stub(), command("sh", "-c", 'printf %s "$@" | wc -c', "sh", *arguments)).follow()
        self.assertEqual(int(got.stdout), 900 * KIB)
        self.invalid(command("true", *["y"] * 400_000), "command.argv")  # more pointers than the kernel takes
        many = ["y"] * 100_000
        got = Exec(self.stub(), command("sh", "-c", 'echo $#', "sh", *many)).follow()
        self.assertEqual(int(got.stdout), len(many))

    def test_unknown_values_of_enums(self):
        for field in ("input", "stderr_mode"):
            self.invalid(command("true", **{field: 77}), f"command.{field}")
        for field in ("on_disconnect", "on_leader_exit", "kill_scope", "overflow"):
            self.invalid(command("true", policies={field: 77}), f"policies.{field}")
            self.invalid(command("true", policies={field: -1}), f"policies.{field}")

    def test_durations_and_signals_out_of_bounds(self):
        for timeout in ({}, {"nanos": 999_999}, {"seconds": -1}, {"nanos": -1}, {"nanos": 2_000_000_000},
                        {"seconds": 2**62}, {"seconds": -(2**63)}, {"seconds": 2**63 - 1, "nanos": 2**31 - 1}):
            self.invalid(command("true", timeout=timeout), "command.timeout")
        for grace in ({"seconds": 86_401}, {"seconds": -1}, {"seconds": 2**63 - 1}):
            self.invalid(command("true", policies={"disconnect_grace": grace}), "policies.disconnect_grace")
        for grace in ({"seconds": 3_601}, {"seconds": -1}, {"nanos": -1}):
            ladder = command_pb2.KillLadder(grace=grace)
            self.invalid(command("true", policies={"kill_ladder": ladder}), "policies.kill_ladder")
        for number in (65, 2**32 - 1):
            for field in ("first_signal", "last_signal"):
                ladder = command_pb2.KillLadder(**{field: number})
                self.invalid(command("true", policies={"kill_ladder": ladder}), "policies.kill_ladder")

    def test_limits_that_are_none(self):
        for field, limits in (("cpu_time", {"cpu_time": {}}), ("open_files", {"open_files": 2}), ("cpu_time", {"cpu_time": {"nanos": 1}}), ("cpu_time", {"cpu_time": {"seconds": -1}}),
                              ("nice", {"nice": -1}), ("nice", {"nice": 20})):
            self.invalid(command("true", limits=command_pb2.Limits(**limits)), f"command.limits.{field}")

    def test_users_that_are_none(self):
        for user in ("no such user", "nobody", "\x1b[2J", "x" * 256):
            self.refused(command("true", run_as_user=user), grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED", None)
        for user in ("a\0b", "x" * 257):
            self.invalid(command("true", run_as_user=user), "command.run_as_user")

    def test_the_defaults_by_name_are_served(self):
        policies = {"on_disconnect": command_pb2.ON_DISCONNECT_KILL_AFTER_GRACE, "kill_scope": command_pb2.KILL_SCOPE_SESSION,
                    "on_leader_exit": command_pb2.ON_LEADER_EXIT_BRIEF_WAIT, "retention_bytes": 262_144}
        got = self.exec(command("true", input=command_pb2.INPUT_MODE_NONE, stderr_mode=command_pb2.STDERR_MODE_SEPARATE,
                                limits=command_pb2.Limits(), policies=policies))
        self.assertEqual(got.termination.exit_code, 0)

    def test_errors_about_names_that_are_not_utf_8_can_be_read(self):
        stub = self.stub()
        for fields, code, reason in (({"argv_bytes": [b"x\xff"]}, "NOT_FOUND", "COMMAND_NOT_FOUND"),
                                     ({"argv": ["true"], "cwd_bytes": b"/x\xff"}, "INVALID_ARGUMENT", "INVALID_FIELD")):
            error = run_error(stub, command_pb2.Start(command=fields))
            self.assertEqual((error.code().name, details(error)["ErrorInfo"].reason), (code, reason))
            self.assertIn("x\\xff", error.details())
        said = self.node.nacre("exec", "--", b"x\xff")
        self.assertEqual((said.returncode, said.stderr.count(b"\n")), (127, 1), said.stderr)
        self.assertIn(b"x\\xff", said.stderr)

    def test_requests_of_run_out_of_bounds(self):
        stub = self.stub()
        for start, fields, field in ((command("true"), {"max_output_bytes": (3 << 20) + 1}, "max_output_bytes"),
                                     (command("true"), {"max_output_bytes": 2**64 - 1}, "max_output_bytes"),
                                     (command("cat", input=command_pb2.INPUT_MODE_STREAM), {}, "command.input"),
                                     (None, {}, "start")):
            error = run_error(stub, start, **fields)
            self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn(field, details(error)["ErrorInfo"].metadata["field"])

    def test_a_refused_start_never_runs(self):
        marker = self.node.directory / "marker"
        for start in (shell(f"touch {marker}", policies={"retention_bytes": 1 << 21}), shell(f"touch {marker}", cwd="/no/such"),
                      shell(f"touch {marker}", env={"": "x"})):
            Exec(self.stub(), start).error()
        self.assertFalse(marker.exists())


class Streams(NodeTest):
    """Requests of an Exec out of order or out of bounds."""

    def ended(self, call, code=grpc.StatusCode.INVALID_ARGUMENT, field=None):
        error = call.error()
        self.assertEqual(error.code(), code, error.details())
        if field:
            self.assertIn(field, details(error)["ErrorInfo"].metadata["field"])

    def test_no_start(self):
        call = Exec(self.stub())
        call.half_close()
        self.ended(call, field="start")

    def test_something_else_before_the_start(self):
        for request in ({"input": shell_pb2.Input(data=b"x")}, {"signal": shell_pb2.Signal(number=9)},
                        {"ack": shell_pb2.Ack()}, {"cancel": shell_pb2.Cancel()}, {"resize": shell_pb2.Resize()},
                        {"detach": shell_pb2.Detach()}):
            call = Exec(self.stub())
            call.send(**request)
            self.ended(call, field="start")

    def test_an_empty_request(self):
        first = Exec(self.stub())
        first.send()
        self.ended(first, field="request")
        second = Exec(self.stub(), command("sleep", "1000"))
        second.send()
        self.ended(second, field="request")

    def test_an_empty_start(self):
        self.ended(Exec(self.stub(), command_pb2.Start()), field="command")

    def test_a_second_start_ends_the_command(self):
        call = Exec(self.stub(), command("sleep", "1000"))
        call.await_event("started")
        call.send(start=command("touch", str(self.node.directory / "second")))
        self.ended(call, field="start")
        self.assertFalse((self.node.directory / "second").exists())

    def test_a_kind_of_request_from_the_future(self):
        with support.channel(self.node.target) as channel:
            exec_raw = channel.stream_stream("/nacre.v1.ShellService/Exec")
            with self.assertRaises(grpc.RpcError) as caught:
                list(exec_raw(iter([b"\xa2\x06\x01x"]), timeout=DEADLINE))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_bytes_that_are_no_message(self):
        for raw in (b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05abc", os.urandom(1000)):
            with support.channel(self.node.target) as channel:
                with self.assertRaises(grpc.RpcError):
                    list(channel.stream_stream("/nacre.v1.ShellService/Exec")(iter([raw]), timeout=DEADLINE))
                with self.assertRaises(grpc.RpcError) as caught:
                    channel.unary_unary("/nacre.v1.ShellService/Run")(raw, timeout=DEADLINE)
                self.assertNotEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_an_unknown_method(self):
        with support.channel(self.node.target) as channel:
            with self.assertRaises(grpc.RpcError) as caught:
                channel.unary_unary("/nacre.v1.ShellService/NoSuch")(b"", timeout=DEADLINE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_signal_out_of_bounds(self):
        for number in (0, 65, 2**32 - 1):
            call = Exec(self.stub(), command("sleep", "1000"))
            call.send(signal=shell_pb2.Signal(number=number))
            self.ended(call, field="signal.number")

    def test_a_size_for_a_command_without_a_terminal(self):
        call = Exec(self.stub(), command("sleep", "1000"))
        call.send(resize=shell_pb2.Resize(rows=1, columns=1))
        self.ended(call, field="resize")

    def test_input_for_a_command_without_input(self):
        call = Exec(self.stub(), command("sleep", "1000"))
        call.send(input=shell_pb2.Input(data=b"x"))
        self.ended(call, field="input")

    def test_an_input_message_that_is_too_big_and_the_biggest_that_fits(self):
        start = command("wc", "-c", input=command_pb2.INPUT_MODE_STREAM)
        call = Exec(self.stub(), start)
        call.send(input=shell_pb2.Input(data=bytes((1 << 20) + 1)))
        self.ended(call, field="input.data")
        call = Exec(self.stub(), start)
        call.send(input=shell_pb2.Input(data=bytes(1 << 20), eof=True))
        self.assertEqual(int(call.follow().stdout), 1 << 20)

    def test_a_message_beyond_grpcs_own_bound(self):
        start = command("true", "x" * (5 << 20))
        for error in (run_error(self.stub(), start), Exec(self.stub(), start).error()):
            self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)


def client_hello():
    """The first bytes of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent).do_handshake()
    return sent.read()


class Recorder:
    """Passes one connection on to the daemon and keeps what the client said."""

    def __init__(self, node):
        self.said = bytearray()
        self.path = str(node.directory / "recorder")
        self._node, self._listener = node, socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(DEADLINE)
        self._listener.close()
        os.unlink(self.path)

    def _serve(self):
        near, _ = self._listener.accept()
        with near, self._node.connect() as far:
            back = threading.Thread(target=self._copy, args=(far, near), daemon=True)
            back.start()
            self._copy(near, far, self.said)
            back.join(DEADLINE)

    @staticmethod
    def _copy(source, sink, record=None):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if record is not None:
                    record.extend(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class Garbage(NodeTest):
    """Bytes on the socket that are no gRPC, and gRPC that breaks off."""

    def closes(self, plain):
        """Whether the daemon ends the connection, whatever it says before."""
        with contextlib.suppress(ConnectionError):
            while plain.recv(65536):
                pass
        return True

    def test_what_is_no_grpc_is_answered_by_a_close(self):
        rng = random.Random(1)
        junk = [rng.randbytes(size) for size in (24, 100, 5_000, 300_000)]
        for said in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /nacre.v1.ShellService/Run HTTP/1.1\r\n\r\n",
                     client_hello(), b"SSH-2.0-x\r\n" + b"x" * 50, b"\0" * 100, b"\xff" * 100_000,
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64, *junk):
            with self.subTest(said=said[:30]), self.node.connect() as plain:
                with contextlib.suppress(ConnectionError):
                    plain.sendall(said)
                self.assertTrue(self.closes(plain))

    def test_a_client_that_says_nothing_or_stalls_is_closed_in_time(self):
        stalled = [self.node.connect() for _ in range(12)]
        for length, plain in enumerate(stalled):
            plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[:length * 2])
        for plain in stalled:
            with plain:
                self.assertTrue(self.closes(plain))

    def test_storms_of_connections_that_say_nothing(self):
        for _ in range(scaled(3_000, 20_000)):
            self.node.connect().close()

    def test_storms_of_connections_that_say_a_little(self):
        rng = random.Random(2)
        for _ in range(scaled(1_000, 10_000)):
            with self.node.connect() as plain, contextlib.suppress(ConnectionError):
                plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[:rng.randrange(25)])

    def _record(self, start, requests=()):
        """What a client says in the course of a whole Exec."""
        with Recorder(self.node) as recorder:
            with self.node.stub(f"unix:{recorder.path}") as stub:
                call = Exec(stub, start)
                for request in requests:
                    call.send(**request)
                call.follow()
        return bytes(recorder.said)

    def test_a_client_that_vanishes_at_any_byte_of_what_it_says(self):
        requests = [{"input": shell_pb2.Input(data=b"x" * 300)}, {"signal": shell_pb2.Signal(number=10)},
                    {"input": shell_pb2.Input(data=b"y", eof=True)}]
        said = self._record(shell('trap "" USR1; cat', input=command_pb2.INPUT_MODE_STREAM, policies=KILL), requests)
        rng = random.Random(3)
        for i in range(scaled(400, 5_000)):
            with self.node.connect() as plain, contextlib.suppress(ConnectionError):
                plain.sendall(said[:rng.randrange(len(said))])
                if i % 3 == 1:
                    plain.shutdown(socket.SHUT_WR)
                elif i % 3 == 2:
                    plain.settimeout(0.005)  # lets the daemon get on with it
                    with contextlib.suppress(TimeoutError):
                        plain.recv(65536)

    def test_a_client_that_vanishes_at_any_byte_of_what_it_hears(self):
        said = self._record(shell("head -c 300000 /dev/zero", policies=KILL))
        rng = random.Random(4)
        for _ in range(scaled(200, 3_000)):
            left = rng.choice((rng.randrange(300), rng.randrange(100_000)))
            with self.node.connect() as plain, contextlib.suppress(ConnectionError):
                plain.sendall(said)
                while left > 0 and (heard := plain.recv(left)):
                    left -= len(heard)

    def test_a_client_whose_bytes_come_one_by_one_is_served(self):
        said = self._record(shell("echo slow"))
        with self.node.connect() as plain:
            for byte in said[:-40]:
                plain.sendall(bytes([byte]))
            plain.sendall(said[-40:])
            heard = b""
            while b"slow\n" not in heard:
                heard += plain.recv(65536)

    def test_what_was_said_is_broken_at_random(self):
        said = self._record(shell("cat", input=command_pb2.INPUT_MODE_STREAM, policies=KILL),
                            [{"input": shell_pb2.Input(data=b"x" * 100, eof=True)}])
        rng = random.Random(5)
        for _ in range(scaled(300, 5_000)):
            broken = bytearray(said)
            for _ in range(rng.randrange(1, 6)):
                broken[rng.randrange(24, len(broken))] = rng.randrange(256)
            with self.node.connect() as plain, contextlib.suppress(ConnectionError, TimeoutError):
                plain.settimeout(0.02)
                plain.sendall(broken)
                plain.recv(65536)

    def test_clients_that_are_killed_at_any_moment(self):
        rng = random.Random(6)
        for _ in range(scaled(60, 1_000)):
            with self.node.popen("exec", "-i", "--timeout", "2s", "--", "sh", "-c", "echo out; cat; sleep 1000",
                                 stdin=subprocess.PIPE) as client:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    client.wait(rng.random() * 0.04)
                client.kill()


class Crowds(unittest.TestCase):
    def test_idle_connections_beyond_the_descriptors_do_not_keep_a_caller_out(self):
        with Node(nofile=100) as node:
            node.warm_up(calls=4)
            idle = [node.connect() for _ in range(150)]
            for i in range(20):
                self.assertEqual(node.exec("echo", str(i)).stdout, b"%d\n" % i)
            with node.stub() as stub:
                self.assertEqual(Exec(stub, command("echo", "x")).follow().stdout, b"x\n")
            for plain in idle:
                plain.close()
            node.assert_settled()

    def test_connections_that_speak_beyond_the_descriptors_are_refused_not_hung_and_then_served_again(self):
        with Node(nofile=100) as node:
            node.warm_up(calls=4)
            talking = []
            for _ in range(150):
                plain = node.connect()
                with contextlib.suppress(ConnectionError):
                    plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                talking.append(plain)
            refused = node.exec("echo", "x")
            self.assertIn(refused.returncode, (0, 125))
            for plain in talking:
                plain.close()
            node.assert_settled()

    def test_sessions_beyond_the_descriptors_are_refused_by_name_and_the_others_run_on(self):
        with Node(nofile=200) as node:
            node.warm_up(calls=4)
            refused, calls = [], []
            with node.stub() as stub:
                for _ in range(60):
                    calls.append(Exec(stub, command("cat", input=command_pb2.INPUT_MODE_STREAM, policies=KILL)))
                for call in calls:
                    try:
                        call.await_event("started")
                    except grpc.RpcError as error:
                        refused.append(error)
                    else:
                        call.send(input=shell_pb2.Input(data=b"mine", eof=True))
                for call in calls:
                    if call.started:
                        self.assertEqual(call.follow().stdout, b"mine")
            self.assertTrue(refused)
            self.assertLess(len(refused), len(calls))
            for error in refused:
                self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, error.details())
                self.assertIn("open files", error.details())
                self.assertIn("RetryInfo", details(error))
            node.assert_settled()


class Strangers(NodeTest):
    @unittest.skipUnless(os.getuid() == 0 and shutil.which("setpriv"), "needs root and setpriv to call as another user")
    def test_another_user_is_refused(self):
        client = self.node.directory / "nacre"
        shutil.copy(support.BIN / "nacre", client)
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(client), "-H", self.node.target]

        def call():
            return subprocess.run([*as_nobody, "exec", "id"], capture_output=True, timeout=DEADLINE, cwd="/",
                                  stdin=subprocess.DEVNULL)

        self.node.directory.chmod(0o711)
        self.addCleanup(self.node.directory.chmod, 0o700)
        closed = call()  # by the socket's own mode
        self.assertEqual((closed.returncode, closed.stdout), (125, b""))
        self.assertIn(b"Permission denied", closed.stderr)
        os.chmod(self.node.socket, 0o777)
        self.addCleanup(os.chmod, self.node.socket, 0o600)
        opened = call()  # by who it is
        self.assertEqual((opened.returncode, opened.stdout), (125, b""))
        self.assertIn(b"65534", opened.stderr)
        wait_for(lambda: "uid 65534" in self.node.log(), "the refusal is logged")


if __name__ == "__main__":
    unittest.main()
