"""How often the CPU limit of a container was used up, so that whatever ran in it stood still until the next period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtest.model import Health, ServerSample

THROTTLED: Final = 0.25
"""Of the periods: from there on Kubernetes' own alert goes off (kubernetes-mixin, `CPUThrottlingHigh`)."""


def throttled_share(samples: Sequence[ServerSample] | Sequence[Health]) -> float | None:
    """Of the periods in which there was something to run; None where there was no limit."""
    pairs = [(each.throttled, each.periods) for each in samples]
    known = [(throttled, periods) for throttled, periods in pairs if throttled is not None and periods is not None]
    if not known:
        return None
    throttled, periods = (sum(column) for column in zip(*known, strict=True))
    return round(throttled / periods, 4) if periods else 0.0
