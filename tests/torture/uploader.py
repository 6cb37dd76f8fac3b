"""Random bytes into sha256sum, resent from where the node says that it is."""

import hashlib

from support import command_pb2

from .followed import Followed
from .output_check import Fixed, OutputCheck
from .source import Source
from .work import log_uniform, start


def run(work, token, choice):
    data = choice.randbytes(log_uniform(choice, 1, work.sizes.most_input))
    want = hashlib.sha256(data).hexdigest().encode() + b"  -\n"
    line = 'echo "$1" >> "$2"; exec sha256sum'
    begin = start(choice, token, ["sh", "-c", line, "sh", token, work.token_file], input=command_pb2.INPUT_MODE_STREAM)
    pause_ms = choice.choice((0, 0, 10))
    source = Source(work.findings, token, data, choice, pause_ms)
    check = OutputCheck(work.findings, token, {1: Fixed(want, "wrong_sums"), 2: Fixed(b"")}, {1: len(want), 2: 0})
    followed = Followed(work.caller, token, begin, check, choice, source=source)
    check.end(followed.follow(), 0)
    work.findings.count(commands=1, bytes_in=len(data))
    if choice.random() < 0.5:
        work.caller.delete(followed.session_id)
