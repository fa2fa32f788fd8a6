"""When the browser client comes back (backend.md, Browser client)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

_MOST_DOUBLINGS: Final = 1_000
"""More than these overflow a float, and none comes near what they make of any wait."""


class Backoff(Struct, frozen=True):
    """The browser client's reconnection schedule.

    Attributes:
        base_s: wait before the first attempt, seconds.
        max_s: longest wait before jitter, seconds.
        attempts: attempts in a row before it gives up; a success starts the count anew.
        jitter: greatest share of the wait that is added to it.
    """

    base_s: float = 1.0
    max_s: float = 30.0
    attempts: int = 5
    jitter: float = 0.2

    def bounds(self, attempt: int) -> tuple[float, float]:
        """The least and the most that attempt `attempt` (from 0) may wait, seconds."""
        return self.delay(attempt, 0.0), self.delay(attempt, 1.0)

    def delay(self, attempt: int, luck: float) -> float:
        """Seconds to wait before attempt `attempt` (from 0): min(base * 2^attempt, max), plus jitter.

        Args:
            luck: a uniform draw from [0, 1).
        """
        doubled = self.base_s * 2.0 ** min(attempt, _MOST_DOUBLINGS)
        return min(doubled, self.max_s) * (1.0 + self.jitter * luck)
