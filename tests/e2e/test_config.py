"""The configuration file: strict, exact about what is wrong, under the command line; read from nobody else's hands."""

import os
import pathlib
import pwd
import re
import subprocess
import tempfile
import tomllib
import unittest

import support
from accounts import needs_root
from support import DEADLINE, Node

OWN = pwd.getpwuid(os.getuid()).pw_name
FRONT = support.BIN / "nacre-front"
COMPAT = '[[compat]]\ndialect = "framed"\naddress = "127.0.0.1:9100"\n'


class ConfigTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="nacre-e2e.")))
        self.path = self.directory / "nacred.toml"

    def write(self, text):
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.path.chmod(0o600)

    def nacred(self, *args, path=None):
        """Runs the daemon, which is to end at once, with this file, ours, or (path "") the default one. What it logs is
        left out: its hint at a user "nacre" depends on the machine."""
        words = ["--config", path or self.path, *args] if path != "" else args
        env = {**os.environ, "XDG_RUNTIME_DIR": str(self.directory), "XDG_CONFIG_HOME": str(self.directory)}
        done = subprocess.run([support.BIN / "nacred", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env=env, timeout=DEADLINE, errors="replace")
        done.stderr = re.sub(r"^\d{4}-\d\d-\d\dT.* warning: .*\n", "", done.stderr, flags=re.MULTILINE)
        return done

    def assert_right(self, text, *args):
        self.write(text)
        done = self.nacred("--check-config", *args)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertIn("is right", done.stderr)

    def assert_wrong(self, text, *words, args=()):
        """It is refused by 2, with the same words by the check and by a start; the file and its line come first."""
        self.write(text)
        checked = self.nacred("--check-config", *args)
        started = self.nacred("--state-dir", self.directory / "state", *args)
        self.assertEqual((checked.returncode, started.returncode), (2, 2), (checked, started))
        self.assertEqual(checked.stderr, started.stderr)
        self.assertFalse((self.directory / "state").exists())
        for word in words:
            self.assertIn(word, checked.stderr)
        return checked.stderr

    def printed(self, *args, text=None):
        if text is not None:
            self.write(text)
        done = self.nacred("--print-config", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout


class Right(ConfigTest):
    def test_a_file_with_everything_is_right(self):
        self.assert_right(f"""
            # all keys
            listen = ["unix:/run/nacre/nacred.sock", "127.0.0.1:7070"]
            run_as = ["{OWN}"]
            state_dir = "/var/lib/nacre"
            front = "{FRONT}"
            cgroup = "off"
            drain_timeout = "1m30s"
            spool_limit = "4G"
            log_level = "warning"
            insecure_loopback = true
            [[compat]]
            dialect = "framed"
            address = "127.0.0.1:9100"
            order = "err-out"
            max_connections = 10
            timeout = "10m"
            [[compat]]
            dialect = "framed"
            address = "[::1]:9100"
            [labels]
            zone = "north"
            "example.com/gpu" = "a100"
        """)

    def test_an_empty_file_is_right_and_says_the_defaults(self):
        self.assert_right("")
        config = tomllib.loads(self.printed(text=""))
        self.assertEqual((config["cgroup"], config["drain_timeout"], config["spool_limit"], config["log_level"],
                          config["insecure_loopback"], config["stream_idle_timeout"]), ("auto", "30s", "16G", "info", False, "0s"))
        self.assertEqual(len(config["listen"]), 1)
        self.assertTrue(config["listen"][0].startswith("unix:/"))
        self.assertEqual(pathlib.Path(config["front"]).resolve(), (support.BIN / "nacre-front").resolve())
        self.assertEqual([config[key] for key in ("run_as", "compat", "front_user", "socket_group", "labels")], [[], [], "", "", {}])

    def test_the_default_address_is_the_users_own_or_of_root_the_systems(self):
        where = "/run" if os.getuid() == 0 else self.directory  # which is $XDG_RUNTIME_DIR
        self.assertEqual(tomllib.loads(self.printed(text=""))["listen"], [f"unix:{where}/nacre/nacred.sock"])

    def test_a_check_starts_nothing(self):
        state, listen = self.directory / "state", self.directory / "s"
        self.assert_right(f'state_dir = "{state}"\nlisten = ["unix:{listen}"]')
        self.assertEqual([path for path in (state, listen) if path.exists()], [])

    def test_the_daemon_does_what_it_says(self):
        node = Node()
        config = node.directory / "nacred.toml"
        config.write_text(f'listen = ["{node.target}"]\nstate_dir = "{node.state}"\ndrain_timeout = "100ms"\n')
        config.chmod(0o600)
        node._command = [str(support.BIN / "nacred"), "--config", str(config)]
        with node:
            self.assertEqual(node.exec("echo", "x").stdout, b"x\n")
            self.assertTrue((node.state / "audit.jsonl").exists())

    def test_a_link_to_a_file_is_followed(self):
        self.write('log_level = "debug"')
        link = self.directory / "link"
        link.symlink_to(self.path)
        done = self.nacred("--print-config", path=link)
        self.assertEqual(tomllib.loads(done.stdout)["log_level"], "debug")


class Wrong(ConfigTest):
    def test_a_key_that_does_not_exist_is_refused_by_line_with_the_one_that_was_meant(self):
        for key, meant in (("runas", "run_as"), ("lisen", "listen"), ("state-dir", "state_dir"), ("Front", "front"),
                           ("cgruop", "cgroup"), ("socket_groups", "socket_group"), ("drain_timout", "drain_timeout")):
            with self.subTest(key=key):
                self.assert_wrong(f'# a comment\n\n{key} = "x"\n', f'{self.path}:3: there is no key "{key}"',
                                  f'did you mean "{meant}"')

    def test_a_key_that_is_like_no_other_is_refused_without_a_guess(self):
        for text in ('colour = "red"', "[server]\nport = 1", '[[listener]]\naddress = "x"'):
            with self.subTest(text=text):
                self.assert_wrong(text, f"{self.path}:1: there is no key")
        self.assertNotIn("did you mean", self.assert_wrong('colour = "red"', '"colour"'))

    def test_a_value_of_the_wrong_type_is_refused_by_line(self):
        for text, *words in (('listen = "unix:/s"', "listen is not a list of strings"),
                             ("listen = [5]", "listen is not a list of strings"),
                             ('run_as = ["root", true]', "run_as is not a list of strings"),
                             ("run_as = { name = 1 }", "run_as is not a list of strings"),
                             ("state_dir = 5", "state_dir is not a string"), ("front = false", "front is not a string"),
                             ("drain_timeout = 30", "drain_timeout is not a string"),
                             ("spool_limit = 1000", "spool_limit is not a string"),
                             ('log_level = ["info"]', "log_level is not a string"),
                             ("cgroup = 1979-05-27", "cgroup is not a string"),
                             ('insecure_loopback = "yes"', "insecure_loopback is not true or false"),
                             ("insecure_loopback = 1", "insecure_loopback is not true or false"),
                             ('compat = "framed=127.0.0.1:9100"', "[[compat]] tables"),
                             ('compat = ["framed=127.0.0.1:9100"]', "[[compat]] tables"),
                             ('compat = { dialect = "framed", address = "127.0.0.1:9100" }', "[[compat]] tables")):
            with self.subTest(text=text):
                self.assert_wrong(f"# first\n{text}\n", f"{self.path}:2: ", *words)

    def test_what_is_no_toml_is_refused_by_line(self):
        for text in ("listen", "listen = ", 'listen = ["a"', 'log_level = "info', "= 5", 'log_level = info',
                     'log_level = "a"\nlog_level = "b"', "[compat", "\tx\t", 'log_level = "\x01"', "[[[", "[[ [x]]",
                     "[.a]", "[=", "[[", "[[ #", "[]", "[[.a]]", "a." * 2000 + "a = 1"):
            with self.subTest(text=text):
                said = self.assert_wrong("# first\n" + text)
                self.assertRegex(said, rf"{self.path}:[23]: ")

    def test_garbage_is_refused(self):
        for data in (b"\0", b"\xff\xfe\0\1", os.urandom(4096), b"\x7fELF" + bytes(1000), b"listen = [\"\xff\"]",
                     b"a" * 100_000, b"[" * 100_000, b"a." * 50_000 + b"a = 1"):
            with self.subTest(data=data[:20]):
                self.assertIn(str(self.path), self.assert_wrong(data))

    def test_a_message_shows_no_control_characters_of_the_file(self):
        for text in ('"\\u001b]0;x\\u0007" = 1', '"\\n\\n" = 1', 'log_level = "\\u001b[2J"', 'listen = ["\\u001b[2J"]',
                     'drain_timeout = "\\u0007"'):
            with self.subTest(text=text):
                said = self.assert_wrong(text)
                self.assertFalse([one for one in said.rstrip("\n") if ord(one) < 0x20 or ord(one) == 0x7f], repr(said))

    def test_values_that_mean_nothing_are_refused_with_what_they_are(self):
        for text, *words in (('log_level = "loud"', "loud", "debug"), ('drain_timeout = "soon"', "soon"),
                             ('drain_timeout = "-1s"', "-1s"), ('stream_idle_timeout = "1 day"', "stream_idle_timeout"),
                             ('spool_limit = "lots"', "lots"),
                             ('listen = ["nonsense"]', "nonsense"), ('listen = ["0.0.0.0:7070"]', "0.0.0.0:7070"),
                             ('listen = ["127.0.0.1:7070"]', "--insecure-loopback"),
                             ('socket_group = "nosuchgroup"', "nosuchgroup")):
            with self.subTest(text=text):
                self.assert_wrong(text, *words)

    def test_empty_strings_are_refused_by_name(self):
        for key in ("front", "cgroup", "drain_timeout", "spool_limit", "log_level",
                    "stream_idle_timeout"):
            with self.subTest(key=key):
                self.assert_wrong(f'{key} = ""', f"{key}: an empty string")
        self.assertIn("state_dir: an empty string", self.nacred("--state-dir", "", "--check-config", path=os.devnull).stderr)
        for text in (f'run_as = ["{OWN}", ""]', 'run_as = [""]', 'listen = [""]'):
            with self.subTest(text=text):
                self.assert_wrong(text, f"{text.split()[0]}: an empty string")
        for flag in ("--cgroup", "--front", "--log-level", "--run-as", "--listen", "--compat"):
            with self.subTest(flag=flag):
                self.assert_wrong("", f"{flag[2:].replace('-', '_')}: an empty string", args=(flag, ""))

    def test_control_characters_are_refused_by_name(self):
        for key in ("state_dir", "front", "front_user", "socket_group", "cgroup", "drain_timeout", "spool_limit", "log_level",
                    "stream_idle_timeout"):
            for bad in ("\\u0000", "\\n", "\\u001b", "\\u007f"):
                with self.subTest(key=key, bad=bad):
                    self.write(f'{key} = "/x{bad}"')
                    done = self.nacred("--check-config")
                    self.assertEqual(done.returncode, 2)
                    self.assertRegex(done.stderr, f"{key}: .* holds a control character")
        for text in ('run_as = ["root\\u0000x"]', 'listen = ["unix:/s\\u0000x"]'):
            with self.subTest(text=text):
                self.assert_wrong(text, f"{text.split()[0]}: ", "holds a control character")
        self.assert_wrong(COMPAT + 'quit = "bye\\u0000"\n', "compat: ", "holds a control character")

    def test_an_address_that_is_given_twice_is_refused(self):
        tcp = "insecure_loopback = true\n"
        for text, address in (('listen = ["unix:/s", "unix:/t", "unix:/s"]', "unix:/s"), ('listen = ["unix:/a/s", "unix:/a//s"]', "/s"),
                              (tcp + 'listen = ["127.0.0.1:7070", "localhost:7070"]', "127.0.0.1:7070"),
                              (tcp + 'listen = ["[::1]:7070", "[0:0::1]:7070"]', "[::1]:7070"),
                              (tcp + 'listen = ["127.0.0.1:9100"]\n' + COMPAT, "127.0.0.1:9100"),
                              (COMPAT + COMPAT, "127.0.0.1:9100")):
            with self.subTest(text=text):
                self.assert_wrong(text, f"{address} is to be listened on twice")
        self.assert_right(tcp + 'listen = ["127.0.0.1:0", "127.0.0.1:0"]')

    def test_a_front_that_is_no_program_is_refused_by_name(self):
        plain = self.directory / "plain"
        plain.touch(mode=0o644)
        os.mkfifo(self.directory / "fifo", 0o777)
        for path, why in (("/no/such/front", "No such file"), (self.directory, "is no regular file"), (plain, "is not executable"),
                          (self.directory / "fifo", "is no regular file"), ("/dev/null", "is no regular file")):
            with self.subTest(path=path):
                self.assert_wrong(f'front = "{path}"', f"front: {path}", why)

    @needs_root
    def test_a_front_that_its_user_may_not_run_is_refused_by_name(self):
        front = self.directory / "front"
        front.touch()
        daemon = pwd.getpwnam("daemon")
        for uid, gid, mode, right in ((0, 0, 0o744, False), (0, 0, 0o755, True), (0, daemon.pw_gid, 0o750, True),
                                      (0, daemon.pw_gid, 0o705, False), (daemon.pw_uid, 0, 0o677, False)):
            with self.subTest(mode=oct(mode), uid=uid, gid=gid):
                os.chown(front, uid, gid)
                front.chmod(mode)
                check = self.assert_right if right else lambda text: self.assert_wrong(text, 'not executable for user "daemon"')
                check(f'front = "{front}"\nfront_user = "daemon"')

    def test_what_is_wrong_with_a_compat_table_is_said(self):
        for text, *words in (('[[compat]]\naddress = "127.0.0.1:9100"\n', f"{self.path}:1", "lacks"),
                             ('[[compat]]\ndialect = "framed"\n', f"{self.path}:1", "lacks"),
                             ("[[compat]]\n", f"{self.path}:1", "lacks"),
                             (COMPAT + "timeout = true\n", f"{self.path}:4", "timeout is not"),
                             (COMPAT + "timeout = 1.5\n", f"{self.path}:4", "timeout is not"),
                             (COMPAT + 'quit = "a,b"\n', f"{self.path}:4", "quit holds a comma"),
                             (COMPAT + 'oder = "err-out"\n', "oder", 'did you mean "order"'),
                             (COMPAT + 'order = "sideways"\n', "sideways"),
                             (COMPAT + 'secret_file = "/no/such/secret"\n', "/no/such/secret"),
                             (COMPAT.replace("framed", "framde"), 'did you mean "framed"'),
                             (COMPAT.replace("127.0.0.1", "0.0.0.0"), "loopback")):
            with self.subTest(text=text):
                self.assert_wrong(text, *words)


class Files(ConfigTest):
    def test_a_file_that_others_may_write_is_refused_with_the_remedy(self):
        for mode in (0o620, 0o602, 0o666, 0o777):
            with self.subTest(mode=oct(mode)):
                self.write('log_level = "debug"')
                self.path.chmod(mode)
                done = self.nacred("--check-config")
                self.assertEqual(done.returncode, 2)
                self.assertIn(str(self.path), done.stderr)
                self.assertIn("chmod go-w", done.stderr)

    def test_one_that_others_may_read_is_not(self):
        self.write("")
        self.path.chmod(0o644)
        self.assertEqual(self.nacred("--check-config").returncode, 0)

    @needs_root
    def test_a_file_of_another_user_is_refused(self):
        self.write("")
        os.chown(self.path, pwd.getpwnam("nobody").pw_uid, -1)
        done = self.nacred("--check-config")
        self.assertEqual(done.returncode, 2)
        self.assertIn("chown", done.stderr)

    def test_a_file_that_is_missing_is_refused_by_name(self):
        done = self.nacred("--check-config", path="/no/such/nacred.toml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/no/such/nacred.toml", done.stderr)

    def test_an_empty_name_is_wrong_usage(self):
        done = self.nacred("--config", "", "--check-config", path="")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--config: a file name is missing", done.stderr)

    def test_the_default_file_may_be_missing(self):
        if os.geteuid() == 0 and os.path.exists("/etc/nacre/nacred.toml"):
            self.skipTest("this machine has one")
        done = self.nacred("--print-config", path="")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(os.geteuid() == 0, "root's is in /etc")
    def test_a_users_own_is_found_where_such_files_are(self):
        (self.directory / "nacre").mkdir()
        path = self.directory / "nacre/nacred.toml"
        path.write_text('log_level = "debug"')
        path.chmod(0o600)
        done = self.nacred("--print-config", path="")
        self.assertEqual(tomllib.loads(done.stdout)["log_level"], "debug")

    def test_a_directory_is_refused_by_name(self):
        done = self.nacred("--check-config", path=self.directory)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{self.directory} is a directory", done.stderr)

    def test_a_pipe_that_nobody_writes_does_not_hang(self):
        os.mkfifo(self.path, 0o600)
        self.nacred("--check-config")

    def test_a_file_without_end_is_refused(self):
        done = self.nacred("--check-config", path="/dev/zero")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no regular file", done.stderr)
        self.write("#" * (1 << 20) + "\n")
        self.assertIn("1 MiB", self.nacred("--check-config").stderr)


class CommandLine(ConfigTest):
    """What is given on the command line goes over what the file says."""

    FILE = ('log_level = "debug"\ndrain_timeout = "1m"\nstream_idle_timeout = "1h"\nspool_limit = "1G"\ncgroup = "off"\ninsecure_loopback = true\n'
            f'state_dir = "/file"\nfront = "{FRONT}"\nlisten = ["unix:/file/s", "unix:/file/t"]\n'
            f'run_as = ["{OWN}", "nosuchuser"]\n' + COMPAT)

    def test_each_flag_beats_its_key(self):
        for args, key, value in ((("--log-level", "error"), "log_level", "error"),
                                 (("--drain-timeout", "2s"), "drain_timeout", "2s"),
                                 (("--spool-limit", "2G"), "spool_limit", "2G"),
                                 (("--stream-idle-timeout", "3h"), "stream_idle_timeout", "3h"), (("--cgroup", "auto"), "cgroup", "auto"),
                                 (("--state-dir", "/flag"), "state_dir", "/flag"), (("--front", "/bin/true"), "front", "/bin/true"),
                                 (("--no-insecure-loopback",), "insecure_loopback", False)):
            with self.subTest(key=key):
                before, after = (tomllib.loads(self.printed(*given, text=self.FILE)) for given in ((), args))
                self.assertEqual(after.pop(key), value)
                self.assertNotEqual(before.pop(key), value)
                self.assertEqual(after, before)

    def test_a_list_of_flags_stands_in_the_place_of_the_files_list(self):
        config = tomllib.loads(self.printed("--listen", "unix:/flag/s", "--run-as", "nosuchother", "--compat", "framed=127.0.0.1:9101",
                                            "--compat", "framed=127.0.0.1:9102,order=err-out", text=self.FILE))
        self.assertEqual((config["listen"], config["run_as"]), (["unix:/flag/s"], ["nosuchother"]))
        self.assertEqual(config["compat"], [{"dialect": "framed", "address": "127.0.0.1:9101"},
                                            {"dialect": "framed", "address": "127.0.0.1:9102", "order": "err-out"}])

    def test_what_is_printed_is_right_and_prints_itself(self):
        texts = ["", self.FILE, "listen = []\n" + COMPAT, 'listen = ["unix:/a b/\\"quoted\\"/\\\\s"]\nstate_dir = "/ü/\'"\n',
                 COMPAT + 'order = "err-out"\nmax_connections = 10\nquit = "bye = now"\n' + COMPAT.replace("9100", "9101")]
        for text in texts:
            with self.subTest(text=text):
                first = self.printed(text=text)
                self.assert_right(first)
                self.assertEqual(self.printed(text=first), first)
                said = tomllib.loads(text)
                printed = tomllib.loads(first)
                for key, value in said.items():
                    if key != "compat":
                        self.assertEqual(printed[key], value)
                self.assertEqual([{name: str(one) for name, one in table.items()} for table in said.get("compat", [])],
                                 printed.get("compat", []))

    def test_what_is_wrong_is_not_printed(self):
        self.write('log_level = "loud"')
        done = self.nacred("--print-config")
        self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_a_mistake_on_the_command_line_is_told_before_the_file_is_read(self):
        self.write("nonsense")
        done = self.nacred("--nosuch")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--nosuch", done.stderr)


if __name__ == "__main__":
    unittest.main()
