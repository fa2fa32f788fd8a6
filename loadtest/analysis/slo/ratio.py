"""An objective on a ratio; goodput is one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from loadtest.analysis.distribution import NS_PER_MS
from loadtest.analysis.intervals import share_interval
from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import TAIL, Floats
from loadtest.analysis.samples import message_values
from loadtest.analysis.slo.deciding import by_interval, needs
from loadtest.analysis.slo.values import Decision, Goodput, Result, result
from loadtest.metrics import BY_KEY
from loadtest.model import Outcome, StreamState
from loadtest.objectives import Objective
from loadtest.runs.columns import Bools, Ints


class Trials(Struct, frozen=True, eq=False):
    """What a ratio is of, one row each."""

    hits: Bools
    at_ns: Ints
    users: Ints


def trials_of(measured: Measured, limits: Mapping[str, Objective]) -> dict[str, Trials]:
    messages, connects = measured.records.messages, measured.records.connects
    delivered = messages.outcome.is_in(Outcome.DELIVERED)
    answered = measured.headline & delivered & ~messages.stream_state.is_in(StreamState.NOT_EXPECTED, None)
    numbers: dict[str, int] = {}
    return {
        "delivered_ratio": _of_messages(measured, measured.headline, delivered),
        "stream_complete_ratio": _of_messages(measured, answered, messages.stream_state.is_in(StreamState.COMPLETED)),
        "goodput": _of_messages(measured, measured.headline, delivered & _within(measured, limits)),
        "connect_ratio": Trials(
            np.array([connect.authenticated_ns is not None for connect in connects], np.bool_),
            np.array([connect.began_ns for connect in connects], np.int64),
            np.array([numbers.setdefault(connect.user, len(numbers)) for connect in connects], np.int64),
        ),
    }


def _of_messages(measured: Measured, part: Bools, hits: Bools) -> Trials:
    messages = measured.records.messages
    return Trials(hits[part], messages.intended_ns[part], messages.user.codes[part].astype(np.int64))


def _within(measured: Measured, limits: Mapping[str, Objective]) -> Bools:
    """Which messages keep every per-message limit; one that has no value of a metric is not judged by it."""
    messages = measured.records.messages
    kept = np.ones(len(messages), np.bool_)
    for key, each in limits.items():
        values = message_values(messages, key, streams_expected=measured.records.streams_expected)
        distances = values / NS_PER_MS if BY_KEY[key].unit == "ms" else values
        kept &= np.isnan(values) | _kept(each, distances)
    return kept


def _kept(each: Objective, values: Floats) -> Bools:
    inclusive = each.met_by(each.limit)
    if each.comparison.is_upper:
        return values <= each.limit if inclusive else values < each.limit
    return values >= each.limit if inclusive else values > each.limit


def of_ratio(each: Objective, trials: Trials) -> Result:
    count = len(trials.hits)
    if not count:
        return result(each, Decision.INCONCLUSIVE, samples=0, needed=_needs_without_a_miss(each.limit))
    hits = int(trials.hits.sum())
    share, interval = hits / count, share_interval(trials.hits, trials.at_ns, trials.users)
    found = {"samples": count, "value": share, "ci95": (interval.low, interval.high), "missed": count - hits}
    if each.limit in (0.0, 1.0):
        return result(each, Decision.PASS if each.met_by(share) else Decision.FAIL, **found)
    verdict = by_interval(each, interval)
    if verdict is not Decision.INCONCLUSIVE:
        return result(each, verdict, **found)
    half = share - interval.low if share > each.limit else interval.high - share
    needed = _needs_without_a_miss(each.limit) if hits == count else needs(count, half, abs(share - each.limit))
    return result(each, verdict, needed=needed, **found)


def _needs_without_a_miss(limit: float) -> int:
    """Samples from which on a ratio without a single miss is above a limit."""
    return math.ceil(math.log(TAIL) / math.log(limit)) if 0 < limit < 1 else 1


def goodput_of(trials: Trials, measured: Measured, limits: Mapping[str, Objective]) -> Goodput | None:
    if not len(trials.hits):
        return None
    good, seconds = int(trials.hits.sum()), measured.window.seconds
    interval = share_interval(trials.hits, trials.at_ns, trials.users)
    return Goodput(
        good / len(trials.hits),
        (interval.low, interval.high),
        good,
        len(trials.hits),
        good / seconds if seconds > 0 else None,
        {key: each.text for key, each in limits.items()},
    )
