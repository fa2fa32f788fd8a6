"""The order of measurements: all clients within a round, each round in another order."""

from __future__ import annotations

import random
import sys
from typing import Final

import msgspec

from benchmarks.peers.figures import Pair
from benchmarks.peers.measure import HOLD_S, Held, Load, Measure
from benchmarks.peers.others import LOUD
from benchmarks.peers.work import Work, held, idle

FEW: Final = 100
MANY: Final = 2000
HOLDS: Final = {"k6": 5_000, "loadtest": 10_000}
"""Connections of the hold; k6 needs 1 GB for half as many."""
RETRIES: Final = 1


class Rounds:
    """All rounds of all parts.

    Args:
        tools: names of the clients.
        rng: draws the orders.
    """

    def __init__(self, measure: Measure, tools: list[str], rng: random.Random) -> None:
        self._measure = measure
        self._tools = tools
        self._rng = rng

    def cpu(self, works: list[Work], rounds: int) -> list[Pair]:
        """Each work by each client in each round."""
        pairs = []
        for number in range(1, rounds + 1):
            for work in works:
                for tool in self._shuffled():
                    pairs.append(self._pair(number, tool, work))
                    _say(f"round {number}/{rounds} {work.name} {tool}: {_in_short(pairs[-1])}")
        return pairs

    def memory(self, rounds: int) -> list[tuple[Held, Held]]:
        """Few and many connections by each client in each round."""
        pairs = []
        for number in range(1, rounds + 1):
            for tool in self._shuffled():
                few, many = self._measure.held(tool, held(FEW)), self._measure.held(tool, held(MANY))
                pairs.append((few, many))
                _say(f"round {number}/{rounds} memory {tool}: {few.rss / 1e6:.1f} and {many.rss / 1e6:.1f} MB")
        return pairs

    def hold(self) -> list[Held]:
        """Very many connections, by those that are asked for it."""
        rows = []
        for tool in self._tools:
            if tool in HOLDS:
                rows.append(self._measure.held(tool, idle(HOLDS[tool]), HOLD_S))
                _say(f"hold {tool}: {rows[-1].connections:,} connections, {rows[-1].rss / 1e6:.0f} MB")
        return rows

    def _pair(self, number: int, tool: str, work: Work) -> Pair:
        fewer = msgspec.structs.replace(work, messages=work.fewer)
        loads: dict[Work, Load] = {}
        for each in self._rng.sample([work, fewer], 2):
            loads[each] = self._load(tool, each)
        return Pair(number, loads[work], loads[fewer])

    def _load(self, tool: str, work: Work) -> Load:
        """Once more where others disturbed it; what decides is what they did, never what was found."""
        load = self._measure.load(tool, work)
        for _ in range(RETRIES):
            if load.errors or load.others_share <= LOUD:
                break
            again = self._measure.load(tool, work)
            load = again if again.errors else min(load, again, key=lambda each: each.others_share)
        return load

    def _shuffled(self) -> list[str]:
        return self._rng.sample(self._tools, len(self._tools))


def _in_short(pair: Pair) -> str:
    return "; ".join(pair.errors) or f"{pair.us_a_frame:.1f} us/frame"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
