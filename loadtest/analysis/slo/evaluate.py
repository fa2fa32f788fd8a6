"""Does a run meet its objectives, or are there too few messages to say?

A percentile is judged by its 95 % interval, the binomial one of order statistics with the effective number of samples
(`intervals`): met where all of the interval meets the limit, missed where none of it does, and otherwise inconclusive.
Below its sample floor, where there is no interval, it is missed once more samples are beyond the limit than chance
would allow to one run in forty (binomial tail of n trials and 1 - q). Ratios are judged by their intervals likewise.
Counts and `max` speak of what was seen and need no inference; so does a ratio of 100 %, which no sample could prove.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.analysis.measured import Measured
from loadtest.analysis.slo.percentile import of_percentile
from loadtest.analysis.slo.ratio import goodput_of, of_ratio, trials_of
from loadtest.analysis.slo.values import Decision, Objectives, Result, result
from loadtest.analysis.values import Counts, Metrics
from loadtest.objectives import Kind, Objective, per_message_limits


def evaluate(demanded: Sequence[Objective], measured: Measured, metrics: Metrics, counts: Counts) -> Objectives | None:
    """Hold a run to its objectives; None where nothing was asked of it.

    Args:
        metrics: of the headline, as in `values.Summary`.
        counts: of the whole run.
    """
    aborted = measured.records.info.aborted
    if not demanded and not aborted:
        return None
    limits = per_message_limits(demanded)
    trials = trials_of(measured, limits)
    results = tuple(
        of_percentile(each, metrics[each.subject], measured)
        if each.kind is Kind.PERCENTILE
        else of_ratio(each, trials[each.subject])
        if each.kind is Kind.RATIO
        else _count(each, counts)
        for each in demanded
    )
    return Objectives(_overall(results, aborted), results, goodput_of(trials["goodput"], measured, limits), aborted)


def _overall(results: Sequence[Result], aborted: str) -> Decision:
    found = {result.verdict for result in results}
    if aborted or Decision.FAIL in found:
        return Decision.FAIL
    return Decision.INCONCLUSIVE if Decision.INCONCLUSIVE in found else Decision.PASS


def _count(each: Objective, counts: Counts) -> Result:
    value = counts.get(each.subject)
    if value is None:
        return result(each, Decision.INCONCLUSIVE)
    return result(each, Decision.PASS if each.met_by(value) else Decision.FAIL, value=float(value))
