"""How fast does a run folder become numbers and pictures? Run: python benchmarks/analysis.py

Run folders with so many messages are written by the tool's own writer: streamed answers, users of several kinds, a rate
limit that each comes near, health and histograms as a real run leaves them. Then `loadtest finish` is timed as a
process, summary and all plots. Its peer reads the same rows as one would without the tool: `SELECT`, percentiles by
numpy, two plots by matplotlib. They take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
from machine import machine

from loadtest import histogram
from loadtest.model import (
    Batch,
    Connect,
    Count,
    Counts,
    Health,
    Message,
    Outcome,
    Population,
    RunInfo,
    StreamState,
)
from loadtest.runs.folder import create
from loadtest.runs.writer import RunWriter
from loadtest.server.limiter import Limiter, LimiterKind
from loadtest.settings import Rate

ROWS = (10_000, 100_000, 1_000_000)
RUN_S = 600
SPAWNING_S = 10
LIMIT = Rate(60, 60.0)
USERS = 2_000
PROCESSES = 2
START_NS = 5_000_000_000_000
SECOND_NS = 1_000_000_000
KINDS = (
    ("WithinLimitUser", Population.HEADLINE), ("WithinLimitUser", Population.HEADLINE),
    ("TypingUser", Population.HEADLINE), ("AtLimitUser", Population.LIMIT),
    ("AboveLimitUser", Population.LIMIT), ("RoamingUser", Population.OUTAGE),
)  # fmt: skip

PEER = """
import sqlite3, sys
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
folder = sys.argv[1]
rows = sqlite3.connect(folder + "/run.db").execute(
    "SELECT class, population, outcome, intended_ns, sent_ns, delivered_ns, first_content_ns, completed_ns "
    "FROM messages"
).fetchall()
for name in sorted({row[0] for row in rows}) + [None]:
    own = [row for row in rows if row[0] == name] if name else [row for row in rows if row[1] == "headline"]
    for column in (5, 6, 7):
        times = np.array([row[column] - row[4] for row in own if row[column] is not None]) / 1e6
        if len(times):
            print(name or "headline", column, np.percentile(times, [50, 90, 95, 99, 99.9]), times.mean(), times.max())
for column in (5, 6):
    own = [row for row in rows if row[column] is not None and row[1] == "headline"]
    known = np.array([(row[3], row[column] - row[4]) for row in own])
    plt.figure(figsize=(9.6, 6))
    plt.scatter((known[:, 0] - known[0, 0]) / 1e9, known[:, 1] / 1e6, s=1)
    plt.savefig(f"{folder}/peer-{column}.png", dpi=150)
"""
"""What a person would write who has the file and an hour."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One process: wall time and CPU time (s), and the largest memory that it held (MB, 10^6 bytes)."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def write_run(results: Path, rows: int, rng: np.random.Generator) -> Path:
    """A run folder with so many messages."""
    folder = create(results, "chat", datetime.now(UTC))
    with RunWriter(folder, _info()) as writer:
        for batch in _batches(rows, rng):
            writer.write(batch)
    return folder


def _info() -> RunInfo:
    return RunInfo(
        scenario="chat", started_utc="2026-11-24T02:00:00+00:00", started_ns=START_NS, tool_version="0", seed=1,
        host="ws://127.0.0.1:5000/ws", command=["benchmark"], labels={}, options={}, generator={}, users=USERS,
        processes=PROCESSES, receive_clock="kernel", limit_messages=LIMIT.messages, limit_window_s=LIMIT.window_s,
        reply_timeout_s=30.0, warmup_s=None, expect_stream="auto", spawned_ns=START_NS + SPAWNING_S * SECOND_NS,
        stopped_ns=START_NS + RUN_S * SECOND_NS, ended_ns=START_NS + (RUN_S + 2) * SECOND_NS, ended_by="time",
    )  # fmt: skip


def _batches(rows: int, rng: np.random.Generator) -> Iterator[Batch]:
    """A second of a process in each."""
    connects = [
        Connect(_name(user), _kind(user)[0], START_NS + user * SPAWNING_S * SECOND_NS // USERS, "ok", auth_ns=2_000_000,
                authenticated_ns=START_NS + user * SPAWNING_S * SECOND_NS // USERS + 5_000_000)
        for user in range(USERS)
    ]  # fmt: skip
    yield Batch("worker-0", 0, connects=connects, counters=[Count("messages_offered", "", rows)])
    limiters = [LimiterKind.FIXED.of(LIMIT) for _ in range(PROCESSES)]  # of its own users, in its own time
    shares = np.diff(np.linspace(0, rows, RUN_S * PROCESSES + 1).astype(int))
    for number, share in enumerate(shares.tolist()):
        second, process = divmod(number, PROCESSES)
        begin = START_NS + second * SECOND_NS
        name = f"worker-{process}"
        yield Batch(
            name, second + (process == 0), messages=_messages(number, share, begin, limiters[process], rng),
            histograms=[_counts(key, begin, mean, number, rng) for key, mean, number in
                        (("inter_chunk", 30e6, 30 * share), ("receive_lag", 80e3, 33 * share), ("ping_rtt", 3e5, 3))],
            health=[Health(name, begin + tick * SECOND_NS // 4, SECOND_NS // 4, USERS // PROCESSES, USERS // PROCESSES,
                           10 * share, 50_000_000, 900_000, 0, 400_000, 300_000) for tick in range(4)],
        )  # fmt: skip


def _messages(number: int, share: int, begin: int, limiter: Limiter, rng: np.random.Generator) -> list[Message]:
    process = number % PROCESSES
    users = (rng.integers(0, USERS // PROCESSES, share) * PROCESSES + process).tolist()
    intended = (begin + np.sort(rng.integers(0, SECOND_NS, share))).tolist()
    lag = rng.exponential(200e3, share).astype(int).tolist()
    ack = (6e6 * np.exp(0.5 * rng.standard_normal(share))).astype(int).tolist()
    first = (400e6 * np.exp(0.1 * rng.standard_normal(share))).astype(int).tolist()
    rest = (900e6 * np.exp(0.2 * rng.standard_normal(share))).astype(int).tolist()
    chance = rng.random(share).tolist()
    return [
        _message(f"msg-{number}-{place}", limiter, *row)
        for place, row in enumerate(zip(users, intended, lag, ack, first, rest, chance, strict=True))
    ]


def _message(
    name: str, limiter: Limiter, user: int, intended: int, lag: int, ack: int, first: int, rest: int, chance: float
) -> Message:
    user_class, population = _kind(user)
    sent = intended + lag
    base = (_name(user), user_class, population, f"conv-{user // 2}", name, intended, sent)
    if limiter.take(_name(user), sent + ack // 4):
        return Message(*base, Outcome.REJECTED, "RATE_LIMIT_EXCEEDED", refused_ns=sent + ack)
    if chance > 0.9998:
        return Message(*base, Outcome.TIMEOUT, "no ack")
    return Message(
        *base, Outcome.DELIVERED, None, sent + ack // 2, sent + ack, None, StreamState.COMPLETED, sent + first,
        sent + first + rest, sent + first + rest + 1_000_000, 31, 480, 7_000, 40_000_000, received_bound_ns=0,
        delivered_bound_ns=lag // 10, first_content_bound_ns=0, completed_bound_ns=0, receive_lag_ns=lag // 2,
    )  # fmt: skip


def _counts(key: str, begin: int, mean: float, number: int, rng: np.random.Generator) -> Counts:
    packed = histogram.pack(rng.exponential(mean, number).astype(np.int64))
    return Counts(key, Population.HEADLINE, begin, begin + SECOND_NS, *packed)


def _name(user: int) -> str:
    return f"user-{user:05}"


def _kind(user: int) -> tuple[str, Population]:
    return KINDS[user % len(KINDS)]


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed.
    """
    began = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: exit code {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss
    return Cost(perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 1e6)


def measure(rows: int, rounds: int) -> tuple[list[Cost], list[Cost]]:
    """Costs of ours and of the peer, by round."""
    with tempfile.TemporaryDirectory(prefix="loadtest-analysis-") as results:
        folder = write_run(Path(results), rows, np.random.default_rng(1))
        ours, peers = [], []
        for _ in range(rounds):
            ours.append(cost_of([sys.executable, "-m", "loadtest", "finish", str(folder)]))
            peers.append(cost_of([sys.executable, "-c", PEER, str(folder)]))
        shutil.rmtree(folder)
    return ours, peers


def row_of(rows: int, ours: list[Cost], peers: list[Cost]) -> dict[str, float]:
    """Medians over rounds, and the median of the ratios within a round."""
    middle = {
        name: statistics.median(getattr(cost, name) for cost in ours) for name in ("wall_s", "cpu_s", "memory_mb")
    }
    return {
        "rows": rows,
        **middle,
        "rows_per_s": rows / middle["wall_s"],
        "peer_wall_s": statistics.median(peer.wall_s for peer in peers),
        "peer_memory_mb": statistics.median(peer.memory_mb for peer in peers),
        "ratio_wall": statistics.median(own.wall_s / peer.wall_s for own, peer in zip(ours, peers, strict=True)),
        "ratio_memory": statistics.median(
            own.memory_mb / peer.memory_mb for own, peer in zip(ours, peers, strict=True)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="file to write the table to")
    options = parser.parse_args()
    print(f"{'messages':>10}{'wall':>9}{'CPU':>9}{'messages/s':>12}{'memory':>9}{'peer':>9}{'':>9}   ours / peer")
    table, raw = [], []
    for rows in options.rows:
        ours, peers = measure(rows, options.rounds)
        row = row_of(rows, ours, peers)
        print(
            f"{rows:>10,}{row['wall_s']:>7.2f} s{row['cpu_s']:>7.2f} s{row['rows_per_s']:>12,.0f}"
            f"{row['memory_mb']:>6.0f} MB{row['peer_wall_s']:>7.2f} s{row['peer_memory_mb']:>6.0f} MB"
            f"   {row['ratio_wall']:.2f} of the time, {row['ratio_memory']:.2f} of the memory",
            flush=True,
        )
        table.append(row)
        raw.append({"rows": rows, "ours": [asdict(cost) for cost in ours], "peer": [asdict(cost) for cost in peers]})
    if options.json:
        content = {"machine": machine(), "rounds": options.rounds, "rows": table, "raw": raw}
        Path(options.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
