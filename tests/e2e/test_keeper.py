"""The keeper by itself, with fronts of the test's own. It believes nothing that a front says: it logs, stays
alive, and serves with the next one. What a front leaves it hands to the next."""

import pathlib
import re
import shlex
import tempfile
import unittest

import support
from support import SANITIZED, SETTLE_DEADLINE, Node, children, scaled, wait_for

ROGUE = pathlib.Path(__file__).with_name("rogue_front.py")


class Rogue(unittest.TestCase):
    def rogue_node(self, *acts, **env):
        # A front hears nothing of its daemon's environment.
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="nacre-e2e.")))
        directory.chmod(0o755)
        script = directory / "front"
        node = Node(front=script)
        env.update(ROGUE_ACT=",".join(acts), ROGUE_DIR=str(node.directory), ROGUE_ENDED=str(node.state / "ended"),
                   ROGUE_FRONT=str(support.for_everybody(support.BIN / "nacre-front")),
                   NACRE_E2E_STUBS=str(support.for_everybody(support.STUBS)))
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())
        script.write_text(f'#!/bin/sh\n{exports}exec {support.for_everybody(ROGUE)} "$@"\n')
        script.chmod(0o755)
        return node

    def play(self, *acts, **env):
        """A daemon whose first fronts play an act each; it serves with the next one."""
        node = self.rogue_node(*acts, **env)
        self.enterContext(node)
        result = node.exec("echo", "served")
        self.assertEqual((result.returncode, result.stdout), (0, b"served\n"), node.log())
        self.assertIsNone(node.process.poll())
        wait_for(lambda: list(children(node.pid)) == [node.front_pid()],
                 lambda: f"only a front is left: {children(node.pid)}", SETTLE_DEADLINE)
        node.warm_up()
        node.assert_settled()
        self.assertEqual(node.log().count("front started"), len(acts) + 1, node.log())
        # An assertion of an act is a traceback among the daemon's lines.
        self.assertNotIn("Traceback", node.log())
        return node

    @staticmethod
    def ends(node):
        """How the audit says that sessions ended, by their numbers."""
        return {int(line["session"].rpartition("-")[2]): line["cause"] for line in node.audit() if line["event"] == "end"}

    def test_garbage_as_the_first_word(self):
        self.assertIn("no FrontMessage", self.play("says_garbage_first").log())

    def test_garbage_later(self):
        self.assertIn("no FrontMessage", self.play("says_garbage_later").log())

    def test_a_first_word_that_is_no_hello(self):
        node = self.play("does_not_say_hello")
        self.assertIn("not hello", node.log())
        self.assertFalse([line for line in node.audit() if line.get("argv") == ["true"]])

    def test_versions_that_are_not_next_to_ours_are_refused(self):
        for version in (0, 1, 5, 77):
            with self.subTest(version=version):
                node = self.play(f"speaks_version_{version}")
                self.assertIn(f"the front speaks protocol {version}, not 3", node.log())
                # What the rogue starts has a line of its own kind.
                self.assertFalse([line for line in node.audit() if line.keys() == {"seq", "time", "event"}])

    def test_a_front_of_the_next_version_speaks_ours(self):
        node = self.play("speaks_version_4")
        self.assertTrue((node.directory / "done").exists(), node.log())

    def test_a_front_of_the_version_before_is_served(self):
        node = self.play("speaks_version_2")
        self.assertTrue((node.directory / "done").exists(), node.log())

    def test_a_front_that_asks_for_files_again_and_again_gets_one_helper(self):
        node = self.play("asks_for_files")
        self.assertTrue((node.directory / "done").exists(), node.log())
        wait_for(lambda: not [name for name, state in children(node.pid).values() if name == "nacre-files"],
                 "the helpers end with their front")

    def test_a_front_that_speaks_out_of_turn(self):
        node = self.play("speaks_out_of_turn")
        self.assertTrue((node.directory / "done").exists(), node.log())
        for words in ("ready: it is not the front's turn", "spawn: it is not the front's turn", "retired: nobody asked",
                      "set draining: it is not the front's turn", "keep: nobody asked it to retire"):
            self.assertIn(words, node.log())

    def test_a_front_that_is_to_follow_has_no_business_with_the_sessions_of_the_one_that_serves(self):
        # Both die in the end, and a third one serves.
        node = self.play("is_meddled_with", "meddles")
        self.assertTrue((node.directory / "done").exists(), node.log())
        for words in ("session 1 is another front's business", "session 2 is another front's business",
                      "forget: it is not the front's turn", "ready: it is not the front's turn",
                      "spawn: it is not the front's turn", "retired: nobody asked"):
            self.assertIn(words, node.log())
        ends = self.ends(node)
        self.assertEqual([ends[one] for one in (1, 2, 3, 4)], ["EXITED"] * 4)
        self.assertNotIn(900, ends)

    def test_what_a_front_has_asked_of_new_sessions_is_the_keepers_to_keep(self):
        node = self.play("drains", "is_told_that_it_drains")
        self.assertTrue((node.directory / "done").exists(), node.log())
        self.assertIn("set draining: it is not the front's turn", node.log())
        self.assertIn("not one short JSON object", node.log())
        self.assertEqual([line["event"] for line in node.audit() if "drain" in line["event"]],
                         ["drain", "undrain", "drain", "undrain"])

    def test_a_front_that_has_retired_has_only_what_it_keeps(self):
        node = self.play("retires_and_meddles", "succeeds_and_meddles")
        self.assertTrue((node.directory / "done").exists(), node.log())
        for words in ("session 2 is another front's business", "session 1 is another front's business",
                      "there is no session 99", "retired: nobody asked", "ready: it is not the front's turn",
                      "spawn: it is not the front's turn"):
            self.assertIn(words, node.log())
        ends = self.ends(node)
        self.assertEqual((ends[1], ends[2]), ("EXITED", "EXITED"))
        self.assertNotIn(900, ends)

    def test_too_many_descriptors(self):
        self.assertIn("too big", self.play("sends_too_many_descriptors").log())

    def test_no_front_uses_up_the_session_numbers(self):
        node = self.play("uses_up_the_numbers")
        self.assertTrue((node.directory / "done").exists(), node.log())
        self.assertIn(f"session number {2**62} is not the next", node.log())

    def test_a_front_that_asks_faster_than_it_listens_fills_neither_the_memory_nor_the_log(self):
        node = self.play("asks_faster_than_it_listens")
        self.assertTrue((node.directory / "done").exists(), node.log())
        self.assertLess(node.log().count("is not started"), 200)
        if not SANITIZED:
            self.assertLess(int((node.directory / "memory").read_text()), 64 * support.MIB)

    def test_a_keeper_that_is_told_to_stop_between_two_fronts_stops(self):
        node = self.rogue_node("leaves_an_ended_session", *["leaves_at_once"] * 20).launch()
        self.addCleanup(node.clean)
        wait_for(lambda: re.search(r"the next one starts in \d{3,} ms", node.log()), node.log)
        node.terminate()
        self.assertEqual(node.wait(), 0)

    def test_a_datagram_that_is_too_big(self):
        self.assertIn("too big", self.play("says_a_datagram_that_is_too_big").log())

    def test_an_empty_datagram(self):
        self.play("says_an_empty_datagram")

    def test_a_front_that_closes_its_channel_but_lives_on_is_replaced(self):
        self.assertIn("killed by SIGKILL", self.play("closes_the_channel").log())

    def test_a_front_that_dies_with_a_session(self):
        node = self.play("dies_with_a_session")
        self.assertIn("1 sessions go on", node.log())
        self.assertIn("has no record and is ended", node.log())
        self.assertEqual([line["cause"] for line in node.audit() if "cause" in line][0], "DISCONNECTED")

    def test_every_rule_broken_harms_no_session(self):
        node = self.play("breaks_every_rule")
        self.assertTrue((node.directory / "done").exists(), node.log())
        for words in ("there is no session 99", "input beyond its ring", "no such signal", "a second hello",
                      "session number 5 is not the next", "does not serve", "not one short JSON object", "it still runs",
                      "descriptors that nothing asked for", "archive: it still runs",
                      "open log: no such session", "the state is too big"):
            self.assertIn(words, node.log())
        self.assertGreaterEqual(node.log().count("descriptors that nothing asked for"), 2)
        heard = (node.directory / "heard").read_text()
        self.assertIn("terminated 5", heard)
        for words in ("not a sealed memfd", "can't be parsed", "is too big", "ring_bytes", "NUL byte", "not absolute",
                      "without a record", "no name", "SPAWN_STEP_USER nothing may run as \"daemon\" here",
                      "SPAWN_STEP_USER nothing may run as \"no such user\" here", "(a name that is too long)"):
            self.assertIn(words, heard)
        ends = [line for line in node.audit() if line["event"] == "end" and line["session"].endswith("-5")]
        self.assertEqual([(line["cause"], line["exit_code"], line["stdout_bytes"]) for line in ends], [("EXITED", 0, 8)])

    def test_numbers_beyond_the_last(self):
        node = self.play("wraps_the_numbers")
        self.assertTrue((node.directory / "done").exists(), node.log())

    def test_durations_beyond_all_clocks(self):
        node = self.play("asks_for_ages")
        self.assertTrue((node.directory / "done").exists(), node.log())

    def test_a_front_that_never_listens(self):
        node = self.play("hears_nothing")
        self.assertTrue((node.directory / "done").exists(), node.log())

    def test_a_front_that_asks_for_logs_before_it_listens(self):
        node = self.play("asks_for_logs_and_hears_nothing")
        self.assertTrue((node.directory / "done").exists(), node.log())

    def test_sessions_in_every_state_go_from_front_to_front(self):
        node = self.play("leaves_sessions_in_every_state", "takes_them_over")
        self.assertTrue((node.directory / "done").exists(), node.log())
        self.assertIn("the state is too big", node.log())

    def test_ended_sessions_that_do_not_fit_into_memory_go_to_files(self):
        node = self.play("archives_more_than_fits_into_memory", "takes_over_what_does_not_fit_into_memory")
        files = (node.directory / "done").read_text().split()
        self.assertEqual(len(files), 40 - 24 * 1024 * 1024 // 1_000_090, files)
        self.assertIn("40", files)

    def test_a_keeper_that_stops_removes_its_files(self):
        node = self.rogue_node("archives_until_the_keeper_stops").launch()
        self.addCleanup(node.clean)
        wait_for((node.directory / "done").exists, node.log)
        self.assertTrue(list((node.state / "ended").iterdir()))
        node.terminate()
        self.assertEqual(node.wait(), 0)
        self.assertFalse(list((node.state / "ended").iterdir()))

    def test_many_ended_sessions_take_little_and_are_handed_over_at_once(self):
        count = scaled(2000, 20_000)
        node = self.play("archives_many", "takes_many_over", ROGUE_COUNT=str(count))
        took = float((node.directory / "done").read_text())
        if not SANITIZED:
            self.assertLess(took, 1)
            self.assertLess(int((node.directory / "memory").read_text()), 1536)

    def test_a_front_that_always_fails_is_not_restarted_in_a_tight_loop(self):
        node = Node(front="/bin/false").launch()
        self.addCleanup(node.clean)
        wait_for(lambda: node.log().count("front started") >= 4, "it is tried again")
        self.assertIn("exited with status 1", node.log())
        self.assertRegex(node.log(), r"the next one starts in [1-9]\d* ms")
        self.assertLess(node.log().count("front started"), 20)
        node.terminate()
        self.assertEqual(node.wait(), 0)


if __name__ == "__main__":
    unittest.main()
