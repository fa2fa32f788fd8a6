"""Rate limits: so many messages of one user in one window. Pure: time is an argument.

The guide says 10 in 60 s and not which kind of limit; the real server has a fixed window, other servers have a sliding
log or a token bucket (backend.md, Rate limit).
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final, Protocol

from loadtest.settings import Rate

NS_PER_S: Final = 1_000_000_000


class LimiterKind(StrEnum):
    """Which limit a server keeps."""

    FIXED = "fixed"
    SLIDING = "sliding"
    BUCKET = "bucket"

    def of(self, rate: Rate) -> Limiter:
        """A limiter of this kind."""
        if self is LimiterKind.FIXED:
            return FixedWindow(rate)
        return SlidingLog(rate) if self is LimiterKind.SLIDING else TokenBucket(rate)


class LimitScope(StrEnum):
    """Who shares a limit: all connections of a user, or each connection has one of its own."""

    USER = "user"
    CONNECTION = "connection"


class Counted(StrEnum):
    """What counts towards the limit beside messages that are admitted; in the guide's server nothing does."""

    INVALID = "invalid"
    TYPING = "typing"
    REJECTED = "rejected"


class Limiter(Protocol):
    """Admits messages."""

    def take(self, user: str, now_ns: int) -> int:
        """Ask to admit one message.

        Args:
            user: user id, or whoever else has a limit of its own.
            now_ns: monotonic time, never before that of an earlier call.

        Returns:
            0 when admitted; else the time until a message is admitted again in whole seconds, rounded up, at least 1:
            the X of the guide's "Try again in X seconds".
        """


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
        """See `Limiter.take`: the wait is the rest of the window."""
        self._forget_expired(now_ns)
        window = self._windows.setdefault(user, [now_ns, 0])
        opened_ns, admitted = window
        if admitted < self._limit:
            window[1] += 1
            return 0
        rest_ns = opened_ns + self._length_ns - now_ns
        return _whole_seconds(rest_ns)

    def _forget_expired(self, now_ns: int) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if now_ns - self._windows[oldest][0] < self._length_ns:
                return
            del self._windows[oldest]


class SlidingLog:
    """Admits a message if fewer than N were admitted in the window that ends with it.

    Args:
        rate: messages admitted, and length of the window.
    """

    def __init__(self, rate: Rate) -> None:
        self._limit = rate.messages
        self._length_ns = round(rate.window_s * NS_PER_S)
        self._admitted: dict[str, deque[int]] = {}
        self._swept_ns = 0

    def __len__(self) -> int:
        """Number of logs remembered: at most those of the users of two windows."""
        return len(self._admitted)

    def take(self, user: str, now_ns: int) -> int:
        """See `Limiter.take`: the wait is that until the oldest of the N leaves the window."""
        if now_ns - self._swept_ns >= self._length_ns:
            self._admitted = {u: log for u, log in self._admitted.items() if now_ns - log[-1] < self._length_ns}
            self._swept_ns = now_ns
        log = self._admitted.setdefault(user, deque())
        while log and now_ns - log[0] >= self._length_ns:
            log.popleft()
        if len(log) < self._limit:
            log.append(now_ns)
            return 0
        return _whole_seconds(log[0] + self._length_ns - now_ns)


class TokenBucket:
    """A bucket of N tokens, full at first, into which one falls every window / N; a message takes one.

    Args:
        rate: size of the bucket, and the time in which an empty one is full again.
    """

    def __init__(self, rate: Rate) -> None:
        self._size = rate.messages
        self._length_ns = round(rate.window_s * NS_PER_S)
        # User to the moment at which its bucket is full again. In ns times N, so that window / N is a whole number.
        self._full: dict[str, int] = {}
        self._swept_ns = 0

    def __len__(self) -> int:
        """Number of buckets remembered: at most those of the users of two windows."""
        return len(self._full)

    def take(self, user: str, now_ns: int) -> int:
        """See `Limiter.take`: the wait is that until the next token falls."""
        now = now_ns * self._size
        if now_ns - self._swept_ns >= self._length_ns:
            self._full = {u: full for u, full in self._full.items() if full > now}
            self._swept_ns = now_ns
        full = max(self._full.get(user, 0), now) + self._length_ns  # were the message admitted
        lacking = full - now - self._length_ns * self._size
        if lacking > 0:
            return _whole_seconds(-(-lacking // self._size))
        self._full[user] = full
        return 0


class CountingRejected:
    """A `Limiter` of which whoever was rejected has to keep away for a window: each try before that begins it anew.

    Args:
        limiter: the one that rejects first.
        window_s: how long that is.
    """

    def __init__(self, limiter: Limiter, window_s: float) -> None:
        self._limiter = limiter
        self._length_ns = round(window_s * NS_PER_S)
        self._rejected: dict[str, int] = {}  # user to the last time, in the order of time

    def take(self, user: str, now_ns: int) -> int:
        """See `Limiter.take`."""
        while self._rejected and now_ns - self._rejected[next(iter(self._rejected))] >= self._length_ns:
            del self._rejected[next(iter(self._rejected))]
        if self._rejected.pop(user, None) is None and not self._limiter.take(user, now_ns):
            return 0
        self._rejected[user] = now_ns
        return _whole_seconds(self._length_ns)


def _whole_seconds(ns: int) -> int:
    return -(-ns // NS_PER_S)
