"""Files as the users whom commands may run as: their rights, and never more."""

import grp
import os
import pathlib
import signal
import threading
import unittest

import grpc

from accounts import Accounts, needs_root
from files import FilesTest, pb
from support import DEADLINE, alive, wait_for

Code = grpc.StatusCode


def fields_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def iter_then_wait(requests):
    yield from requests
    threading.Event().wait(DEADLINE)


@needs_root
class AsUsers(FilesTest):
    @classmethod
    def setUpClass(cls):
        cls.accounts = Accounts()
        cls.addClassCleanup(cls.accounts.close)
        cls.group = cls.accounts.group("extra")
        cls.user, cls.other = cls.accounts.user("user", cls.group), cls.accounts.user("other")
        cls.stranger = cls.accounts.user("stranger")
        cls.node_arguments = ("--run-as", "root", "--run-as", cls.user.name, "--run-as", cls.other.name,
                              "--socket-group", cls.group)
        cls.users = ("", cls.user.name, cls.other.name)
        cls.accounts.join(cls.other, cls.group)
        cls.accounts.join(cls.stranger, cls.group)
        super().setUpClass()
        cls.node.directory.chmod(0o755)

    def setUp(self):
        super().setUp()
        self.dir.chmod(0o755)
        self.mine = self.calls(run_as=self.user.name)
        self.home = pathlib.Path(self.user.home)

    def helper_of(self, user):
        (found,) = [pid for pid in self.helpers() if fields_of(pid)["Uid"][0] == str(user.uid)]
        return found

    def test_what_is_written_is_the_users(self):
        self.mine.write("f", b"x")  # from the user's home
        self.mine.mkdir("d")
        self.mine.symlink("l", "f")
        for name in ("f", "d", "l"):
            info = os.lstat(self.home / name)
            self.assertEqual((info.st_uid, info.st_gid), (self.user.uid, self.user.gid), name)
        self.assertEqual(bytes(self.mine.read("f").data), b"x")
        for name in ("f", "d", "l"):
            self.mine.remove(name)

    def test_what_the_user_may_not_the_daemon_does_not_either(self):
        secret = self.file("secret", b"secret", mode=0o600)
        (self.dir / "closed").mkdir(mode=0o700)
        self.file("closed/f", b"x")
        public = self.file("public", b"y", mode=0o644)
        denied = (Code.PERMISSION_DENIED, "FILE_ACCESS_DENIED")
        with self.fails(*denied, path=secret):
            self.mine.read(secret)
        with self.fails(*denied):
            self.mine.stat(self.dir / "closed" / "f")
        with self.fails(*denied):
            self.mine.list(self.dir / "closed")
        with self.fails(*denied):
            self.mine.write(self.dir / "new", b"x")
        with self.fails(*denied):
            self.mine.remove(public)
        with self.fails(*denied):
            self.mine.move(public, self.home / "p")
        with self.fails(*denied):
            self.mine.set(public, mode=0o777)
        with self.fails(*denied):
            self.mine.mkdir(self.dir / "d")
        with self.fails(*denied):
            next(self.mine.watch(self.dir / "closed"))
        for path in ("/etc/shadow", "/proc/1/environ", f"/proc/{self.node.pid}/environ", f"/proc/{self.node.front_pid()}/environ"):
            with self.fails(*denied):
                self.mine.read(path)
        self.assertEqual(bytes(self.mine.read(public).data), b"y")

    def test_a_file_of_a_group_of_the_users_is_read(self):
        path = self.file("f", b"group", mode=0o640)
        os.chown(path, 0, grp.getgrnam(self.group).gr_gid)
        self.assertEqual(bytes(self.mine.read(path).data), b"group")

    def test_the_helper_is_the_user_and_nothing_else(self):
        self.mine.stat(".")
        helper = fields_of(self.helper_of(self.user))
        self.assertEqual(set(helper["Uid"]), {str(self.user.uid)})
        self.assertEqual(set(helper["Gid"]), {str(self.user.gid)})
        self.assertEqual(sorted(map(int, helper["Groups"])), self.user.groups)
        self.assertEqual(helper["NoNewPrivs"], ["1"])
        self.assertEqual({helper[name][0] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")}, {"0" * 16})

    def test_one_user_has_one_and_a_killed_one_takes_nobody_along(self):
        others = self.calls(run_as=self.other.name)
        self.mine.stat(".")
        others.stat(".")
        first, second = self.helper_of(self.user), self.helper_of(self.other)
        self.assertNotEqual(first, second)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not alive(first), "it is gone")
        others.stat(".")
        self.assertEqual(self.helper_of(self.other), second)

    def test_a_user_who_stops_the_helper_stops_nobody_else(self):
        self.mine.stat(".")
        helper = self.helper_of(self.user)
        self.assertEqual(self.user.run("kill", "-STOP", str(helper)).returncode, 0)
        try:
            self.calls(run_as=self.other.name).stat(".")
            self.assertEqual(self.node.exec("echo", "fine").stdout, b"fine\n")
        finally:
            os.kill(helper, signal.SIGCONT)

    def test_callers_get_at_files_as_themselves_only(self):
        nacre = self.accounts.binary("nacre")
        (self.home / "f").write_text("mine")
        os.chown(self.home / "f", self.user.uid, self.user.gid)
        env = {"NACRE_HOST": self.node.target}
        read = self.user.run(nacre, "cat", ":f", env=env)
        self.assertEqual((read.returncode, read.stdout), (0, b"mine"), read)
        for who, words in ((self.other, ("cat", f":{self.home}/f")), (self.other, ("cat", "-u", self.user.name, ":f")),
                           (self.other, ("cat", "-u", "root", ":/etc/shadow"))):
            refused = who.run(nacre, *words, env=env)
            self.assertEqual((refused.returncode, refused.stdout), (1, b""), refused)
            self.assertIn(b"denied" if words[1][0] == ":" else b"rule", refused.stderr)
        stranger = self.stranger.run(nacre, "cat", ":/etc/passwd", env=env)
        self.assertEqual((stranger.returncode, stranger.stdout), (1, b""))

    def test_a_refusal_stands_in_the_audit(self):
        nobody = self.calls(run_as="daemon")
        with self.fails(Code.PERMISSION_DENIED, "POLICY_DENIED"):
            nobody.read("/etc/passwd")

        def said():
            return [line for line in self.node.audit() if line["event"] == "denied" and line.get("verb") == "read_file"]

        wait_for(said, "it is written")
        self.assertEqual((said()[-1]["path"], said()[-1]["user"]), ("/etc/passwd", "daemon"))

    def test_a_link_that_is_planted_in_an_uploads_place_is_not_followed(self):
        safe = self.file("safe", b"safe", mode=0o600)
        shared = self.dir / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        # Its name is told by an upload that was begun and dropped.
        with self.fails(Code.OUT_OF_RANGE, "BEYOND_END"):
            self.files.write(shared / "f", b"", resume_id="id", offset=1)
        call = self.files.stub.WriteFile.future(iter_then_wait([
            pb.WriteFileRequest(start=self.files.start_of(shared / "f", resume_id="id"), data=b"half")]))
        wait_for(lambda: os.listdir(shared), "it has begun")
        (name,) = os.listdir(shared)
        call.cancel()
        wait_for(lambda: self.files.upload(shared / "f", "id") == 4, "it is kept")
        os.unlink(shared / name)
        os.symlink(safe, shared / name)
        os.lchown(shared / name, self.user.uid, self.user.gid)
        with self.fails(Code.ABORTED, "UPLOAD_TAKEN"):
            self.files.write(shared / "f", b"new", resume_id="id", offset=2)
        self.assertEqual(safe.read_bytes(), b"safe")
        os.unlink(shared / name)


if __name__ == "__main__":
    unittest.main()
