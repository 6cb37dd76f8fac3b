"""The examples in Python, with modules that they generate themselves."""

import shutil
import subprocess
import tempfile

from examples import ExamplesTest
from support import DEADLINE, ROOT, NodeTest

FOLDER = ROOT / "examples/python"


class Python(ExamplesTest, NodeTest):
    programs = {name: [FOLDER / f"{name}.py"] for name in ExamplesTest.COMMANDS}

    @classmethod
    def setUpClass(cls):
        modules = tempfile.mkdtemp(prefix="nacre-examples.")
        cls.addClassCleanup(shutil.rmtree, modules)
        subprocess.run([FOLDER / "generate.sh", modules], check=True, timeout=DEADLINE)
        cls.environment = {"PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1"}
        super().setUpClass()

    def test_without_the_generated_modules_a_program_says_how_to_get_them(self):
        result = self.example("run", env={"PYTHONPATH": ""})
        self.assert_ends(result, 1, b"")
        self.assertIn(b"generate.sh", result.stderr)
