"""The Python code that is generated from proto/, on import unless NACRE_E2E_STUBS says where it is."""

import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Before grpc is imported anywhere.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _stubs():
    ready = os.environ.get("NACRE_E2E_STUBS")
    if ready:
        return ready
    where = tempfile.mkdtemp(prefix="nacre-stubs.")
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    protos = [str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto").rglob("*.proto")]
    plugin = shutil.which("grpc_python_plugin")
    subprocess.run(
        ["protoc", "-I", str(ROOT / "proto"), f"--python_out={where}", f"--grpc_python_out={where}",
         f"--plugin=protoc-gen-grpc_python={plugin}", *protos], check=True)
    return where


STUBS = _stubs()
sys.path.insert(0, STUBS)

from nacre.internal.v1 import status_pb2  # noqa: E402,F401
from nacre.v1 import command_pb2, file_pb2, file_pb2_grpc, node_pb2, node_pb2_grpc  # noqa: E402,F401
from nacre.v1 import session_pb2, shell_pb2, shell_pb2_grpc  # noqa: E402,F401
