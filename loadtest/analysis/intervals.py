"""95 % intervals of percentiles within one run, honest where samples depend on each other.

The interval of a quantile is that of the share of samples beyond it, read off the order statistics (R. S. Woodruff,
"Confidence intervals for medians and other position measures", JASA 47, 1952). The variance of that share is not the
binomial one: a server that is slow for some seconds makes neighbours slow together, and one user's messages resemble
each other. `dependence` estimates by how much. It becomes an effective number of samples, reduced once more by
Student's t for what is not known of the variance itself, and the binomial distribution of that many gives the ranks
(E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts",
Survey Methodology 24, 1998; here between its steps, as in Jeffreys' interval).

An interval is given wherever its percentile is, however wide it gets: to withhold those that look too wide would leave
the lucky ones, which cover less than they promise. `benchmarks/coverage.py` has the grid of what they cover. Two things
no method can know from one run are phases nearly as long as the run, and rare events of which it saw a handful: there
the intervals are too narrow, and a longer run is the remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import special

from loadtest.analysis.dependence import CELLS, inflation
from loadtest.analysis.distribution import Distribution, bucket_values
from loadtest.analysis.percentiles import TAIL, Floats, rank, required_samples
from loadtest.histogram import added
from loadtest.model import Counts
from loadtest.runs.columns import Bools, Ints

_DIVIDERS: Final = (0.05, 0.15, 0.3, 0.7, 0.8)
"""Shares that divide the samples further than the quantiles do: a dozen bins keep nearly all that ranks tell."""
_SECOND_NS: Final = 1_000_000_000
_NORMAL: Final = float(special.ndtri(TAIL))

Codes = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Interval:
    """In the unit of the values; +infinity where it reaches into the unanswered."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Withheld:
    """No interval.

    Attributes:
        samples_needed: at least so many.
    """

    samples_needed: int


def quantile_intervals(
    values: Floats,
    times_ns: Ints,
    users: Codes,
    quantiles: Sequence[float],
    distribution: Distribution | None = None,
    clusters: int | None = None,
) -> list[Interval | Withheld]:
    """The interval of each quantile of one run's samples.

    Args:
        values: +infinity for the unanswered. Shape n.
        times_ns: the instant that each sample counts for. Shape n.
        users: a number for the user of each. Shape n.
        quantiles: each above 0 and below 1.
        distribution: of the same values, where it is known already.
        clusters: as of `Samples`: that many samples are needed.
    """
    count = len(values)
    if not count:
        return [Withheld(required_samples(q)) for q in quantiles]
    distribution = distribution or Distribution.of(values)
    edges = _edges(distribution, quantiles)
    bins = _bins(edges, values)
    by_time = _table(_cells(times_ns, min(CELLS, max(count // 4, 1))), bins, len(edges) + 1)
    by_user = _table(users, bins, len(edges) + 1)
    return _intervals(distribution, edges, by_time, by_user, quantiles, clusters)


def counted_intervals(
    parts: Sequence[Counts], quantiles: Sequence[float], distribution: Distribution | None = None
) -> list[Interval | Withheld]:
    """The same of samples that are kept as counts by the second and process: users are not known of these.

    Args:
        parts: counts of one metric.
        quantiles: each above 0 and below 1.
        distribution: of the same counts, where it is known already.
    """
    distribution = distribution or Distribution.of_counts(parts)
    if not distribution.count:
        return [Withheld(required_samples(q)) for q in quantiles]
    edges = _edges(distribution, quantiles)
    first = min(part.start_ns for part in parts)
    seconds = (max(part.start_ns for part in parts) - first) // _SECOND_NS + 1
    by_time = np.zeros((min(seconds, CELLS), len(edges) + 1))
    occupied = [np.frombuffer(part.buckets, "<u4") for part in parts]
    # found once for every bucket: the parts hold the same ones over and over
    bins = np.searchsorted(edges, bucket_values(np.arange(max(int(each.max(initial=0)) for each in occupied) + 1)))
    for part, buckets in zip(parts, occupied, strict=True):
        place = (part.start_ns - first) // _SECOND_NS * len(by_time) // seconds
        by_time[place] += added(bins[buckets], np.frombuffer(part.counts, "<u4"), len(edges) + 1)
    return _intervals(distribution, edges, by_time, None, quantiles)


def _edges(distribution: Distribution, quantiles: Sequence[float]) -> Floats:
    """Upper ends of bins: each quantile, and what divides the samples into some more."""
    return np.unique(distribution.at(np.array([rank(q, distribution.count) for q in (*quantiles, *_DIVIDERS)])))


def _bins(edges: Floats, values: Floats) -> Codes:
    """How many edges each value exceeds; for so few edges six times as fast as `searchsorted`."""
    bins = np.zeros(len(values), np.uint8)
    for edge in edges:
        bins += values > edge
    return bins


def _cells(times_ns: Ints, cells: int) -> Codes:
    """The cell of each instant: of equal length, from the first instant to the last."""
    start, span = int(times_ns.min()), int(np.ptp(times_ns)) + 1
    return np.minimum(((times_ns - start) * (cells / span)).astype(np.int64), cells - 1)


def _table(rows: Codes, bins: Codes, width: int) -> Floats:
    """How many samples are in each row and bin."""
    flat = np.bincount(rows.astype(np.int64, copy=False) * width + bins, minlength=(int(rows.max()) + 1) * width)
    return flat.reshape(-1, width).astype(np.float64)


def _intervals(
    distribution: Distribution,
    edges: Floats,
    by_time: Floats,
    by_user: Floats | None,
    quantiles: Sequence[float],
    clusters: int | None = None,
) -> list[Interval | Withheld]:
    count = distribution.count
    independent = count if clusters is None else clusters
    at = distribution.at(np.array([rank(q, count) for q in quantiles]))
    effective = _effective(by_time, by_user, np.array(quantiles), np.searchsorted(edges, at))
    return [
        _interval(distribution, q, float(number))
        if independent >= required_samples(q)
        else Withheld(required_samples(q))
        for q, number in zip(quantiles, effective, strict=True)
    ]


def _effective(by_time: Floats, by_user: Floats | None, quantiles: Floats, last: npt.NDArray[Any]) -> Floats:
    """How many independent samples would say as much about the share beyond each quantile. Shape q."""
    found = inflation(by_time, by_user, quantiles, last)
    effective: Floats = by_time.sum() / found.factor * (_NORMAL / special.stdtrit(found.freedom, TAIL)) ** 2
    return effective


def _interval(distribution: Distribution, q: float, effective: float) -> Interval:
    """By the shares of samples below its ends: quantiles of the binomial with `effective` trials, continuous (beta)."""
    below, count = q * effective, distribution.count
    low, high = special.betaincinv(below + 0.5, effective - below + 0.5, np.array([TAIL, 1 - TAIL]))
    # half a sample on: between two samples, the upper end is the one that covers more often
    ranks = np.array([rank(low, count), rank(min(high + 0.5 / count, 1.0), count)])
    first, last = distribution.at(ranks)
    return Interval(float(first), float(last))


def share_interval(hits: Bools, times_ns: Ints, users: Codes) -> Interval:
    """The 95 % interval of the share of samples that are hits.

    That of `share_ends` with the effective number of samples. Where all of them or none are hits, nothing tells how far
    they depend on each other, and they count as independent.

    Args:
        hits: at least one sample. Shape n.
        times_ns: the instant that each sample counts for. Shape n.
        users: a number for the user of each. Shape n.
    """
    count, found = len(hits), int(hits.sum())
    effective = float(count)
    if 0 < found < count:
        bins, edge = hits.astype(np.uint8), np.array([0])
        by_time, by_user = _table(_cells(times_ns, min(CELLS, max(count // 4, 1))), bins, 2), _table(users, bins, 2)
        effective = float(_effective(by_time, by_user, np.array([1 - found / count]), edge)[0])
    return Interval(*share_ends(found / count * effective, (1 - found / count) * effective))


def share_ends(hits: float, others: float) -> tuple[float, float]:
    """95 % interval of the share of hits among independent samples (C. J. Clopper and E. S. Pearson, Biometrika 26,
    1934), of which there may be a fraction."""
    low = float(special.betaincinv(hits, others + 1, TAIL)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, others, 1 - TAIL)) if others else 1.0
    return low, high
