"""Much output on both streams, taken by a driver that comes back as often as it must."""

from .followed import Followed
from .lines import Content
from .output_check import OutputCheck
from .work import Running, log_uniform, numbered_lines, start


def run(work, token, choice):
    total = log_uniform(choice, work.sizes.least_output, work.sizes.most_output)
    stderr = choice.choice((0, total // 100, total // 2, total))
    sizes, status = {1: total - stderr, 2: stderr}, choice.randint(0, 255)
    check = OutputCheck(work.findings, token, {one: Content(token, one) for one in sizes}, sizes)
    running = None

    def on_session(session_id):
        nonlocal running
        running = Running(session_id, check)
        work.registry.add(running)

    begin = start(choice, token, numbered_lines(choice, work, token, sizes, status))
    followed = Followed(work.caller, token, begin, check, choice, on_session=on_session)
    try:
        termination = followed.follow()
        check.end(termination, status)
        work.findings.count(commands=1)
        running.termination = termination
    finally:
        if running:
            running.over.set()
            work.registry.remove(running)
    if choice.random() < 0.5:
        running.deleted = True
        work.caller.delete(followed.session_id)
