"""Is one group of runs slower than another? Estimates and tests on log ratios, where the run is the sample.

A log ratio of 0.1 means 10.5 % more. Runs of one build differ by more than chance within them explains (restart,
placement, time of day), so messages are no sample of a build: its runs are (Kalibera and Jones, "Rigorous benchmarking
in reasonable time", 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from scipy import stats

from loadtest.analysis.intervals import share_ends
from loadtest.analysis.percentiles import Floats

LEVEL: Final = 0.95
_ALL_FLIPS: Final = 14
"""Pairs up to which every one of the 2^k sign patterns is tried."""
_DRAWN: Final = 2**_ALL_FLIPS


class Effect(Struct, frozen=True):
    """A mean log ratio and what is known of it.

    Attributes:
        mean: of candidate to base.
        low, high: 95 % t interval; None below two runs a side, or two pairs.
        p: two-sided, of the t test; None likewise.
        exact: two-sided p of the exact test beside it, which assumes no distribution; None likewise.
        sd: between pairs, or pooled between the runs of a side; None likewise.
        degrees: of freedom of `sd`.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    exact: float | None = None
    sd: float | None = None
    degrees: float = 0.0


def paired(differences: Sequence[float]) -> Effect:
    """Of the log ratios of pairs: Student's t, and the sign-flip permutation test of the mean."""
    values = np.asarray(differences, np.float64)
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Effect(mean)
    sd = _sd(values)
    return _effect(mean, sd / np.sqrt(count), count - 1, sd, sign_flip(values))


def unpaired(base: Sequence[float], candidate: Sequence[float]) -> Effect:
    """Of the logs of two groups: Welch's t, and the exact Mann-Whitney test."""
    first, second = np.asarray(base, np.float64), np.asarray(candidate, np.float64)
    mean = float(second.mean() - first.mean())
    if min(len(first), len(second)) < 2:
        return Effect(mean)
    parts = np.array([_sd(first) ** 2 / len(first), _sd(second) ** 2 / len(second)])
    rest = np.array([len(first) - 1, len(second) - 1])
    degrees = float(parts.sum() ** 2 / (parts**2 / rest).sum()) if parts.any() else float(rest.sum())
    pooled = float(np.sqrt((rest * (parts * [len(first), len(second)])).sum() / rest.sum()))
    exact = float(stats.mannwhitneyu(first, second, method="exact").pvalue)
    return _effect(mean, float(np.sqrt(parts.sum())), degrees, pooled, exact)


def pooled_shares(base: tuple[int, int], candidate: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of the log ratio of two shares, were each message a coin's toss: no experiment knows more.

    Clopper and Pearson's interval of each, joined as by Zou and Donner ("Construction of confidence limits about effect
    measures: a general approach", Statistics in Medicine 27, 2008). A share of nothing has an end at -infinity.

    Args:
        base, candidate: hits, and messages, above 0.
    """
    (base_low, first, base_high), (low, second, high) = map(_log_share, (base, candidate))
    if not np.isfinite([first, second]).all():
        return -np.inf, np.inf
    mean = second - first
    return mean - float(np.hypot(second - low, base_high - first)), mean + float(
        np.hypot(high - second, first - base_low)
    )


def at_least(effect: Effect, low: float, high: float) -> Effect:
    """The same effect, its interval, where it has one, no narrower than this."""
    if effect.low is None or effect.high is None:
        return effect
    return msgspec.structs.replace(effect, low=min(effect.low, low), high=max(effect.high, high))


def _log_share(counts: tuple[int, int]) -> tuple[float, float, float]:
    """Logarithms of the lower end, the share, and the upper end."""
    low, high = share_ends(counts[0], counts[1] - counts[0])
    with np.errstate(divide="ignore"):
        ends = np.log([low, counts[0] / counts[1], high])
    return float(ends[0]), float(ends[1]), float(ends[2])


def sign_flip(differences: Floats) -> float:
    """Two-sided p of the mean, were the sign of each pair a coin's: every pattern of signs, or 16,384 drawn ones.

    Fisher, "The design of experiments", 1935, section 21.
    """
    sums = _signs(len(differences)) @ differences
    reached = np.abs(sums) >= abs(differences.sum()) * (1 - 1e-12) - 1e-300
    return float(reached.mean())


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for their number, in their order (Holm, "A simple sequentially rejective test", 1979)."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted, so_far = [0.0] * len(ps), 0.0
    for place, index in enumerate(order):
        so_far = max(so_far, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = so_far
    return adjusted


def _effect(mean: float, error: float, degrees: float, sd: float, exact: float) -> Effect:
    if not error:  # no spread at all: t would be sure of anything, the exact test is as sure as the number of runs
        return Effect(mean, mean, mean, exact, exact, 0.0, degrees)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, degrees))
    return Effect(mean, mean - reach, mean + reach, p, exact, sd, degrees)


def _sd(values: Floats) -> float:
    """Standard deviation; what the last bits of equal logarithms make is none."""
    sd = float(values.std(ddof=1))
    return sd if sd > 1e-12 else 0.0


@cache
def _signs(count: int) -> Floats:
    """Sign patterns, shape (patterns, count). Of more pairs than can all be tried, the given one and random others."""
    if count > _ALL_FLIPS:
        drawn = np.random.default_rng(0).choice([-1.0, 1.0], (_DRAWN, count))
        drawn[0] = 1.0
        return drawn
    bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    return np.where(bits, -1.0, 1.0)
