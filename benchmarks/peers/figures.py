"""Measurements to figures: CPU a frame, ratios to the floor of the same round, medians."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from benchmarks.peers.measure import Held, Load
from benchmarks.peers.others import LOUD

FLOOR: Final = "floor"
K6: Final = "k6"


class Spread(Struct, frozen=True):
    """Median, least and greatest over the rounds; None where there was none."""

    median: float
    low: float
    high: float


class Pair(Struct, frozen=True):
    """One client's work of one round: in full, and with fewer messages, which is taken off."""

    round: int
    full: Load
    fewer: Load

    @property
    def errors(self) -> list[str]:
        return self.full.errors + self.fewer.errors

    @property
    def us_a_frame(self) -> float:
        """CPU of the client for one more frame, microseconds."""
        return 1e6 * (self.full.cpu_s - self.fewer.cpu_s) / (self.full.frames - self.fewer.frames)

    @property
    def us_a_frame_with_children(self) -> float:
        """The same with what its children did after the load."""
        children = self.full.children_cpu_s - self.fewer.children_cpu_s
        return self.us_a_frame + 1e6 * children / (self.full.frames - self.fewer.frames)


class CpuRow(Struct, frozen=True):
    """One client on one work, over the rounds in which it and its yardstick made no error.

    Attributes:
        us_a_frame, with_children: microseconds.
        to_floor, to_k6: ratios within a round.
        start_s: CPU of the run with fewer messages.
        server_share: CPU of the server while the load lasted, share of a core.
        invalid: rounds in which ours called its own latencies invalid.
        disturbed: rounds in which others used more than `LOUD` of a core.
    """

    tool: str
    work: str
    rounds: int
    frames: int
    us_a_frame: Spread
    with_children: Spread
    to_floor: Spread | None
    to_k6: Spread | None
    start_s: Spread
    wall_s: Spread
    server_share: Spread
    invalid: int
    disturbed: int
    errors: list[str]


class MemoryRow(Struct, frozen=True):
    """Memory of one more connection, KB (1,000 bytes), and what it was computed from, bytes."""

    tool: str
    rounds: int
    connections: tuple[int, int]
    rss: tuple[float, float]
    kb_a_connection: Spread | None
    to_k6: Spread | None
    errors: list[str]


def spread(values: Iterable[float]) -> Spread | None:
    """Median and range; None of nothing."""
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found)) if found else None


def cpu_rows(pairs: list[Pair]) -> list[CpuRow]:
    """A row for each client and work, in the order in which they first came."""
    keys = sorted({(pair.full.work, pair.full.tool) for pair in pairs}, key=_order)
    rows = [_cpu_row(work, tool, pairs) for work, tool in keys]
    return [row for row in rows if row is not None]


def _cpu_row(work: str, tool: str, pairs: list[Pair]) -> CpuRow | None:
    own = [pair for pair in pairs if (pair.full.work, pair.full.tool) == (work, tool)]
    good = [pair for pair in own if not pair.errors]
    errors = [f"round {pair.round}: {error}" for pair in own for error in pair.errors]
    none = Spread(*[float("nan")] * 3)
    return CpuRow(
        tool=tool,
        work=work,
        rounds=len(good),
        frames=good[0].full.frames if good else 0,
        us_a_frame=spread(pair.us_a_frame for pair in good) or none,
        with_children=spread(pair.us_a_frame_with_children for pair in good) or none,
        to_floor=_ratios(good, FLOOR, pairs),
        to_k6=_ratios(good, K6, pairs),
        start_s=spread(pair.fewer.cpu_s for pair in good) or none,
        wall_s=spread(pair.full.wall_s for pair in good) or none,
        server_share=spread(p.full.server.load_cpu_s / p.full.server.load_s for p in good) or none,
        invalid=sum(pair.full.report.verdict == "invalid" for pair in good),
        disturbed=sum(max(pair.full.others_share, pair.fewer.others_share) > LOUD for pair in good),
        errors=errors,
    )


def _ratios(own: list[Pair], yardstick: str, pairs: list[Pair]) -> Spread | None:
    """CPU a frame against that of the yardstick in the same round."""
    of_round = {(p.full.work, p.round): p.us_a_frame for p in pairs if p.full.tool == yardstick and not p.errors}
    return spread(
        pair.us_a_frame / of_round[pair.full.work, pair.round]
        for pair in own
        if (pair.full.work, pair.round) in of_round
    )


def memory_rows(pairs: list[tuple[Held, Held]]) -> list[MemoryRow]:
    """A row for each client; each pair is one round: few connections, many."""
    tools = sorted({few.tool for few, _ in pairs}, key=lambda tool: _order(("", tool)))
    k6 = spread(_kb(few, many) for few, many in pairs if few.tool == K6 and not few.errors + many.errors)
    return [_memory_row(tool, [pair for pair in pairs if pair[0].tool == tool], k6) for tool in tools]


def _memory_row(tool: str, own: list[tuple[Held, Held]], k6: Spread | None) -> MemoryRow:
    good = [(few, many) for few, many in own if not few.errors + many.errors]
    kb = [_kb(few, many) for few, many in good]
    return MemoryRow(
        tool=tool,
        rounds=len(good),
        connections=(own[0][0].connections, own[0][1].connections),
        rss=(
            statistics.median(few.rss for few, _ in good) if good else float("nan"),
            statistics.median(many.rss for _, many in good) if good else float("nan"),
        ),
        kb_a_connection=spread(kb),
        to_k6=spread(value / k6.median for value in kb) if k6 else None,
        errors=[error for few, many in own for error in few.errors + many.errors],
    )


def _kb(few: Held, many: Held) -> float:
    return (many.rss - few.rss) / (many.connections - few.connections) / 1e3


def _order(key: tuple[str, str]) -> tuple[str, int]:
    names = (FLOOR, K6, "websocket-client", "loadtest")
    return key[0], names.index(key[1])
