"""The checks themselves: what is right passes, and each kind of wrong is found and counted as what it is."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / one) for one in ("", "e2e")]

import random  # noqa: E402

import xxhash  # noqa: E402

from support import session_pb2  # noqa: E402
from torture.findings import Counts, Findings  # noqa: E402
from torture.lines import LINE, Content  # noqa: E402
from torture.output_check import Fixed, OutputCheck, ViewCheck  # noqa: E402
from torture.source import Source  # noqa: E402
from torture.work import NUMBERED_LINES  # noqa: E402

TOKEN = "seed-stream-0-0"
STDOUT, STDERR = 1, 2


class Program(unittest.TestCase):
    def test_it_writes_what_content_says_and_its_token_once(self):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run([NUMBERED_LINES, TOKEN, "500001", "70000", "10", "3", f"{directory}/tokens"],
                                  capture_output=True, check=False)
            tokens = pathlib.Path(directory, "tokens").read_text()
        self.assertEqual((done.returncode, tokens), (3, TOKEN + "\n"))
        self.assertEqual(done.stdout, Content(TOKEN, STDOUT).at(0, 500_001))
        self.assertEqual(done.stderr, Content(TOKEN, STDERR).at(0, 70_000))

    def test_bytes_are_found_by_the_numbers_in_them(self):
        content = Content(TOKEN, STDOUT)
        for offset in (0, 1, LINE - 1, LINE, 123_457):
            self.assertEqual(content.locate(content.at(offset, 3 * LINE)), offset)
        self.assertIsNone(content.locate(Content(TOKEN, STDERR).at(0, 3 * LINE)))
        self.assertIsNone(content.locate(b"x" * 1000))


class CheckTest(unittest.TestCase):
    """A session of both streams in pieces; `pieces` is what a faultless node would send."""

    def setUp(self):
        self.findings = Findings()
        self.contents = {one: Content(TOKEN, one) for one in (STDOUT, STDERR)}
        self.sizes = {STDOUT: 50_000, STDERR: 20_000}
        self.check = self.new_check()
        choice, left, position, self.pieces = random.Random(1), dict(self.sizes), 0, []
        while any(left.values()):
            stream = choice.choice([one for one, size in left.items() if size])
            size = min(left[stream], choice.randint(1, 3000))
            self.pieces.append((stream, position, self.contents[stream].at(self.sizes[stream] - left[stream], size)))
            left[stream] -= size
            position += size
        self.end = position

    def new_check(self):
        return OutputCheck(self.findings, TOKEN, {one: Content(TOKEN, one) for one in self.sizes}, self.sizes)

    def termination(self, **fields):
        summaries = [session_pb2.StreamSummary(
            stream=one, bytes=size, xxh3_128=xxhash.xxh3_128_digest(self.contents[one].at(0, size)))
            for one, size in self.sizes.items()]
        return session_pb2.Termination(**{"exit_code": 7, "cause": session_pb2.CAUSE_EXITED, "streams": summaries,
                                          "output_complete": True, **fields})

    def give(self, pieces, begin=None, wanted=None):
        self.check.begin(pieces[0][1] if begin is None else begin, wanted)
        for piece in pieces:
            self.check.take(*piece)

    def finish(self, status=7, **fields):
        self.check.end(self.termination(**fields), status)

    def wrong(self):
        """What was counted as wrong, by kind."""
        counts, self.told = self.findings.take()
        return {name: getattr(counts, name) for name in Counts.WRONG if getattr(counts, name)}


class Right(CheckTest):
    def test_one_stream(self):
        self.give(self.pieces, wanted=0)
        self.finish()
        self.assertEqual(self.wrong(), {})

    def test_many_streams_that_go_on_where_the_last_one_broke(self):
        for piece in self.pieces:
            self.give([piece], wanted=piece[1])
        self.finish()
        self.assertEqual(self.wrong(), {})

    def test_a_stream_that_goes_on_where_it_was_acknowledged(self):
        self.give(self.pieces[:20])
        self.give(self.pieces[12:])
        self.finish()
        self.assertEqual(self.wrong(), {})

    def test_another_division_into_pieces(self):
        self.give(self.pieces[:20])
        self.check.begin(0, None)
        for stream, position, data in self.pieces:
            middle = len(data) // 2
            if middle:
                self.check.take(stream, position, data[:middle])
            self.check.take(stream, position + middle, data[middle:])
        self.finish()
        self.assertEqual(self.wrong(), {})


class Wrong(CheckTest):
    def test_a_piece_left_out(self):
        self.give(self.pieces[:5] + self.pieces[6:])
        self.finish()
        self.assertGreaterEqual(self.wrong()["lost"], len(self.pieces[5][2]))

    def test_a_piece_left_out_and_the_positions_adapted(self):
        stream, position, data = self.pieces[0][0], 0, self.contents[self.pieces[0][0]]
        self.give([(stream, 0, data.at(0, 1000)), (stream, 1000, data.at(1700, 2000))])
        self.assertEqual(self.wrong(), {"lost": 700}, self.told)

    def test_a_piece_twice(self):
        self.give(self.pieces[:6] + self.pieces[5:])
        self.finish()
        self.assertEqual(self.wrong(), {"doubled": len(self.pieces[5][2])}, self.told)

    def test_a_piece_twice_and_the_positions_adapted(self):
        stream, data = self.pieces[0][0], self.contents[self.pieces[0][0]]
        self.give([(stream, 0, data.at(0, 1000)), (stream, 1000, data.at(0, 1000))])
        self.assertEqual(self.wrong(), {"doubled": 1000}, self.told)

    def test_a_stream_that_begins_too_late(self):
        self.give(self.pieces[:5])
        self.give(self.pieces[7:])
        self.assertGreaterEqual(self.wrong()["lost"], len(self.pieces[5][2]) + len(self.pieces[6][2]))

    def test_a_stream_that_begins_elsewhere_than_asked(self):
        self.give(self.pieces[:5])
        self.give(self.pieces[3:], wanted=self.pieces[5][1])
        self.assertEqual(self.wrong(), {"errors": 1})

    def test_bytes_of_another_session(self):
        foreign = [(stream, position, Content("seed-stream-0-1", stream).at(position, len(data)))
                   for stream, position, data in self.pieces[:1]]
        self.give(foreign)
        self.assertEqual(self.wrong(), {"errors": 1})

    def test_a_changed_byte(self):
        stream, position, data = self.pieces[3]
        changed = data[:5] + bytes([data[5] ^ 1]) + data[6:]
        self.give([*self.pieces[:3], (stream, position, changed), *self.pieces[4:]])
        self.finish()
        self.assertEqual(self.wrong(), {"errors": 1, "wrong_sums": 1}, self.told)

    def test_bytes_of_the_other_stream(self):
        stream, position, data = self.pieces[3]
        self.give([*self.pieces[:3], (3 - stream, position, data)])
        self.assertEqual(sum(self.wrong().values()), 1, self.told)

    def test_repeated_bytes_that_differ_from_the_first_time(self):
        self.give(self.pieces[:5])
        stream, position, data = self.pieces[4]
        self.give([(stream, position, data[:-1] + b"?")])
        self.assertEqual(self.wrong(), {"errors": 1})

    def test_an_output_cut_off(self):
        self.give(self.pieces[:-1])
        self.finish()
        self.assertGreaterEqual(self.wrong()["lost"], len(self.pieces[-1][2]))

    def test_an_end_that_tells_less_than_the_command_wrote(self):
        self.give(self.pieces[:-1])
        stream, _, data = self.pieces[-1]
        self.sizes = {**self.sizes, stream: self.sizes[stream] - len(data)}
        self.finish()
        self.assertEqual(self.wrong(), {"lost": len(data)}, self.told)

    def test_a_wrong_status(self):
        for fields in ({"exit_code": 8}, {"signal": session_pb2.SignalDeath(number=9)}, {"cause": session_pb2.CAUSE_DISCONNECTED}):
            self.check = self.new_check()
            self.give(self.pieces)
            if "signal" in fields:
                fields["exit_code"] = None
            self.finish(**fields)
            self.assertEqual(self.wrong(), {"wrong_statuses": 1})

    def test_a_wrong_hash_and_an_incomplete_output(self):
        self.give(self.pieces)
        summaries = self.termination().streams
        summaries[0].xxh3_128 = bytes(16)
        self.finish(streams=summaries, output_complete=False)
        self.assertEqual(self.wrong(), {"wrong_sums": 1, "errors": 1})

    def test_a_wrong_sum(self):
        check = OutputCheck(self.findings, TOKEN, {STDOUT: Fixed(b"abc  -\n", "wrong_sums")}, {STDOUT: 7})
        check.begin(0, 0)
        check.take(STDOUT, 0, b"def  -\n")
        self.assertEqual(self.wrong(), {"wrong_sums": 1})


class Views(CheckTest):
    def setUp(self):
        super().setUp()
        self.view = ViewCheck(self.findings, "viewer", self.check)

    def see(self, pieces):
        for piece in pieces:
            self.view.take(*piece)

    def test_a_part_with_a_gap_behind_the_driver_and_ahead_of_it(self):
        self.give(self.pieces[:10])
        self.view.begin(self.pieces[3][1], None)
        self.see(self.pieces[3:5])
        self.view.gap(self.pieces[5][1], self.pieces[8][1])
        self.see(self.pieces[8:])
        self.give(self.pieces[10:])
        self.view.finish(None)
        self.assertEqual(self.wrong(), {})

    def test_bytes_that_were_skipped_without_a_gap(self):
        self.give(self.pieces)
        self.view.begin(0, 0)
        self.see(self.pieces[:2] + self.pieces[3:4])
        self.assertEqual(self.wrong(), {"errors": 1})

    def test_other_bytes_than_the_driver_got(self):
        stream, _, data = self.pieces[0]
        for ahead in (False, True):
            self.setUp()
            if not ahead:
                self.give(self.pieces)
            self.view.begin(0, 0)
            self.see([(stream, 0, data[:-1] + b"?")])
            if ahead:
                self.give(self.pieces)
            self.view.finish(None)
            self.assertEqual(self.wrong(), {"errors": 1})

    def test_another_end_than_its_drivers(self):
        self.view.ended(self.termination())
        self.view.finish(self.termination(exit_code=8))
        self.assertEqual(self.wrong(), {"errors": 1})


class Input(unittest.TestCase):
    def setUp(self):
        self.findings = Findings()
        self.data = random.Random(1).randbytes(500_000)
        self.source = Source(self.findings, TOKEN, self.data, random.Random(2), 0)
        self.node = bytearray()
        self.ended = False

    def take(self, input):  # noqa: A002
        self.assertLessEqual(input.offset, len(self.node))
        self.node[input.offset:] = input.data
        self.ended = input.eof

    def test_it_stays_within_the_window_and_ends(self):
        self.source.begin(0, 1000)
        while not self.ended:
            before = len(self.node)
            self.source.push(self.take)
            self.assertLessEqual(len(self.node), before + 1000)
            self.source.acknowledged(len(self.node))
        self.assertEqual((bytes(self.node), self.findings.take()[1]), (self.data, []))

    def test_it_goes_on_from_wherever_the_node_is(self):
        self.source.begin(0, 300_000)
        self.source.push(self.take)
        del self.node[123_456:]
        self.source.begin(123_456, 1 << 20)
        self.source.push(self.take)
        self.assertEqual((bytes(self.node), self.ended, self.findings.take()[1]), (self.data, True, []))

    def test_a_node_that_goes_back_behind_what_it_acknowledged_is_wrong(self):
        self.source.begin(0, 300_000)
        self.source.push(self.take)
        self.source.acknowledged(200_000)
        self.source.begin(199_999, 300_000)
        self.assertEqual(self.findings.take()[0].errors, 1)


if __name__ == "__main__":
    unittest.main()
