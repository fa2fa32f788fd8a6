"""How evidence of a server's rate limit is collected: what to send when. Knows no clock and no socket.

See `analysis.limits.limiter` for what is concluded from it. It takes a little over one window; two where windows begin
by the clock, or where rejected messages count, too.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, Protocol

from msgspec import structs

from loadtest.analysis.limits.evidence import NS_PER_S, Evidence, Return, Try, by_clock
from loadtest.settings import Rate

LOOKS: Final = 100
"""How often a window is looked at: its length is known to a hundredth."""
LEAST_STEP_S: Final = 0.02
MOST_BURST: Final = 100
"""Messages without a rejection after which there is no limit to be found."""
OTHER_BEGINS: Final = 0.1
SPREAD: Final = 0.5
"""The other user begins, and sends the rest of its limit, after these shares of a window."""
PATIENCE: Final = 1.25
"""A user that is not admitted after so many windows will not be as long as it asks."""
SHARE_OF_ALL: Final = 1.15
"""Windows that it takes where nothing is out of the ordinary."""


class Who(Enum):
    """Who sends."""

    FIRST = auto()
    SECOND_CONNECTION = auto()
    """The same user on another connection."""
    OTHER = auto()
    """Another user."""


class Asker(Protocol):
    """Sends messages, and has a clock."""

    def now_ns(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...
    def expect(self, seconds: float) -> None:
        """The rest takes about so long."""

    def ask(self, who: Who, messages: int) -> list[Try]:
        """Send messages back to back; returns once all are answered, or have waited for long enough."""


class LimiterProbe:
    """One collection of evidence.

    Args:
        declared: the limit as it is said to be.
        longest_s: time that it may take; where a window takes longer, it keeps to what a burst shows.
    """

    def __init__(self, asker: Asker, declared: Rate, longest_s: float) -> None:
        self._asker = asker
        self._declared = declared
        self._longest_s = longest_s
        self._step_s = LEAST_STEP_S
        self._window_s = declared.window_s
        self._other_first: Try | None = None
        self._other_rejected: Try | None = None
        self._limit = 0
        self._first_connection: list[Try] = []
        self.seen = Evidence(())
        """What there is so far."""

    def run(self) -> Evidence:
        """Collect; blocks for as long as it takes."""
        return structs.replace(self._collect(), first_connection=tuple(self._first_connection))

    def _collect(self) -> Evidence:
        burst = self._use_up()
        self.seen = evidence = Evidence(burst)
        rejection = evidence.rejection
        if rejection is None:
            return evidence
        self._limit = evidence.limit
        second = self._second_connection()
        self.seen = Evidence(burst, second)
        # A promise is the rest of the window, or until the next token: the time to look at, either way.
        self._window_s = float(rejection.retry_after_s or self._declared.window_s)
        needed_s = self._window_s * SHARE_OF_ALL
        if needed_s > self._longest_s or self._limit == 0:
            self._begin_other()
            why = (
                f"its kind is not looked into, which would take {needed_s:.0f} s: --full"
                if self._limit
                else "nothing was admitted: was the limit used up by an earlier run?"
            )
            return Evidence(burst, second, self._other_first, cut_short=why)
        self._asker.expect(needed_s)
        return self._watch(burst, second)

    def _ask(self, who: Who, messages: int) -> list[Try]:
        tries = self._asker.ask(who, messages)
        if who is Who.FIRST:
            self._first_connection += tries
        return tries

    # --- the first user -----------------------------------------------------------------------------------------------
    def _use_up(self) -> tuple[Try, ...]:
        burst = self._ask(Who.FIRST, self._declared.messages + 1)
        most = max(MOST_BURST, 3 * self._declared.messages)
        while len(burst) < most and all(each.admitted for each in burst):
            burst = burst + self._ask(Who.FIRST, min(len(burst), most - len(burst)))
        return tuple(burst)

    def _second_connection(self) -> tuple[Try, ...]:
        tries = self._ask(Who.SECOND_CONNECTION, 1)
        if tries[0].admitted:  # perhaps by a token that has just fallen
            tries = tries + self._ask(Who.SECOND_CONNECTION, self._limit)
        return tuple(tries)

    def _watch(self, burst: tuple[Try, ...], second: tuple[Try, ...]) -> Evidence:
        self._step_s = max(self._window_s / LOOKS, LEAST_STEP_S)
        last = next(each for each in reversed(burst) if each.admitted is False)
        # How long the burst took: what was sent in it may come back over as long a time.
        pause_s = (burst[-1].answered_ns - burst[0].sent_ns) / NS_PER_S
        returned, penal = self._returned(burst[0], last, pause_s), False
        again: Try | None = None
        if returned is None:
            penal = True
            returned, again = self._after_silence(burst[0], last)
        if returned is None:
            why = f"not admitted again within {self._since(burst[0]):.1f} s: is the window longer than it says?"
            return Evidence(burst, second, self._other_first, rejected_again=again, cut_short=why)
        spread = after = None
        if not penal and returned.at_once * 2 > self._limit > 1:
            spread = self._spread(returned, pause_s)
        if not penal and (returned.at_once * 2 <= self._limit or by_clock(returned, spread)):
            after = self._next(returned, pause_s)
        self._begin_other()
        return Evidence(burst, second, self._other_first, returned, spread, after, penal)

    def _returned(self, first: Try, rejected: Try, pause_s: float) -> Return | None:
        """Wait for the first user to be admitted again; None where it is not."""
        # a promise may be too short
        longest_s = max(self._window_s * PATIENCE, min(self._declared.window_s * PATIENCE, self._longest_s))
        due_ns = first.sent_ns + round(longest_s * NS_PER_S)
        while self._asker.now_ns() < due_ns:
            self._other_does_what_is_due(first)
            (look,) = self._ask(Who.FIRST, 1)
            if look.admitted:
                return self._all_at_once(Who.FIRST, first, rejected, look, pause_s)
            rejected = look if look.admitted is False else rejected
            self._asker.sleep(self._step_s)
        return None

    def _after_silence(self, first: Try, rejected: Try) -> tuple[Return | None, Try | None]:
        """How the first user is admitted again then, and its message where that is rejected."""
        self._asker.sleep(self._window_s * 1.02)
        (look,) = self._ask(Who.FIRST, 1)
        if look.admitted:
            return self._all_at_once(Who.FIRST, first, rejected, look, 0.0), None
        return None, look if look.admitted is False else None

    def _next(self, returned: Return, pause_s: float) -> Return | None:
        last = returned.admitted
        due_ns = last.answered_ns + round(self._longest_s * NS_PER_S)
        rejected: Try | None = None
        while self._asker.now_ns() < due_ns:
            (look,) = self._ask(Who.FIRST, 1)
            if look.admitted and rejected is not None:
                return self._all_at_once(Who.FIRST, last, rejected, look, pause_s)
            rejected = look if look.admitted is False else rejected
            self._asker.sleep(self._step_s)
        return None

    def _all_at_once(self, who: Who, first: Try, rejected: Try, look: Try, pause_s: float) -> Return:
        self._asker.sleep(pause_s)
        more = self._ask(who, self._limit)
        return Return(first, rejected, look, min(1 + sum(each.admitted is True for each in more), self._limit))

    # --- the other user -----------------------------------------------------------------------------------------------
    def _other_does_what_is_due(self, first: Try) -> None:
        if self._other_first is None and self._since(first) >= OTHER_BEGINS * self._window_s:
            self._begin_other()
        began = self._other_first
        waits = began is not None and began.admitted and self._other_rejected is None
        if began is not None and waits and self._since(began) >= SPREAD * self._window_s:
            self._other_uses_up()

    def _begin_other(self) -> None:
        if self._other_first is None:
            (self._other_first,) = self._ask(Who.OTHER, 1)

    def _other_uses_up(self) -> None:
        tries = self._ask(Who.OTHER, self._limit)
        self._other_rejected = next((each for each in reversed(tries) if each.admitted is False), None)

    def _spread(self, returned: Return, pause_s: float) -> Return | None:
        """Wait for the other user to be admitted again."""
        self._begin_other()
        began = self._other_first
        if began is None or not began.admitted:
            return None
        window_s = returned.wait_ns[1] / NS_PER_S
        if self._other_rejected is None:
            self._asker.sleep(SPREAD * window_s - self._since(began))
            self._other_uses_up()
        rejected = self._other_rejected
        if rejected is None:
            return None
        due_ns = began.sent_ns + round(window_s * PATIENCE * NS_PER_S)
        while self._asker.now_ns() < due_ns:
            (look,) = self._ask(Who.OTHER, 1)
            if look.admitted:
                return self._all_at_once(Who.OTHER, began, rejected, look, pause_s)
            rejected = look if look.admitted is False else rejected
            self._asker.sleep(self._step_s)
        return None

    def _since(self, each: Try) -> float:
        return (self._asker.now_ns() - each.sent_ns) / NS_PER_S
