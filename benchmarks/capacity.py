"""Does a capacity search find a capacity that is known? Run: python benchmarks/capacity.py [--searches N]

The reference server takes a random time of its one core for each message, exponential with a mean of 20 ms, so with
random arrivals it is the queue M/M/1, whose quantile q of the time in the system is ln(1 / (1 - q)) / (service rate -
arrival rate). Each search is `loadtest capacity` as a person runs it: real runs, on real sockets. Prints a line for
each, and exits with 1 where the truth lies outside of more than one bracket in twenty. A search that says that the
generator was the limit gives no bracket, and is counted apart: the machine is too busy.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import machine

from loadtest.analysis.capacity_search import End
from loadtest.experiment.server import reference_server

SERVICE_S = 0.02
LIMIT_S = 0.1
USER_PER_S = 8 / 60
TRUTH = (1 / SERVICE_S - math.log(20) / LIMIT_S) / USER_PER_S
"""Users of which p95 is the limit: 150."""
SERVER = ("--rate-limit", "none", "--no-ai", "--fault", f"cpu-random:{1000 * SERVICE_S:g}ms")
TERMS = (
    *("--slo", f"ack_delivered.p95 < {1000 * LIMIT_S:g}ms", "--rate-limit", "none", "--expect-stream", "no"),
    *("--start-users", "60", "--run-time", "10s", "--settle", "5s", "--reply-timeout", "5s", "--max-time", "10m"),
)
IN_THE_BRACKET = 0.95


def search(seed: int) -> dict[str, Any]:
    """One search, as it says itself, and whether it has found the truth."""
    with tempfile.TemporaryDirectory() as results, reference_server(SERVER) as server:
        command = [sys.executable, "-m", "loadtest", "capacity", "--host", server.url, "--seed", str(seed), *TERMS]
        done = subprocess.run(
            [*command, "--server-pid", str(server.pid), "--results", results, "--format", "json"],
            env=os.environ | {"LOADTEST_JWT_SECRET": server.jwt_secret},
            stdout=subprocess.PIPE,
            check=False,
        )
        if not done.stdout:
            raise SystemExit(f"the search of seed {seed} ended with {done.returncode} and found nothing")
        found = json.loads(done.stdout)
    passes, fails = found["max_users"], found["fails_at_users"]
    return {
        "seed": seed,
        "passes": passes,
        "fails": fails,
        "inside": passes is not None and fails is not None and passes <= TRUTH < fails,
        "limited_by": found["limited_by"],
        "ended": found["ended"],
        "levels": [[each["users"], each["verdict"]] for each in found["levels"]],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=20, help="each takes some four minutes [default: 20]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there")
    options = parser.parse_args()
    searches = []
    for seed in range(1, options.searches + 1):
        searches.append(search(seed))
        print(json.dumps(searches[-1]), flush=True)
    sound = [each for each in searches if each["ended"] != End.GENERATOR]
    inside = sum(each["inside"] for each in sound)
    print(f"{TRUTH:.0f} users are the truth, which lies in the bracket of {inside} of {len(sound)} searches")
    print(f"in {len(searches) - len(sound)} of {len(searches)} the generator was the limit, and no bracket was given")
    if options.json is not None:
        found = {
            "machine": machine(),
            "truth": round(TRUTH, 1),
            "inside": inside,
            "of": len(sound),
            "searches": searches,
        }
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if sound and inside >= IN_THE_BRACKET * len(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
