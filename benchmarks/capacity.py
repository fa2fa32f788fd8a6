"""Does a capacity search find a capacity that is known? Run: python -m benchmarks.capacity [--searches N]

The reference server takes a random time of its one core for each message, exponential with a mean of 5 ms. What it
does beside, to read, acknowledge and broadcast a message, is CPU of the same core, and taken as constant: measured
first, without the random time. With random arrivals that is the queue M/G/1, whose 95th percentile is simulated. Each
search is `loadtest capacity` as a person runs it: real runs, on real sockets. Prints a line for each, and exits with 1
unless the truth lies in the bracket of 19 searches in 20. A search that says that the generator was the limit gives no
bracket, and is told apart: the machine is too busy.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.commanded import commanded
from benchmarks.machine import machine
from loadtest.analysis.capacity_search import End
from loadtest.experiment.run import Load, under_way
from loadtest.experiment.server import reference_server
from loadtest.runs.folder import LATEST

SERVICE_S: Final = 0.005
LIMIT_S: Final = 0.025
USER_PER_S: Final = 8 / 60
SERVER: Final = ("--rate-limit", "none", "--no-ai")
RANDOM: Final = ("--fault", f"cpu-random:{1000 * SERVICE_S:g}ms")
EACH: Final = ("--rate-limit", "none", "--expect-stream", "no", "--reply-timeout", "5s")
TERMS: Final = (
    *("--slo", f"ack_delivered.p95 < {1000 * LIMIT_S:g}ms", "--start-users", "200", "--spawn-rate", "400"),
    *("--run-time", "20s", "--settle", "2s", "--max-time", "4m", *EACH),
)
CALIBRATION: Final[dict[str, Any]] = {"users": 600, "spawn_rate": 400, "run_time": 30, "locustfile": "chat"}
CALIBRATED_S: Final = (8.0, 28.0)
"""From and to: when all users are there, seconds from the start."""
IN_THE_BRACKET: Final = 0.95
QUANTILE: Final = 0.95
DRAWN: Final = 1_000_000


def own_s() -> float:
    """CPU seconds that the server takes for a message without the random time, once all users are connected."""
    with tempfile.TemporaryDirectory() as results, reference_server(SERVER) as server:
        load = Load(
            host=server.url,
            options=("--results", results, *EACH),
            secrets={"LOADTEST_JWT_SECRET": server.jwt_secret},
            classes=("WithinLimitUser",),
            **CALIBRATION,
        )
        process = psutil.Process(server.pid)
        with Path(results, "console.log").open("wb") as console, under_way(load, console) as run:
            time.sleep(CALIBRATED_S[0])
            before, began = sum(process.cpu_times()[:2]), time.monotonic_ns()
            time.sleep(CALIBRATED_S[1] - CALIBRATED_S[0])
            took, ended = sum(process.cpu_times()[:2]) - before, time.monotonic_ns()
            run.wait()
        with closing(sqlite3.connect(Path(results, LATEST, "run.db"))) as database:
            query = "SELECT count(*) FROM messages WHERE sent_ns BETWEEN ? AND ?"
            ((messages,),) = database.execute(query, (began, ended)).fetchall()
    return took / messages


def truth(own: float) -> float:
    """The number of users at which the 95th percentile is the limit.

    Args:
        own: seconds of the core that a message takes beside the random ones.
    """
    few, many = 0.0, 1 / ((SERVICE_S + own) * USER_PER_S)
    while many - few > 1:
        middle = (few + many) / 2
        few, many = (middle, many) if quantile_s(own, middle * USER_PER_S) < LIMIT_S else (few, middle)
    return few


def quantile_s(own: float, per_s: float) -> float:
    """95th percentile of the time in the queue and in service, of a million messages drawn with one seed.

    Lindley's recursion, W' = max(0, W + service - gap), is the sum of what went in less its lowest point so far (D. V.
    Lindley, "The theory of queues with a single server", Proc. Cambridge Phil. Soc. 48, 1952).
    """
    draws = np.random.default_rng(1)
    service = own + draws.exponential(SERVICE_S, DRAWN)
    surplus = np.cumsum(service[:-1] - draws.exponential(1 / per_s, DRAWN - 1))
    waited = np.concatenate(([0.0], surplus - np.minimum.accumulate(np.minimum(surplus, 0.0))))
    return float(np.quantile(waited + service, QUANTILE))


def search(seed: int, users: float) -> dict[str, Any]:
    """One search, as it says itself, and whether it has found the truth."""
    with tempfile.TemporaryDirectory() as results, reference_server((*SERVER, *RANDOM)) as server:
        where = ("--host", server.url, "--server-pid", str(server.pid), "--results", results)
        words = ("capacity", "--seed", str(seed), *where, *TERMS, "--format", "json")
        code, printed = commanded(words, {"LOADTEST_JWT_SECRET": server.jwt_secret})
        if not printed:
            raise SystemExit(f"the search of seed {seed} ended with {code} and found nothing")
        found = json.loads(printed)
    passes, fails = found["max_users"], found["fails_at_users"]
    return {
        "seed": seed,
        "passes": passes,
        "fails": fails,
        "inside": passes is not None and fails is not None and passes <= users < fails,
        "limited_by": found["limited_by"],
        "ended": found["ended"],
        "levels": [[each["users"], each["verdict"], each["times"]] for each in found["levels"]],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=20, help="each takes three to four minutes [default: 20]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    own = own_s()
    users = truth(own)
    print(f"{1000 * own:.2f} ms of a message are the server's own, so the truth is {users:.0f} users", flush=True)
    searches: list[dict[str, Any]] = []
    for seed in range(1, options.searches + 1):
        searches.append(search(seed, users))
        print(json.dumps(searches[-1]), flush=True)
        sound = [each for each in searches if each["ended"] != End.GENERATOR]
        inside = sum(each["inside"] for each in sound)
        if options.json is not None:  # after each: an hour is long
            found = {"truth": round(users, 1), "own_ms": round(1000 * own, 3), "inside": inside, "of": len(sound)}
            content = json.dumps({"machine": machine(), **found, "searches": searches}, indent=1)
            options.json.write_text(content + "\n", encoding="utf-8")
    widths = [each["fails"] / each["passes"] for each in sound if each["passes"] and each["fails"]]
    print(f"{users:.0f} users are the truth, which lies in the bracket of {inside} of {len(sound)} searches")
    print(f"the highest of a bracket is {median(widths):.2f} times its lowest, in the middle one of {len(widths)}")
    print(f"in {len(searches) - len(sound)} of {len(searches)} the generator was the limit, and no bracket was given")
    return 0 if sound and inside >= IN_THE_BRACKET * len(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
