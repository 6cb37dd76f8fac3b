"""The command line client: what it prints, reads, and exits with."""

import os
import signal
import subprocess
import unittest

import support
from support import DEADLINE, Node, NodeTest, wait_for


class ExitStatus(NodeTest):
    def test_output_and_errors_come_apart_and_the_status_is_the_commands_own(self):
        result = self.node.exec("sh", "-c", "echo out; echo err >&2; exit 7")
        self.assert_ends(result, 7, b"out\n", b"err\n")

    def test_every_kind_of_own_status_comes_through(self):
        for status in (0, 1, 2, 42, 124, 125, 126, 127, 128, 255):
            self.assert_ends(self.node.exec("sh", "-c", f"exit {status}"), status, b"", b"")

    def test_death_by_signal_is_128_plus_its_number(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, 64):
            self.assert_ends(self.node.exec("sh", "-c", f"kill -{int(number)} $$"), 128 + number, b"")

    def test_a_timeout_is_124_after_the_ladder_and_leaves_nothing(self):
        result = self.node.nacre("exec", "--timeout", "200ms", "--", "sh", "-c", 'trap "" TERM; sleep 100')
        self.assert_ends(result, 124, b"")
        self.assertEqual(self.node.session_processes(), [])

    def test_a_command_that_obeys_the_timeout_keeps_its_output(self):
        result = self.node.nacre("exec", "--timeout", "1s", "--", "sh", "-c", "echo before; exec sleep 100")
        self.assert_ends(result, 124, b"before\n")

    def test_a_command_that_is_faster_than_its_timeout_is_left_alone(self):
        self.assert_ends(self.node.nacre("exec", "--timeout", "1h", "--", "sh", "-c", "exit 3"), 3)

    def test_a_missing_program_is_127_and_named(self):
        for program in ("nosuchprogram", "/no/such/program", "/etc/passwd/program"):
            result = self.node.exec(program)
            self.assert_ends(result, 127, b"")
            self.assertIn(program.encode(), result.stderr)

    def test_what_cannot_be_executed_is_126_and_named(self):
        plain = self.node.directory / "plain"
        plain.write_text("not executable")
        text = self.node.directory / "text"
        text.write_text("no #! line\n")
        script = self.node.directory / "script"
        script.write_text("#!/no/such/interpreter\n")
        text.chmod(0o755)
        script.chmod(0o755)
        for program in ("/tmp", str(plain), str(text), str(script)):
            result = self.node.exec(program)
            self.assert_ends(result, 126, b"")
            self.assertIn(program.encode(), result.stderr)
        self.assertIn(b"interpreter", self.node.exec(str(script)).stderr)

    def test_a_bad_directory_is_125_and_named(self):
        result = self.node.nacre("exec", "-w", "/no/such/dir", "--", "true")
        self.assert_ends(result, 125, b"")
        self.assertIn(b"/no/such/dir", result.stderr)

    def test_no_daemon_is_125_for_exec_and_1_for_ping_and_the_address_is_named(self):
        for verb, status in ((["exec", "true"], 125), (["ping"], 1)):
            result = self.node.nacre("-H", "unix:/no/such/socket", *verb)
            self.assert_ends(result, status, b"")
            self.assertIn(b"/no/such/socket", result.stderr)

    def test_a_daemon_that_died_is_125(self):
        with Node() as other:
            other.process.kill()
            other.wait()
            self.assert_ends(other.exec("true"), 125, b"")

    def test_output_that_cannot_be_written_is_125_and_ends_the_command(self):
        with open("/dev/full", "wb") as full:
            result = self.node.exec("yes", stdout=full)
        self.assertEqual(result.returncode, 125)
        self.assertIn(b"No space left", result.stderr)


class Arguments(NodeTest):
    def test_arguments_arrive_as_they_were_given(self):
        words = ["", "a b", "*", "$HOME", "\n", "-i", "--", "--timeout", "'\"\\", "ü", "x" * 100_000]
        result = self.node.exec("printf", "[%s]", *words)
        self.assert_ends(result, 0, "".join(f"[{word}]" for word in words).encode(), b"")

    def test_bytes_that_are_no_utf_8_arrive(self):
        self.assert_ends(self.node.nacre(b"exec", b"printf", b"%s", b"\xff\x80"), 0, b"\xff\x80", b"")
        result = self.node.nacre(b"exec", b"-e", b"N\xfe=V\xff", b"env")
        self.assertIn(b"N\xfe=V\xff", result.stdout.split(b"\n"))
        place = os.fsencode(self.node.directory) + b"/\xfe"
        os.mkdir(place)
        self.assert_ends(self.node.nacre(b"exec", b"-w", place, b"pwd"), 0, place + b"\n", b"")

    def test_options_end_at_the_first_word_of_the_command(self):
        self.assert_ends(self.node.nacre("exec", "echo", "-i", "--timeout", "-v"), 0, b"-i --timeout -v\n")
        self.assert_ends(self.node.nacre("exec", "echo", "--", "ping"), 0, b"-- ping\n")

    def test_a_verb_as_a_command_is_a_command(self):
        self.assert_ends(self.node.nacre("exec", "ping-is-no-program"), 127, b"")
        self.assert_ends(self.node.nacre("exec", "-e", "A=1", "exec"), 127, b"")

    def test_environment_and_directory(self):
        result = self.node.nacre("exec", "-e", "A=1", "-e", "B=x=y z", "-e", "EMPTY=", "-w", "/usr", "--",
                                 "sh", "-c", 'echo "$A|$B|${EMPTY-unset}|$PWD"')
        self.assert_ends(result, 0, b"1|x=y z||/usr\n", b"")

    def test_our_own_environment_and_directory_stay_here(self):
        result = self.node.exec("sh", "-c", "echo ${SECRET-unset}; pwd", env={"SECRET": "x"}, cwd="/usr")
        self.assertEqual(result.stdout.split(b"\n")[0], b"unset")
        self.assertNotEqual(result.stdout.split(b"\n")[1], b"/usr")

    def test_the_host_is_the_option_else_the_variable(self):
        nowhere = {"NACRE_HOST": "unix:/no/such/socket"}
        self.assert_ends(self.node.nacre("exec", "true", env=nowhere), 125)
        self.assert_ends(self.node.nacre("-H", self.node.target, "exec", "true", env=nowhere), 0)
        self.assert_ends(self.node.nacre("exec", "--host", self.node.target, "true", env=nowhere), 0)

    @unittest.skipIf(os.getuid() == 0, "root's is the system's")
    def test_the_host_is_else_the_one_of_this_machine(self):
        runtime = self.node.directory / "runtime"
        (runtime / "nacre").mkdir(parents=True)
        os.symlink(self.node.socket, runtime / "nacre/nacred.sock")
        default = {"NACRE_HOST": "", "XDG_RUNTIME_DIR": str(runtime)}
        self.assert_ends(self.node.nacre("exec", "true", env=default), 0)

    def test_help_and_version_are_0_and_go_to_standard_output(self):
        for words in (["--help"], ["-h"], ["exec", "--help"], ["ping", "--help"]):
            result = self.node.nacre(*words)
            self.assert_ends(result, 0, stderr=b"")
            self.assertIn(b"Usage: nacre", result.stdout)
            self.assertIn(b"Examples:", result.stdout)
        self.assertRegex(self.node.nacre("--version").stdout, rb"^nacre \d+\.\d+\.\d+\n$")
        for binary in ("nacred", "nacre-front"):
            done = subprocess.run([support.BIN / binary, "--version"], capture_output=True, timeout=DEADLINE)
            self.assertRegex(done.stdout, rb"\d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_2_and_says_where_to_look(self):
        for words in ([], ["nosuchverb"], ["--nosuch"], ["exec"], ["exec", "--"], ["exec", "--nosuch", "x"],
                      ["exec", "--timeout", "soon", "x"], ["exec", "--timeout", "-1s", "x"],
                      ["exec", "--timeout", "0", "x"], ["exec", "-e", "NOVALUE", "x"],
                      ["exec", "-e", "=x", "x"], ["exec", "-e"], ["exec", "-w"], ["ping", "extra"]):
            result = self.node.nacre(*words)
            self.assert_ends(result, 2, b"")
            self.assertIn(b"--help", result.stderr, words)

    def test_verbose_says_how_the_command_ended_and_only_on_standard_error(self):
        result = self.node.nacre("exec", "-v", "--", "sh", "-c", "echo 12345; echo 123 >&2; exit 3")
        self.assert_ends(result, 3, b"12345\n")
        for part in (b"123\n", b"status 3", b"stdout 6 bytes", b"stderr 4 bytes", self.node.epoch.encode()):
            self.assertIn(part, result.stderr)

    def test_ping_says_that_the_node_serves(self):
        result = self.node.ping()
        self.assert_ends(result, 0, stderr=b"")
        self.assertIn(self.node.target.encode(), result.stdout)


class Input(NodeTest):
    def test_without_i_the_command_reads_end_of_file_and_our_input_stays_unread(self):
        reading, writing = os.pipe()
        try:
            os.write(writing, b"mine")
            self.assert_ends(self.node.exec("cat", stdin=reading), 0, b"", b"")
            self.assertEqual(os.read(reading, 100), b"mine")
        finally:
            os.close(reading)
            os.close(writing)

    def test_with_i_the_command_reads_our_input_to_its_end(self):
        for given in (b"", b"x", bytes(range(256)) * 5000):
            self.assert_ends(self.node.nacre("exec", "-i", "cat", input=given), 0, given, b"")

    def test_input_reaches_the_command_before_it_ends(self):
        with self.node.popen("exec", "-i", "cat", stdin=subprocess.PIPE) as client:
            for word in (b"one", b"two"):
                client.stdin.write(word)
                client.stdin.flush()
                self.assertEqual(client.stdout.read(3), word)
            out, _ = client.communicate(timeout=DEADLINE)
        self.assertEqual((out, client.returncode), (b"", 0))

    def test_a_command_that_takes_some_of_an_endless_input_ends(self):
        with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
            result = self.node.nacre("exec", "-i", "--", "head", "-1", stdin=endless.stdout)
            endless.stdout.close()
            endless.wait(DEADLINE)
        self.assert_ends(result, 0, b"y\n", b"")

    def test_a_command_that_takes_no_input_ends_while_input_is_open(self):
        reading, writing = os.pipe()
        try:
            self.assert_ends(self.node.nacre("exec", "-i", "true", stdin=reading), 0, b"", b"")
        finally:
            os.close(reading)
            os.close(writing)

    def test_a_closed_standard_input_is_an_empty_one_or_an_error_but_no_hang(self):
        result = self.node.sh('exec "$nacre" exec -i cat <&-')
        self.assertEqual(result.stdout, b"")
        self.assertIn(result.returncode, (0, 125))

    def test_a_closed_output_takes_nothing_else_in_its_place(self):
        self.assert_ends(self.node.sh('exec "$nacre" exec echo lost >&-'), 125, b"")
        self.assert_ends(self.node.sh('exec "$nacre" exec -- sh -c "echo out; echo lost >&2" 2>&-'), 125, b"out\n")
        self.assert_ends(self.node.sh('exec "$nacre" exec true <&- >&- 2>&-'), 0)


class Endings(NodeTest):
    def test_a_reader_that_leaves_ends_the_command(self):
        with self.node.popen("exec", "yes") as client:
            self.assertEqual(client.stdout.readline(), b"y\n")
            client.stdout.close()
            self.assertEqual(client.wait(DEADLINE), 128 + signal.SIGPIPE)
        wait_for(lambda: not self.node.session_processes(), "yes ends")

    def test_a_pipeline_into_head_ends_at_once(self):
        self.assert_ends(self.node.sh('"$nacre" exec -- yes | head -1'), 0, b"y\n")

    def _interrupted(self, command, numbers):
        with self.node.popen("exec", *command) as client:
            self.assertEqual(client.stdout.readline(), b"ready\n")
            for index, number in enumerate(numbers):
                client.send_signal(number)
                if index + 1 < len(numbers):
                    # Signals of one number merge while one is pending: wait for its effect.
                    self.assertEqual(client.stdout.readline(), b"%d\n" % number)
            out, err = client.communicate(timeout=DEADLINE)
        return client.returncode, out, err

    def test_signals_reach_the_command_which_may_do_as_it_likes(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            self.assertEqual(self._interrupted([support.TAKE_SIGNALS, "1"], [number]), (5, b"%d\n" % number, b""))

    def test_ctrl_c_kills_a_command_that_does_not_care(self):
        self.assertEqual(self._interrupted(["sh", "-c", "echo ready; exec sleep 100"], [signal.SIGINT]), (130, b"", b""))

    def test_the_third_ctrl_c_ends_a_command_that_ignores_it(self):
        status, out, _ = self._interrupted([support.TAKE_SIGNALS], [signal.SIGINT, signal.SIGINT, signal.SIGINT])
        self.assertEqual((status, out), (128 + signal.SIGKILL, b"%d\n" % signal.SIGTERM))

    def test_a_stopped_client_holds_up_nobody_else(self):
        with self.node.popen("exec", "yes") as client:
            client.stdout.readline()
            client.send_signal(signal.SIGSTOP)
            self.assert_ends(self.node.exec("echo", "other"), 0, b"other\n")
            client.send_signal(signal.SIGCONT)
            client.stdout.close()
            client.wait(DEADLINE)


if __name__ == "__main__":
    unittest.main()
