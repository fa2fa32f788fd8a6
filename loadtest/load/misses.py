"""How many samples are beyond a limit, and whether that is more than chance, though they depend on their neighbours."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

DOUBT: Final = 1e-6
"""Chance that a server which keeps a limit is taken for one that does not: each second it is asked anew, and to end a
good run is worse than to end a lost one late."""
CELL_NS: Final = 1_000_000_000
"""So long, messages that wait for each other resemble each other. With more a server that has died, which makes all of
them alike, would be taken for one that may come back for as long."""
CELLS: Final = 1024
"""At most; beyond, each two become one."""
_NORMAL: Final = 4.753
"""Quantile of the normal distribution at 1 - `DOUBT`."""


class Misses:
    """Samples in time, and which of them are beyond a limit.

    Args:
        start_ns: the first instant, monotonic ns.
    """

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._cell_ns = CELL_NS
        self._samples = [0] * CELLS  # lists: one is counted in ten times as fast as into an array
        self._beyond = [0] * CELLS

    @property
    def samples(self) -> int:
        """How many there are."""
        return sum(self._samples)

    @property
    def beyond(self) -> int:
        """How many of them are beyond the limit."""
        return sum(self._beyond)

    def add(self, at_ns: int, beyond: bool) -> None:
        """Count a sample; instants before the first are of no cell.

        Args:
            at_ns: the instant that it counts for.
        """
        if at_ns < self._start_ns:
            return
        while (cell := (at_ns - self._start_ns) // self._cell_ns) >= CELLS:
            self._samples, self._beyond = _halved(self._samples), _halved(self._beyond)
            self._cell_ns *= 2
        self._samples[cell] += 1
        self._beyond[cell] += beyond

    def beyond_doubt(self, tolerated: float) -> bool:
        """Whether more are beyond than a share of `tolerated` explains.

        By the bound of Chernoff for so many independent samples as these are worth.
        """
        samples, beyond = self.samples, self.beyond
        if not samples or beyond / samples <= tolerated:
            return False
        if tolerated <= 0:
            return True
        return samples / self.inflation() * _divergence(beyond / samples, tolerated) >= -math.log(DOUBT)

    def inflation(self) -> float:
        """How many samples say no more than one independent one would.

        The variance of the count in cells of time to that of independent samples, widened by the square of Student's t
        over the normal quantile, for what so few cells tell of it.
        """
        counts = np.array([self._samples, self._beyond])
        samples, beyond = counts[:, : int(np.flatnonzero(counts[0]).max(initial=0)) + 1]
        share = beyond.sum() / samples.sum()
        if len(samples) < 2 or not 0 < share < 1:
            return 1.0
        freedom = len(samples) - 1
        variance = float(np.sum((beyond - share * samples) ** 2)) * len(samples) / freedom
        factor = max(variance / float(samples.sum() * share * (1 - share)), 1.0)
        return factor * (_student(freedom) / _NORMAL) ** 2


def _halved(counts: list[int]) -> list[int]:
    """In cells of twice the length, with as many empty ones behind."""
    return [first + second for first, second in zip(counts[::2], counts[1::2], strict=True)] + [0] * (CELLS // 2)


def _student(freedom: int) -> float:
    """Quantile of Student's t at 1 - `DOUBT` (M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions", 1964,
    26.7.5)."""
    z = _NORMAL
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _divergence(share: float, tolerated: float) -> float:
    """Of Kullback and Leibler, of one Bernoulli variable from another."""
    found = share * math.log(share / tolerated)
    return found + ((1 - share) * math.log((1 - share) / (1 - tolerated)) if share < 1 else 0.0)
