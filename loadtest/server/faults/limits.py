"""A rate limit that errs on order."""

from __future__ import annotations

from ..limiter import Limiter
from .kinds import Fault
from .script import Script


class FaultyLimiter:
    """A `Limiter` that keeps its books as another does, and now and then says something else.

    Args:
        limiter: the one that is right.
        script: when to err.
    """

    def __init__(self, limiter: Limiter, script: Script) -> None:
        self._limiter = limiter
        self._script = script

    def take(self, user: str, now_ns: int) -> int:
        """See `Limiter.take`."""
        wait_s = self._limiter.take(user, now_ns)
        if wait_s:
            return self._rejected(wait_s)
        if self._script.due(Fault.LIMIT_FALSE):
            self._script.did(Fault.LIMIT_FALSE)
            return 1
        return 0

    def _rejected(self, wait_s: int) -> int:
        if self._script.due(Fault.LIMIT_LEAK):
            self._script.did(Fault.LIMIT_LEAK)
            return 0
        if order := self._script.due(Fault.LIMIT_MISTIME):
            self._script.did(Fault.LIMIT_MISTIME)
            return max(1, wait_s + int(order.value))
        return wait_s
