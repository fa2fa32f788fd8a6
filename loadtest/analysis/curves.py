"""Latency against percentile, as points to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest import histogram
from loadtest.analysis.percentiles import Floats, rank, required_samples
from loadtest.analysis.records import Records
from loadtest.analysis.samples import EVENTS, OF_MESSAGES, REPLIES, Samples, event_samples, message_samples
from loadtest.analysis.window import Window
from loadtest.metrics import BY_KEY
from loadtest.model import Population
from loadtest.runs.columns import Ints, Messages

_POINTS: Final = 400
_NS_PER_MS: Final = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The quantile function of one metric of one run.

    Attributes:
        metric: its key.
        tails: 1 / (1 - q) of each point, ascending from 1 to the number of samples: there the samples end. Shape n.
        values: the quantile, ms or the metric's own unit; +infinity from where the unanswered begin. Shape n.
        count: samples, the unanswered included.
        unanswered: samples that rank as +infinity.
        firm: 1 / (1 - q) of the last quantile that has a 95 % interval (`percentiles.required_samples`).
    """

    metric: str
    tails: Floats
    values: Floats
    count: int
    unanswered: int
    firm: float


def curves(records: Records, window: Window, keys: tuple[str, ...]) -> list[Curve]:
    """The curves of some metrics over headline messages of the steady window; none for a metric without samples."""
    messages = records.messages
    steady = (messages.intended_ns >= window.start_ns) & (messages.intended_ns < window.stop_ns)
    measured = messages.where(steady)
    headline = measured.where(measured.population.is_in(Population.HEADLINE))
    found = (_curve(records, window, key, measured, headline) for key in keys)
    return [curve for curve in found if curve is not None]
