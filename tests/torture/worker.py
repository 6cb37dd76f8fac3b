"""One process of workers: threads that do one job after the other until they are told to stop.

gRPC for Python doesn't survive a fork, so these processes are spawned; the torture's own process makes no calls
while they run.
"""

import random
import threading
import traceback

import grpc

from . import short, starter, streamer, uploader, viewer
from .caller import Caller, Stuck, open_channel
from .findings import Findings
from .work import Registry, Work

JOBS = {"stream": streamer, "upload": uploader, "short": short, "start": starter, "view": viewer}
WORKERS_OF_A_CHANNEL = 4
REPORT_EVERY = 0.5


def run(target, seed, workers, sizes, token_file, pipe):
    """Entry of the process. `workers`: names such as "stream-3". Says on the pipe ("counts", counts, complaints)
    now and then, and at last ("tokens", all that were started); hears one word: to stop."""
    findings, registry, stopping = Findings(), Registry(), threading.Event()
    tokens = []
    channels = [open_channel(target) for _ in range(-(-len(workers) // WORKERS_OF_A_CHANNEL))]
    threads = []
    for i, name in enumerate(workers):
        work = Work(Caller(channels[i % len(channels)], findings), findings, registry, sizes, token_file, stopping)
        threads.append(threading.Thread(target=_work, args=(work, name, seed, tokens), name=name, daemon=True))
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if pipe.poll(REPORT_EVERY) and not stopping.is_set():
            pipe.recv()
            stopping.set()
        pipe.send(("counts", *findings.take()))
        if stopping.is_set():
            pipe.send(("busy", [thread.name for thread in threads if thread.is_alive()]))
    pipe.send(("counts", *findings.take()))
    pipe.send(("tokens", tokens))
    for channel in channels:
        channel.close()


def _work(work, name, seed, tokens):
    kind = name.split("-")[0]
    number = 0
    while not work.stopping.is_set():
        token = f"{seed}-{name}-{number}"
        # The work is the seed's alone; when it meets what is chance.
        choice = random.Random(token)
        if kind != "view":
            tokens.append(token)
        try:
            JOBS[kind].run(work, token, choice)
        except Exception as error:  # whatever it is, it is told and the others go on
            work.findings.complain("errors", token, _describe(error))
            work.stopping.wait(1)
        number += 1


def _describe(error):
    what = traceback.format_exc()
    if isinstance(error, Stuck):
        what = f"stuck: {error}"
    elif isinstance(error, grpc.RpcError):
        # The whole of it stands in its debug string.
        what = f"{error.code()}: {error.details()!r}: {error.debug_error_string()}\n" + "".join(
            traceback.format_tb(error.__traceback__)[:2])
    return what
