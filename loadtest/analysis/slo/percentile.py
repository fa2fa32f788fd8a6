"""An objective on a percentile of a metric."""

from __future__ import annotations

import math

from scipy import special

from loadtest.analysis.distribution import Distribution
from loadtest.analysis.intervals import Interval
from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import TAIL, required_samples
from loadtest.analysis.slo.deciding import by_interval, needs
from loadtest.analysis.slo.values import Decision, Result, result
from loadtest.analysis.values import MetricSummary
from loadtest.objectives import Objective, quantile
from loadtest.objectives.names import MAX


def of_percentile(each: Objective, metric: MetricSummary, measured: Measured) -> Result:
    statistic = each.statistic or MAX
    floor = 1 if statistic == MAX else required_samples(quantile(each))
    if not metric.count:
        return result(each, Decision.INCONCLUSIVE, samples=0, needed=floor)
    distribution = measured.distribution(each.subject)
    missed = _missed(each, distribution)
    found = {
        "samples": metric.count,
        "value": getattr(metric, statistic),
        "beyond": metric.beyond.get(statistic),
        "missed": missed,
    }
    if statistic == MAX:
        return result(each, Decision.FAIL if missed else Decision.PASS, **found)
    independent = metric.count if metric.clusters is None else metric.clusters
    if independent < floor:
        late = missed * independent // metric.count
        chance = float(special.bdtrc(late - 1, independent, _tolerated(each))) if late else 1.0
        if chance <= TAIL:
            return result(each, Decision.FAIL, **found)
        needed = math.ceil(floor * metric.count / independent)
        return result(each, Decision.INCONCLUSIVE, needed=needed, **found)
    interval = _interval(metric, statistic)
    verdict = by_interval(each, interval)
    if math.isfinite(interval.high):
        found["ci95"] = (interval.low, interval.high)
    elif math.isfinite(interval.low):
        found["ci95_from"] = interval.low
    if verdict is Decision.INCONCLUSIVE:
        found["needed"] = _settled_from(each, interval, distribution, missed)
    return result(each, verdict, **found)


def _interval(metric: MetricSummary, statistic: str) -> Interval:
    low, high = metric.ci95.get(statistic) or (metric.ci95_from.get(statistic, math.inf), math.inf)
    return Interval(low, high)


def _missed(each: Objective, distribution: Distribution) -> int:
    """Samples that do not keep the limit."""
    if each.comparison.is_upper:
        return distribution.count - distribution.below(each.limit, inclusive=each.met_by(each.limit))
    return distribution.below(each.limit, inclusive=not each.met_by(each.limit))


def _tolerated(each: Objective) -> float:
    """The share of samples that may miss the limit while the percentile keeps it."""
    return 1 - quantile(each) if each.comparison.is_upper else quantile(each)


def _settled_from(each: Objective, interval: Interval, distribution: Distribution, missed: int) -> int | None:
    """How many samples it takes until the interval, in ranks, no longer reaches to the limit."""
    count, q = distribution.count, quantile(each)
    at_limit = (count - missed if each.comparison.is_upper else missed) / count
    high = distribution.below(interval.high, inclusive=True) / count
    low = distribution.below(interval.low, inclusive=False) / count
    return needs(count, high - q if at_limit > q else q - low, abs(at_limit - q))
