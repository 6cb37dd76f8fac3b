"""FileService as tool authors call it: what is read, written and listed, and everything that can be in the way."""

import os
import pathlib
import random
import signal
import socket
import stat
import tempfile
import threading
import time
import unittest

import grpc

from files import FilesTest, Read, digest, path_of, pb, raw_name
from sessions import kill_front
from support import DEADLINE, MIB, Node, SANITIZED, alive, descriptors, own_memory, scaled, wait_for

Code = grpc.StatusCode
RANDOM = random.Random(7)


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


class Looking(FilesTest):
    def test_a_file_is_described_as_the_kernel_does(self):
        path = self.file("f", b"x" * 5000, mode=0o640)
        os.utime(path, ns=(1, 1_234_567_890_123_456_789))
        file, info = self.files.stat(path), path.stat()
        self.assertEqual((file.name, file.type, file.size, file.mode), ("f", pb.FILE_TYPE_REGULAR, 5000, 0o640))
        self.assertEqual((file.uid, file.gid, file.links, file.inode), (info.st_uid, info.st_gid, 1, info.st_ino))
        self.assertEqual(file.modify_time.ToNanoseconds(), 1_234_567_890_123_456_789)
        self.assertEqual(file.allocated_bytes, info.st_blocks * 512)

    def test_every_kind_is_told(self):
        self.file("regular")
        (self.dir / "directory").mkdir()
        os.mkfifo(self.dir / "fifo")
        os.symlink("regular", self.dir / "link")
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(self.dir / "socket"))
            kinds = {file.name: file.type for file in self.files.list(self.dir)}
        self.assertEqual(kinds, {"regular": pb.FILE_TYPE_REGULAR, "directory": pb.FILE_TYPE_DIRECTORY, "fifo": pb.FILE_TYPE_FIFO,
                                 "link": pb.FILE_TYPE_SYMLINK, "socket": pb.FILE_TYPE_SOCKET})
        self.assertEqual(self.files.stat("/dev/null").type, pb.FILE_TYPE_CHARACTER_DEVICE)

    def test_a_link_is_described_itself_unless_it_is_to_be_followed(self):
        self.file("f", b"12345")
        os.symlink("f", self.dir / "link")
        link = self.files.stat(self.dir / "link")
        self.assertEqual((link.type, link.link_target), (pb.FILE_TYPE_SYMLINK, "f"))
        self.assertEqual(self.files.stat(self.dir / "link", follow=True).size, 5)

    def test_names_that_are_not_utf8_go_both_ways(self):
        name = os.fsencode(self.dir) + b"/\xff\n\x1b"
        self.files.write(name, b"odd")
        self.assertEqual(raw_name(self.files.stat(name)), b"\xff\n\x1b")
        self.assertEqual([raw_name(file) for file in self.files.list(self.dir)], [b"\xff\n\x1b"])
        self.assertEqual(bytes(self.files.read(name).data), b"odd")
        os.symlink(b"\xfe", os.fsencode(self.dir) + b"/link")
        self.assertEqual(self.files.stat(self.dir / "link").link_target_bytes, b"\xfe")

    def test_a_relative_path_counts_from_the_users_home(self):
        home = pathlib.Path("~").expanduser()
        with tempfile.NamedTemporaryFile(dir=home, prefix="nacre-e2e.") as file:
            self.assertEqual(self.files.stat(pathlib.Path(file.name).name).inode, os.stat(file.name).st_ino)

    def test_pages_hold_each_entry_once(self):
        names = {f"{i:05}" for i in range(3000)}
        for name in names:
            (self.dir / name).touch()
        found, token, pages = [], "", 0
        while pages == 0 or token:
            page = self.files.page(self.dir, token, 700)
            self.assertLessEqual(len(page.entries), 700)
            if pages == 1:
                (self.dir / "new").touch()  # what comes meanwhile may be there or not
            found += [file.name for file in page.entries if file.name != "new"]
            token, pages = page.next_page_token, pages + 1
        self.assertEqual(sorted(found), sorted(names))
        self.assertGreater(pages, 4)

    @unittest.skipIf(SANITIZED, "memory is not measured under a sanitizer")
    def test_a_great_directory_is_listed_in_bounded_memory(self):
        count = scaled(50_000, 1_000_000)
        directory = self.dir / "great"
        directory.mkdir()
        first = directory / "f"
        first.touch()
        for i in range(count - 1):
            if i % 60_000 == 0:  # a file has so many names on ext4
                first = directory / f"f{i}"
                first.touch()
            else:
                os.link(first, directory / f"{i}")
        self.files.page(directory)
        pids = [self.node.front_pid(), self.node.pid, *self.helpers()]
        before = [own_memory(pid) for pid in pids]
        seen, token = 0, None
        while token != "":
            page = self.files.page(directory, token or "")
            seen, token = seen + len(page.entries), page.next_page_token
        self.assertEqual(seen, count)
        for pid, bytes_before in zip(pids, before):
            self.assertLess(own_memory(pid) - bytes_before, 16 * MIB)


class Reading(FilesTest):
    def test_all_of_it_arrives(self):
        for size in (0, 1, 4096, 3 * MIB + 17):
            data = RANDOM.randbytes(size)
            path = self.file(f"f{size}", data)
            read = self.files.read(path)
            self.assertEqual(bytes(read.data), data)
            self.assertEqual((read.head.size, read.end.changed), (size, False))

    def test_a_part_of_it_arrives(self):
        data = RANDOM.randbytes(MIB)
        path = self.file("f", data)
        for offset, length in ((0, 10), (1000, 300_000), (MIB - 5, 100), (MIB, 1), (MIB, None), (7, None), (7, 0)):
            fields = {} if length is None else {"length": length}
            end = MIB if length is None else offset + length
            self.assertEqual(bytes(self.files.read(path, offset=offset, **fields).data), data[offset:end])
        with self.fails(Code.OUT_OF_RANGE, "BEYOND_END", path):
            self.files.read(path, offset=MIB + 1)
        with self.fails(Code.OUT_OF_RANGE, "BEYOND_END"):
            self.files.read(path, offset=2**64 - 1)

    def test_holes_stay_holes_for_who_takes_them(self):
        path = self.dir / "sparse"
        with path.open("wb") as file:
            file.seek(8 * MIB)
            file.write(b"island")
            file.truncate(64 * MIB)
        read = self.files.read(path, accept_holes=True)
        self.assertGreater(read.holes, 60 * MIB)
        self.assertEqual(bytes(read.data), path.read_bytes())
        self.assertEqual(self.files.read(path).holes, 0)

    def test_a_file_of_proc_is_read_to_its_end(self):
        self.assertIn(b"processor", bytes(self.files.read("/proc/cpuinfo").data))

    def test_what_is_no_regular_file_is_refused_at_once(self):
        os.mkfifo(self.dir / "fifo")
        for path in (self.dir / "fifo", "/dev/zero", "/dev/tty"):
            with self.fails(Code.FAILED_PRECONDITION, "NOT_A_REGULAR_FILE", path):
                self.files.read(path)
        with self.fails(Code.FAILED_PRECONDITION, "IS_A_DIRECTORY", self.dir):
            self.files.read(self.dir)
        with self.fails(Code.NOT_FOUND, "FILE_NOT_FOUND", self.dir / "none"):
            self.files.read(self.dir / "none")
        with self.fails(Code.FAILED_PRECONDITION, "NOT_A_DIRECTORY"):
            self.files.read("/etc/passwd/x")
        os.symlink("loop", self.dir / "loop")
        with self.fails(Code.FAILED_PRECONDITION, "TOO_MANY_LINKS"):
            self.files.read(self.dir / "loop")

    def test_a_file_that_changes_meanwhile_is_said_to_have_changed(self):
        for change in ("grow", "shrink", "replace"):
            path = self.file(change, RANDOM.randbytes(32 * MIB))
            parts = self.files.read_call(path)
            got = [next(parts), next(parts)]
            if change == "grow":
                with path.open("ab") as file:
                    file.write(b"more" * MIB)
            elif change == "shrink":
                os.truncate(path, MIB * 20)
            else:
                self.file("other", b"x").rename(path)
            read = Read([*got, *parts])
            self.assertTrue(read.end.changed)
            self.assertLessEqual(len(read.data), 32 * MIB)

    def test_another_version_than_expected_is_refused(self):
        path = self.file("f", b"one")
        version = self.files.stat(path).version
        self.assertEqual(bytes(self.files.read(path, expected_version=version).data), b"one")
        self.file("f", b"two")
        with self.fails(Code.FAILED_PRECONDITION, "FILE_CHANGED", path):
            self.files.read(path, expected_version=version)

    def test_who_stops_reading_leaves_nothing_open(self):
        path = self.file("f", bytes(64 * MIB))
        front = self.node.front_pid()
        for _ in range(20):
            call = self.files.read_call(path)
            next(call)
            call.cancel()
        wait_for(lambda: str(path) not in descriptors(front).values(), "the file is closed")


class Writing(FilesTest):
    def test_it_takes_its_name_at_the_end_and_replaces_what_was_there(self):
        path = self.file("f", b"old")
        go = threading.Event()
        data = RANDOM.randbytes(3 * MIB)

        def requests():
            yield pb.WriteFileRequest(start=self.files.start_of(path), data=data[:MIB])
            go.wait(DEADLINE)
            yield pb.WriteFileRequest(data=data[MIB:], finish=pb.WriteFinish(size=len(data), xxh3_128=digest(data)))

        call = self.files.stub.WriteFile.future(requests(), timeout=DEADLINE)
        self.assertEqual(path.read_bytes(), b"old")
        go.set()
        self.assertEqual(call.result().file.size, len(data))
        self.assertEqual(path.read_bytes(), data)

    def test_all_in_one_request(self):
        for data in (b"", b"x", RANDOM.randbytes(3 * MIB)):
            self.files.write_requests([pb.WriteFileRequest(start=self.files.start_of(self.dir / "f"), data=data,
                                                           finish=pb.WriteFinish(xxh3_128=digest(data)))])
            self.assertEqual((self.dir / "f").read_bytes(), data)

    def test_holes_take_no_room(self):
        requests = [pb.WriteFileRequest(start=self.files.start_of(self.dir / "f"), data=b"a", hole=64 * MIB),
                    pb.WriteFileRequest(data=b"b", hole=MIB),
                    pb.WriteFileRequest(finish=pb.WriteFinish(xxh3_128=digest(b"a" + bytes(64 * MIB) + b"b" + bytes(MIB))))]
        file = self.files.write_requests(requests)
        self.assertEqual(file.size, 65 * MIB + 2)
        self.assertLess((self.dir / "f").stat().st_blocks * 512, MIB)

    def test_mode_and_time_are_as_asked(self):
        path = self.dir / "f"
        self.files.write(path, b"x")
        self.assertEqual(mode_of(path), 0o644)
        self.files.write(path, b"x", mode=0o601, modify_time={"seconds": -5, "nanos": 7})
        self.assertEqual((mode_of(path), path.stat().st_mtime_ns), (0o601, -5_000_000_000 + 7))
        self.files.write(path, b"y")  # what is replaced hands its mode on
        self.assertEqual(mode_of(path), 0o601)

    def test_special_bits_are_left_out_unless_asked_for(self):
        path = self.dir / "f"
        self.files.write(path, b"x", mode=0o6755)
        self.assertEqual(mode_of(path), 0o755)
        self.files.write(path, b"x", mode=0o6755, special_bits=True)
        self.assertEqual(mode_of(path), 0o6755)
        self.files.write(path, b"x")  # nor are they inherited
        self.assertEqual(mode_of(path), 0o755)

    def test_a_wrong_checksum_or_size_leaves_the_old_file(self):
        path = self.file("f", b"old")
        for finish in (pb.WriteFinish(xxh3_128=bytes(16)), pb.WriteFinish(sha256=bytes(32)), pb.WriteFinish(size=4),
                       pb.WriteFinish(xxh3_128=b"short")):
            with self.fails(Code.DATA_LOSS, "CHECKSUM_MISMATCH", path):
                self.files.write(path, b"new", finish=finish)
            self.assertEqual(path.read_bytes(), b"old")

    def test_a_right_sha256_is_accepted(self):
        import hashlib
        self.files.write(self.dir / "f", b"new", finish=pb.WriteFinish(sha256=hashlib.sha256(b"new").digest()))
        self.assertEqual((self.dir / "f").read_bytes(), b"new")

    def test_a_stream_that_ends_early_changes_nothing(self):
        path = self.file("f", b"old")
        for requests in ([], [pb.WriteFileRequest(data=b"x")], [pb.WriteFileRequest()],
                         [pb.WriteFileRequest(start=self.files.start_of(path), data=b"x")],
                         [pb.WriteFileRequest(start=self.files.start_of(path)), pb.WriteFileRequest(start=self.files.start_of(path))]):
            with self.fails(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
                self.files.write_requests(requests)
        self.assertEqual(path.read_bytes(), b"old")

    def test_what_comes_behind_the_finish_or_a_second_start_is_refused(self):
        path = self.file("f", b"old")
        first = pb.WriteFileRequest(start=self.files.start_of(path), data=b"x")
        for more in ([first], [pb.WriteFileRequest(finish=pb.WriteFinish()), pb.WriteFileRequest(data=b"y")]):
            for _ in range(20):
                try:
                    self.files.write_requests([first, *more])
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), Code.INVALID_ARGUMENT)
                else:
                    # What it had taken when `finish` came is what it has.
                    self.assertIsNot(more[0], first)
                    self.assertEqual(path.read_bytes(), b"x")

    def test_a_hole_without_end_harms_nobody_else(self):
        def requests():
            yield pb.WriteFileRequest(start=self.files.start_of(self.dir / "f"), hole=2**43)
            threading.Event().wait(DEADLINE)

        calls = [self.files.stub.WriteFile.future(requests()) for _ in range(4)]
        wait_for(lambda: any(str(self.dir) in one for one in descriptors(self.node.front_pid()).values()), "they have begun")
        for call in calls:
            call.cancel()
        self.assertEqual(bytes(self.files.read(self.file("g", b"fine")).data), b"fine")

    def test_a_client_that_is_lost_half_way_leaves_nothing(self):
        path = self.file("f", b"old")
        went = threading.Event()

        def requests():
            yield pb.WriteFileRequest(start=self.files.start_of(path), data=bytes(MIB))
            for _ in range(20):
                yield pb.WriteFileRequest(data=bytes(MIB))
            went.set()
            threading.Event().wait(DEADLINE)

        call = self.files.stub.WriteFile.future(requests())
        went.wait(DEADLINE)
        call.cancel()
        front = self.node.front_pid()
        wait_for(lambda: not any(str(self.dir) in one for one in descriptors(front).values()), "the file is closed")
        self.assertEqual(path.read_bytes(), b"old")
        self.assertEqual(os.listdir(self.dir), ["f"])

    def test_what_is_in_the_way_stays(self):
        (self.dir / "d").mkdir()
        os.mkfifo(self.dir / "fifo")
        with self.fails(Code.FAILED_PRECONDITION, "IS_A_DIRECTORY", self.dir / "d"):
            self.files.write(self.dir / "d", b"x")
        with self.fails(Code.FAILED_PRECONDITION, "NOT_A_REGULAR_FILE", self.dir / "fifo"):
            self.files.write(self.dir / "fifo", b"x")
        self.file("f", b"old")
        with self.fails(Code.ALREADY_EXISTS, "FILE_EXISTS", self.dir / "f"):
            self.files.write(self.dir / "f", b"x", must_not_exist=True)
        with self.fails(Code.NOT_FOUND, "FILE_NOT_FOUND"):
            self.files.write(self.dir / "none" / "f", b"x")
        self.assertEqual((self.dir / "f").read_bytes(), b"old")

    def test_a_link_of_its_name_is_replaced_not_followed(self):
        target = self.file("target", b"safe")
        os.symlink(target, self.dir / "link")
        self.files.write(self.dir / "link", b"new")
        self.assertEqual((target.read_bytes(), (self.dir / "link").read_bytes()), (b"safe", b"new"))
        self.assertFalse((self.dir / "link").is_symlink())

    def test_two_writers_of_one_file_leave_one_of_their_files_whole(self):
        path = self.dir / "f"
        contents = [bytes([65 + i]) * (2 * MIB) for i in range(6)]
        threads = [threading.Thread(target=self.files.write, args=(path, data)) for data in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIn(path.read_bytes(), contents)

    def test_a_full_disk_is_said_and_leaves_the_old_file(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small file system")
        small = self.dir / "small"
        small.mkdir()
        if os.system(f"mount -t tmpfs -o size=4m tmpfs {small}") != 0:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(os.system, f"umount {small}")
        (small / "f").write_bytes(b"old")
        for resume_id in ("", "big"):
            with self.fails(Code.RESOURCE_EXHAUSTED, "NO_SPACE", small / "f"):
                self.files.write(small / "f", bytes(8 * MIB), resume_id=resume_id)
        self.assertEqual((small / "f").read_bytes(), b"old")
        self.assertEqual(os.listdir(small), ["f"])
        self.files.write(small / "f", bytes(MIB))


class Resuming(FilesTest):
    def half(self, path, data, resume_id, size):
        """An upload of which so much has come."""
        went = threading.Event()

        def requests():
            yield pb.WriteFileRequest(start=self.files.start_of(path, resume_id=resume_id), data=data[:size])
            went.set()
            threading.Event().wait(DEADLINE)

        call = self.files.stub.WriteFile.future(requests())
        went.wait(DEADLINE)
        wait_for(lambda: self.has(path, resume_id) == size, "it has come")
        return call

    def has(self, path, resume_id):
        try:
            return self.files.upload(path, resume_id)
        except grpc.RpcError:
            return None

    def test_only_the_rest_travels(self):
        path, data = self.file("f", b"old"), RANDOM.randbytes(3 * MIB)
        self.half(path, data, "id", 2 * MIB).cancel()
        wait_for(lambda: not [one for one in descriptors(self.node.front_pid()).values() if str(self.dir) in one], "it is let go")
        self.assertEqual(path.read_bytes(), b"old")
        self.assertEqual(self.files.upload(path, "id"), 2 * MIB)
        self.files.write_requests([
            pb.WriteFileRequest(start=self.files.start_of(path, resume_id="id", offset=2 * MIB), data=data[2 * MIB:],
                                finish=pb.WriteFinish(size=len(data), xxh3_128=digest(data)))])
        self.assertEqual(path.read_bytes(), data)
        with self.fails(Code.NOT_FOUND, "UPLOAD_NOT_FOUND", path):
            self.files.upload(path, "id")

    def test_a_front_that_is_killed_loses_nothing_that_has_come(self):
        path, data = self.dir / "f", RANDOM.randbytes(3 * MIB)
        call = self.half(path, data, "id", 2 * MIB)
        kill_front(self.node)
        with self.assertRaises(grpc.RpcError):
            call.result()
        self.files = self.calls()
        self.assertEqual(self.files.upload(path, "id"), 2 * MIB)
        self.files.write_requests([
            pb.WriteFileRequest(start=self.files.start_of(path, resume_id="id", offset=MIB), data=data[MIB:],
                                finish=pb.WriteFinish(size=len(data), xxh3_128=digest(data)))])
        self.assertEqual(path.read_bytes(), data)

    def test_a_second_call_takes_the_upload_and_the_first_one_can_do_no_harm(self):
        path, data = self.dir / "f", RANDOM.randbytes(3 * MIB)
        more = threading.Event()

        def requests():
            yield pb.WriteFileRequest(start=self.files.start_of(path, resume_id="id"), data=data[:MIB])
            more.wait(DEADLINE)
            yield pb.WriteFileRequest(data=b"harm" * 1000, finish=pb.WriteFinish())

        first = self.files.stub.WriteFile.future(requests())
        wait_for(lambda: self.has(path, "id") == MIB, "it has come")
        second = self.half_from(path, data, "id", MIB, 2 * MIB)
        more.set()
        with self.fails(Code.ABORTED, "UPLOAD_TAKEN"):
            first.result()
        second.set()
        wait_for(path.exists, "the second one ends")
        self.assertEqual(path.read_bytes(), data)

    def half_from(self, path, data, resume_id, start, until):
        """Another call that has sent up to `until`; set the event to let it end."""
        rest = threading.Event()

        def requests():
            yield pb.WriteFileRequest(start=self.files.start_of(path, resume_id=resume_id, offset=start), data=data[start:until])
            rest.wait(DEADLINE)
            yield pb.WriteFileRequest(data=data[until:], finish=pb.WriteFinish(size=len(data), xxh3_128=digest(data)))

        self._second = self.files.stub.WriteFile.future(requests())
        wait_for(lambda: self.has(path, resume_id) == until, "the second one has come so far")
        return rest

    def test_more_than_has_come_can_not_be_left_out(self):
        path = self.dir / "f"
        self.half(path, bytes(MIB), "id", MIB).cancel()
        wait_for(lambda: not [one for one in descriptors(self.node.front_pid()).values() if str(self.dir) in one], "it is let go")
        with self.fails(Code.OUT_OF_RANGE, "BEYOND_END", path):
            self.files.write(path, b"", resume_id="id", offset=MIB + 1)
        self.files.write(path, b"from the beginning", resume_id="id")
        self.assertEqual(path.read_bytes(), b"from the beginning")

    def test_a_name_that_is_none_is_refused(self):
        for resume_id in ("../x", "a b", "x" * 65, "é"):
            with self.fails(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
                self.files.write(self.dir / "f", b"", resume_id=resume_id)
        with self.fails(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
            self.files.write(self.dir / "f", b"", offset=1)


class Changing(FilesTest):
    def test_directories_are_made(self):
        self.files.mkdir(self.dir / "a", mode=0o700)
        self.assertEqual(mode_of(self.dir / "a"), 0o700)
        with self.fails(Code.ALREADY_EXISTS, "FILE_EXISTS", self.dir / "a"):
            self.files.mkdir(self.dir / "a")
        self.files.mkdir(self.dir / "a", parents=True, mode=0o755)
        self.assertEqual(mode_of(self.dir / "a"), 0o700)
        self.files.mkdir(self.dir / "b" / "c" / "d", parents=True)
        self.assertTrue((self.dir / "b" / "c" / "d").is_dir())
        self.files.mkdir(self.dir / "t", mode=0o1777, special_bits=True)
        self.assertEqual(mode_of(self.dir / "t"), 0o1777)

    def test_links_are_made_and_replaced(self):
        self.files.symlink(self.dir / "l", "anywhere")
        with self.fails(Code.ALREADY_EXISTS, "FILE_EXISTS"):
            self.files.symlink(self.dir / "l", b"\xff")
        self.files.symlink(self.dir / "l", b"\xff", replace=True)
        self.assertEqual(os.readlink(os.fsencode(self.dir / "l")), b"\xff")

    def test_files_are_moved(self):
        self.file("a", b"a")
        self.file("b", b"b")
        with self.fails(Code.ALREADY_EXISTS, "FILE_EXISTS"):
            self.files.move(self.dir / "a", self.dir / "b", must_not_exist=True)
        self.files.move(self.dir / "a", self.dir / "b")
        self.assertEqual((self.dir / "b").read_bytes(), b"a")
        with self.fails(Code.NOT_FOUND, "FILE_NOT_FOUND", self.dir / "a"):
            self.files.move(self.dir / "a", self.dir / "c")
        with self.fails(Code.FAILED_PRECONDITION, "CROSS_DEVICE"):
            self.files.move(self.dir / "b", "/dev/shm/nacre-e2e-b")

    def test_files_and_directories_are_removed(self):
        self.file("f")
        self.assertEqual(self.files.remove(self.dir / "f"), 1)
        with self.fails(Code.NOT_FOUND, "FILE_NOT_FOUND", self.dir / "f"):
            self.files.remove(self.dir / "f")
        self.assertEqual(self.files.remove(self.dir / "f", may_be_missing=True), 0)
        (self.dir / "d" / "e").mkdir(parents=True)
        with self.fails(Code.FAILED_PRECONDITION, "DIRECTORY_NOT_EMPTY"):
            self.files.remove(self.dir / "d")
        safe = self.file("safe", b"x")
        os.symlink(safe, self.dir / "d" / "link")
        os.symlink(self.dir, self.dir / "d" / "e" / "up")
        self.assertEqual(self.files.remove(self.dir / "d", recursive=True), 4)
        self.assertTrue(safe.exists())

    def test_a_great_tree_is_removed_in_steps_beside_other_calls(self):
        tree = self.dir / "tree"
        for i in range(30):
            (tree / str(i)).mkdir(parents=True)
            for j in range(500):
                (tree / str(i) / str(j)).touch()
        call = self.files.stub.RemoveFile.future(pb.RemoveFileRequest(path=path_of(tree), recursive=True), timeout=DEADLINE)
        self.files.stat(self.dir)
        self.assertEqual(call.result().removed, 30 * 501 + 1)
        self.assertFalse(tree.exists())

    def test_modes_and_times_are_changed(self):
        path = self.file("f", mode=0o600)
        self.assertEqual(self.files.set(path, mode=0o4711).mode, 0o711)
        self.assertEqual(self.files.set(path, mode=0o4711, special_bits=True).mode, 0o4711)
        self.files.set(path, modify_time={"seconds": 7})
        self.assertEqual((mode_of(path), path.stat().st_mtime), (0o4711, 7))
        os.symlink(path, self.dir / "l")
        with self.fails(Code.FAILED_PRECONDITION, "NOT_SUPPORTED"):
            self.files.set(self.dir / "l", mode=0o777)
        self.files.set(self.dir / "l", modify_time={"seconds": 9})
        self.assertEqual((os.lstat(self.dir / "l").st_mtime, path.stat().st_mtime), (9, 7))


class Roots(FilesTest):
    def setUp(self):
        super().setUp()
        self.root = self.dir / "root"
        self.root.mkdir()
        self.file("secret", b"secret")
        self.file("root/f", b"mine")

    def test_no_path_leads_out(self):
        os.symlink("..", self.root / "up")
        os.symlink(self.dir / "secret", self.root / "absolute")
        os.symlink("/proc/self/root", self.root / "magic")
        self.assertEqual(bytes(self.files.read("f", root=self.root).data), b"mine")
        self.assertEqual(bytes(self.files.read("/f", root=self.root).data), b"mine")
        for path in ("../secret", "up/secret", "absolute", "f/../../secret", "magic/etc/passwd", "/../secret"):
            with self.assertRaises(grpc.RpcError) as caught:
                self.files.read(path, root=self.root)
            self.assertIn(caught.exception.code(), (Code.PERMISSION_DENIED, Code.FAILED_PRECONDITION), path)
        for call in (self.files.write, self.files.symlink):
            with self.fails(Code.PERMISSION_DENIED, "OUTSIDE_ROOT"):
                call("../new", b"x", root=self.root)
        with self.fails(Code.PERMISSION_DENIED, "OUTSIDE_ROOT"):
            self.files.write("up/new", b"x", root=self.root)
        with self.fails(Code.PERMISSION_DENIED, "OUTSIDE_ROOT"):
            self.files.remove("up/secret", root=self.root)
        with self.fails(Code.PERMISSION_DENIED, "OUTSIDE_ROOT"):
            self.files.mkdir("../d/e", root=self.root, parents=True)
        self.assertEqual(sorted(os.listdir(self.dir)), ["root", "secret"])

    def test_nor_does_a_link_that_is_swapped_in_meanwhile(self):
        (self.root / "d").mkdir()
        self.file("root/d/secret", b"inside")
        os.symlink("..", self.root / "evil")
        stop = threading.Event()

        def swap():
            while not stop.is_set():
                os.rename(self.root / "d", self.root / "x")
                os.rename(self.root / "evil", self.root / "d")
                os.rename(self.root / "d", self.root / "evil")
                os.rename(self.root / "x", self.root / "d")

        swapper = threading.Thread(target=swap)
        swapper.start()
        outcomes = set()
        try:
            for _ in range(500):
                try:
                    outcomes.add(bytes(self.files.read("d/secret", root=self.root).data))
                except grpc.RpcError as error:
                    outcomes.add(error.code())
        finally:
            stop.set()
            swapper.join()
        self.assertNotIn(b"secret", outcomes)
        self.assertIn(b"inside", outcomes)

    def test_a_root_that_is_none_is_said(self):
        with self.fails(Code.NOT_FOUND, "FILE_NOT_FOUND"):
            self.files.read("f", root=self.dir / "none")
        with self.fails(Code.FAILED_PRECONDITION, "NOT_A_DIRECTORY"):
            self.files.read("f", root=self.dir / "secret")


class Watching(FilesTest):
    def test_what_happens_is_told_as_it_happens(self):
        watch = self.files.watch(self.dir)
        self.assertTrue(next(watch).HasField("watching"))

        def expect(kind, name):
            while True:
                event = next(watch).file
                if (event.kind, event.name) == (kind, name):
                    return event

        self.file("f", b"x")
        expect(pb.FILE_EVENT_KIND_CREATED, "f")
        expect(pb.FILE_EVENT_KIND_WRITTEN, "f")
        expect(pb.FILE_EVENT_KIND_CLOSED, "f")
        (self.dir / "f").chmod(0o600)
        expect(pb.FILE_EVENT_KIND_ATTRIBUTES, "f")
        (self.dir / "f").rename(self.dir / "g")
        move = expect(pb.FILE_EVENT_KIND_MOVED_OUT, "f").move
        self.assertEqual(expect(pb.FILE_EVENT_KIND_MOVED_IN, "g").move, move)
        (self.dir / "d").mkdir()
        self.assertTrue(expect(pb.FILE_EVENT_KIND_CREATED, "d").directory)
        (self.dir / "g").unlink()
        expect(pb.FILE_EVENT_KIND_REMOVED, "g")
        watch.cancel()

    def test_it_ends_when_what_is_watched_goes(self):
        (self.dir / "d").mkdir()
        watch = self.files.watch(self.dir / "d")
        next(watch)
        (self.dir / "d").rmdir()
        with self.fails(Code.FAILED_PRECONDITION, "WATCH_ENDED"):
            for _ in watch:
                pass

    def test_lost_events_are_said(self):
        limit = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        if limit > 100_000:
            self.skipTest("this machine queues very many events")
        watch = self.files.watch(self.dir)
        next(watch)
        os.kill(self.node.front_pid(), signal.SIGSTOP)
        try:
            for i in range(limit // 2 + 100):  # two different ones each: no two alike in a row are told once
                path = self.dir / str(i % 50)
                path.touch() if i % 100 < 50 else path.unlink()
                os.utime(self.dir / "x", (i, i)) if (self.dir / "x").exists() else (self.dir / "x").touch()
        finally:
            os.kill(self.node.front_pid(), signal.SIGCONT)
        for event in watch:
            if event.HasField("overflow"):
                break
        watch.cancel()

    def test_who_leaves_leaves_nothing_open(self):
        front = self.node.front_pid()
        for _ in range(10):
            watch = self.files.watch(self.dir)
            next(watch)
            watch.cancel()
        wait_for(lambda: not any("inotify" in one for one in descriptors(front).values()), "nothing is watched")


class BadPaths(FilesTest):
    def test_they_are_refused_by_name(self):
        for path in ("", "a\0b", "/" + "x" * 5000, "x" * 300):
            with self.fails(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
                self.files.stat(path)
        with self.fails(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
            self.files.stub.StatFile(pb.StatFileRequest(path=pb.FilePath(path="a", path_bytes=b"b")), timeout=DEADLINE)
        with self.fails(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
            self.files.stub.StatFile(pb.StatFileRequest(), timeout=DEADLINE)
        with self.fails(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
            self.files.page(self.dir, token="nonsense")
        for name in (".", ".."):
            with self.assertRaises(grpc.RpcError):
                self.files.write(f"{self.dir}/{name}", b"x")
            with self.assertRaises(grpc.RpcError):
                self.files.remove(f"{self.dir}/{name}", recursive=True)
        self.assertTrue(self.dir.exists())


class Helper(FilesTest):
    def test_one_serves_all_calls_of_a_user_and_a_killed_one_is_replaced(self):
        self.files.stat(self.dir)
        (first,) = self.helpers()
        self.files.stat(self.dir)
        self.assertEqual(self.helpers(), [first])
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not alive(first), "it is gone")

        def again():
            try:
                return self.files.stat(self.dir).type == pb.FILE_TYPE_DIRECTORY
            except grpc.RpcError as error:
                self.assertEqual(error.code(), Code.UNAVAILABLE)
                return False

        wait_for(again, "another one serves")

    def test_one_that_hangs_is_told_from_a_node_that_hangs(self):
        self.files.stat(self.dir)
        (helper,) = self.helpers()
        os.kill(helper, signal.SIGSTOP)
        try:
            with self.assertRaises(grpc.RpcError) as caught:
                self.files.stub.StatFile(pb.StatFileRequest(path=path_of(self.dir)), timeout=0.3)
            self.assertEqual(caught.exception.code(), Code.DEADLINE_EXCEEDED)
            self.assertEqual(self.node.exec("echo", "fine").stdout, b"fine\n")
        finally:
            os.kill(helper, signal.SIGCONT)
        self.assertEqual(self.files.stat(self.dir).type, pb.FILE_TYPE_DIRECTORY)

    def test_it_ends_with_its_front_and_with_the_daemon(self):
        with Node() as node:
            files = self.calls(node)
            files.stat(self.dir)
            (helper,) = self.helpers(node)
            kill_front(node)
            wait_for(lambda: not alive(helper), "it ends with its front")
            self.calls(node).stat(self.dir)
            (helper,) = self.helpers(node)
            node.stop()
            wait_for(lambda: not alive(helper), "it ends with the daemon")

    def test_who_watches_does_not_keep_a_node_from_stopping(self):
        with Node() as node:
            watch = self.calls(node).watch(self.dir)
            next(watch)
            node.terminate()
            with self.fails(Code.UNAVAILABLE, "DRAINING"):
                next(watch)
            node.wait()

    def test_one_that_hangs_does_not_keep_a_node_from_stopping(self):
        with Node() as node:
            files = self.calls(node)
            files.stat(self.dir)
            (helper,) = self.helpers(node)
            os.kill(helper, signal.SIGSTOP)
            path = self.file("f", b"x")
            calls = [files.stub.ReadFile(pb.ReadFileRequest(path=path_of(path))) for _ in range(5)]
            wait_for(lambda: len([line for line in node.audit() if line["event"] == "read_file"]) == 5, "they are under way")
            node.terminate()
            for call in calls:
                with self.assertRaises(grpc.RpcError):
                    next(call)
            node.wait()
            self.assertEqual(len([line for line in node.audit() if line["event"] == "file_end"]), 5)
            self.assertNotIn("SIGKILL", node.log())
            wait_for(lambda: not alive(helper), "it ends with the daemon")

    def test_a_node_can_do_without(self):
        with Node("--files", "off") as node:
            with self.fails(Code.UNAVAILABLE, "FILES_UNAVAILABLE"):
                self.calls(node).stat(self.dir)


class Audit(FilesTest):
    def test_it_hears_of_every_use_before_and_after(self):
        path = self.dir / "f"
        self.files.write(path, b"12345")
        self.files.read(path)
        self.files.stat(path)
        with self.fails(Code.NOT_FOUND, "FILE_NOT_FOUND"):
            self.files.remove(self.dir / "none")
        self.files.move(path, self.dir / "\x1b[31m")

        def lines():
            all_lines = self.node.audit()
            mine = {line["file"]: line for line in all_lines if str(self.dir) in line.get("path", "")}
            return [(line["event"], line) for line in all_lines if line.get("file") in mine]

        wait_for(lambda: len(lines()) == 8, "all is written")
        found = lines()
        ids = [line["file"] for _, line in found]
        by_id = {one: [(event, line) for event, line in found if line["file"] == one] for one in ids}
        self.assertEqual([[event for event, _ in pair] for pair in by_id.values()],
                         [["write_file", "file_end"], ["read_file", "file_end"], ["remove_file", "file_end"], ["move_file", "file_end"]])
        ends = [pair[1][1] for pair in by_id.values()]
        self.assertEqual([end["status"] for end in ends], ["OK", "OK", "FILE_NOT_FOUND", "OK"])
        self.assertEqual([end.get("bytes") for end in ends], [5, 5, None, None])
        self.assertNotIn("\x1b", (self.node.state / "audit.jsonl").read_text())


if __name__ == "__main__":
    unittest.main()
