"""Loads and stalls: each pair is a cell, a run of some seconds against a server that knows the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.accuracy.stalls import STALLS, Stall
from loadtest.experiment.trial import Trial


@dataclass(frozen=True)
class Load:
    """Users who chat, and how they are answered.

    Attributes:
        name: in the table.
        users: all within the limit.
        message_rate: of each.
        answers: options of `serve`.
        seconds: of load; so many that p99 has its samples.
    """

    name: str
    users: int
    message_rate: str
    answers: tuple[str, ...]
    seconds: float = 5.0


def _answers(ttft: str, gap: str, chunks: int, spread: bool) -> tuple[str, ...]:
    shape = ("--ttft", ttft, "--gap", gap, "--chunks", str(chunks))
    return (*shape, "--distribution", "lognormal") if spread else shape


LOADS = (
    Load("100 msg/s", 100, "60/60s", _answers("200ms", "20ms", 30, spread=False)),
    Load("133 msg/s of 1,000", 1000, "8/60s", _answers("200ms", "20ms", 30, spread=True)),
    Load("300 msg/s, short", 600, "30/60s", _answers("50ms", "10ms", 3, spread=True)),
    Load("200 msg/s", 400, "30/60s", _answers("200ms", "20ms", 30, spread=True)),
    Load("400 msg/s", 800, "30/60s", _answers("200ms", "20ms", 30, spread=False)),
    Load("40 msg/s, 300 chunks", 80, "30/60s", _answers("200ms", "10ms", 300, spread=False), 10.0),
)
"""By rising frames a second: 3,400 and 4,500 and 2,100, then 6,800, 13,600 and 12,200 with cumulative content."""

QUICK = (
    ("100 msg/s", "none"),
    ("300 msg/s, short", "none"),
    ("200 msg/s", "none"),
    ("100 msg/s", "stop 100 ms 2/s"),
    ("200 msg/s", "block 30 ms 1/s"),
    ("200 msg/s", "nice 10, core shared"),
)
"""The few cells for CI."""
QUICK_S = 4.5
K6_LOADS = ("100 msg/s", "200 msg/s", "400 msg/s")
K6_STALLS = ("none", "stop 100 ms 2/s")


def full_grid() -> list[tuple[Load, Stall]]:
    """Every load with every stall."""
    return [(load, stall) for load in LOADS for stall in STALLS]


def quick_grid() -> list[tuple[Load, Stall]]:
    """Some cells that matter, each a little shorter."""
    found = {(load.name, stall.name): (replace(load, seconds=QUICK_S), stall) for load, stall in full_grid()}
    return [found[names] for names in QUICK]


def k6_grid() -> list[tuple[Load, Stall]]:
    """What k6 is asked to measure as well."""
    return [(load, stall) for load, stall in full_grid() if load.name in K6_LOADS and stall.name in K6_STALLS]


def trial(load: Load, stall: Stall, folder: Path) -> Trial:
    """The run of a cell."""
    return Trial(
        users=load.users,
        message_rate=load.message_rate,
        seconds=load.seconds,
        answers=load.answers,
        locustfile=stall.locustfile,
        environment=stall.environment,
        disturbance="" if stall.name == "none" else stall.name,
        disturb=stall.begin(folder, load.seconds),
    )
