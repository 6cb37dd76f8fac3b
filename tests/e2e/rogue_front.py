#!/usr/bin/python3 -I
"""Stands in for nacre-front in test_keeper: the first time it is started it plays a rogue front, from
then on it becomes the real one.

Environment: ROGUE_ACT, what to do (see ACTS); ROGUE_DIR, a directory of its own: "acted" marks the first
run, "heard" gets a line per event that the keeper sent; ROGUE_FRONT, the real front; NACRE_E2E_STUBS.
"""

import array
import fcntl
import os
import random
import signal
import socket
import sys

sys.path.insert(0, os.environ["NACRE_E2E_STUBS"])

from nacre.keeper.v1 import keeper_pb2 as pb  # noqa: E402

DIRECTORY = os.environ["ROGUE_DIR"]


class Keeper:
    def __init__(self):
        self.channel = socket.socket(fileno=3)
        self.channel.setblocking(True)
        self.channel.settimeout(30)
        self.welcome = None

    def raw(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.channel.sendmsg([data], rights)

    def send(self, *requests, fds=()):
        self.raw(pb.FrontMessage(requests=[pb.FrontRequest(**one) for one in requests]).SerializeToString(), fds)

    def hear(self):
        """The next events; none once the keeper has closed the channel."""
        data, _, _, _ = self.channel.recvmsg(65536, 4096)
        events = pb.KeeperMessage.FromString(data).events if data else []
        with open(f"{DIRECTORY}/heard", "a", encoding="utf-8") as file:
            for event in events:
                kind = event.WhichOneof("event")
                detail = event.spawn_failed if kind == "spawn_failed" else event.terminated
                step = pb.SpawnStep.Name(detail.step) + " " + detail.detail if kind == "spawn_failed" else ""
                print(kind, getattr(getattr(event, kind), "session", ""), step, file=file)
        return events

    def hear_until(self, kind, session):
        while events := self.hear():
            for event in events:
                if event.WhichOneof("event") == kind and getattr(event, kind).session == session:
                    return getattr(event, kind)
        raise SystemExit("the keeper has closed the channel")

    def greet(self):
        self.send({"hello": pb.Hello(protocol_version=1, version="rogue")})
        self.welcome = self.hear()[0].welcome
        self.send({"ready": pb.Ready()})

    def wait_for_close(self):
        while self.hear():
            pass


def record(*argv, **fields):
    return pb.SpawnRecord(argv=[one.encode() for one in argv], audit_intent=b'{"event":"start"}', **fields)


def memory(data, seal=True):
    fd = os.memfd_create("rogue", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seal:
        fcntl.fcntl(fd, 1033, 0x2 | 0x4 | 0x8)  # F_ADD_SEALS: shrink, grow, write
    return fd


def says_garbage_first(keeper):
    keeper.raw(b"\xff" * 100)


def says_garbage_later(keeper):
    keeper.greet()
    keeper.raw(random.Random(1).randbytes(60_000))


def does_not_say_hello(keeper):
    keeper.send({"spawn": pb.Spawn(session=1, record=record("true"))})


def speaks_another_version(keeper):
    keeper.send({"hello": pb.Hello(protocol_version=77)})


def says_a_datagram_that_is_too_big(keeper):
    keeper.greet()
    keeper.channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    keeper.raw(b"\0" * 70_000)


def says_an_empty_datagram(keeper):
    keeper.greet()
    keeper.raw(b"")


def closes_the_channel(keeper):
    keeper.greet()
    keeper.channel.close()
    while True:
        signal.pause()


def dies_with_a_session(keeper):
    keeper.greet()
    keeper.send({"spawn": pb.Spawn(session=1, record=record("sleep", "1000"))})
    keeper.hear_until("spawned", 1)
    os._exit(3)


def breaks_every_rule(keeper):
    """Each of these is refused; the one good session runs on untouched and then ends well."""
    keeper.greet()
    keeper.send({"spawn": pb.Spawn(session=5, record=record("sh", "-c", "cat; echo end", input=True))})
    slot = keeper.hear_until("spawned", 5).slot
    assert slot < keeper.welcome.max_sessions
    many = [
        # one of each kind first: the keeper logs no more than some of these
        {"release": pb.Release(session=99, position=1)}, {"input": pb.InputProduced(session=5, produced=2**63)},
        {"signal": pb.SendSignal(session=5, number=77)}, {"end": pb.EndSession(session=5, cause=1)},
        {"forget": pb.Forget(session=5)}, {"update": pb.Update(session=5, state=b"x" * 5000)}, {"hello": pb.Hello(protocol_version=1)},
        {"audit": pb.AuditRecord(line=b"{")}, {"spawn": pb.Spawn(session=5, record=record("true"))},
        # sessions that are not there
        {"release": pb.Release(session=99, position=1)}, {"input": pb.InputProduced(session=99, produced=1)},
        {"signal": pb.SendSignal(session=99, number=9)}, {"end": pb.EndSession(session=99, cause=4)},
        {"forget": pb.Forget(session=99)}, {"forget": pb.Forget(session=0)},
        {"signal": pb.SendSignal(session=2**64 - 1, number=9)},
        # values out of bounds for the one that is
        {"release": pb.Release(session=5, position=2**64 - 1, seen=2**64 - 1, consumed_seen=2**64 - 1)},
        {"release": pb.Release(session=5)},
        {"input": pb.InputProduced(session=5, produced=2**64 - 1)},
        {"input": pb.InputProduced(session=5, produced=2**40)},
        {"signal": pb.SendSignal(session=5, number=0)}, {"signal": pb.SendSignal(session=5, number=65)},
        {"signal": pb.SendSignal(session=5, number=2**32 - 1)},
        {"end": pb.EndSession(session=5)}, {"end": pb.EndSession(session=5, cause=77)},
        {"end": pb.EndSession(session=5, cause=4, by="x" * 300)}, {"forget": pb.Forget(session=5)},
        # requests that are not served, or empty, or a second time
        {"update": pb.Update(session=5, state=b"x" * 5000)}, {}, {"hello": pb.Hello(protocol_version=1)},
        {"ready": pb.Ready()},
        # lines that are no audit records
        {"audit": pb.AuditRecord(line=b"not json")}, {"audit": pb.AuditRecord(line=b"{}\n{}")},
        {"audit": pb.AuditRecord(line=b"")}, {"audit": pb.AuditRecord(line=b"{" + b"x" * 17_000 + b"}")},
        # numbers that were used
        {"spawn": pb.Spawn(session=5, record=record("true"))}, {"spawn": pb.Spawn(session=0, record=record("true"))},
        {"spawn": pb.Spawn(session=3, record=record("true"))},
    ]
    pipe = os.pipe()
    keeper.send({"ready": pb.Ready()}, fds=(pipe[0], pipe[1], pipe[1]))  # descriptors that nothing asked for
    for one in many:
        keeper.send(one)
    spawns = [
        pb.SpawnRecord(), record("true", run_as=pb.RunAs(user="root")), record("true", cgroup="x"),
        record("true", terminal=pb.TerminalSize(rows=1)), record("true", ring_bytes=1), record("true", cwd=b"relative"),
        record("true", ring_bytes=2**63), record("true", ring_bytes=4097), record("a\0b"), record(""),
        record("true", env=[b"NOEQUALS"]), record("true", env=[b"=x"]), record("true", env=[b"A=\0"]),
        record("true", cwd=b"/\0"), record("true", session_record=b"x" * 20_000),
        pb.SpawnRecord(argv=[b"true"], audit_intent=b"no json"), pb.SpawnRecord(argv=[b"true"]),
    ]
    number = 10
    for one in spawns:
        keeper.send({"spawn": pb.Spawn(session=number, record=one)})
        keeper.hear_until("spawn_failed", number)
        number += 1
    good = record("true").SerializeToString()
    for fds in ((), (memory(good, seal=False),), (memory(b"\xff" * 100),), (memory(bytes(3 << 20)),), (os.dup(pipe[0]),),
                (os.open("/dev/zero", os.O_RDONLY),), (os.open("/", os.O_RDONLY),), (memory(b""),),
                (memory(good), memory(good))):
        keeper.send({"spawn": pb.Spawn(session=number)}, fds=fds)
        keeper.hear_until("spawn_failed", number)
        for fd in fds:
            os.close(fd)
        number += 1
    keeper.send({"spawn": pb.Spawn(session=number)}, fds=(memory(good),))
    keeper.hear_until("terminated", number)
    keeper.send({"forget": pb.Forget(session=number)}, {"forget": pb.Forget(session=number)})
    keeper.send({"input": pb.InputProduced(session=5, produced=4, eof=True)})
    keeper.hear_until("terminated", 5)
    keeper.send({"input": pb.InputProduced(session=5, produced=5)}, {"signal": pb.SendSignal(session=5, number=9)},
                {"forget": pb.Forget(session=5)})
    # Numbers may be left out.
    keeper.send({"spawn": pb.Spawn(session=number + 1000, record=record("true"))})
    keeper.hear_until("terminated", number + 1000)
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


def wraps_the_numbers(keeper):
    """After the last number there is no next one, and surely not one that is in use."""
    keeper.greet()
    keeper.send({"spawn": pb.Spawn(session=5, record=record("sleep", "1000"))})
    keeper.hear_until("spawned", 5)
    for _ in range(40):
        for number in (2**64 - 1, 0, 1, 5, 6):
            keeper.send({"spawn": pb.Spawn(session=number, record=record("true"))})
    keeper.send({"end": pb.EndSession(session=5, cause=4)})
    keeper.hear_until("terminated", 5)
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


def asks_for_ages(keeper):
    """Durations beyond all clocks."""
    keeper.greet()
    number = 1
    for ages in (2**62, 2**63 - 1, 2**63, 2**64 - 1):
        for fields in ({"timeout_ns": ages}, {"ladder": pb.Ladder(first_signal=15, grace_ns=ages, last_signal=9)},
                       {"ladder": pb.Ladder(first_signal=2**32 - 1, grace_ns=1, last_signal=2**31)}):
            keeper.send({"spawn": pb.Spawn(session=number, record=record("sleep", "1000", **fields))})
            keeper.hear()  # started, or refused
            keeper.send({"end": pb.EndSession(session=number, cause=4)})
            number += 1
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


def hears_nothing(keeper):
    """Starts many commands and never reads what the keeper says of them."""
    keeper.greet()
    for number in range(1, 3001):
        keeper.send({"spawn": pb.Spawn(session=number, record=record("true"))})
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


ACTS = {name: act for name, act in globals().items() if callable(act) and getattr(act, "__module__", "") == "__main__"}

if not os.path.exists(f"{DIRECTORY}/acted"):
    with open(f"{DIRECTORY}/acted", "w", encoding="utf-8"):
        pass
    peer = Keeper()
    ACTS[os.environ["ROGUE_ACT"]](peer)
    peer.channel.settimeout(0.5 if os.path.exists(f"{DIRECTORY}/done") else 30)
    try:
        peer.wait_for_close()
    except TimeoutError:
        pass
    sys.exit(1)
os.execv(os.environ["ROGUE_FRONT"], ["nacre-front", *sys.argv[1:]])
