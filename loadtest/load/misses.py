"""How many samples are beyond a limit, and whether that is more than chance, though they depend on their neighbours."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

DOUBT: Final = 1e-6
"""Chance that a server which keeps a limit is taken for one that does not: each second it is asked anew, and to end a
good run is worse than to end a lost one late."""
CELL_NS: Final = 1_000_000_000
CELLS: Final = 256
"""At most; beyond, each two become one."""
SCALES: Final = (1, 2, 4)
"""Cells of a block. Blocks of the length of a slow phase show best how much its samples resemble each other."""
ENOUGH_BLOCKS: Final = 20
"""Of more than a cell; fewer would tell less of that than they cost in certainty."""
_NORMAL: Final = 4.753
"""Quantile of the normal distribution at 1 - `DOUBT`."""

Counts = npt.NDArray[np.int64]


class Misses:
    """Samples in time, and which of them are beyond a limit.

    Args:
        start_ns: the first instant, monotonic ns.
    """

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._cell_ns = CELL_NS
        self._counts = np.zeros((CELLS, 2), np.int64)  # samples, and those beyond

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self._counts[:, 0].sum())

    @property
    def beyond(self) -> int:
        """How many of them are beyond the limit."""
        return int(self._counts[:, 1].sum())

    def add(self, at_ns: int, beyond: bool) -> None:
        """Count a sample; instants before the first are of no cell.

        Args:
            at_ns: the instant that it counts for.
        """
        if at_ns < self._start_ns:
            return
        while (cell := (at_ns - self._start_ns) // self._cell_ns) >= CELLS:
            self._counts = np.concatenate([_blocks(self._counts, 2), np.zeros((CELLS // 2, 2), np.int64)])
            self._cell_ns *= 2
        self._counts[cell] += (1, beyond)

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

        The variance of the count in blocks of time to that of independent samples, of the blocks that show the most;
        widened by the square of Student's t over the normal quantile, for what so few blocks tell of it.
        """
        used = self._counts[: int(np.flatnonzero(self._counts[:, 0]).max(initial=-1)) + 1]
        scales = [scale for scale in SCALES if scale == 1 or len(used) >= scale * ENOUGH_BLOCKS]
        return max(_of_blocks(_blocks(used, scale)) for scale in scales)


def _of_blocks(counts: Counts) -> float:
    blocks = len(counts)
    samples, beyond = (int(each) for each in counts.sum(axis=0))
    if blocks < 2 or not 0 < beyond < samples:
        return 1.0
    share = beyond / samples
    variance = float(np.sum((counts[:, 1] - share * counts[:, 0]) ** 2)) * blocks / (blocks - 1)
    factor = max(variance / (samples * share * (1 - share)), 1.0)
    return factor * (_student(blocks - 1) / _NORMAL) ** 2


def _student(freedom: int) -> float:
    """Quantile of Student's t at 1 - `DOUBT` (M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions", 1964,
    26.7.5)."""
    z = _NORMAL
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _blocks(counts: Counts, scale: int) -> Counts:
    whole = len(counts) // scale * scale
    added: Counts = counts[:whole].reshape(-1, scale, 2).sum(axis=1)
    return added


def _divergence(share: float, tolerated: float) -> float:
    """Of Kullback and Leibler, of one Bernoulli variable from another."""
    found = share * math.log(share / tolerated)
    return found + ((1 - share) * math.log((1 - share) / (1 - tolerated)) if share < 1 else 0.0)
