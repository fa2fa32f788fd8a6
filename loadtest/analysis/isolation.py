"""Do users above the rate limit slow down those within it, and typists everybody? Pure.

With `--abuse-period` users above the limit send in every other period only, with `--typing-period` users type in every
other one only. Neighbouring periods without and with them make a pair, so that what changes slowly over a run changes
both; the figure is the geometric mean of the ratios of medians, and its interval Student's t over the pairs.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

import numpy as np
from msgspec import Struct
from scipy import special

from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import TAIL
from loadtest.analysis.rooms.judge import CLOCKS
from loadtest.model import Population

NS: Final = 1_000_000_000
KEY: Final = "ack_delivered"
FEWEST_PAIRS: Final = 3
FEWEST_MESSAGES: Final = 6
"""Of a period: the sample floor of a median (`percentiles.required_samples`)."""


class Isolation(Struct, frozen=True):
    """Latency of users within the limit with others beside them, users above it or typists, to that without.

    Attributes:
        ratio: of medians of `ack_delivered`, geometric mean over pairs; null where withheld.
        ci95: its 95 % interval.
        pairs: of neighbouring periods that had messages enough.
        period_s: length of one.
        without_ms, beside_ms: medians of the periods, their geometric means.
        withheld: why there is no ratio; empty where there is.
    """

    ratio: float | None
    ci95: tuple[float, float] | None
    pairs: int
    period_s: float
    without_ms: float | None = None
    beside_ms: float | None = None
    withheld: str = ""


def isolation(measured: Measured) -> Isolation | None:
    """What users above the limit do; None for a run without periods, or without such users."""
    period_s = _period_s(measured, "abuse_period")
    if period_s is None or not measured.of_population(Population.LIMIT).any():
        return None
    return _beside(measured, period_s, "users above the limit", "--abuse-period")


def typing_isolation(measured: Measured) -> Isolation | None:
    """What typing does; None for a run without periods, or without typing."""
    period_s = _period_s(measured, "typing_period")
    if period_s is None or not measured.records.count("typing_sent"):
        return None
    return _beside(measured, period_s, "typists", "--typing-period")


def _period_s(measured: Measured, option: str) -> float | None:
    period_s = measured.records.info.options.get(option)
    return period_s if isinstance(period_s, (int, float)) else None


def _beside(measured: Measured, period_s: float, who: str, option: str) -> Isolation:
    """The figure.

    Args:
        who: is there in every other period.
        option: that says how long a period is.
    """
    if len(clocks := measured.records.by_key(CLOCKS)) > 1:  # each user keeps the periods by the clock of its machine
        return Isolation(
            None, None, 0, period_s,
            withheld=f"users ran on {len(clocks)} hosts, whose periods with and without {who} are not the same; run "
            "them on one",
        )  # fmt: skip
    medians = _medians(measured, round(period_s * NS))
    pairs = [
        (medians[place], medians[place + 1]) if place % 2 == 0 else (medians[place + 1], medians[place])
        for place in _pair_starts(sorted(medians))
    ]
    if len(pairs) < FEWEST_PAIRS:
        return Isolation(
            None, None, len(pairs), period_s,
            withheld=f"it takes {FEWEST_PAIRS} pairs of periods with {FEWEST_MESSAGES} messages each: a longer run, or "
            f"a shorter {option}",
        )  # fmt: skip
    if not np.isfinite(pairs).all():
        return Isolation(None, None, len(pairs), period_s, withheld="a median was never answered")
    logs = np.log(pairs)
    differences = logs[:, 1] - logs[:, 0]
    middle = float(differences.mean())
    reach = -float(special.stdtrit(len(pairs) - 1, TAIL)) * float(differences.std(ddof=1)) / math.sqrt(len(pairs))
    without, beside = (round(math.exp(value), 6) for value in logs.mean(axis=0))
    ends = (round(math.exp(middle - reach), 4), round(math.exp(middle + reach), 4))
    return Isolation(round(math.exp(middle), 4), ends, len(pairs), period_s, without, beside)


def _medians(measured: Measured, period_ns: int) -> dict[int, float]:
    """Median by period, ms, of the periods that lie wholly in the steady window."""
    samples = measured.samples(KEY)
    assert samples is not None
    window = measured.window
    first, stop = -(-window.start_ns // period_ns), window.stop_ns // period_ns
    places = samples.at_ns // period_ns
    found = {}
    for place in range(first, stop):
        values = samples.values[places == place]
        if len(values) >= FEWEST_MESSAGES:
            found[place] = float(np.quantile(values, 0.5, method="inverted_cdf")) / 1e6
    return found


def _pair_starts(places: list[int]) -> list[int]:
    """The first of each two neighbours, none in two pairs."""
    starts: list[int] = []
    for place, after in itertools.pairwise(places):
        if after == place + 1 and (not starts or starts[-1] + 1 < place):
            starts.append(place)
    return starts
