"""The three figures: connections held, records merged, one process against four."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from benchmarks.scale.runs import share_of_a_core, summary_of
from loadtest.load.sockets import FILES_BESIDE
from loadtest.open_files import raise_file_limit

RAMP: Final = 1_000.0
"""Connections a second, to be opened within the tool's own time for it."""
SPARE: Final = 1.05
"""Times the records that are to be merged that are offered: some of the first and last are of no whole second."""
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


def agree(users: int, seconds: int) -> dict[str, Any]:
    """The same seeded load through one process and through four workers."""
    options = ("--rate-limit", "none", "--message-rate", "1/1s", "--warmup", "3s", "--seed", "7")
    server = ("--rate-limit", "none", "--distribution", "lognormal", "--chunks", "10")
    sides = {}
    for processes in (0, 4):
        load = {"users": users, "spawn_rate": float(users), "run_time": seconds, "processes": processes}
        sides[processes] = summary_of(load | {"classes": ("WithinLimitUser",)}, server, options)
    alone, shared = sides[0], sides[4]
    rows = []
    for key, name in COMPARED:
        one, other = alone["metrics"][key], shared["metrics"][key]
        spans = (one["ci95"][name], other["ci95"][name])
        rows.append(
            {
                "metric": f"{key}.{name}",
                "one_process": one[name],
                "one_ci95": spans[0],
                "four_workers": other[name],
                "four_ci95": spans[1],
                "overlap": _overlap(*spans) if all(spans) else None,
            }
        )
    return {
        "messages": [side["counts"]["sent"] for side in (alone, shared)],
        "verdicts": [side["verdict"]["status"] for side in (alone, shared)],
        "reasons": [side["verdict"]["reasons"] for side in (alone, shared)],
        "rows": rows,
    }


def _overlap(one: list[float | None], other: list[float | None]) -> bool:
    """Whether two intervals share a value; an end that is None is infinite."""
    low = max(one[0] or 0.0, other[0] or 0.0)
    return low <= min(end if end is not None else float("inf") for end in (one[1], other[1]))
