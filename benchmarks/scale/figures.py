"""The three figures: connections held, records merged, one process against four."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from benchmarks.scale.runs import share_of_a_core, summary_of, two_cores
from loadtest.analysis.effect import paired
from loadtest.load.sockets import FILES_BESIDE
from loadtest.open_files import raise_file_limit

RAMP: Final = 1_000.0
"""Connections a second, to be opened within the tool's own time for it."""
SPARE: Final = 1.05
"""Times the records that are to be merged that are offered: some of the first and last are of no whole second."""
WORKERS: Final = 4
"""That are compared with one process."""
ACK: Final = "10ms"
"""How long the server takes to ack, as one that stores a message first. What loopback takes, a quarter of a
millisecond, is the host's: fifteen pairs of runs were too few to tell 10 % of it, in `benchmarks/README.md`."""
COMPARED: Final = (("ack_delivered", "p50"), ("ack_delivered", "p95"), ("ttft", "p50"), ("ttft", "p95"))


def held(connections: int, hold_s: int) -> dict[str, Any]:
    """Connections that two worker processes open at 1,000 a second, and hold."""
    limit = raise_file_limit()
    if connections + FILES_BESIDE > limit:
        raise SystemExit(f"--connections: the server takes {connections:,} files and may open {limit:,}: ulimit -Hn")
    seconds = round(connections / RAMP) + hold_s
    load = {"users": connections, "spawn_rate": RAMP, "run_time": seconds, "processes": 2}
    found = summary_of(load | {"classes": ("ListeningUser",)})
    counts, generator = found["counts"], found["generator"]["processes"]
    return {
        "asked": connections,
        "connected": counts["connects"],
        "held_at_the_end": counts["connects"] - counts["disconnects"] + _closed_by_us(found),
        "failed": counts["connect_failures"],
        "failures": found["connect_failures"],
        "outages": counts["outages"],
        "unaccounted": counts["unaccounted"],
        "connect_p50_ms": found["metrics"]["connect"]["p50"],
        "connect_p99_ms": found["metrics"]["connect"]["p99"],
        "kb_per_connection": [process["kb_per_connection"] for process in generator],
        "cpu_share": [process["cpu_share"] for process in generator],
        "missing_processes": found["run"]["missing_processes"],
        "reasons": found["verdict"]["reasons"],
    }


def _closed_by_us(found: dict[str, Any]) -> int:
    return sum(end["count"] for end in found["disconnects"] if end["by"] == "client")


def merged(per_second: int, seconds: int) -> dict[str, Any]:
    """Message records that a master takes in from four synthetic workers."""
    os.environ["SYNTHETIC_RECORDS"] = str(SPARE * per_second / 4)
    shares: list[float] = []

    def watch(process: Popen[bytes]) -> None:
        share_of_a_core(process, 6.0)  # start and first reports
        shares.append(share_of_a_core(process, max(seconds - 10.0, 3.0)))

    load = {"users": 4, "spawn_rate": 4.0, "run_time": seconds, "processes": 4}
    locustfile = str(Path(__file__).with_name("synthetic.py"))
    found = summary_of(load | {"locustfile": locustfile}, options=("--warmup", "1s"), watch=watch)
    counts, window = found["counts"], found["run"]["window"]
    return {
        "asked_per_s": per_second,
        "records": counts["sent"],
        "records_per_s": round(found["steady"]["sent"] / (window["stop_s"] - window["start_s"])),
        "offered": counts["offered"],
        "lost": counts["unaccounted"],
        "missing_processes": found["run"]["missing_processes"],
        "lost_reports": [reason for reason in found["verdict"]["reasons"] if "reports were lost" in reason],
        "master_cpu_share": round(shares[0], 3),
    }


def agree(pairs: int, seconds: int) -> dict[str, Any]:
    """The same seeded load through one process and through four workers: pairs of runs, whose order alternates.

    On either side the server has one core, and all processes of the generator share another.

    Args:
        seconds: of each run.
    """
    sides: dict[int, list[dict[str, Any]]] = {0: [], WORKERS: []}
    with two_cores():
        for pair in range(pairs):
            for processes in sorted(sides, reverse=pair % 2 == 1):
                sides[processes].append(_chatting(processes, seconds, seed=pair + 1))
    return agreement(sides[0], sides[WORKERS])


def _chatting(processes: int, seconds: int, seed: int) -> dict[str, Any]:
    options = ("--rate-limit", "none", "--message-rate", "5/1s", "--warmup", "2s", "--seed", str(seed))
    server = ("--rate-limit", "none", "--distribution", "lognormal", "--chunks", "10", "--fault", f"ack-late:{ACK}")
    load = {"users": 40, "spawn_rate": 40.0, "run_time": seconds, "processes": processes}
    return summary_of(load | {"classes": ("WithinLimitUser",)}, server, options, own_core=True)


def agreement(alone: Sequence[dict[str, Any]], shared: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What pairs of summaries say of each percentile: the run is the sample, as for `loadtest compare`.

    Args:
        alone, shared: by one process and by several, those of a pair at the same place.

    Returns:
        In `rows` each percentile of every run, milliseconds, and the ratio of shared to alone with its 95 % t interval;
        null without two pairs.
    """
    return {
        "messages": [[run["counts"]["sent"] for run in side] for side in (alone, shared)],
        "verdicts": [[run["verdict"]["status"] for run in side] for side in (alone, shared)],
        "reasons": [[run["verdict"]["reasons"] for run in side] for side in (alone, shared)],
        "rows": [_row(key, name, alone, shared) for key, name in COMPARED],
    }


def _row(key: str, name: str, alone: Sequence[dict[str, Any]], shared: Sequence[dict[str, Any]]) -> dict[str, Any]:
    one, other = ([run["metrics"][key][name] for run in side] for side in (alone, shared))
    effect = paired([math.log(theirs / ours) for ours, theirs in zip(one, other, strict=True)])
    return {
        "metric": f"{key}.{name}",
        "one_process": one,
        "four_workers": other,
        "ratio": math.exp(effect.mean),
        "ci95": None if effect.low is None or effect.high is None else [math.exp(effect.low), math.exp(effect.high)],
    }
