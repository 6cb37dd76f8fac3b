"""One run: a node, its killer, the workers; and the verdict."""

import collections
import multiprocessing
import os
import pathlib
import re
import sys
import tempfile
import time

import support
from support import Node, children, own_memory, wait_for

from . import worker
from .caller import Caller, open_channel
from .cleaner import delete_all
from .findings import Counts, Findings
from .killer import Killer
from .work import KIB, MIB, Sizes

PROCESSES = 4
TELL_EVERY = 5.0
# For sessions to end once nobody kills any more: beyond what one call may take.
FINISH_DEADLINE = 180.0
# What malloc may keep of a keeper's busiest moment: the archive alone may have held 24 MiB on the heap.
RSS_SLACK = 8 * MIB
# Enough to see what is wrong; what is wrong everywhere need not be told everywhere.
MAX_TOLD = 40
# Of 50 workers.
MIX = {"stream": 18, "upload": 9, "short": 9, "start": 7, "view": 7}
SMALL = Sizes(most_output=2 * MIB, most_input=MIB, least_output=20 * KIB)


def mix(sessions):
    """Names of the workers, by their processes: each kind in its share, and at least once if there is room."""
    total = sum(MIX.values())
    wanted = {kind: share * sessions / total for kind, share in MIX.items()}
    names = []
    taken = collections.Counter()
    for _ in range(sessions):
        kind = max(wanted, key=lambda kind: wanted[kind] - taken[kind] if taken[kind] else wanted[kind] + 1)
        names.append(f"{kind}-{taken[kind]}")
        taken[kind] += 1
    processes = [[] for _ in range(max(1, min(PROCESSES, sessions // len(MIX))))]
    for i, name in enumerate(sorted(names)):  # so that each process has some of each kind
        processes[i % len(processes)].append(name)
    return processes


class Torture:
    def __init__(self, options):
        self._options = options
        self._findings = Findings()
        self._counts, self._told = Counts(), 0
        self._tokens = []
        self._tell = options.verbose or sys.stderr.isatty()

    def run(self):
        """The exit status."""
        options = self._options
        self._say(f"torture: seed {options.seed}, {options.sessions} workers, {options.seconds:g} s")
        directory = pathlib.Path(tempfile.mkdtemp(prefix="nacre-torture."))
        node = Node(directory=directory)
        try:
            with node:
                node.warm_up()
                before = own_memory(node.pid)
                killer = self._torment(node, str(directory / "tokens"))
                self._check_tokens(directory / "tokens")
                self._clean_up(node)
                self._check_fronts(node, killer.kills)
                rows = self._check_keeper(node, before)
        finally:
            if options.keep_logs:
                self._say(f"torture: logs are in {directory}")
            else:
                support.shutil.rmtree(directory, ignore_errors=True)
        self._collect(self._findings.take())
        print(self._table(killer, rows), flush=True)
        if self._told > MAX_TOLD:
            self._say(f"{self._told - MAX_TOLD} more were not told")
        return 1 if self._counts.wrong() else 0

    # the work

    def _torment(self, node, token_file):
        """Runs the workers against a dying front until the time is over and they have finished; how often it died."""
        options = self._options
        sizes = SMALL if options.small else Sizes()
        spawn = multiprocessing.get_context("spawn")
        os.environ["NACRE_E2E_STUBS"] = support.STUBS
        pipes, processes = [], []
        for names in mix(options.sessions):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=worker.run, daemon=True,
                                    args=(node.target, options.seed, names, sizes, token_file, theirs))
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        killer = Killer(node, options.seed, *options.kill_every, options.upgrades)
        killer.start()
        try:
            self._listen(pipes, killer)
        finally:
            killer.stop()
            for process in processes:
                process.join(5)
                if process.is_alive():
                    process.kill()
                    process.join()
        return killer

    def _listen(self, pipes, killer):
        """Hears the workers until all have finished."""
        start = told = time.monotonic()
        stop_at, give_up_at = start + self._options.seconds, None
        busy = {}
        while pipes:
            now = time.monotonic()
            for pipe in multiprocessing.connection.wait(pipes, timeout=0.2):
                try:
                    self._hear(pipe, busy, pipe.recv())
                except EOFError:
                    pipes.remove(pipe)
                    busy.pop(pipe, None)
            if now - told >= TELL_EVERY:
                told = now
                self._progress(now - start, killer.kills)
            if give_up_at is None and now >= stop_at:
                killer.stop()
                give_up_at = now + FINISH_DEADLINE
                for pipe in pipes:
                    pipe.send("stop")
            elif give_up_at is not None and now >= give_up_at:
                names = [name for some in busy.values() for name in some]
                self._findings.complain("errors", "workers", f"do not finish: {names}", max(len(names), 1))
                return

    def _hear(self, pipe, busy, message):
        kind, *content = message
        if kind == "counts":
            self._collect(content)
        elif kind == "busy":
            busy[pipe] = content[0]
        else:
            self._tokens += content[0]

    def _collect(self, taken):
        counts, told = taken
        self._counts.add(counts)
        for one in told[:max(MAX_TOLD - self._told, 0)]:
            self._say(one)
        self._told += len(told)

    # the verdict

    def _check_tokens(self, path):
        """Each start that was asked for ran once."""
        runs = collections.Counter(path.read_text().split()) if path.exists() else {}
        for token in self._tokens:
            if runs.get(token, 0) > 1:
                self._findings.complain("double_starts", token, f"ran {runs[token]} times")
            elif not runs.get(token):
                self._findings.complain("errors", token, "never ran")
        for token in set(runs) - set(self._tokens):
            self._findings.complain("errors", token, "ran, but nobody had asked for it")

    def _clean_up(self, node):
        """Forgets every session."""
        channel = open_channel(node.target)
        try:
            self._deleted = delete_all(Caller(channel, self._findings))
        finally:
            channel.close()

    def _check_fronts(self, node, kills):
        """No front died but by us, or because it had made way."""
        deaths = re.findall(r"(retired )?front \(pid \d+\) ([^;\n]*)", node.log())
        killed = [how for _, how in deaths if how == "killed by SIGKILL"]
        others = [how for retired, how in deaths
                  if how != "killed by SIGKILL" and not (retired and how == "exited with status 0")]
        if others or len(killed) != kills:
            self._findings.complain("errors", "node", f"{kills} fronts were killed; {len(killed)} died so, {others[:5]}")

    def _check_keeper(self, node, before):
        """Rows of what it holds, before and after."""
        try:
            node.assert_settled()
            zombies = lambda: [pid for pid, (_, state) in children(node.pid).items() if state == "Z"]  # noqa: E731
            wait_for(lambda: not zombies(), lambda: f"no zombies: {zombies()}")
        except AssertionError as error:
            self._findings.complain("errors", "node", f"{error}")
        after = own_memory(node.pid)
        if not support.SANITIZED and after > before + RSS_SLACK:
            self._findings.complain("errors", "node", f"the keeper grew from {before} to {after} bytes")
        census, zombies = node.census(), [one for one in children(node.pid).values() if one[1] == "Z"]
        return [("keeper RSS, KiB", f"{before // KIB} → {after // KIB}"),
                *((name, f"{was} → {census[name]}") for name, was in node.baseline.items()),
                ("zombies", len(zombies))]

    # what it says

    def _progress(self, seconds, kills):
        if self._tell:
            counts = self._counts
            self._say(f"{seconds:4.0f} s: {kills} kills, {counts.commands} commands, {counts.bytes_out // MIB} MiB out, "
                      f"{counts.bytes_in // MIB} MiB in, {counts.reattaches} reattaches, {counts.wrong()} wrong")

    def _table(self, killer, keeper):
        counts = self._counts
        rows = [("seed", self._options.seed), ("seconds", f"{self._options.seconds:g}"), ("kills of the front", killer.kills),
                ("upgrades of the front", killer.upgrades),
                ("commands", counts.commands), ("bytes out", f"{counts.bytes_out:,}"), ("bytes in", f"{counts.bytes_in:,}"),
                ("bytes viewed", f"{counts.viewed:,}"), ("reattaches", counts.reattaches),
                ("starts repeated", counts.restarts), ("calls repeated", counts.retries),
                ("sessions deleted at the end", self._deleted),
                ("bytes lost", counts.lost), ("bytes doubled", counts.doubled), ("wrong statuses", counts.wrong_statuses),
                ("double starts", counts.double_starts), ("wrong sums", counts.wrong_sums), ("errors", counts.errors),
                *keeper]
        return "\n".join(f"{name:28} {value}" for name, value in rows)

    @staticmethod
    def _say(text):
        print(text, file=sys.stderr, flush=True)
