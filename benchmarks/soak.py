"""Does the tool's own memory stay flat? Run: python -m benchmarks.soak --minutes 20

`locustfiles/soak.py` against the reference server, by its own advice with `--loss-every 600s`; the memory of each
process of the generator is sampled a few times a second into `run.db`. Prints its mean in each tenth of the run, and
the growth in MB an hour from where the last of the users has sent the 64 messages that a session remembers
(`client/recent.py`): until then it fills what it holds for good. `--json FILE` keeps them. Exits with 1 where the
growth is more than `--most`, or a message has no outcome. A run that ends before counts from its second tenth on, and
says little: 64 messages take eleven minutes or so.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.finished import finished
from benchmarks.machine import machine
from loadtest.client.recent import RECENT

PARTS = 10
HEALTH = "SELECT process, at_ns, rss_bytes FROM health WHERE rss_bytes IS NOT NULL ORDER BY at_ns"
SENT = "SELECT user, sent_ns FROM messages WHERE sent_ns IS NOT NULL ORDER BY sent_ns"


def soak(users: int, minutes: float) -> dict[str, Any]:
    """One run, and the memory of its processes by tenths of it."""
    load = {"users": users, "spawn_rate": users / 5, "run_time": 60 * minutes, "locustfile": "soak"}
    with finished((), ("--loss-every", "600s"), **load) as folder:
        summary = json.loads((folder / "summary.json").read_bytes())
        with closing(sqlite3.connect(folder / "run.db")) as db:
            samples = db.execute(HEALTH).fetchall()
            full_ns = full(db.execute(SENT))
    counts = summary["counts"]
    return {
        "users": users,
        "minutes": minutes,
        "verdict": summary["verdict"],
        "messages": counts["sent"],
        "frames": counts["frames_received"],
        "outages": counts["outages"],
        "unaccounted": counts["unaccounted"],
        "full_min": None if full_ns is None else round((full_ns - samples[0][1]) / 6e10, 1),
        "memory": {name: memory(samples, name, full_ns) for name in sorted({row[0] for row in samples})},
    }


def full(sent: Iterable[tuple[str, int]]) -> int | None:
    """When the last of those who send has sent as much as a session remembers; None where one of them never does.

    Args:
        sent: user and instant of each message, ascending.
    """
    by_user: dict[str, list[int]] = {}
    for user, sent_ns in sent:
        by_user.setdefault(user, []).append(sent_ns)
    if not by_user or min(map(len, by_user.values())) < RECENT:
        return None
    return max(instants[RECENT - 1] for instants in by_user.values())


def memory(samples: list[tuple[str, int, int]], process: str, full_ns: int | None = None) -> dict[str, Any]:
    """Mean resident memory by tenths, MB, and the slope of it from `full_ns`, or the second tenth, on, MB an hour."""
    own = np.array([(at, held) for name, at, held in samples if name == process], np.float64)
    hours, held = (own[:, 0] - own[0, 0]) / 3.6e12, own[:, 1] / 1e6
    part = np.minimum((hours / hours[-1] * PARTS).astype(int), PARTS - 1)
    settled = part >= 1 if full_ns is None else own[:, 0] >= full_ns
    slope = float(np.polyfit(hours[settled], held[settled], 1)[0])
    means = [round(float(held[part == number].mean()), 2) for number in range(PARTS) if (part == number).any()]
    return {"mb": means, "mb_an_hour": round(slope, 2)}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--most", type=float, default=5.0, metavar="MB", help="growth in an hour that is still flat")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    figures = soak(options.users, options.minutes)
    print(
        f"{figures['minutes']:g} min, {figures['users']} users: {figures['messages']:,} messages, "
        f"{figures['frames']:,} frames, {figures['outages']:,} outages; unaccounted {figures['unaccounted']}; "
        f"run {figures['verdict']['status']}"
    )
    since = "" if figures["full_min"] is None else f" from minute {figures['full_min']} on"
    for name, held in figures["memory"].items():
        print(f"{name}: {' '.join(f'{mb:.1f}' for mb in held['mb'])} MB, {held['mb_an_hour']:+.1f} MB an hour{since}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine()} | figures, indent=1) + "\n", encoding="utf-8")
    flat = all(held["mb_an_hour"] <= options.most for held in figures["memory"].values())
    return 0 if flat and figures["unaccounted"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
