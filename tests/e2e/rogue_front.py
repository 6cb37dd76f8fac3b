#!/usr/bin/python3 -I
"""Stands in for nacre-front in test_keeper: the first times it is started it plays a front of the test's
own, most of them rogues; from then on it becomes the real one.

Environment: ROGUE_ACT, what to do each time, separated by commas (see ACTS); ROGUE_DIR, a directory of its
own: "acted" gets a line per run, "heard" one per event that the keeper sent; ROGUE_FRONT, the real front;
NACRE_E2E_STUBS.
"""

import array
import contextlib
import fcntl
import os
import pwd
import random
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.environ["NACRE_E2E_STUBS"])

from nacre.keeper.v1 import keeper_pb2 as pb  # noqa: E402

DIRECTORY = os.environ["ROGUE_DIR"]


def mark(name):
    """Tells the test, or the front beside this one, how far it has come."""
    with open(f"{DIRECTORY}/{name}", "w", encoding="utf-8"):
        pass


def await_mark(name):
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{DIRECTORY}/{name}"):
        assert time.monotonic() < deadline, name
        time.sleep(0.01)


class Keeper:
    def __init__(self):
        self.channel = socket.socket(fileno=0)
        self.channel.setblocking(True)
        self.channel.settimeout(30)
        self.welcome = None
        self._unheard = []

    def raw(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.channel.sendmsg([data], rights)

    def send(self, *requests, fds=()):
        self.raw(pb.FrontMessage(requests=[pb.FrontRequest(**one) for one in requests]).SerializeToString(), fds)

    def hear(self):
        """The next events; none once the keeper has closed the channel."""
        data, ancillary, _, _ = self.channel.recvmsg(65536, 4096)
        events = pb.KeeperMessage.FromString(data).events if data else []
        fds = array.array("i")
        for _, _, rights in ancillary:
            fds.frombytes(rights)
        if events and events[0].WhichOneof("event") == "log_opened":
            assert len(events) == 1 and len(fds) == (0 if events[0].log_opened.lost else 1), (events, fds)
            self.log = fds.pop() if fds else None
        with open(f"{DIRECTORY}/heard", "a", encoding="utf-8") as file:
            for event in events:
                kind = event.WhichOneof("event")
                detail = event.spawn_failed if kind == "spawn_failed" else event.terminated
                step = pb.SpawnStep.Name(detail.step) + " " + detail.detail if kind == "spawn_failed" else ""
                print(kind, getattr(getattr(event, kind), "session", ""), step, file=file)
        return events

    def hear_until(self, kind, session):
        while events := self._unheard or self.hear():
            self._unheard = []
            for event in events:
                if event.WhichOneof("event") == kind and getattr(event, kind).session == session:
                    return getattr(event, kind)
        raise SystemExit("the keeper has closed the channel")

    def hear_draining(self):
        """The next word about that, behind which nothing of the same datagram may be lost."""
        while True:
            if not self._unheard:
                events = self.hear()
                assert events, "the keeper has closed the channel"
                self._unheard = list(events)
            event = self._unheard.pop(0)
            if event.HasField("draining_set"):
                return event.draining_set.id, event.draining_set.draining, event.draining_set.failed

    def hear_ends(self, sessions):
        missing = set(sessions)
        while missing:
            events = self.hear()
            assert events, "the keeper has closed the channel"
            missing -= {event.terminated.session for event in events if event.HasField("terminated")}

    def hello(self, version=3):
        self.send({"hello": pb.Hello(protocol_version=version, version="rogue")})
        events = list(self.hear())
        self.welcome = events[0].welcome
        return events

    def adopt(self, version=3):
        """Serves; what the front before has left, in order."""
        events = self.hello(version)
        self.send({"prepared": pb.Prepared()})
        while events[-1].WhichOneof("event") != "adoption_done":
            events += self.hear()
        self.send({"ready": pb.Ready()})
        return [event.adopted for event in events if event.HasField("adopted")]

    def upgrade(self):
        """Another front is started beside this one."""
        os.kill(os.getppid(), signal.SIGHUP)

    def hears_nothing(self):
        """All it has said has been handled, and nothing of that was answered."""
        self.send({"open_log": pb.OpenLog(session=2**40)})
        events = self.hear()
        assert [event.log_opened.session for event in events] == [2**40], events

    def run(self, session, *argv, **fields):
        self.send({"spawn": pb.Spawn(session=session, record=record(*argv, **fields))})
        return self.hear_until("terminated", session)

    def open_log(self, session):
        """The archived log: the header's values and the bytes that standard output has kept; or why it is lost."""
        self.send({"open_log": pb.OpenLog(session=session)})
        opened = self.hear_until("log_opened", session)
        if opened.lost:
            return opened.lost
        with open(self.log, "rb") as file:
            slot = file.read()
        assert len(slot) == 4096 + 4096 * 16 + 2 * (1 << 20)
        total, _, _, kept, _ = struct.unpack_from("<5Q", slot)
        ring = slot[4096 + 4096 * 16:][:opened.ring_bytes]
        at = kept % opened.ring_bytes
        return total, kept, (ring[at:] + ring[:at])[:total - kept]

    def wait_for_close(self):
        while self.hear():
            pass


def record(*argv, **fields):
    return pb.SpawnRecord(argv=[one.encode() for one in argv], audit_intent=b'{"event":"start"}', **fields)


SHRINK, GROW, WRITE = 0x2, 0x4, 0x8  # F_SEAL_


def set_draining(draining, number, line=None):
    line = line or (b'{"event":"drain"}' if draining else b'{"event":"undrain"}')
    return {"set_draining": pb.SetDraining(draining=draining, id=number, line=line)}


def memory(data, seals=SHRINK | GROW | WRITE):
    fd = os.memfd_create("rogue", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, 1033, seals)  # F_ADD_SEALS
    return fd


def says_garbage_first(keeper):
    keeper.raw(b"\xff" * 100)


def says_garbage_later(keeper):
    keeper.adopt()
    keeper.raw(random.Random(1).randbytes(60_000))


def does_not_say_hello(keeper):
    keeper.send({"spawn": pb.Spawn(session=1, record=record("true"))})


def speaks_version(keeper, version):
    """What it says behind its hello is not even looked at."""
    keeper.send({"hello": pb.Hello(protocol_version=version)}, {"hello": pb.Hello(protocol_version=3)},
                {"prepared": pb.Prepared()}, {"spawn": pb.Spawn(session=1, record=record("true"))})
    assert not keeper.hear()


def speaks_version_0(keeper):
    speaks_version(keeper, 0)


def speaks_version_1(keeper):
    speaks_version(keeper, 1)


def speaks_version_5(keeper):
    speaks_version(keeper, 5)


def speaks_version_77(keeper):
    speaks_version(keeper, 77)


def speaks_version_4(keeper):
    """That of the next release: both speak ours."""
    keeper.adopt(version=4)
    assert keeper.welcome.protocol_version == 3
    assert keeper.run(1, "sh", "-c", "exit 7").exit_code == 7
    mark("done")


def speaks_version_2(keeper):
    """That of the last release: it knows nothing of files."""
    keeper.adopt(version=2)
    assert keeper.welcome.protocol_version == 2
    assert keeper.run(1, "sh", "-c", "exit 7").exit_code == 7
    mark("done")


def asks_for_files(keeper):
    """Of a user who is not in the list, and of one who is, again and again: the last helper stays."""
    keeper.adopt()
    keeper.send({"open_files": pb.OpenFiles(user="nacre-nobody-has-this-name")})
    (answer,) = keeper.hear()
    assert answer.files_opened.failed
    user = pwd.getpwuid(os.geteuid()).pw_name
    for _ in range(50):
        keeper.send({"open_files": pb.OpenFiles(user=user)})
    opened = 0
    while opened < 1:
        for event in keeper.hear():
            opened += not event.files_opened.failed
    keeper.send({"audit": pb.AuditRecord(line=b"no line", id=5)}, {"audit": pb.AuditRecord(line=b'{"event":"rogue"}', id=6)})
    told = {}
    while len(told) < 2:
        told.update({event.audited.id: event.audited.failed for event in keeper.hear() if event.HasField("audited")})
    assert told[5] and not told[6], told
    mark("done")


def speaks_out_of_turn(keeper):
    """Before it is prepared it may do nothing, and without being asked it can't retire."""
    keeper.hello()
    keeper.send({"ready": pb.Ready()}, {"spawn": pb.Spawn(session=1, record=record("true"))}, {"retired": pb.Retired()},
                {"keep": pb.Keep(session=1)}, {"forget": pb.Forget(session=1)}, set_draining(True, 1))
    keeper.hears_nothing()
    keeper.send({"prepared": pb.Prepared()}, {"prepared": pb.Prepared()})
    assert [event.WhichOneof("event") for event in keeper.hear()] == ["adoption_done"]
    keeper.send({"spawn": pb.Spawn(session=1, record=record("sleep", "1000"))})
    keeper.hear_until("spawned", 1)
    keeper.send({"keep": pb.Keep(session=1)}, {"retired": pb.Retired()}, {"prepared": pb.Prepared()})
    keeper.hears_nothing()
    keeper.send({"end": pb.EndSession(session=1, cause=4)})
    keeper.hear_until("terminated", 1)
    assert keeper.run(2, "true").exit_code == 0
    mark("done")


def drains(keeper):
    """Has new sessions refused; the keeper refuses them, whatever the front does, and tells the next front."""
    keeper.adopt(version=3)
    assert not keeper.welcome.draining_asked
    keeper.send({"spawn": pb.Spawn(session=1, record=record("sleep", "1000"))})
    keeper.hear_until("spawned", 1)
    keeper.send(set_draining(True, 7, b"no json"))
    assert keeper.hear_draining()[:2] == (7, False)
    keeper.send(set_draining(True, 8), {"spawn": pb.Spawn(session=2, record=record("true"))})
    assert keeper.hear_draining() == (8, True, "")
    failed = keeper.hear_until("spawn_failed", 2)
    assert (failed.step, failed.detail) == (pb.SPAWN_STEP_SHUTDOWN, "the node is drained: it takes no new sessions"), failed
    keeper.upgrade()
    await_mark("welcomed")
    keeper.send(set_draining(False, 9))
    assert keeper.hear_draining() == (9, False, "")
    while not any(event.HasField("retire") for event in keeper.hear()):
        pass
    keeper.send(set_draining(True, 10), {"retired": pb.Retired()}, set_draining(False, 11))
    assert keeper.hear_draining() == (10, True, "")
    os._exit(0)


def is_told_that_it_drains(keeper):
    keeper.hello(version=3)
    assert keeper.welcome.draining_asked
    mark("welcomed")
    assert keeper.hear_draining() == (0, False, "")
    keeper.send({"prepared": pb.Prepared()})
    assert keeper.hear_draining() == (0, True, "")
    assert keeper.hear_until("adopted", 1).running
    keeper.send({"spawn": pb.Spawn(session=3, record=record("true"))})
    keeper.hear_until("spawn_failed", 3)
    keeper.send(set_draining(False, 1), {"end": pb.EndSession(session=1, cause=4)})
    assert keeper.hear_draining() == (1, False, "")
    assert keeper.run(4, "true").exit_code == 0
    mark("done")


def is_meddled_with(keeper):
    """Serves while the front that is to follow asks for what is not its business."""
    keeper.adopt()
    keeper.send({"spawn": pb.Spawn(session=1, record=record("sh", "-c", "cat; echo end", input=True))})
    keeper.hear_until("spawned", 1)
    keeper.run(2, "echo", "two")
    keeper.run(3, "echo", "three")
    keeper.send({"archive": pb.Archive(session=3)})
    keeper.upgrade()
    await_mark("meddled")
    keeper.hears_nothing()
    keeper.send({"input": pb.InputProduced(session=1, produced=4, eof=True)})
    end = keeper.hear_until("terminated", 1)
    assert (end.cause, end.exit_code, end.streams[0].bytes) == (pb.END_CAUSE_EXITED, 0, 8), end
    keeper.send({"archive": pb.Archive(session=1)}, {"archive": pb.Archive(session=2)})
    assert keeper.open_log(1) == (8, 0, b"\0\0\0\0end\n")
    assert keeper.open_log(2) == (4, 0, b"two\n")
    assert keeper.open_log(3) == (6, 0, b"three\n")
    assert keeper.run(4, "true").exit_code == 0
    mark("done")


def meddles(keeper):
    keeper.hello()
    keeper.send({"signal": pb.SendSignal(session=1, number=9)}, {"end": pb.EndSession(session=1, cause=4)},
                {"release": pb.Release(session=1, position=1, waits=True)}, {"forget": pb.Forget(session=2)},
                {"archive": pb.Archive(session=2)}, {"update": pb.Update(session=1, state=b"mine")},
                {"set_overflow": pb.SetOverflow(session=1, keep_newest=True)}, {"keep": pb.Keep(session=1)},
                {"input": pb.InputProduced(session=1, produced=1, eof=True)}, {"forget": pb.Forget(session=3)},
                {"ready": pb.Ready()}, {"spawn": pb.Spawn(session=900, record=record("true"))}, {"retired": pb.Retired()},
                set_draining(True, 1))
    keeper.hears_nothing()
    mark("meddled")
    await_mark("done")


def retires_and_meddles(keeper):
    keeper.adopt()
    cat = record("sh", "-c", "echo hi; cat", input=True)
    keeper.send({"spawn": pb.Spawn(session=1, record=cat)}, {"spawn": pb.Spawn(session=2, record=cat)})
    keeper.hear_until("progress", 2)
    keeper.send({"release": pb.Release(session=2, position=2**64 - 1)})
    keeper.upgrade()
    events = keeper.hear()
    while not any(event.HasField("retire") for event in events):
        events = keeper.hear()
        assert events, "the keeper has closed the channel"
    keeper.send({"keep": pb.Keep(session=1)}, {"keep": pb.Keep(session=99)}, {"retired": pb.Retired()})
    keeper.send({"signal": pb.SendSignal(session=2, number=9)}, {"end": pb.EndSession(session=2, cause=4)},
                {"forget": pb.Forget(session=2)}, {"keep": pb.Keep(session=2)}, {"retired": pb.Retired()}, {"ready": pb.Ready()},
                {"prepared": pb.Prepared()}, {"spawn": pb.Spawn(session=900, record=record("true"))})
    keeper.hears_nothing()
    mark("retired")
    await_mark("refused")
    keeper.send({"input": pb.InputProduced(session=1, produced=4, eof=True)})
    assert keeper.hear_until("terminated", 1).streams[0].bytes == 7
    os._exit(0)


def succeeds_and_meddles(keeper):
    adopted = keeper.adopt()
    assert [(one.session, one.running, one.released) for one in adopted] == [(2, True, 3)], adopted
    await_mark("retired")
    keeper.send({"signal": pb.SendSignal(session=1, number=9)}, {"end": pb.EndSession(session=1, cause=4)},
                {"forget": pb.Forget(session=1)}, {"archive": pb.Archive(session=1)})
    keeper.hears_nothing()
    mark("refused")
    left = keeper.hear_until("adopted", 1)  # its front has gone
    assert (left.terminated.cause, left.terminated.streams[0].bytes) == (pb.END_CAUSE_EXITED, 7), left
    keeper.send({"input": pb.InputProduced(session=2, produced=1, eof=True)})
    assert keeper.hear_until("terminated", 2).streams[0].bytes == 4
    keeper.send({"forget": pb.Forget(session=1)}, {"forget": pb.Forget(session=2)})
    mark("done")


def leaves_an_ended_session(keeper):
    keeper.adopt()
    keeper.run(1, "true")
    os._exit(3)


def leaves_at_once(keeper):
    os._exit(3)


def sends_too_many_descriptors(keeper):
    keeper.adopt()
    keeper.send({"ready": pb.Ready()}, fds=[1] * 65)


def uses_up_the_numbers(keeper):
    """Numbers may be left out, but no front leaves none to the next one."""
    keeper.adopt()
    for number in (2**62, 2**40, 10**6 + 2):
        keeper.send({"spawn": pb.Spawn(session=number, record=record("true"))})
    keeper.hears_nothing()
    assert keeper.run(10**6 + 1, "true").exit_code == 0
    keeper.send({"forget": pb.Forget(session=10**6 + 1)})
    mark("done")


def asks_faster_than_it_listens(keeper):
    """The answers do not pile up in the keeper's memory."""
    keeper.adopt()
    before = keeper_memory()
    number, most = 1, 0
    for _ in range(600):
        keeper.channel.settimeout(0)
        try:
            keeper.send(*[{"spawn": pb.Spawn(session=number + one)} for one in range(6000)])
            number += 6000
        except BlockingIOError:
            pass
        keeper.channel.settimeout(30)
        keeper.channel.recv(65536)
        most = max(most, keeper_memory() - before)
    with open(f"{DIRECTORY}/memory", "w", encoding="utf-8") as file:
        file.write(str(most))
    mark("done")
    os._exit(3)


def says_a_datagram_that_is_too_big(keeper):
    keeper.adopt()
    keeper.channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    keeper.raw(b"\0" * 70_000)


def says_an_empty_datagram(keeper):
    keeper.adopt()
    keeper.raw(b"")


def closes_the_channel(keeper):
    keeper.adopt()
    keeper.channel.close()
    while True:
        signal.pause()


def dies_with_a_session(keeper):
    keeper.adopt()
    keeper.send({"spawn": pb.Spawn(session=1, record=record("sleep", "1000"))})
    keeper.hear_until("spawned", 1)
    os._exit(3)


def breaks_every_rule(keeper):
    """Each of these is refused; the one good session runs on untouched and then ends well."""
    keeper.adopt()
    keeper.send({"spawn": pb.Spawn(session=5, record=record("sh", "-c", "cat; echo end", input=True))})
    slot = keeper.hear_until("spawned", 5).slot
    assert slot < keeper.welcome.max_sessions
    many = [
        # one of each kind first: the keeper logs no more than some of these
        {"release": pb.Release(session=99, position=1)}, {"input": pb.InputProduced(session=5, produced=2**63)},
        {"signal": pb.SendSignal(session=5, number=77)}, {"end": pb.EndSession(session=5, cause=1)},
        {"forget": pb.Forget(session=5)}, {"update": pb.Update(session=5, state=b"x" * 5000)}, {"hello": pb.Hello(protocol_version=1)},
        {"audit": pb.AuditRecord(line=b"{")}, {}, {"archive": pb.Archive(session=5)}, {"open_log": pb.OpenLog(session=5)},
        {"keep": pb.Keep(session=5)}, {"retired": pb.Retired()},
        {"spawn": pb.Spawn(session=5, record=record("true"))},
        # sessions that are not there
        {"update": pb.Update(session=99)}, {"set_overflow": pb.SetOverflow(session=99, keep_newest=True)},
        {"archive": pb.Archive(session=99)}, {"archive": pb.Archive(session=2**64 - 1)},
        {"open_log": pb.OpenLog(session=99)}, {"open_log": pb.OpenLog()},
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
    # Descriptors that nothing asked for.
    keeper.send({"ready": pb.Ready()}, fds=(pipe[0], pipe[1], pipe[1]))
    keeper.send({"ready": pb.Ready()}, fds=(memory(record("true").SerializeToString()),))
    for one in many:
        keeper.send(one)
    spawns = [
        pb.SpawnRecord(), record("true", run_as=pb.RunAs(user="daemon")), record("true", run_as=pb.RunAs(user="no such user")),
        record("true", run_as=pb.RunAs(user="daemon"), user_shell=True), record("true", limits=pb.Limits(nice=20)),
        record("true", ring_bytes=(1 << 20) + 4096),
        record("true", terminal=pb.TerminalSize(rows=65536)), record("true", ring_bytes=1), record("true", cwd=b"relative"),
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
    longer = record("true", run_as=pb.RunAs(user="x" * 200_000)).SerializeToString()
    for fds in ((), (memory(good, seals=0),), (memory(good, seals=SHRINK | GROW),), (memory(good, seals=WRITE),),
                (memory(b"\xff" * 100),), (memory(bytes(3 << 20)),), (memory(bytes((2 << 20) + 1)),), (memory(longer),),
                (os.dup(pipe[0]),), (os.dup(pipe[1]),), (os.dup(keeper.channel.fileno()),),
                tuple(one.detach() for one in socket.socketpair())[:1], (os.open("/dev/null", os.O_RDWR),),
                (os.open("/dev/zero", os.O_RDONLY),), (os.open("/", os.O_RDONLY),), (os.open("/etc/passwd", os.O_RDONLY),),
                (memory(b""),), (memory(good), memory(good))):
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
    keeper.send({"archive": pb.Archive(session=5)}, {"archive": pb.Archive(session=5)}, {"archive": pb.Archive(session=5)})
    keeper.send({"release": pb.Release(session=5, position=1)}, {"update": pb.Update(session=5)},
                {"end": pb.EndSession(session=5, cause=4)}, {"archive": pb.Archive(session=5)})
    assert keeper.open_log(5) == (8, 0, b"\0\0\0\0end\n")
    keeper.send({"input": pb.InputProduced(session=5, produced=5)}, {"signal": pb.SendSignal(session=5, number=9)},
                {"forget": pb.Forget(session=5)})
    # Numbers may be left out.
    keeper.send({"spawn": pb.Spawn(session=number + 1000, record=record("true"))})
    keeper.hear_until("terminated", number + 1000)
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


def wraps_the_numbers(keeper):
    """After the last number there is no next one, and surely not one that is in use."""
    keeper.adopt()
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
    keeper.adopt()
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
    """Starts many commands and never reads what the keeper says of them, which hears no more of it after a while."""
    keeper.adopt()
    keeper.channel.settimeout(2)
    with contextlib.suppress(TimeoutError):
        for number in range(1, 3001):
            keeper.send({"spawn": pb.Spawn(session=number, record=record("true"))})
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


def asks_for_logs_and_hears_nothing(keeper):
    """What it asked for it gets once it listens, in order."""
    keeper.adopt()
    keeper.run(1, "echo", "hi")
    keeper.send({"archive": pb.Archive(session=1)})
    for _ in range(20):
        keeper.send(*[{"open_log": pb.OpenLog(session=one)} for one in (1, 2) * 100])
    for _ in range(2000):
        for one in (1, 2):
            assert keeper.hear()[0].log_opened.session == one
            if one == 1:
                os.close(keeper.log)
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


def leaves_sessions_in_every_state(keeper):
    keeper.adopt()
    keeper.run(1, "echo", "hi", session_record=b"record of 1")
    keeper.send({"update": pb.Update(session=1, state=b"first")}, {"update": pb.Update(session=1, state=b"second")},
                {"update": pb.Update(session=1, state=b"x" * 4097)}, {"archive": pb.Archive(session=1)})
    assert keeper.open_log(1) == (3, 0, b"hi\n")
    # One that waits for its reader, until it need not any more.
    keeper.send({"spawn": pb.Spawn(session=2, record=record("sh", "-c", "head -c 1000000 /dev/zero; echo end"))})
    keeper.hear_until("progress", 2)
    keeper.send({"release": pb.Release(session=2, waits=True, seen=512 * 1024 - 1)})
    keeper.hear_until("progress", 2)
    keeper.send({"set_overflow": pb.SetOverflow(session=2, keep_newest=True)})
    keeper.hear_until("terminated", 2)
    keeper.send({"archive": pb.Archive(session=2)})
    total, kept, kept_bytes = keeper.open_log(2)
    assert (total, kept) == (1_000_004, 1_000_004 - 512 * 1024), (total, kept)
    assert kept_bytes == bytes(512 * 1024 - 4) + b"end\n"
    # One that never waits.
    keeper.send({"spawn": pb.Spawn(session=3, record=record("head", "-c", "1000000", "/dev/zero"))},
                {"set_overflow": pb.SetOverflow(session=3, keep_newest=True)})
    keeper.hear_until("terminated", 3)
    # One that waits, never waits and waits again.
    keeper.send({"spawn": pb.Spawn(session=4, record=record("sh", "-c", "head -c 1000000 /dev/zero; cat /dev/zero"))},
                {"set_overflow": pb.SetOverflow(session=4, keep_newest=True)})
    seen = 0
    while seen < 1_000_000:
        keeper.hear_until("progress", 4)
        seen += 200_000
        keeper.send({"release": pb.Release(session=4, waits=True, seen=seen)})
    keeper.send({"set_overflow": pb.SetOverflow(session=4)}, {"update": pb.Update(session=4, state=b"running")})
    keeper.run(5, "true")
    keeper.send({"archive": pb.Archive(session=5)}, {"forget": pb.Forget(session=5)})
    assert "no such session" in keeper.open_log(5)
    assert "no such session" in keeper.open_log(4)
    os._exit(3)


def takes_them_over(keeper):
    adopted = {one.session: one for one in keeper.adopt()}
    assert list(adopted) == [1, 2, 3, 4], adopted
    assert [one for one in adopted if adopted[one].archived] == [1, 2]
    assert [one for one in adopted if adopted[one].HasField("terminated")] == [1, 2, 3]
    assert all((one.ended_ago_ns > 0) == one.HasField("terminated") for one in adopted.values()), adopted
    assert all(one.ended_ago_ns < 60 * 10**9 for one in adopted.values()), adopted
    assert (adopted[1].session_record, adopted[1].state) == (b"record of 1", b"second")
    assert (adopted[1].released, adopted[1].kept, adopted[1].slot) == (0, 0, 0)
    assert adopted[2].kept == 1_000_004 - 512 * 1024
    assert adopted[1].terminated.streams[0].bytes == 3
    assert (adopted[4].running, adopted[4].state) == (True, b"running")
    assert keeper.open_log(1) == (3, 0, b"hi\n")
    assert keeper.open_log(2)[:2] == (1_000_004, 1_000_004 - 512 * 1024)
    # Numbers and slots go on.
    assert keeper.welcome.next_session == 6
    keeper.run(6, "echo", "more")
    keeper.send({"archive": pb.Archive(session=6)}, {"archive": pb.Archive(session=3)})
    assert keeper.open_log(6) == (5, 0, b"more\n")
    assert keeper.open_log(3)[0] == 1_000_000
    keeper.send({"end": pb.EndSession(session=4, cause=4)})
    keeper.send({"set_overflow": pb.SetOverflow(session=4, keep_newest=True)})
    keeper.hear_until("terminated", 4)
    keeper.send(*[{"forget": pb.Forget(session=one)} for one in (1, 2, 3, 4, 6)])
    assert keeper.open_log(1)[:2] == "no"
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8"):
        pass


def archive_more_than_fits_into_memory(keeper):
    keeper.adopt()
    sessions = range(1, 41)
    for one in sessions:
        keeper.send({"spawn": pb.Spawn(session=one, record=record("head", "-c", "1000000", "/dev/zero", ring_bytes=1 << 20))})
    keeper.hear_ends(sessions)
    keeper.send(*[{"archive": pb.Archive(session=one)} for one in sessions])
    for one in sessions:
        assert keeper.open_log(one) == (1_000_000, 0, bytes(1_000_000))
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8") as file:
        file.write(" ".join(os.listdir(os.environ["ROGUE_ENDED"])))


def archives_more_than_fits_into_memory(keeper):
    archive_more_than_fits_into_memory(keeper)
    os._exit(3)


def archives_until_the_keeper_stops(keeper):
    archive_more_than_fits_into_memory(keeper)
    keeper.hear()
    os._exit(0)


def takes_over_what_does_not_fit_into_memory(keeper):
    for one in keeper.adopt():
        assert keeper.open_log(one.session)[:2] == (1_000_000, 0)
        keeper.send({"forget": pb.Forget(session=one.session)})
    assert keeper.open_log(1)[:2] == "no"
    assert os.listdir(os.environ["ROGUE_ENDED"]) == []


def keeper_memory():
    with open(f"/proc/{os.getppid()}/status", encoding="utf-8") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def archives_many(keeper):
    keeper.adopt()
    count = int(os.environ["ROGUE_COUNT"])
    before = 0
    for start in range(1, count + 1, 200):
        if start == 401:
            before = keeper_memory()
        sessions = range(start, min(start + 200, count + 1))
        for one in sessions:
            keeper.send({"spawn": pb.Spawn(session=one, record=record("echo", "hi", session_record=b"r" * 200))})
        keeper.hear_ends(sessions)
        keeper.send(*[{"archive": pb.Archive(session=one)} for one in sessions])
    assert keeper.open_log(count)[0] == 3
    with open(f"{DIRECTORY}/memory", "w", encoding="utf-8") as file:
        file.write(str((keeper_memory() - before) // (count - 400)))
    os._exit(3)


def takes_many_over(keeper):
    start = time.monotonic()
    adopted = keeper.adopt()
    took = time.monotonic() - start
    count = int(os.environ["ROGUE_COUNT"])
    assert [one.session for one in adopted] == list(range(1, count + 1))
    for start in range(0, count, 1000):
        keeper.send(*[{"forget": pb.Forget(session=one.session)} for one in adopted[start:start + 1000]])
    with open(f"{DIRECTORY}/done", "w", encoding="utf-8") as file:
        file.write(str(took))


ACTS = {name: act for name, act in globals().items() if callable(act) and getattr(act, "__module__", "") == "__main__"}

with open(f"{DIRECTORY}/acted", "a+", encoding="utf-8") as acted:
    acted.seek(0)
    to_do = os.environ["ROGUE_ACT"].split(",")[len(acted.readlines()):]
    print(*to_do[:1], file=acted)
if to_do:
    peer = Keeper()
    ACTS[to_do[0]](peer)
    peer.channel.settimeout(0.5 if os.path.exists(f"{DIRECTORY}/done") else 30)
    try:
        peer.wait_for_close()
    except TimeoutError:
        pass
    sys.exit(1)
os.execv(os.environ["ROGUE_FRONT"], ["nacre-front", *sys.argv[1:]])
