"""The empirical distribution of a metric's samples, kept one by one or as additive counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest import histogram
from loadtest.analysis.percentiles import Floats, rank
from loadtest.model import Counts
from loadtest.runs.columns import Ints

NS_PER_MS: Final = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Samples in ascending order.

    Attributes:
        values: distinct or not, +infinity for the unanswered. Shape n.
        up_to: number of samples up to each value; None where each value is one sample. Shape n.
    """

    values: Floats
    up_to: Ints | None = None

    @classmethod
    def of(cls, samples: Floats) -> Distribution:
        """Of samples in any order, without NaN."""
        return cls(np.sort(samples))

    @classmethod
    def of_counts(cls, parts: Iterable[Counts]) -> Distribution:
        """Of the sum of additive counts, in ms, each within 0.05 % or 0.5 µs of where it was (see `histogram`)."""
        buckets, counts = histogram.merge((part.buckets, part.counts) for part in parts)
        return cls(bucket_values(buckets), np.cumsum(counts))

    @property
    def count(self) -> int:
        """Samples, the unanswered included."""
        if self.up_to is None:
            return len(self.values)
        return int(self.up_to[-1]) if len(self.up_to) else 0

    @property
    def unanswered(self) -> int:
        """Samples that are +infinity."""
        return int(np.isinf(self.values).sum()) if self.up_to is None else 0

    def at(self, ranks: Ints) -> Floats:
        """The samples at 0-based ranks."""
        places = ranks if self.up_to is None else np.searchsorted(self.up_to, ranks, side="right")
        return self.values[places]

    def quantile(self, q: float) -> float:
        """The q-quantile: inverse of the distribution function.

        Raises:
            ValueError: there are no samples.
        """
        if not self.count:
            raise ValueError("no samples")
        return float(self.at(np.array([rank(q, self.count)]))[0])

    def below(self, limit: float, *, inclusive: bool) -> int:
        """How many samples are below a limit, or at it."""
        place = int(np.searchsorted(self.values, limit, side="right" if inclusive else "left"))
        return place if self.up_to is None or not place else int(self.up_to[place - 1])

    def mean(self) -> float | None:
        """Mean of the answered samples; None without any."""
        answered = self.values[: len(self.values) - self.unanswered]
        if not len(answered):
            return None
        if self.up_to is None:
            return float(answered.mean())
        return float(answered @ np.diff(self.up_to, prepend=0)) / self.count


def bucket_values(buckets: Ints) -> Floats:
    """The value of each bucket, ms (see `histogram`)."""
    return histogram.value_of(buckets) / NS_PER_MS
