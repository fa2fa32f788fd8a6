"""What users do: keep to the limit or not, type, gather in rooms, lose connections, read slowly, or only listen."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import ClassVar, Final

import gevent

from loadtest.client.state import State
from loadtest.load import schedule
from loadtest.load.actions import Action
from loadtest.load.users import ChatUser, own_limit
from loadtest.model import Population
from loadtest.protocol import CLIENT_TYPING_STOP_S, TYPING_AUTO_STOP_S
from loadtest.settings import Rate, Settings

PAUSE_VERDICT_S: Final = 1.0
"""How long after a slow reader reads on it is looked at whether the server has kept its connection."""


class AtLimit(ChatUser):
    """Sends exactly at the declared rate limit; without one, as any user."""

    abstract = True
    population = Population.LIMIT

    def schedule(self) -> Iterator[float]:
        limit = own_limit(self.settings)
        return super().schedule() if limit is None else schedule.at_limit(limit, self.rng)

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        return own_limit(settings) or super().pace(settings)


class AboveLimit(ChatUser):
    """Sends more than what the limit admits, in every other `--abuse-period` where there is one.

    Without a limit, as any user.

    Class attributes:
        factor: times the limit; None takes `--above-factor`.
        burst: messages at once; None takes `--above-burst`.
    """

    abstract = True
    population = Population.LIMIT
    factor: ClassVar[float | None] = None
    burst: ClassVar[int | None] = None

    def schedule(self) -> Iterator[float]:
        limit = own_limit(self.settings)
        if limit is None:
            return self.in_its_periods(super().schedule())
        size = self.burst or self.settings.above_burst
        return self.in_its_periods(schedule.above_limit(limit, self._factor(self.settings), self.rng, size))

    def in_its_periods(self, times: Iterator[float]) -> Iterator[float]:
        """Those times that lie in a period in which it may send: all of them without `--abuse-period`."""
        period_s = self.settings.abuse_period
        return times if period_s is None else schedule.every_other(times, period_s, self.began_ns / 1e9)

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        limit = own_limit(settings)
        if limit is None:
            return super().pace(settings)
        return Rate(limit.messages, limit.window_s / cls._factor(settings) * (2 if settings.abuse_period else 1))

    @classmethod
    def _factor(cls, settings: Settings) -> float:
        return cls.factor or settings.above_factor


class Typing(ChatUser):
    """Types before it sends, as the browser client does: start, stop, message.

    With `--typing-period` it types in every other such period only: not where it, or the server's own stop, would last
    beyond the period's end. Its messages go on all the same.
    """

    abstract = True
    says_stop: ClassVar[bool] = True
    """Whether it says that it has stopped; if not, the server is to find out (guide, Typing Events)."""
    typing_s: ClassVar[float] = CLIENT_TYPING_STOP_S
    """Longest time that it types before a message."""
    hesitates: ClassVar[float] = 0.0
    """Share of the messages before which it begins to type and thinks better of it: the browser client says that it
    has stopped after three seconds without a key, and then it types anew. Only where there is time enough."""
    repeats_s: ClassVar[float | None] = None
    """Time from one start to the next as long as it types, as of a client that tells of each key; None for one start
    alone. Below a second it is more often than the guide allows: the server is to ignore what is too much."""

    def actions(self) -> Iterator[Action]:
        before = 0.0
        for at in self.schedule():
            start = max(at - self.typing_s * self.rng.random(), before)
            if self.hesitates and self.rng.random() < self.hesitates:
                yield from self._hesitation(before, start)
            yield from self._spell(start, at)
            yield Action(at, self.say)
            before = at

    def _hesitation(self, from_s: float, until_s: float) -> Iterator[Action]:
        begin = until_s - CLIENT_TYPING_STOP_S * (1.0 + self.rng.random())
        if begin >= from_s:
            yield from self._spell(begin, begin + CLIENT_TYPING_STOP_S)

    def _spell(self, from_s: float, until_s: float) -> Iterator[Action]:
        """Typing from one time to another, where it may."""
        if not self._may_type(from_s, until_s if self.says_stop else until_s + TYPING_AUTO_STOP_S):
            return
        yield Action(from_s, self.start_typing)
        if self.repeats_s is not None:
            keys = itertools.count(from_s + self.repeats_s, self.repeats_s)
            yield from (Action(at, self.start_typing) for at in itertools.takewhile(lambda at: at < until_s, keys))
        if self.says_stop:
            yield Action(until_s, self.stop_typing)

    def _may_type(self, from_s: float, until_s: float) -> bool:
        period_s = self.settings.typing_period
        return period_s is None or schedule.within_one(from_s, until_s, period_s, self.began_ns / 1e9)

    def start_typing(self, _intended_ns: int) -> None:
        self.client.typing_start(self.conversation_id())

    def stop_typing(self, _intended_ns: int) -> None:
        self.client.typing_stop(self.conversation_id())


class InRoom(ChatUser):
    """Joins its conversation by a message at once, since there is no other way, and then does as any user.

    Who only reads joins anew after each loss of its connection: to the server it is a member no more, and it would be
    expected to hear nothing for the rest of the run.
    """

    abstract = True
    join_within_s: ClassVar[float] = 2.0
    """Time after its start, and where it only reads after its return, by which it has joined, seconds."""
    reads_only: ClassVar[bool] = False
    """Whether it writes nothing but the messages that it joins by."""
    _losses = 0

    def actions(self) -> Iterator[Action]:
        if not self.reads_only:
            return super().actions()
        begin_s = self.join_within_s * self.rng.random()
        looks = (Action(begin_s + count * self.join_within_s, self.join_anew) for count in itertools.count(1))
        return heapq.merge(super().actions(), looks, key=lambda action: action.at_s)

    def arrivals(self) -> Iterator[float]:
        yield self.join_within_s * self.rng.random()
        if not self.reads_only:
            yield from (self.join_within_s + at for at in super().arrivals())

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        return Rate(0, settings.message_rate.window_s) if cls.reads_only else super().pace(settings)

    def join_anew(self, intended_ns: int) -> None:
        """Join where a connection was lost since the last time, once there is another one."""
        if self.client.losses != self._losses and self.client.state is State.AUTHENTICATED:
            self._losses = self.client.losses
            self.say(intended_ns)


class Roaming(ChatUser):
    """Loses its connection without a close frame every `--loss-every` on average, and comes back."""

    abstract = True
    population = Population.OUTAGE

    def actions(self) -> Iterator[Action]:
        each = 1.0 / self.settings.loss_every
        losses = itertools.accumulate(self.rng.expovariate(each) for _ in itertools.count())
        return heapq.merge(super().actions(), (Action(at, self.lose_connection) for at in losses), key=lambda a: a.at_s)

    def lose_connection(self, _intended_ns: int) -> None:
        self.client.reset()


class FallingSilent(Roaming):
    """Loses its network: it neither sends nor reads, notices after `--silence`, and comes back.

    Its old connection stays half open until the server finds out: a ghost.
    """

    abstract = True

    def lose_connection(self, _intended_ns: int) -> None:
        self.client.fall_silent()


class Leaving(Roaming):
    """Closes with 1000 every `--loss-every` on average, and connects again after `--away`: no outage.

    Its schedule goes on meanwhile; what it says waits in its queue, and is sent at once when it is back.
    """

    abstract = True

    def lose_connection(self, _intended_ns: int) -> None:
        if self.client.state is State.AUTHENTICATED and (self._absence is None or self._absence.ready()):
            self._absence = gevent.spawn(self._leave_and_return)

    def _leave_and_return(self) -> None:
        self.client.disconnect()
        gevent.sleep(self.settings.away)
        if self._sending and self._absence is gevent.getcurrent():  # else its session has ended meanwhile
            self.client.connect()


class SlowReading(ChatUser):
    """Reads nothing for `--read-pause`, every `--read-pause-every`; what it is sent meanwhile piles up in buffers."""

    abstract = True
    population = Population.OUTAGE
    _paused = False
    _losses = 0

    def actions(self) -> Iterator[Action]:
        return heapq.merge(super().actions(), self._pauses(), key=lambda action: action.at_s)

    def _pauses(self) -> Iterator[Action]:
        pause_s, every_s = self.settings.read_pause, self.settings.read_pause_every
        begin_s = self.rng.uniform(0.0, every_s - pause_s)
        for count in itertools.count():
            at = begin_s + count * every_s
            yield Action(at, self.pause_reading)
            yield Action(at + pause_s, self.resume_reading)

    def pause_reading(self, _intended_ns: int) -> None:
        self._losses = self.client.losses
        self._paused = self.client.pause_reading()

    def resume_reading(self, _intended_ns: int) -> None:
        if not self._paused:
            self._tell("not connected")
            return
        self.client.resume_reading()
        gevent.spawn(self._judge)

    def _judge(self) -> None:
        """What the server did about it: a close that it sent meanwhile is found once all before it has been read."""
        gevent.sleep(PAUSE_VERDICT_S)
        self._tell("kept" if self.client.losses == self._losses else f"closed {self.client.last_loss}")

    def _tell(self, what: str) -> None:
        if self._process is not None:
            self._process.recorder.tally.add("read_pause", what)


class Listening(ChatUser):
    """Holds a connection and sends nothing."""

    abstract = True

    def schedule(self) -> Iterator[float]:
        return iter(())

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        return Rate(0, settings.message_rate.window_s)
