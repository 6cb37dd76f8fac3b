#!/usr/bin/python3
"""Usage: tests/fuzz/make_corpus.py [--check]

Writes the seeds of the fuzz targets into corpus/TARGET/, one file a story, named after it. What stands there
under another name stays: findings that were mended.

  --check   writes nothing; fails if a seed is missing or another one than this would write
"""

import argparse
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "proto"


def keeper_pb2():
    with tempfile.TemporaryDirectory() as where:
        subprocess.run(["protoc", "-I", PROTO, f"--python_out={where}", "nacre/keeper/v1/keeper.proto"], check=True)
        sys.path.insert(0, where)
        from nacre.keeper.v1 import keeper_pb2 as module
        return module


pb = keeper_pb2()

# --- script.h ------------------------------------------------------------------------------------

SAY, HEAR, LEAVE, WRITE, READ, REPORT, EXIT, WAIT, SYSTEM = range(9)
# `how` of SAY: how many descriptors, and from which kind on (MakeDescriptor).
RECORD, UNSEALED, HALF_SEALED, PIPE, SOCKET, NULL, DIRECTORY, EMPTY = (1 + 4 * kind for kind in range(8))
TOO_MANY = 255
# `how` of REPORT.
UNSHARED, RUNS = 0, 2
FAILS_AT_CHDIR, FAILS_AT_EXEC = 4, 5
# `how` of SYSTEM.
HANG_UP, HANG_UP_BROKEN, TERMINATE, EXHAUST = range(4)


def act(kind, who=0, how=0):
    return bytes((kind, who, how))


def raw(data, who=0, how=0):
    return act(SAY, who, how) + struct.pack("<H", len(data)) + data


def say(*requests, who=0, how=0):
    """`requests`: pairs of a field of FrontRequest and its value, or dicts of them."""
    message = pb.FrontMessage(requests=[pb.FrontRequest(**one) for one in requests])
    return raw(message.SerializeToString(), who, how)


def at_once(acts):
    """The keeper sees the first of these acts together with what comes next."""
    return bytes((acts[0] | 128,)) + acts[1:]


def hear(who=0):
    return act(HEAR, who)


def leave(who=0):
    return act(LEAVE, who)


def close(who=0):
    return act(LEAVE, who, 1)


def write(exponent, who=0, error=False):
    """2 ** exponent bytes."""
    return act(WRITE, who, 2 * exponent + error)


def run(who=0):
    return act(REPORT, who, RUNS)


def end(status=0, who=0):
    return act(EXIT, who, status)


def held_open(who=0):
    return act(EXIT, who, 200)


def wait(ms):
    return act(WAIT, 0, ms.bit_length() - 1)


def hello(version=2):
    return {"hello": pb.Hello(protocol_version=version, version="seed")}


PREPARED = {"prepared": pb.Prepared()}
READY = {"ready": pb.Ready()}
RETIRED = {"retired": pb.Retired()}


def record(*argv, **fields):
    return pb.SpawnRecord(argv=[one.encode() for one in argv or ("true",)], audit_intent=b'{"event":"start"}', **fields)


def spawn(session, *argv, **fields):
    return {"spawn": pb.Spawn(session=session, record=record(*argv, **fields))}


def keep(session):
    return {"keep": pb.Keep(session=session)}


def release(session, **fields):
    return {"release": pb.Release(session=session, **fields)}


def produced(session, count, eof=False):
    return {"input": pb.InputProduced(session=session, produced=count, eof=eof)}


def signal(session, number, scope=0):
    return {"signal": pb.SendSignal(session=session, number=number, scope=scope)}


def end_session(session, cause=4, **fields):
    return {"end": pb.EndSession(session=session, cause=cause, **fields)}


def forget(session):
    return {"forget": pb.Forget(session=session)}


def update(session, state):
    return {"update": pb.Update(session=session, state=state)}


def overflow(session, keep_newest=True):
    return {"set_overflow": pb.SetOverflow(session=session, keep_newest=keep_newest)}


def archive(session):
    return {"archive": pb.Archive(session=session)}


def open_log(session):
    return {"open_log": pb.OpenLog(session=session)}


def audit(line):
    return {"audit": pb.AuditRecord(line=line)}


def serving(who=0, version=2):
    return say(hello(version), who=who) + say(PREPARED, who=who) + say(READY, who=who) + hear(who)


# --- the stories ---------------------------------------------------------------------------------


def keeper_messages():
    system = {name: act(SYSTEM, 0, how) for name, how in
              (("hang_up", HANG_UP), ("hang_up_broken", HANG_UP_BROKEN), ("terminate", TERMINATE), ("exhaust", EXHAUST))}
    one = serving() + say(spawn(1))
    running = one + run()
    ended = running + write(4) + write(3, error=True) + end(3) + hear()
    two = serving() + say(spawn(1), spawn(2)) + run(0) + run(1) + hear()
    successor = two + system["hang_up"] + say(hello(), who=1)
    upgraded = successor + say(PREPARED, who=1) + hear(0)
    meddling = (signal(1, 9), signal(2, 15, 1), end_session(1), release(1, position=9), forget(1), archive(1),
                update(1, b"mine"), overflow(1), produced(1, 1), keep(2))
    hungry = serving() + say(spawn(1, "yes", ring_bytes=4096)) + run() + write(14) + hear()
    return {
        # A command's life.
        "run_and_forget": ended + say(forget(1)) + hear(),
        "start_fails_at_exec": one + act(REPORT, 0, FAILS_AT_EXEC) + hear(),
        "start_fails_at_chdir": one + act(REPORT, 0, FAILS_AT_CHDIR) + wait(65536) + hear(),
        "start_hangs": one + act(REPORT, 0, UNSHARED) + wait(65536) + hear(),
        "start_with_timeout_fails": serving() + say(spawn(1, timeout_ns=10**9)) + act(REPORT, 0, FAILS_AT_EXEC) + hear()
        + wait(1024) * 2 + hear(),
        "ended_while_it_starts": one + say(end_session(1)) + hear(),
        "ended_while_it_waits": serving() + say(spawn(1), spawn(2), spawn(3)) + say(end_session(3)) + hear(),
        "input": serving() + say(spawn(1, "cat", input=True)) + run() + say(produced(1, 100_000)) + act(READ)
        + say(produced(1, 200_000, eof=True)) + act(READ) + act(READ) + write(10) + end() + hear(),
        "input_that_nobody_reads": serving() + say(spawn(1, input=True)) + run() + act(READ, 0, 1)
        + say(produced(1, 200_000), produced(1, 400_000)) + end() + hear(),
        "killed_by_a_signal": running + say(signal(1, 15), signal(1, 9, 3)) + end(137) + hear(),
        "ladder": running + say(end_session(1, by="somebody")) + wait(4096) * 2 + hear(),
        "ladder_of_ages": serving() + say(spawn(1, ladder=pb.Ladder(first_signal=1, grace_ns=2**64 - 1, last_signal=77)))
        + run() + say(end_session(1, cause=5)) + wait(65536) + hear(),
        "timeout": serving() + say(spawn(1, timeout_ns=10**9)) + run() + wait(1024) * 8 + hear(),
        "output_held_open": running + held_open() + write(5) + wait(1024) + hear(),
        "waits_for_the_end_of_output": serving() + say(spawn(1, wait_for_eof=True)) + run() + held_open() + wait(4096)
        + write(5) + end() + hear(),
        "output_waits_for_its_reader": hungry + say(release(1, position=4000, waits=True, seen=4096)) + hear()
        + say(release(1, position=2**64 - 1)) + end() + hear() + say(release(1, position=2**63)),
        "keeps_the_newest": hungry + say(overflow(1)) + write(13) + hear() + say(overflow(1, False)) + write(13) + end() + hear(),
        "both_streams_in_turn": serving() + say(spawn(1, ring_bytes=4096), overflow(1)) + run()
        + b"".join(write(9, error=one % 2 == 1) for one in range(30)) + end() + hear() + say(archive(1)) + say(open_log(1)),
        "merged_streams": serving() + say(spawn(1, merge_stderr=True)) + run() + write(4) + write(4, error=True) + end() + hear(),
        "more_than_lanes": serving() + say(*[spawn(number) for number in range(1, 6)])
        + b"".join(run(who) for who in range(5)) + b"".join(end(0, 0) for _ in range(5)) + hear(),
        "more_than_slots": serving() + say(*[spawn(number) for number in range(1, 12)]) + hear(),
        "starts_fail_for_want_of_memory": serving() + system["exhaust"] + say(spawn(1), spawn(2)) + hear(),
        # After its end.
        "archive": ended + say(archive(1)) + say(archive(1), open_log(1), open_log(2)) + hear() + say(forget(1), open_log(1)) + hear(),
        "archive_and_forget_at_once": ended + say(archive(1), forget(1), archive(1), open_log(1)) + hear(),
        "archived_and_handed_over": ended + say(update(1, b"state"), archive(1)) + leave() + serving() + say(open_log(1)) + hear(),
        "asks_for_more_logs_than_it_hears": ended + say(archive(1)) + say(*[open_log(1 + one % 2) for one in range(400)])
        + say(release(1)) + hear() + say(forget(1)) + hear(),
        "asks_for_more_than_it_hears": serving() + say(*[{"spawn": pb.Spawn(session=number)} for number in range(1, 3000)])
        + say(spawn(4000)) * 3 + hear() + leave(),
        # Records and descriptors.
        "record_in_memory": serving() + say(spawn(1), how=RECORD) + run() + end() + hear(),
        "record_unsealed": serving() + say(spawn(1), how=UNSEALED) + hear(),
        "record_half_sealed": serving() + say(spawn(1), how=HALF_SEALED) + hear(),
        "record_is_a_pipe": serving() + say(spawn(1), how=PIPE) + hear(),
        "record_is_a_socket": serving() + say(spawn(1), how=SOCKET) + hear(),
        "record_is_a_device": serving() + say(spawn(1), how=NULL) + hear(),
        "record_is_a_directory": serving() + say(spawn(1), how=DIRECTORY) + hear(),
        "record_is_empty": serving() + say(spawn(1), how=EMPTY) + hear(),
        "record_twice": serving() + say(spawn(1), how=RECORD + 1) + hear(),
        "record_missing": serving() + say({"spawn": pb.Spawn(session=1)}) + hear(),
        "too_many_descriptors": serving() + say(READY, how=TOO_MANY) + hear(),
        "descriptors_that_nothing_asked_for": serving() + say(READY, how=PIPE + 2) + say(READY, how=RECORD) + hear(),
        "user_outside_the_list": serving() + say(spawn(1, run_as=pb.RunAs(user="bin"))) + hear(),
        "user_of_the_list": serving() + say(*[spawn(number, run_as=pb.RunAs(user="daemon")) for number in range(1, 5)], spawn(5))
        + b"".join(run(who) for who in range(5)) + hear(),
        "user_with_a_long_name": serving() + say(spawn(1, run_as=pb.RunAs(user="x" * 1000))) + hear(),
        "records_that_break_rules": serving() + say(
            spawn(1, ring_bytes=4097), spawn(2, ring_bytes=2**63), spawn(3, session_record=b"x" * 20_000), spawn(4, ""),
            spawn(5, "a\0b"), spawn(6, cwd=b"relative"), spawn(7, env=[b"=x"]), spawn(8, env=[b"A=\0"]),
            spawn(9, terminal=pb.TerminalSize(rows=1)), spawn(10, limits=pb.Limits(memory_bytes=1)),
            spawn(11, limits=pb.Limits(nice=20)), spawn(12, limits=pb.Limits(cpu_ns=1)),
            {"spawn": pb.Spawn(session=13, record=pb.SpawnRecord())}, {"spawn": pb.Spawn(session=2**64 - 1)},
            spawn(20, limits=pb.Limits(open_files=5, nice=19), user_shell=True, kill_scope=77)) + run() + end() + hear(),
        "audit_lines": serving() + say(audit(b"{}"), audit(b'{"a":1}'), audit(b"{"), audit(b""), audit(b"{}\n{}"),
                                       audit(b"{" + b"x" * 17_000 + b"}")),
        # Fronts that are none.
        "garbage_first": raw(b"\xff" * 100),
        "garbage_later": two + raw(b"\xff" * 100),
        "no_hello": say(spawn(1)),
        "empty_message": serving() + raw(b"") + say({}),
        "version_0": say(hello(0), PREPARED, spawn(1)),
        "version_1": say(hello(1)) + hear() + say(READY, spawn(1)) + run() + end() + hear(),
        "version_1_is_replaced": say(hello(1), spawn(1)) + run() + system["hang_up"] + say(hello(), PREPARED, who=1) + hear(0),
        "version_3": serving(version=3) + say(spawn(1)) + run() + hear(),
        "version_4": say(hello(4), PREPARED, spawn(1)) + hear(),
        "second_hello": serving() + say(hello(), hello(1)) + hear(),
        "closes_its_channel": two + close() + wait(8192) * 2,
        "never_prepared": say(hello()) + hear() + wait(32768) + hear(),
        "breaks_every_rule": two + say(
            release(9), produced(1, 1), produced(1, 2**63), signal(1, 0), signal(1, 65), signal(1, 2**32 - 1), signal(9, 9),
            end_session(1, 1), end_session(1, 77), end_session(1, by="x" * 300), forget(1), forget(0), forget(2**64 - 1),
            update(1, b"x" * 5000), archive(1), archive(9), open_log(1), open_log(2**64 - 1), keep(1), RETIRED, {},
            overflow(9), spawn(1), spawn(0)) + hear(),
        "numbers_run_out": serving() + say(spawn(2**62)) + run() + say(spawn(2**62 + 1), spawn(3)) + hear(),
        # Fronts come and go.
        "front_dies_with_sessions_in_every_state": ended + say(spawn(2), spawn(3), spawn(4), spawn(5)) + run(0) + leave() + serving()
        + run(0) + end(0, 0) + hear(),
        "start_fails_before_its_next_front_has_heard": one + leave() + say(hello(), PREPARED) + act(REPORT, 0, FAILS_AT_EXEC)
        + hear(),
        "start_fails_while_it_is_handed_over": one + leave() + say(hello()) + at_once(say(PREPARED)) + act(REPORT, 0, FAILS_AT_EXEC)
        + hear(),
        "takes_over_and_forgets_at_once": ended + leave() + say(hello(), PREPARED, archive(1), forget(1)) + hear(),
        "archives_and_retires_at_once": upgraded + end(0, 0) + say(archive(1), RETIRED) + hear(1),
        "forgets_and_retires_at_once": upgraded + end(0, 0) + say(forget(1), RETIRED) + hear(1),
        "archives_and_dies_at_once": upgraded + end(0, 0) + at_once(say(archive(1))) + leave() + hear(),
        "archives_before_it_has_heard": upgraded + end(0, 0) + at_once(leave()) + say(archive(1)) + hear(),
        "retired_front_forgets_what_is_archived": upgraded + end(0, 0) + say(archive(1), RETIRED) + say(forget(1)) + hear(1),
        "retired_front_archives_what_it_kept": upgraded + say(keep(1), RETIRED) + end(0, 0) + hear(0) + say(archive(1)) + leave(0)
        + hear(0) * 2 + say(archive(1), open_log(1)) + hear(0) * 2,
        "upgrade": upgraded + say(keep(1)) + say(RETIRED) + hear(1) + say(READY, spawn(3), who=1) + run(0) + hear(1)
        + end(0, 0) + hear(0) + leave(0) + hear(0),
        "upgrade_twice": upgraded + say(RETIRED) + hear(1) + say(READY, who=1) + system["hang_up"]
        + say(hello(), PREPARED, who=2) + hear(2) + say(RETIRED, who=1) + hear(2),
        "kept_and_left": upgraded + say(keep(1), RETIRED) + leave(0) + hear(0) + system["hang_up"] + say(hello(), PREPARED, who=1)
        + say(RETIRED) + hear(1),
        "successor_forgets_what_is_archived": ended + say(archive(1)) + system["hang_up"]
        + say(hello(), open_log(1), forget(1), who=1) + hear(1),
        "successor_meddles": successor + say(*meddling, who=1) + say(READY, spawn(5), RETIRED, who=1) + hear(1),
        "retired_front_meddles": upgraded + say(keep(1), RETIRED) + say(signal(2, 9), end_session(2), forget(2), spawn(9), READY,
                                                                       RETIRED, PREPARED) + hear(0) + hear(1),
        "does_not_retire": upgraded + wait(8192) + hear(0),
        "retires_unasked": two + say(RETIRED, keep(1), keep(2)) + hear(),
        "successor_dies": successor + leave(1) + say(spawn(3)) + hear(),
        "prepared_successor_dies": upgraded + leave(1) + say(RETIRED) + wait(1024) + serving() + hear(),
        "both_fronts_die": successor + leave(0) + leave(0) + wait(8192),
        "front_dies_and_its_successor_is_replaced": successor + leave(0) + system["hang_up"] + wait(8192),
        "broken_configuration": two + system["hang_up_broken"] + say(spawn(3)) + hear(),
        "upgrade_without_memory": two + system["exhaust"] + system["hang_up"] + leave() + wait(1024) + system["exhaust"]
        + wait(8192),
        # The end.
        "drain": two + system["terminate"] + say(spawn(3)) + hear() + end(0, 0) + end(0, 0) + hear() + leave(),
        "drain_twice": two + system["terminate"] * 2 + hear() + wait(8192),
        "drain_for_too_long": two + system["terminate"] + wait(16384) + hear(),
        "drain_while_it_retires": upgraded + system["terminate"] + say(keep(1), RETIRED) + hear(1),
        "drain_with_a_successor": successor + system["terminate"] + hear(0) + leave(0),
        "drain_without_a_front": ended + leave() + leave() + system["terminate"] + wait(16384),
        "drain_while_the_old_front_dies": upgraded + system["terminate"] + leave(0),
        "drain_for_too_long_while_the_old_front_dies": upgraded + system["terminate"] * 2 + leave(0),
        "drain_with_a_retired_front": upgraded + say(keep(1), RETIRED) + leave(1) + system["terminate"] + end(0, 0) + leave(0),
    }


TARGETS = {"keeper_messages": keeper_messages()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[2], formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for target, stories in TARGETS.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, story in stories.items():
            path = folder / name
            if check and (not path.exists() or path.read_bytes() != story):
                sys.exit(f"{path} is not what {pathlib.Path(__file__).name} would write: run it, and commit the difference")
            if not check:
                path.write_bytes(story)
        print(f"{folder}: {len(stories)} seeds")


if __name__ == "__main__":
    main()
