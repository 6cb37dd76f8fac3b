"""What the tests of files share: a directory of their own, the calls of FileService, and nothing left behind."""

import contextlib
import os
import pathlib
import shutil
import tempfile

import grpc
import xxhash

from stubs import file_pb2 as pb
from stubs import file_pb2_grpc
from calls import channel, details
from deadlines import DEADLINE, wait_for
from support import NodeTest, children

TEMPORARY = ".nacre-"


def path_of(path, root=None):
    """A FilePath: bytes where it is not UTF-8."""
    result = pb.FilePath()
    for name, value in (("path", path), ("root", root)):
        raw = os.fsencode(value) if value is not None else b""
        try:
            setattr(result, name, raw.decode())
        except UnicodeDecodeError:
            setattr(result, f"{name}_bytes", raw)
    return result


def digest(data):
    return xxhash.xxh3_128(data).digest()


def raw_name(file):
    return os.fsencode(file.name) or file.name_bytes


class Read:
    """A ReadFile that was read to its end, and checked."""

    def __init__(self, parts):
        self.data, self.holes, self.head, self.end = bytearray(), 0, None, None
        for part in parts:
            assert self.end is None, "something behind the end"
            kind = part.WhichOneof("part")
            assert (kind == "head") == (self.head is None), "the head is first, and only there"
            if kind == "head":
                self.head = part.head
            elif kind == "data":
                assert 0 < len(part.data) <= 1024 * 1024
                self.data += part.data
            elif kind == "hole":
                self.data += bytes(part.hole)
                self.holes += part.hole
            else:
                self.end = part.end
        assert self.end is not None
        assert self.end.bytes == len(self.data)
        assert self.end.xxh3_128 == digest(self.data)


class Calls:
    """FileService for one caller."""

    def __init__(self, stub, run_as=""):
        self.stub, self.run_as = stub, run_as

    def stat(self, path, root=None, follow=False):
        return self.stub.StatFile(pb.StatFileRequest(path=path_of(path, root), follow=follow, run_as=self.run_as),
                                  timeout=DEADLINE).file

    def page(self, path, token="", size=0, root=None):
        return self.stub.ListDirectory(
            pb.ListDirectoryRequest(path=path_of(path, root), page_token=token, page_size=size, run_as=self.run_as),
            timeout=DEADLINE)

    def list(self, path, size=0):
        found, token = [], ""
        while True:
            page = self.page(path, token, size)
            found += page.entries
            token = page.next_page_token
            if not token:
                return found

    def read_call(self, path, root=None, **fields):
        return self.stub.ReadFile(pb.ReadFileRequest(path=path_of(path, root), run_as=self.run_as, **fields), timeout=DEADLINE)

    def read(self, path, root=None, **fields):
        return Read(self.read_call(path, root, **fields))

    def start_of(self, path, root=None, **fields):
        return pb.WriteStart(path=path_of(path, root), run_as=self.run_as, **fields)

    def write_requests(self, requests):
        return self.stub.WriteFile(iter(requests), timeout=DEADLINE).file

    def write(self, path, data, root=None, finish=None, step=100_000, **fields):
        def requests():
            yield pb.WriteFileRequest(start=self.start_of(path, root, **fields))
            for at in range(0, len(data), step):
                yield pb.WriteFileRequest(data=data[at:at + step])
            yield pb.WriteFileRequest(finish=finish or pb.WriteFinish(size=len(data), xxh3_128=digest(data)))
        return self.write_requests(requests())

    def upload(self, path, resume_id):
        return self.stub.GetUpload(pb.GetUploadRequest(path=path_of(path), resume_id=resume_id, run_as=self.run_as),
                                   timeout=DEADLINE).size

    def mkdir(self, path, root=None, **fields):
        return self.stub.MakeDirectory(pb.MakeDirectoryRequest(path=path_of(path, root), run_as=self.run_as, **fields),
                                       timeout=DEADLINE).file

    def symlink(self, path, target, root=None, **fields):
        raw = os.fsencode(target)
        try:
            fields["target"] = raw.decode()
        except UnicodeDecodeError:
            fields["target_bytes"] = raw
        return self.stub.MakeSymlink(pb.MakeSymlinkRequest(path=path_of(path, root), run_as=self.run_as, **fields),
                                     timeout=DEADLINE).file

    def move(self, from_, to, **fields):
        self.stub.MoveFile(pb.MoveFileRequest(**{"from": path_of(from_)}, to=path_of(to), run_as=self.run_as, **fields),
                           timeout=DEADLINE)

    def remove(self, path, root=None, **fields):
        return self.stub.RemoveFile(pb.RemoveFileRequest(path=path_of(path, root), run_as=self.run_as, **fields),
                                    timeout=DEADLINE).removed

    def set(self, path, **fields):
        return self.stub.SetFileAttributes(pb.SetFileAttributesRequest(path=path_of(path), run_as=self.run_as, **fields),
                                           timeout=DEADLINE).file

    def watch(self, path):
        return self.stub.WatchFile(pb.WatchFileRequest(path=path_of(path), run_as=self.run_as), timeout=DEADLINE)


class FilesTest(NodeTest):
    """Tests on one daemon, each with a directory of its own in which nothing temporary is left."""

    # Whom the tests act as.
    users = ("",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Helpers stay for a while, so they are there before the tests as well.
        with channel(cls.node.target) as open_channel:
            for user in cls.users:
                Calls(file_pb2_grpc.FileServiceStub(open_channel), user).stat("/")
        cls.node.warm_up(calls=1)

    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nacre-e2e."))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.addCleanup(self._nothing_temporary)
        self.files = self.calls()

    def _nothing_temporary(self):
        def left():
            return [name for _, directories, files in os.walk(self.dir) for name in directories + files
                    if name.startswith(TEMPORARY)]
        wait_for(lambda: not left(), lambda: f"what is temporary is removed: {left()}")

    def calls(self, node=None, run_as=""):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return Calls(file_pb2_grpc.FileServiceStub(stack.enter_context(channel((node or self.node).target))), run_as)

    def helpers(self, node=None):
        return [pid for pid, (name, state) in children((node or self.node).pid).items()
                if name == "nacre-files" and state not in ("Z", "X")]

    @contextlib.contextmanager
    def fails(self, code, reason, path=None):
        """Expects an error; with a path, that it is in the error's details as it was given."""
        with self.assertRaises(grpc.RpcError) as caught:
            yield caught
        found = details(caught.exception)
        self.assertEqual((caught.exception.code(), found["ErrorInfo"].reason), (code, reason), caught.exception.details())
        if path is not None:
            self.assertEqual(found["ErrorInfo"].metadata["path"], str(path))

    def file(self, name, data=b"", mode=None):
        path = self.dir / name
        path.write_bytes(data)
        if mode is not None:
            path.chmod(mode)
        return path
