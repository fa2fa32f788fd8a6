"""Objectives: what is asked of a run, as in `ack_delivered.p99 < 250ms`, from text to value.

An objective names a percentile of a metric, a ratio or a count, and a limit with its unit. Whether a run meets it is
said by `analysis.slo`; here is read what people write.
"""

from loadtest.objectives.given import checked, checked_condition, demanded
from loadtest.objectives.names import BY_MESSAGE, MAX
from loadtest.objectives.parse import abort_condition, objective
from loadtest.objectives.values import (
    Comparison,
    Demands,
    Kind,
    Objective,
    contradiction,
    per_message_limits,
    quantile,
    shown,
)

__all__ = [
    "BY_MESSAGE",
    "MAX",
    "Comparison",
    "Demands",
    "Kind",
    "Objective",
    "abort_condition",
    "checked",
    "checked_condition",
    "contradiction",
    "demanded",
    "objective",
    "per_message_limits",
    "quantile",
    "shown",
]
