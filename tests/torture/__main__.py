"""Entry of `python3 -m torture`: see --help, or scripts/torture, which builds first."""

import argparse
import os
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from .torture import Torture  # noqa: E402


def seconds_range(text):
    least, _, most = text.partition("-")
    return int(least) / 1000, int(most or least) / 1000


def parse(arguments):
    parser = argparse.ArgumentParser(prog="torture", description=__doc__.partition(":")[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long the front is killed (default 60)")
    parser.add_argument("--sessions", type=int, default=50, help="workers at once (default 50)")
    parser.add_argument("--seed", default=None, help="choice of the work (default: a new one, which is printed)")
    parser.add_argument("--kill-every", type=seconds_range, default=(0.05, 0.3), metavar="MIN-MAX",
                        help="age in ms at which a front is killed (default 50-300)")
    parser.add_argument("--upgrades", type=float, default=0.1, metavar="SHARE",
                        help="share of the fronts that make way for a new one (SIGHUP) instead (default 0.1)")
    parser.add_argument("--small", action="store_true", help="less data in each session, for slow builds")
    parser.add_argument("--keep-logs", action="store_true", help="leave the node's directory, and say where it is")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell progress also where there is no terminal")
    options = parser.parse_args(arguments)
    if options.seconds <= 0 or options.sessions < 1:
        parser.error("--seconds and --sessions are more than 0")
    if options.seed is None:
        options.seed = f"{random.SystemRandom().randrange(1 << 32):08x}"
    elif not options.seed.isalnum() or len(options.seed) > 32:
        parser.error("--seed is letters and digits, at most 32")
    return options


# The worker processes import this module too.
if __name__ == "__main__":
    os.environ["PYTHONPATH"] = f"{HERE.parent}:{HERE.parent / 'e2e'}"
    sys.exit(Torture(parse(sys.argv[1:])).run())
