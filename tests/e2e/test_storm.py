"""Many short commands at once through the C++ library: every answer whole, its own, and before its end."""

import os
import subprocess

import support
from support import NodeTest, scaled


class Storm(NodeTest):
    def test_output_and_exit_in_the_same_moment_lose_nothing(self):
        storm = [support.BIN / "nacre-storm", "--count", str(scaled(4000, 100_000)), "--callers", "32",
                 (support.BIN / "answer").resolve()]
        done = subprocess.run(storm, env=os.environ | {"NACRE_HOST": self.node.target}, capture_output=True, text=True,
                              timeout=scaled(200, 1000))
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}\n{self.node.log()}")
