"""What ours shall cost at most, and what it was found to cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from benchmarks.peers.figures import CpuRow, MemoryRow, Spread
from benchmarks.peers.measure import Held

OURS: Final = "loadtest"
CPU_TO_K6: Final = 0.5
CPU_TO_FLOOR: Final = 3.0
KB_A_CONNECTION: Final = 24.0
MEMORY_TO_K6: Final = 0.1
OPEN_S: Final = 60.0
IDLE_SHARE: Final = 0.15


class Target(Struct, frozen=True):
    """A figure of ours and its bound."""

    name: str
    found: float
    bound: float

    @property
    def met(self) -> bool:
        return self.found <= self.bound

    def __str__(self) -> str:
        return f"{'met   ' if self.met else 'MISSED'} {self.name}: {self.found:.3g}, at most {self.bound:g}"


def targets(cpu: list[CpuRow], memory: list[MemoryRow], hold: list[Held]) -> list[Target]:
    """Each target that something was measured for; medians over the rounds."""
    return [*_cpu(cpu), *_memory(memory), *_hold(hold)]


def _cpu(rows: list[CpuRow]) -> Iterator[Target]:
    for row in rows:
        if row.tool == OURS:
            yield from _target(f"CPU a frame, {row.work}, x k6", row.to_k6, CPU_TO_K6)
            yield from _target(f"CPU a frame, {row.work}, x floor", row.to_floor, CPU_TO_FLOOR)


def _memory(rows: list[MemoryRow]) -> Iterator[Target]:
    for row in rows:
        if row.tool == OURS:
            yield from _target("KB a held connection", row.kb_a_connection, KB_A_CONNECTION)
            yield from _target("memory a connection, x k6", row.to_k6, MEMORY_TO_K6)


def _hold(rows: list[Held]) -> Iterator[Target]:
    for row in rows:
        if row.tool == OURS and row.open_s is not None and row.idle_share is not None:
            yield Target(f"s to {row.connections:,} authenticated", row.open_s, OPEN_S)
            yield Target(f"of a core while {row.connections:,} idle", row.idle_share, IDLE_SHARE)


def _target(name: str, found: Spread | None, bound: float) -> Iterator[Target]:
    if found is not None:
        yield Target(name, found.median, bound)
