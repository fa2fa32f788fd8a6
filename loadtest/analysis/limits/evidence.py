"""What was seen of a rate limit, message by message. Pure."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

NS_PER_S: Final = 1_000_000_000


class Try(Struct, frozen=True):
    """One message that asked to be admitted; the server decided between the two instants (monotonic ns).

    Attributes:
        admitted: None where no answer came.
        retry_after_s: the X of "Try again in X seconds"; None where nothing was promised.
    """

    sent_ns: int
    answered_ns: int
    admitted: bool | None
    retry_after_s: int | None = None


class Return(Struct, frozen=True):
    """How a user that had used up its limit was admitted again.

    Attributes:
        first: its first message.
        rejected: its last message that was rejected.
        admitted: the first that was admitted after that.
        at_once: messages admitted together then, that one included.
    """

    first: Try
    rejected: Try
    admitted: Try
    at_once: int

    @property
    def wait_ns(self) -> tuple[int, int]:
        """Least and greatest time from the server's first decision to its readmission."""
        return (
            max(self.rejected.sent_ns - self.first.answered_ns, 0),
            self.admitted.answered_ns - self.first.sent_ns,
        )


class Evidence(Struct, frozen=True):
    """What was seen of a limit; what has not been tried is None or empty.

    Attributes:
        burst: messages sent as fast as possible, up to the first rejections.
        second_connection: of the same user on another connection, while the first was rejected: one, and where that
            was admitted as many more as the limit, since it may have met a token that had just fallen.
        other_user: one of another user, likewise.
        returned: how the user of the burst was admitted again.
        spread: how another user was, that had sent 1 message, and the rest of its limit half a window later.
        next_return: how the user of the burst was admitted again after `returned`, where that was watched.
        penal: whether it was admitted after a silence only, and not as long as it went on asking.
        rejected_again: the message that was rejected after as long a silence as was promised.
        cut_short: why the rest was not tried, where it was not.
        first_connection: all of the user of the burst on its first connection, the burst and what followed.
    """

    burst: tuple[Try, ...]
    second_connection: tuple[Try, ...] = ()
    other_user: Try | None = None
    returned: Return | None = None
    spread: Return | None = None
    next_return: Return | None = None
    penal: bool = False
    rejected_again: Try | None = None
    cut_short: str = ""
    first_connection: tuple[Try, ...] = ()

    @property
    def limit(self) -> int:
        """Messages admitted before the first that was not; a bucket may have got tokens meanwhile."""
        taken = next((place for place, each in enumerate(self.burst) if each.admitted is False), len(self.burst))
        return sum(each.admitted is True for each in self.burst[:taken])

    @property
    def rejection(self) -> Try | None:
        """The first rejection."""
        return next((each for each in self.burst if each.admitted is False), None)


def by_clock(returned: Return, spread: Return | None) -> bool:
    """Whether two users' windows ended together, though they began apart."""
    return spread is not None and spread.wait_ns[1] < returned.wait_ns[0]
