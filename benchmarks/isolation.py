"""Does a rate limit shield those who keep to it? Run: python -m benchmarks.isolation

`isolation` as a user gets it: `locustfiles/rate_limit.py` against a reference server that spends 3 ms of its core on
each message it admits, once with a limit of 3 messages a second and once without one. Users above the limit send twelve
times as much in every other period of 2 s. With the limit they must leave the others alone; without it they must not:
exits with 1 where either run is not valid, where the interval of the second reaches down to that of the first, or where
the first says more than +5 %. Two and a half minutes.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.finished import finished
from benchmarks.machine import machine
from loadtest.analysis.values import Summary
from loadtest.runs.folder import SUMMARY

LIMIT: Final = "3/1s"
LIMITS: Final = {"with the limit": LIMIT, "without one": "none"}
LOAD: Final[dict[str, Any]] = {"users": 26, "spawn_rate": 26, "run_time": 64, "locustfile": "rate_limit"}
OPTIONS: Final = (
    *("--warmup", "4s", "--rate-limit", LIMIT, "--message-rate", "2/1s", "--expect-stream", "no"),
    *("--abuse-period", "2s", "--above-factor", "12"),
)
ALONE: Final = 1.05
"""Most that users above the limit may cost the others where there is one."""


def measured(limit: str) -> dict[str, Any]:
    """One run, and what it says of isolation."""
    with finished(("--no-ai", "--fault", "cpu:3ms", "--rate-limit", limit), OPTIONS, **LOAD) as folder:
        summary = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=Summary)
    found = msgspec.to_builtins(summary.isolation)
    return {"limit": limit, "verdict": summary.verdict.status, "rejected": summary.counts["rejected"], **found}


def holds(shielded: dict[str, Any], open_to_all: dict[str, Any]) -> bool:
    """Whether the two say what they must."""
    if any(run["verdict"] != "valid" or run["ci95"] is None for run in (shielded, open_to_all)):
        return False
    return bool(shielded["ci95"][1] <= ALONE and open_to_all["ci95"][0] > shielded["ci95"][1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    runs = []
    for name, limit in LIMITS.items():
        run = measured(limit)
        low, high = run["ci95"] or (float("nan"), float("nan"))
        print(
            f"{name:16}x{run['ratio'] or float('nan'):.2f} [{low:.2f}, {high:.2f}], {run['without_ms']:.2f} ms to "
            f"{run['beside_ms']:.2f} ms, {run['pairs']} pairs; {run['rejected']:,} rejected; {run['verdict']}",
            flush=True,
        )
        runs.append(run)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n", encoding="utf-8")
    return 0 if holds(*runs) else 1


if __name__ == "__main__":
    sys.exit(main())
