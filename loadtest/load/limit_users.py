"""Users who look into the rate limit: polite ones, who wait as they are told, and probing ones, who ask what counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import StrEnum

from loadtest.client.invalid import Invalid
from loadtest.load import schedule
from loadtest.load.actions import Action
from loadtest.load.behaviours import AboveLimit
from loadtest.load.users import ChatUser
from loadtest.model import Population
from loadtest.protocol import TYPING_MIN_INTERVAL_S, MessageAck, MessageError, ServerEvent
from loadtest.settings import Rate, Settings


class Polite(AboveLimit):
    """Above the limit, but once rejected it waits the X seconds of `Try again in X seconds`, and then tries at once.

    Where that is in a period without users above the limit, it tries in the next one.
    What it wanted to say meanwhile it keeps to itself, as a person does whose send button is disabled. Whether the
    promise is kept is the metric `retry_after_error`.
    """

    abstract = True
    _told_to_wait_until_s = 0.0

    def actions(self) -> Iterator[Action]:
        waited_for = 0.0
        for at in self.schedule():
            until = self._told_to_wait_until_s
            if at >= until:
                yield Action(at, self.say_unless_told_to_wait)
            elif until > waited_for:
                waited_for = until
                yield from (Action(again, self.say) for again in self.in_its_periods(iter((until,))))

    def say_unless_told_to_wait(self, intended_ns: int) -> None:
        """Send a message, unless the server has said to wait since this was planned."""
        if (intended_ns - self.began_ns) / 1e9 >= self._told_to_wait_until_s:
            self.say(intended_ns)

    def on_event(self, event: ServerEvent) -> None:
        match event:
            case MessageAck(status="error"):
                self._heed(event.error or "")
            case MessageError():
                self._heed(event.text)

    def _heed(self, refusal: str) -> None:
        limited, wait_s = self.dialect.refusal(refusal)
        if limited and wait_s is not None:
            now_s = (time.monotonic_ns() - self.began_ns) / 1e9
            self._told_to_wait_until_s = now_s + wait_s


class Probe(StrEnum):
    """What may count towards the limit, or end its window."""

    INVALID = "invalid messages"
    TYPING = "typing events"
    REJECTED = "rejected messages"
    RECONNECT = "a reconnect"


class Probing(ChatUser):
    """Finds out once what counts: the first user whether invalid messages do, the second typing, and so on.

    It takes one window and a bit; the answers are in `seen.limit_probe` of the summary, and below its table. Four users
    ask all questions; more of them ask again.
    """

    abstract = True
    population = Population.LIMIT
    settle_s: float = 0.5
    """How long the answers to a burst, or a reconnect, may take."""

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        return settings.rate_limit or super().pace(settings)

    def actions(self) -> Iterator[Action]:
        limit, process = self.settings.rate_limit, self._process
        if limit is None or process is None:
            return
        self._admitted = self._rejected = self._admitted_before = 0
        probe = list(Probe)[process.probe_numbers.take() % len(Probe)]
        steps: dict[Probe, Callable[[Rate], Iterator[Action]]] = {
            Probe.INVALID: self._after_invalid,
            Probe.TYPING: self._after_typing,
            Probe.REJECTED: self._after_rejected,
            Probe.RECONNECT: self._after_reconnect,
        }
        yield from steps[probe](limit)

    def _after_invalid(self, limit: Rate) -> Iterator[Action]:
        """A window's worth of invalid messages, and then of good ones: were any of these rejected?"""
        yield from (Action(0.0, self._say_invalid) for _ in range(limit.messages))
        yield from self._ask(Probe.INVALID, limit.messages, self.settle_s)

    def _after_typing(self, limit: Rate) -> Iterator[Action]:
        """The same with typing, at the pace that the guide allows (1 a second), as often as fits into half a window."""
        times = min(limit.messages, int(limit.window_s / 2.0 / TYPING_MIN_INTERVAL_S))
        for place in range(times):
            yield Action(place * TYPING_MIN_INTERVAL_S, self._type)
        yield from self._ask(Probe.TYPING, limit.messages, times * TYPING_MIN_INTERVAL_S)

    def _after_rejected(self, limit: Rate) -> Iterator[Action]:
        """Twice a window's worth at once, the rejected half again late in the window, and one after it."""
        yield from (Action(0.0, self._say) for _ in range(2 * limit.messages))
        yield from (Action(limit.window_s * 0.75, self._say) for _ in range(limit.messages))
        yield from self._ask(Probe.REJECTED, 1, limit.window_s + schedule.guard_s(limit) + self.settle_s)

    def _after_reconnect(self, limit: Rate) -> Iterator[Action]:
        """A window's worth and one more, a new connection, and one message: is it admitted?"""
        yield from (Action(0.0, self._say) for _ in range(limit.messages + 1))
        yield Action(self.settle_s, self._lose_connection)
        yield from self._ask(Probe.RECONNECT, 1, limit.window_s * 0.75)

    def _ask(self, probe: Probe, messages: int, at_s: float) -> Iterator[Action]:
        yield Action(at_s, self._forget)
        yield from (Action(at_s, self._say) for _ in range(messages))
        yield Action(at_s + self.settle_s, lambda _ns: self._conclude(probe, messages))

    def on_event(self, event: ServerEvent) -> None:
        if isinstance(event, MessageAck):
            self._admitted += event.status == "delivered"
            self._rejected += event.status == "error"

    def _forget(self, _intended_ns: int) -> None:
        self._admitted_before, self._admitted, self._rejected = self._admitted, 0, 0

    def _conclude(self, probe: Probe, messages: int) -> None:
        if probe is Probe.INVALID and self._admitted_before:
            said = "were admitted"  # and count as any other
        elif self._admitted + self._rejected != messages:
            said = "no answer in time"
        elif probe is Probe.RECONNECT:
            said = "the window survives" if self._rejected else "the window starts anew"
        else:
            said = "count" if self._rejected else "do not count"
        self._process_tally(f"{probe}: {said}")

    def _process_tally(self, answer: str) -> None:
        if self._process is not None:
            self._process.recorder.tally.add("limit_probe", answer)

    def _say(self, intended_ns: int) -> None:
        """A good message, whatever `--invalid-share`."""
        self.client.send(self.conversation_id(), self.text(), intended_ns)

    def _say_invalid(self, intended_ns: int) -> None:
        self.client.send(self.conversation_id(), self.text(), intended_ns, Invalid.TOO_LONG)

    def _type(self, _intended_ns: int) -> None:
        self.client.typing_start(self.conversation_id())

    def _lose_connection(self, _intended_ns: int) -> None:
        self.client.reset()
