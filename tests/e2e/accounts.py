"""Users and groups of a test's own: on this machine as long as the test runs, and only where root runs it."""

import grp
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import unittest

import support
from deadlines import DEADLINE, wait_for

needs_root = unittest.skipUnless(os.geteuid() == 0, "only root can make users, and run commands as them")


class Account:
    """A user: name, uid, gid, groups, home, shell."""

    def __init__(self, name):
        entry = pwd.getpwnam(name)
        self.name, self.uid, self.gid = name, entry.pw_uid, entry.pw_gid
        self.home, self.shell = entry.pw_dir, entry.pw_shell

    @property
    def groups(self):
        return sorted(os.getgrouplist(self.name, self.gid))

    def run(self, *argv, env=None, **options):
        """Runs a program as this user, to its end. It needs what this user may read."""
        return subprocess.run(argv, user=self.uid, group=self.gid, extra_groups=self.groups, cwd="/", env=env,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE, **options)


class Accounts:
    """What was made is removed by close(), or at the end of `with`. `directory` is one that everybody may enter: the
    users' homes are there, and copies of our binaries."""

    def __init__(self):
        self._users, self._groups = [], []
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="nacre-e2e."))
        self.directory.chmod(0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def group(self, word):
        """The name of a new group."""
        name = f"nacre-{word}-{os.getpid()}"
        self._do("groupadd", "--system", name)
        self._groups.append(name)
        return name

    def user(self, word, *groups, home=True):
        """A new user, also in these groups; without `home` that is a directory that does not exist."""
        name = f"nacre-{word}-{os.getpid()}"
        path = self.directory / name
        self._do("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(path), "--shell", "/bin/bash",
                 *(("--groups", ",".join(groups)) if groups else ()), name)
        self._users.append(name)
        user = Account(name)
        if home:
            path.mkdir()
            os.chown(path, user.uid, user.gid)
            path.chmod(0o700)
        return user

    def join(self, user, group):
        """Adds a user to a group."""
        self._do("usermod", "--append", "--groups", group, user.name)

    def binary(self, name):
        """A copy of a binary that everybody may run."""
        copy = self.directory / "bin" / name
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(support.BIN / name, copy)
            copy.chmod(0o755)
        return str(copy)

    def close(self):
        for name in self._users:
            wait_for(lambda name=name: self._gone("userdel", name), f"user {name} is removed")
        for name in self._groups:
            wait_for(lambda name=name: self._gone("groupdel", name), f"group {name} is removed")
        self._users, self._groups = [], []
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _do(*argv):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, (argv, done.stderr)

    @staticmethod
    def _gone(program, name):
        # Not while a process of that user is on its last instructions.
        subprocess.run([program, name], capture_output=True, timeout=DEADLINE)
        names = [one.pw_name for one in pwd.getpwall()] + [one.gr_name for one in grp.getgrall()]
        return name not in names
