"""nacre cp and the other verbs about files, as people at a terminal and scripts use them."""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import signal
import stat
import subprocess
import threading
import unittest

from files import TEMPORARY, FilesTest
from sessions import kill_front
from support import DEADLINE, MIB, RSS_BOUND, SANITIZED, LONG, MemoryWatch, own_memory, scaled, wait_for

RANDOM = random.Random(11)
SMALL_FILES = scaled(2_000, 20_000)
BIG = scaled(96 * MIB, 5 * 1024 * MIB)


def fill(path, size):
    """A file of so many bytes, quickly."""
    block = RANDOM.randbytes(MIB)
    with open(path, "wb") as file:
        for at in range(0, size, MIB):
            file.write(block[at // MIB % 1024:][:size - at])
            file.write(block[:min(MIB, size - at) - min(len(block) - at // MIB % 1024, size - at)])
    assert os.path.getsize(path) == size


def describe(tree):
    """All there is to say of a tree: {path: (type, mode, mtime, size or target, checksum)}."""
    found = {}
    tree = os.fsencode(tree)
    for directory, directories, files in os.walk(tree):
        for name in directories + files + [b""]:
            path = os.path.join(directory, name) if name else directory
            info = os.lstat(path)
            kind = stat.S_IFMT(info.st_mode)
            what = digest = None
            if stat.S_ISLNK(kind):
                what = os.readlink(path)
            elif stat.S_ISREG(kind):
                what = info.st_size
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "md5").hexdigest()
            found[os.path.relpath(path, tree)] = (kind, stat.S_IMODE(info.st_mode), info.st_mtime_ns, what, digest)
    return found


class CopyTest(FilesTest):
    def nacre(self, *words, status=0, **options):
        result = self.node.nacre(*words, **options)
        self.assertEqual(result.returncode, status, result)
        return result

    def assert_same(self, tree, copy):
        wanted, found = describe(tree), describe(copy)
        differ = {path: (wanted.get(path), found.get(path)) for path in {*wanted, *found} if wanted.get(path) != found.get(path)}
        self.assertEqual(differ, {})

    def made(self, name="src"):
        """A tree of all that can be copied."""
        tree = self.dir / name
        (tree / "empty").mkdir(parents=True)
        (tree / "empty file").touch()
        for i in range(20):
            (tree / f"d{i}").mkdir()
        for i in range(SMALL_FILES):
            path = tree / f"d{i % 20}" / f"f{i}"
            path.write_bytes(RANDOM.randbytes(RANDOM.randrange(6000)))
        os.symlink("d0/f0", tree / "link")
        os.symlink("/nowhere", tree / "dangling")
        for odd in (b"\xff", b"a\nb", b"\x1b[31m", b"-rf", b" ", "ä€".encode(), b"x" * 255):
            with open(os.path.join(os.fsencode(tree), odd), "wb") as file:
                file.write(odd)
        (tree / "d1" / "f1").chmod(0o600)
        (tree / "d2" / "f2").chmod(0o755)
        os.utime(tree / "d3" / "f3", ns=(0, 1_000_000_007))
        with (tree / "sparse").open("wb") as file:
            file.seek(40 * MIB)
            file.write(b"end")
        (tree / "locked").mkdir()
        (tree / "locked" / "f").write_text("in a directory that nobody may write to")
        (tree / "locked").chmod(0o555)
        os.utime(tree / "d4", ns=(0, 12_345_678_901))
        return tree


class Trees(CopyTest):
    def test_up_and_down_it_is_the_same_tree(self):
        src, up, down = self.made(), self.dir / "up", self.dir / "down"
        with MemoryWatch(front=self.node.front_pid(), keeper=self.node.pid) as watch:
            self.nacre("cp", "-r", str(src), f":{up}", timeout=LONG)
            self.assert_same(src, up)
            self.nacre("cp", "-r", f":{up}", str(down), timeout=LONG)
        self.assert_same(src, down)
        for tree in (up, down):
            self.assertLess((tree / "sparse").stat().st_blocks * 512, MIB)
        if not SANITIZED:
            for name, peak in watch.peaks().items():
                self.assertLess(peak, RSS_BOUND, name)

    def test_again_it_is_copied_into_what_is_there(self):
        src = self.dir / "src"
        (src / "d").mkdir(parents=True)
        (src / "d" / "f").write_text("one")
        (self.dir / "up").mkdir()
        self.nacre("cp", "-r", str(src), f":{self.dir}/up")
        (src / "d" / "f").write_text("two")
        self.nacre("cp", "-r", str(src), f":{self.dir}/up")
        self.assertEqual((self.dir / "up" / "src" / "d" / "f").read_text(), "two")

    def test_special_bits_are_kept_with_p_only(self):
        src = self.dir / "src"
        src.mkdir()
        self.file("src/s", b"x", mode=0o4755)
        self.nacre("cp", "-r", str(src), f":{self.dir}/plain")
        self.nacre("cp", "-rp", str(src), f":{self.dir}/exact")
        self.nacre("cp", "-r", f":{src}", f"{self.dir}/down")
        modes = [stat.S_IMODE((self.dir / where / "s").stat().st_mode) for where in ("plain", "exact", "down")]
        self.assertEqual(modes, [0o755, 0o4755, 0o755])

    def test_what_can_not_be_copied_is_said_and_the_rest_is_copied(self):
        src = self.dir / "src"
        src.mkdir()
        os.mkfifo(src / "fifo")
        self.file("src/f", b"x")
        for from_, to in ((str(src), f":{self.dir}/up"), (f":{src}", f"{self.dir}/down")):
            result = self.nacre("cp", "-r", from_, to, status=1)
            self.assertIn(b"fifo", result.stderr)
        self.assertEqual([os.listdir(self.dir / where) for where in ("up", "down")], [["f"], ["f"]])
        result = self.nacre("cp", str(src), f":{self.dir}/x", status=1)
        self.assertIn(b"-r", result.stderr)

    def test_a_directory_that_an_interrupted_run_has_begun_is_finished_and_others_stay(self):
        for name in ("src/begun", "src/there", "up/begun", "up/there", "down/begun", "down/there"):
            (self.dir / name).mkdir(parents=True)
        for name, mode in (("src/begun", 0o750), ("src/there", 0o755), ("up/begun", 0o1750), ("down/begun", 0o1700),
                           ("up/there", 0o700), ("down/there", 0o700)):
            (self.dir / name).chmod(mode)
        before = {where: (self.dir / where / "there").stat() for where in ("up", "down")}
        self.nacre("cp", "-r", "--resume", f"{self.dir}/src/.", f":{self.dir}/up")
        self.nacre("cp", "-r", "--resume", f":{self.dir}/src/.", f"{self.dir}/down")
        for where in ("up", "down"):
            self.assertEqual(stat.S_IMODE((self.dir / where / "begun").stat().st_mode), 0o750, where)
            there = (self.dir / where / "there").stat()
            self.assertEqual((there.st_mode, there.st_mtime_ns), (before[where].st_mode, before[where].st_mtime_ns), where)

    def test_a_set_group_id_bit_from_above_stays(self):
        for name in ("src/d", "up", "down"):
            (self.dir / name).mkdir(parents=True)
        for where in ("up", "down"):
            (self.dir / where).chmod(0o2755)
        self.nacre("cp", "-r", f"{self.dir}/src", f":{self.dir}/up")
        self.nacre("cp", "-r", f":{self.dir}/src", f"{self.dir}/down")
        for where in ("up/src/d", "down/src/d"):
            self.assertEqual(stat.S_IMODE((self.dir / where).stat().st_mode), 0o2755, where)

    def test_a_directory_is_not_copied_into_itself(self):
        src = self.dir / "src"
        (src / "d").mkdir(parents=True)
        self.file("src/f", b"x")
        for from_, to in ((str(src), f":{src}/d"), (f":{src}", f"{src}/d")):
            result = self.nacre("cp", "-r", from_, to, status=1)
            self.assertIn(b"into itself", result.stderr)
            self.assertEqual(sorted(os.listdir(src / "d" / "src")), ["d", "f"])
            self.assertEqual(os.listdir(src / "d" / "src" / "d"), [])
            (src / "d" / "src" / "f").unlink()
            (src / "d" / "src" / "d").rmdir()
            (src / "d" / "src").rmdir()

    def test_a_link_in_the_tree_that_is_written_leads_nowhere(self):
        src, outside = self.dir / "src", self.dir / "outside"
        (src / "d").mkdir(parents=True)
        (src / "d" / "f").write_text("x")
        outside.mkdir()
        for where, words in (("down", ("cp", "-r", f":{src}/.", str(self.dir / "down"))),
                             ("up", ("cp", "-r", f"{src}/.", f":{self.dir}/up"))):
            (self.dir / where).mkdir()
            os.symlink(outside, self.dir / where / "d")
            self.node.nacre(*words)
            self.assertEqual(os.listdir(outside), [], where)


class BigFiles(CopyTest):
    @unittest.skipIf(SANITIZED, "takes long under a sanitizer")
    def test_a_front_that_is_killed_again_and_again_loses_no_byte(self):
        src, up, down = self.dir / "src", self.dir / "up", self.dir / "down"
        fill(src, BIG)
        for words, made in ((("cp", str(src), f":{up}"), up), (("cp", f":{up}", str(down)), down)):
            with self.node.popen(*words) as copy:
                kills = 0
                while copy.poll() is None and kills < 10:
                    here = self.here(made)
                    wait_for(lambda: copy.poll() is not None or self.here(made) > here, "it goes on")
                    kill_front(self.node)
                    kills += 1
                out, err = copy.communicate(timeout=LONG)
            self.assertEqual((copy.returncode, out), (0, b""), err)
            self.assertGreater(kills, 2)
            self.assertEqual(subprocess.run(["cmp", src, made]).returncode, 0)

    def here(self, path):
        """Bytes of a copy that have come so far."""
        with contextlib.suppress(OSError):
            for name in os.listdir(path.parent):
                if name.startswith(TEMPORARY):
                    return (path.parent / name).stat().st_size
            return path.stat().st_size
        return 0

    def test_what_a_killed_client_has_copied_does_not_travel_again(self):
        src = self.dir / "src"
        fill(src, BIG)
        for from_, to, made in ((str(src), f":{self.dir}/up", self.dir / "up"), (f":{src}", f"{self.dir}/down", self.dir / "down")):
            with self.node.popen("cp", from_, to) as copy:
                wait_for(lambda: self.here(made) > BIG // 2 or copy.poll() is not None, "half of it is there")
                self.assertIsNone(copy.poll())
                copy.kill()
            half = self.here(made)
            self.assertFalse(made.exists())
            before = self.audited()
            self.nacre("cp", "--resume", from_, to, timeout=LONG)
            self.assertEqual(subprocess.run(["cmp", src, made]).returncode, 0)
            wait_for(lambda: self.audited() > before, "the audit hears of the rest")
            self.assertLessEqual(self.last_bytes(), BIG - half + 8 * MIB)

    def ends(self):
        return [line for line in self.node.audit() if line["event"] == "file_end" and line["verb"] in ("write_file", "read_file")]

    def audited(self):
        return len(self.ends())

    def last_bytes(self):
        return self.ends()[-1]["bytes"]

    def test_an_interrupted_copy_says_how_to_go_on(self):
        src = self.dir / "src"
        fill(src, BIG)
        with self.node.popen("cp", str(src), f":{self.dir}/up") as copy:
            wait_for(lambda: self.here(self.dir / "up") > MIB, "it has begun")
            copy.send_signal(signal.SIGINT)
            _, err = copy.communicate(timeout=DEADLINE)
        self.assertEqual(copy.returncode, 130, err)
        self.assertIn(b"--resume", err)
        self.nacre("cp", "--resume", str(src), f":{self.dir}/up", timeout=LONG)
        self.assertEqual(subprocess.run(["cmp", src, self.dir / "up"]).returncode, 0)

    def test_a_source_that_changes_meanwhile_is_said(self):
        src = self.dir / "src"
        fill(src, BIG)
        stop = threading.Event()

        def grow():
            with src.open("ab") as file:
                while not stop.is_set():
                    file.write(b"x")
                    file.flush()

        writer = threading.Thread(target=grow)
        writer.start()
        try:
            for from_, to in ((str(src), f":{self.dir}/up"), (f":{src}", f"{self.dir}/down")):
                result = self.nacre("cp", from_, to, status=1, timeout=LONG)
                self.assertIn(b"changed", result.stderr)
        finally:
            stop.set()
            writer.join()


class Words(CopyTest):
    def test_standard_input_and_output(self):
        data = RANDOM.randbytes(3 * MIB)
        self.nacre("cp", "-", f":{self.dir}/f", input=data)
        self.assertEqual((self.dir / "f").read_bytes(), data)
        self.assertEqual(self.nacre("cp", f":{self.dir}/f", "-").stdout, data)
        self.assertEqual(self.nacre("cat", f":{self.dir}/f").stdout, data)
        self.assertEqual(self.nacre("cat", "--offset", "10", "--length", "5", f":{self.dir}/f").stdout, data[10:15])

    def test_wrong_usage_is_said(self):
        for words in (("cp", "a", "b"), ("cp", ":a", ":b"), ("cp", "a"), ("cp",), ("cat", "f"), ("mv", ":a"), ("ls", "f"), ("rm", ":a", "b")):
            result = self.nacre(*words, status=2)
            self.assertIn(b"nacre: ", result.stderr, words)

    def test_files_are_listed_described_moved_and_removed(self):
        self.nacre("mkdir", "-p", f":{self.dir}/a/b")
        self.file("a/f", b"12345", mode=0o640)
        self.assertEqual(self.nacre("ls", f":{self.dir}/a").stdout, b"b\nf\n")
        self.assertIn(b"-rw-r-----", self.nacre("ls", "-l", f":{self.dir}/a").stdout)
        described = json.loads(self.nacre("stat", "-o", "json", f":{self.dir}/a/f").stdout)
        self.assertEqual((described["name"], described["size"], described["type"]), ("f", 5, "regular"))
        self.nacre("mv", f":{self.dir}/a/f", f":{self.dir}/a/b")
        self.assertEqual(self.nacre("ls", f":{self.dir}/a/b").stdout, b"f\n")
        self.nacre("rm", f":{self.dir}/a", status=1)
        self.nacre("rm", "-r", f":{self.dir}/a")
        self.assertEqual(os.listdir(self.dir), [])
        self.nacre("rm", f":{self.dir}/a", status=1)
        self.nacre("rm", "-f", f":{self.dir}/a")

    def test_errors_name_the_file_and_do_nothing_to_a_terminal(self):
        result = self.nacre("cat", f":{self.dir}/\x1b]0;x\x07none", status=1)
        self.assertIn(b"none", result.stderr)
        self.assertNotIn(b"\x1b", result.stderr)

    def test_what_happens_is_watched(self):
        with self.node.popen("watch", "-o", "json", f":{self.dir}") as watch:
            def next_line():
                return json.loads(watch.stdout.readline())

            # The first event tells that it is watched: until it comes, more is done.
            stop = threading.Event()

            def touch():
                while not stop.wait(0.02):
                    (self.dir / "first").touch()

            toucher = threading.Thread(target=touch)
            toucher.start()
            next_line()
            stop.set()
            toucher.join()
            self.file("second", b"x")
            kinds = []
            while "closed" not in kinds:
                event = next_line()
                if event.get("name") == "second":
                    kinds.append(event["kind"])
            self.assertEqual(kinds[0], "created")
            watch.send_signal(signal.SIGINT)
            watch.wait(DEADLINE)

    def test_nothing_is_left_of_a_copy_that_fails(self):
        self.file("f", b"x" * MIB)
        (self.dir / "d").mkdir()
        (self.dir / "d" / "f").mkdir()
        self.nacre("cp", f":{self.dir}/f", str(self.dir / "d"), status=1)
        self.nacre("cp", str(self.dir / "f"), f":{self.dir}/d", status=1)
        self.assertEqual(os.listdir(self.dir / "d"), ["f"])

    def test_a_checksum_is_that_of_the_content(self):
        import xxhash
        data = RANDOM.randbytes(MIB)
        self.file("f", data)
        said = self.nacre("cp", "--checksum", str(self.dir / "f"), f":{self.dir}/g").stdout.decode()
        self.assertEqual(said.split()[0], xxhash.xxh3_128(data).hexdigest())


if __name__ == "__main__":
    unittest.main()
