"""A short command, of which it matters that it runs exactly once."""

from .followed import Followed
from .output_check import Fixed, OutputCheck
from .work import start


def run(work, token, choice):
    status = choice.randint(0, 255)
    said = choice.choice((b"", token.encode()))
    line = 'echo "$1" >> "$2"; printf %s "$4"; exit "$3"'
    begin = start(choice, token, ["sh", "-c", line, "sh", token, work.token_file, str(status), said.decode()])
    check = OutputCheck(work.findings, token, {1: Fixed(said), 2: Fixed(b"")}, {1: len(said), 2: 0})
    followed = Followed(work.caller, token, begin, check, choice)
    check.end(followed.follow(), status)
    work.findings.count(commands=1)
    if choice.random() < 0.2:
        work.caller.delete(followed.session_id)
