"""How much less do samples say than independent ones, where they resemble their neighbours or their user's others?

For each quantile, the variance of the share of samples beyond it is estimated, relative to that of independent samples,
from the pairs of samples that lie a certain time apart and from the pairs of one user. Pairs in time count up to the
lag at which they cease to be alike (initial positive, monotone sequence: C. J. Geyer, "Practical Markov chain Monte
Carlo", Statistical Science 7, 1992). Two estimates are made, and the larger one counts:

- *of the tail*: the correlation of the indicator "beyond the quantile" itself. It sees freezes, which make nothing but
  the tail alike; but it is unsure where few samples are beyond.
- *of all samples*: the correlation of their normal scores (ranks turned into normal quantiles), carried into the tail
  by a normal copula: Phi2(h, h; r) = Phi(h) - 2 T(h, sqrt((1 - r) / (1 + r))) with the T of D. B. Owen ("Tables for
  computing bivariate normal probabilities", Annals of Mathematical Statistics 27, 1956). It learns of a server's slow
  phases from every sample, where those beyond p99 are too few to learn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import special

from loadtest.analysis.percentiles import Floats

CELLS: Final = 1024
"""Cells of time at most. Fewer where there are fewer samples, so that a cell holds four or more."""
DOUBT: Final = (0.2, 1.5)
"""Of the estimate by all samples and of that by the tail: what each unit of 1 / (samples beyond, in effect) adds to the
inverse of its degrees of freedom. Clumps beyond a quantile that come at random, of exponential size, make it 1.5 for
the tail (fourth moment of a compound Poisson sum). All samples tell more: 0.2 is by trial, `benchmarks/coverage.py`."""
_GRID: Final = np.linspace(0.0, 1.0, 513)

Table = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Inflation:
    """Variances of the shares of samples beyond some quantiles.

    Attributes:
        factor: relative to that of independent samples, at least 1. Shape q.
        freedom: degrees of freedom of each estimate, at least 1; +infinity of a factor of 1. Shape q.
    """

    factor: Floats
    freedom: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Lags:
    """Correlations of v variables in time, by lag.

    Attributes:
        correlation: 0 from the lag on at which samples cease to be alike. Shape lags x v.
        alike: whether they still are. Shape lags x v.
        pairs: pairs of samples so far apart, both orders counted, for each sample. Shape lags.
        width: number of cells over which they are alike. Shape v.
    """

    correlation: Floats
    alike: npt.NDArray[np.bool_]
    pairs: Floats
    width: Floats


def inflation(by_time: Table, by_user: Table | None, quantiles: Floats, last: Table) -> Inflation:
    """Estimate how much the dependence of samples inflates the variances of shares.

    Args:
        by_time: number of samples in each cell of time and each of b bins of ascending value. Shape cells x b.
        by_user: the same for each user, in any order; None where users are not known. Shape users x b.
        quantiles: each above 0 and below 1. Shape q.
        last: the last bin that is not beyond each quantile. Shape q.
    """
    bins = by_time.sum(axis=0)
    count = int(bins.sum())
    variables = _variables(bins, last)
    lags = _in_time(by_time, variables)
    alike, pairs, members = _of_users(by_user, variables)

    score = lags.alike[:, 0]
    carried = _carried(lags.correlation[score, 0], quantiles)
    time = np.stack([lags.pairs[score] @ carried, lags.pairs @ lags.correlation[:, 1:]])
    user = pairs * np.stack([_carried(alike[0], quantiles), alike[1:]])
    factor = np.maximum(1 + time + user, 1.0)
    width = np.stack([np.full(len(quantiles), lags.width[0]), lags.width[1:]])
    doubt = np.array(DOUBT)[:, None] * factor / (np.minimum(quantiles, 1 - quantiles) * count)
    # degrees of freedom of a sum of variances (F. E. Satterthwaite, Biometrics Bulletin 2, 1946)
    spread = time**2 * ((2 * width + 1) / len(by_time) + doubt) + user**2 * (1 / members + doubt)
    with np.errstate(divide="ignore"):
        freedom = np.maximum(factor**2 / spread, 1.0)
    larger = np.argmax(factor, axis=0), np.arange(len(quantiles))
    return Inflation(factor[larger], freedom[larger])


def _variables(bins: Table, last: Table) -> Floats:
    """Normal score and indicators beyond each quantile of samples in each bin; of all, mean 0 and mean square 1."""
    share = bins / bins.sum()
    score = special.ndtri(np.clip(np.cumsum(share) - share / 2, 1e-12, 1 - 1e-12))
    beyond = np.arange(len(bins))[:, None] > last
    variables = np.column_stack([score, beyond])
    variables = variables - share @ variables
    scale = np.sqrt(share @ variables**2)
    scaled: Floats = np.divide(variables, scale, out=np.zeros_like(variables), where=scale > 1e-9)
    return scaled


def _in_time(by_time: Table, variables: Floats) -> _Lags:
    """Correlations by lag, of two cells' width each."""
    cells, count = len(by_time), float(by_time.sum())
    sums = np.column_stack([by_time @ variables, by_time.sum(axis=1)])
    spectrum = np.fft.rfft(sums, 2 * cells, axis=0)
    products = np.fft.irfft(np.abs(spectrum) ** 2, 2 * cells, axis=0)[: max(cells // 4, 1) * 2]
    products[0] = (products[0] - count) / 2  # without each sample's pair with itself; both orders are in it
    products = products.reshape(-1, 2, products.shape[1]).sum(axis=1) if len(products) > 1 else products
    pairs = np.maximum(np.round(products[:, -1:]), 0.0)
    correlation = np.divide(products[:, :-1], pairs, out=np.zeros_like(products[:, :-1]), where=pairs > 0)
    alike = np.logical_and.accumulate(correlation > 0, axis=0)
    correlation = np.minimum.accumulate(correlation, axis=0) * alike
    weight = 2 * pairs / count
    # What is known of a mean is from the same samples: its own variance is missing in every product.
    missing = (1 + np.sum(weight * correlation, axis=0)) / count
    covered = np.minimum(np.sum(weight * alike, axis=0) / count, 0.5)
    correlation = np.minimum(correlation + alike * missing / (1 - covered), 0.999)
    return _Lags(correlation, alike, weight[:, 0], 2.0 * alike.sum(axis=0))


def _of_users(by_user: Table | None, variables: Floats) -> tuple[Floats, float, float]:
    """Correlation within users of each variable, pairs with others of the same user for each sample, and freedom.

    Users count by their samples, not by their pairs: the alikeness of many is known better than that of the busiest.
    """
    nothing = np.zeros(variables.shape[1])
    if by_user is None:
        return nothing, 0.0, 1.0
    samples = by_user.sum(axis=1).astype(np.float64)
    share = samples / samples.sum()
    many = samples > 1
    if np.count_nonzero(samples) < 2 or not many.any():
        return nothing, 0.0, 1.0
    own = samples[many, None]
    products = (by_user[many] @ variables) ** 2 - by_user[many] @ variables**2
    correlation = np.sum(products / (own - 1), axis=0) / np.sum(own)
    apart = 1 - float(share @ share)  # the mean leans towards the busiest
    return np.clip(correlation / apart, 0.0, 0.99), float(samples @ share) - 1, max(1 / float(share @ share) - 1, 1.0)


def _carried(correlation: Floats, quantiles: Floats) -> Floats:
    """Correlation of the indicators beyond quantiles of two normal variables, by that of the variables. Shape r x q."""
    curves = [np.interp(correlation, _GRID, _curve(float(q))) for q in quantiles]
    return np.stack(curves, axis=-1)


@lru_cache(maxsize=16)
def _curve(q: float) -> Floats:
    depth = special.owens_t(special.ndtri(q), np.sqrt((1 - _GRID) / (1 + _GRID)))
    both = np.asarray(q - 2 * depth, np.float64)
    return (both - q**2) / (q * (1 - q))
