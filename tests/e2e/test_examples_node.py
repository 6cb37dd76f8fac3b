"""The examples in JavaScript, with the packages that their lock file pins; skipped where these can not be had."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from examples import ExamplesTest
from support import DEADLINE, ROOT, NodeTest

OLDEST = (18, 11)
# Of npm ci, which fetches a few MB unless they are in npm's cache.
INSTALL_DEADLINE = 120
# npm's codes for what is wrong with our own files: no reason to skip.
OUR_FAULT = {"EUSAGE", "EINTEGRITY", "EJSONPARSE", "ETARGET", "E404"}


def require_node():
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise unittest.SkipTest(f"needs {program}")
    version = subprocess.check_output(["node", "--version"], text=True, timeout=DEADLINE)
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        raise unittest.SkipTest(f"needs Node.js {'.'.join(map(str, OLDEST))}, this is {version.strip()}")


def install(folder):
    """Has npm install what the lock file pins."""
    command = ["npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
               "--fetch-retries=1"]
    with subprocess.Popen(command, cwd=folder, text=True, start_new_session=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as npm:
        try:
            said, _ = npm.communicate(timeout=INSTALL_DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(npm.pid, signal.SIGKILL)
            raise unittest.SkipTest(f"npm ci has not ended within {INSTALL_DEADLINE} s") from None
    if npm.returncode != 0:
        code = re.search(r"code (\w+)|$", said)[1]
        if code in OUR_FAULT:
            raise AssertionError(said)
        raise unittest.SkipTest(f"npm ci can't get the packages: {code or said.strip()}")


class JavaScript(ExamplesTest, NodeTest):
    @classmethod
    def setUpClass(cls):
        require_node()
        # A copy, beside the contract as the original is: npm writes nothing into the source tree.
        root = pathlib.Path(tempfile.mkdtemp(prefix="nacre-examples."))
        cls.addClassCleanup(shutil.rmtree, root)
        (root / "proto").symlink_to(ROOT / "proto")
        folder = root / "examples/node"
        shutil.copytree(ROOT / "examples/node", folder, ignore=shutil.ignore_patterns("node_modules"))
        install(folder)
        cls.programs = {name: [folder / f"{name}.js"] for name in ExamplesTest.COMMANDS}
        super().setUpClass()
