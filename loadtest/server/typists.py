"""What one connection is typing, by the guide's one-second rule. Pure: time is an argument, the timer is elsewhere."""

from __future__ import annotations

from loadtest.protocol import TYPING_MIN_INTERVAL_S


class Typist:
    """The conversations that one connection types into.

    A start within one second of the last accepted one is ignored, also when a stop came between: the guide limits
    updates, not states. Times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._last_start: dict[str, float] = {}
        self._typing: set[str] = set()

    def start(self, conversation: str, now: float) -> bool:
        """Whether a start is to be passed on (else it is to be ignored in silence)."""
        self._forget(now)
        if conversation in self._last_start and now - self._last_start[conversation] < TYPING_MIN_INTERVAL_S:
            return False
        self._last_start[conversation] = now
        self._typing.add(conversation)
        return True

    def stop(self, conversation: str) -> bool:
        """Whether a stop is to be passed on: only if the connection is typing there."""
        if conversation not in self._typing:
            return False
        self._typing.remove(conversation)
        return True

    def time_out(self, conversation: str, started: float) -> bool:
        """Whether to stop five seconds after the start at `started`: only if that is still the last one."""
        return self._last_start.get(conversation) == started and self.stop(conversation)

    def conversations(self) -> list[str]:
        """Conversations that the connection is typing into, sorted."""
        return sorted(self._typing)

    def _forget(self, now: float) -> None:
        over = [
            conversation
            for conversation, started in self._last_start.items()
            if conversation not in self._typing and now - started >= TYPING_MIN_INTERVAL_S
        ]
        for conversation in over:
            del self._last_start[conversation]
