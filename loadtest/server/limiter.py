"""The rate limit of the guide: so many messages of one user in one window. Pure: time is an argument."""

from __future__ import annotations

from typing import Final

from loadtest.settings import Rate

NS_PER_S: Final = 1_000_000_000


class FixedWindow:
    """A window for each user, which opens at the user's first message and admits the first N (backend.md, Rate limit).

    All connections of a user share its window. Windows that are over are forgotten, so memory is bounded by the users
    that sent something within one window.

    Args:
        rate: messages admitted, and length of the window.
    """

    def __init__(self, rate: Rate) -> None:
        self._limit = rate.messages
        self._length_ns = round(rate.window_s * NS_PER_S)
        # User to [opened_ns, admitted]. All windows are equally long, so insertion order is also the order of expiry.
        self._windows: dict[str, list[int]] = {}

    def __len__(self) -> int:
        """Number of windows remembered."""
        return len(self._windows)

    def take(self, user: str, now_ns: int) -> int:
        """Ask to admit one message.

        Args:
            user: user id.
            now_ns: monotonic time, never before that of an earlier call.

        Returns:
            0 when admitted; else the rest of the window in whole seconds, rounded up, at least 1: the X of the
            guide's "Try again in X seconds".
        """
        self._forget_expired(now_ns)
        window = self._windows.setdefault(user, [now_ns, 0])
        opened_ns, admitted = window
        if admitted < self._limit:
            window[1] += 1
            return 0
        rest_ns = opened_ns + self._length_ns - now_ns
        return -(-rest_ns // NS_PER_S)

    def _forget_expired(self, now_ns: int) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if now_ns - self._windows[oldest][0] < self._length_ns:
                return
            del self._windows[oldest]
