"""Does a capacity search find a capacity that is known? Run: python -m benchmarks.capacity [--searches N]

The reference server takes a random time of its one core for each message, exponential with a mean of 5 ms. What it
does beside, to read, acknowledge and broadcast a message, is taken as constant, and measured before and after the
searches, since a shared machine is not the same for an hour: by the mean of a run with random times, to which no
percentile and no verdict contributes. With random arrivals that is the queue M/G/1, whose 95th percentile is simulated.
Each search is `loadtest capacity` as a person runs it: real runs, on real sockets.
Prints a line for each, and exits with 1 unless the truth lies in the bracket of 19 searches in 20. A search that says
that the generator was the limit gives no bracket, and is told apart: the machine is too busy.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

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
CALIBRATION: Final[dict[str, Any]] = {"spawn_rate": 400, "locustfile": "chat", "classes": ("WithinLimitUser",)}
IDLE_USERS, IDLE_S = 600, 20
BUSY_USERS, BUSY_S, BUSY_RUNS = 400, 90, 3
"""So many that they wait for each other, and not so many that a mean of so long is unsure: by simulation, the truth of
one such run has a standard deviation of 15 users, since the longest waits come in a few heaps."""
SETTLED: Final = "6s"
IN_THE_BRACKET: Final = 0.95
QUANTILE: Final = 0.95
DRAWN: Final = 1_000_000


class Queue(NamedTuple):
    """The server as a queue, seconds.

    Attributes:
        own_s: what a message keeps it busy beside the random time.
        delay_s: of what else is in an ack's latency: both ways through the kernel.
    """

    own_s: float
    delay_s: float


def calibrated() -> Queue:
    """What a message costs beside its random time, as the clock on the wall has it.

    The CPU that the process is charged with would leave out the kernel's part and what a hypervisor takes. Without the
    random time nobody waits, and the median is delay and own cost together; with it, the mean tells them apart, since
    the own cost is waited for, too (formula of Pollaczek and Khinchine). No percentile and no verdict is in it.
    """
    idle = _latencies_s((), IDLE_USERS, IDLE_S)
    busy = np.concatenate([_latencies_s(RANDOM, BUSY_USERS, BUSY_S) for _ in range(BUSY_RUNS)])
    alone, mean = float(np.median(idle)), float(busy.mean())
    per_s = BUSY_USERS * USER_PER_S
    low, high = 0.0, SERVICE_S
    while high - low > 1e-7:
        own = (low + high) / 2
        expected = _mean_s(own, per_s) + max(alone - own, 0.0)
        low, high = (own, high) if expected < mean else (low, own)
    return Queue(low, max(alone - low, 0.0))


def _mean_s(own: float, per_s: float) -> float:
    """Mean time in the queue and in service, of M/G/1 whose service is a constant and an exponential time."""
    service = own + SERVICE_S
    return service + per_s * (service**2 + SERVICE_S**2) / (2 * (1 - per_s * service))


def _latencies_s(faults: Sequence[str], users: int, seconds: int) -> npt.NDArray[np.float64]:
    """From sent to the delivered ack, of each message once all users are there."""
    with tempfile.TemporaryDirectory() as results, reference_server((*SERVER, *faults)) as server:
        load = Load(
            host=server.url,
            options=("--results", results, "--warmup", SETTLED, *EACH),
            secrets={"LOADTEST_JWT_SECRET": server.jwt_secret},
            users=users,
            run_time=seconds,
            **CALIBRATION,
        )
        with Path(results, "console.log").open("wb") as console, under_way(load, console) as run:
            run.wait()
        window = json.loads(Path(results, LATEST, "summary.json").read_bytes())["run"]["window"]
        with closing(sqlite3.connect(Path(results, LATEST, "run.db"))) as database:
            query = "SELECT delivered_ns - sent_ns FROM messages WHERE intended_ns BETWEEN ? AND ? AND delivered_ns"
            rows = database.execute(query, (window["start_ns"], window["stop_ns"])).fetchall()
    return np.array(rows, np.float64)[:, 0] / 1e9


def truth(queue: Queue) -> float:
    """The number of users at which the 95th percentile is the limit."""
    few, many = 0.0, 1 / ((SERVICE_S + queue.own_s) * USER_PER_S)
    while many - few > 1:
        middle = (few + many) / 2
        few, many = (middle, many) if quantile_s(queue, middle * USER_PER_S) < LIMIT_S else (few, middle)
    return few


def quantile_s(queue: Queue, per_s: float) -> float:
    """95th percentile of an ack, of a million messages drawn with one seed.

    Lindley's recursion, W' = max(0, W + service - gap), is the sum of what went in less its lowest point so far (D. V.
    Lindley, "The theory of queues with a single server", Proc. Cambridge Phil. Soc. 48, 1952).
    """
    draws = np.random.default_rng(1)
    service = queue.own_s + draws.exponential(SERVICE_S, DRAWN)
    surplus = np.cumsum(service[:-1] - draws.exponential(1 / per_s, DRAWN - 1))
    waited = np.concatenate(([0.0], surplus - np.minimum.accumulate(np.minimum(surplus, 0.0))))
    return float(np.quantile(waited + service, QUANTILE)) + queue.delay_s


def search(seed: int) -> dict[str, Any]:
    """One search, as it says itself."""
    with tempfile.TemporaryDirectory() as results, reference_server((*SERVER, *RANDOM)) as server:
        where = ("--host", server.url, "--server-pid", str(server.pid), "--results", results)
        words = ("capacity", "--seed", str(seed), *where, *TERMS, "--format", "json")
        code, printed = commanded(words, {"LOADTEST_JWT_SECRET": server.jwt_secret})
        if not printed:
            raise SystemExit(f"the search of seed {seed} ended with {code} and found nothing")
        said = json.loads(printed)
    return {
        "seed": seed,
        "passes": said["max_users"],
        "fails": said["fails_at_users"],
        "limited_by": said["limited_by"],
        "ended": said["ended"],
        "levels": [[each["users"], each["verdict"], each["times"]] for each in said["levels"]],
    }


def found(queues: Sequence[Queue], searches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the searches found, held against the truth: the mean of what it was measured to be before and after them."""
    users = [truth(queue) for queue in queues]
    middle = sum(users) / len(users)
    sound = [each for each in searches if each["ended"] != End.GENERATOR]
    return {
        "truth": round(middle, 1),
        "measured": [round(each, 1) for each in users],
        "own_ms": [round(1000 * queue.own_s, 3) for queue in queues],
        "delay_ms": [round(1000 * queue.delay_s, 3) for queue in queues],
        "inside": sum(_holds(each, middle) for each in sound),
        "of": len(sound),
        "searches": list(searches),
    }


def _holds(each: dict[str, Any], users: float) -> bool:
    passes, fails = each["passes"], each["fails"]
    return passes is not None and fails is not None and passes <= users < fails


def told(result: dict[str, Any]) -> str:
    """The result in three lines."""
    searches = result["searches"]
    widths = [each["fails"] / each["passes"] for each in searches if each["passes"] and each["fails"]]
    measured = ", then ".join(f"{users:.0f}" for users in result["measured"])
    lines = [
        f"{result['truth']:.0f} users are the truth (measured: {measured}), which lies in the bracket of "
        f"{result['inside']} of {result['of']} searches",
        f"in {len(searches) - result['of']} of {len(searches)} the generator was the limit, and no bracket was given",
    ]
    if widths:
        middle = f"{median(widths):.2f} times its lowest, in the middle one of {len(widths)}"
        lines.insert(1, f"the highest of a bracket is {middle}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=20, help="each takes three to four minutes [default: 20]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    queues = [calibrated()]
    searches: list[dict[str, Any]] = []
    print(f"{1000 * queues[0].own_s:.2f} ms of a message are the server's own", flush=True)
    for seed in range(1, options.searches + 1):
        searches.append(search(seed))
        print(json.dumps(searches[-1]), flush=True)
        _keep(options.json, found(queues, searches))  # after each: an hour is long
    queues.append(calibrated())
    result = found(queues, searches)
    _keep(options.json, result)
    print(told(result))
    return 0 if result["of"] and result["inside"] >= IN_THE_BRACKET * result["of"] else 1


def _keep(path: Path | None, result: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **result}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
