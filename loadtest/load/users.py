"""The abstract chat user that scenarios subclass, and the behaviours that `locustfiles/chat.py` mixes."""

from __future__ import annotations

import heapq
import itertools
import random
import string
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple

from locust import User, task
from locust.exception import StopUser

from loadtest.client.client import ChatClient, State
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.client.invalid import Invalid
from loadtest.load import schedule
from loadtest.load.process import Process
from loadtest.model import Population
from loadtest.protocol import CLIENT_TYPING_STOP_S, ServerEvent
from loadtest.settings import Rate, Settings

IDLE_S: Final = 3600.0
"""How long a user sleeps that has nothing more to do."""
EARLY_S: Final = 0.003
"""Locust's sleep is coarse: it ends this much early, and the alarm does the rest."""

AT_ONCE: Final = 16
"""Actions of one user in one go, about a millisecond's: one who is behind must not hold the event loop."""


class Action(NamedTuple):
    """Something that a user does at an intended time.

    Attributes:
        at_s: seconds from the user's start.
        do: called with the intended instant, monotonic ns.
    """

    at_s: float
    do: Callable[[int], None]


class ChatUser(User):
    """A virtual chat user; subclass it in a locustfile.

    Class attributes:
        rate: messages in a window, as in `Rate(8, 60.0)`; None takes `--message-rate`.
        participants: users that share one conversation.
        population: whose numbers its messages count among.
        dialect: how the server words the guide's events (`client/dialect.py`); `ChatUser.dialect = ...` is for all.

    Override `conversation_id`, `text`, `schedule` or `actions` for what it does, `on_event` to see what it receives,
    `log_in` for a login of its own, and `create_conversation` where conversations have to be created. A message never
    waits for an earlier reply.
    """

    abstract = True
    rate: ClassVar[Rate | None] = None
    participants: ClassVar[int] = 1
    population: ClassVar[Population] = Population.HEADLINE
    dialect: ClassVar[Dialect] = GUIDE

    client: ChatClient
    number: int
    """From 0, unique in the run."""
    began_ns: int
    """The user's start, monotonic ns: what the times of its schedule count from."""
    settings: Settings

    # --- what scenarios override --------------------------------------------------------------------------------------
    def conversation_id(self) -> str:
        """The conversation that this user writes to: what `create_conversation` gave, or else the options."""
        return self._conversation

    def log_in(self) -> str:
        """A token for this user, by HTTP or however the backend gives it; may block. Without it, the options decide.

        It needs nothing but `number` and `settings`. Its calls are paced (`--login-rate`), measured (`login`) and
        bounded (`--login-timeout`); the token is kept, and a new one asked for before it expires or once it is refused.
        """
        raise NotImplementedError

    def create_conversation(self) -> str | None:
        """Creates the user's conversation, by HTTP or however the backend wants it; may block. By default none is.

        Called once the user is connected. Users who share a conversation are those of the same
        `number // participants`, and are each asked.

        Returns:
            Its id; None takes it from the options.
        """
        return None

    def text(self) -> str:
        """The content of the next message."""
        return "".join(self.rng.choices(string.ascii_lowercase + " ", k=self.settings.message_length))

    def schedule(self) -> Iterator[float]:
        """Intended times of the messages, seconds from the user's start, ascending."""
        times = schedule.arrivals(self.settings.arrivals, self.pace(self.settings), self.rng)
        return times if self.settings.rate_limit is None else schedule.within(self.settings.rate_limit, times)

    def actions(self) -> Iterator[Action]:
        """All that the user does, in the order of time; by default the messages of `schedule`."""
        for at in self.schedule():
            yield Action(at, self.say)

    def on_event(self, event: ServerEvent) -> None:
        """Called with each event received. It runs inside the event loop: it must be quick and must not block."""

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        """Messages that a user of this class means to send; the plan of a run adds them up."""
        return cls.rate or settings.message_rate

    @cached_property
    def rng(self) -> random.Random:
        """The user's own draws; the same in each run of the same seed. Made when first asked for: it takes 2.5 KB."""
        return random.Random(f"{self.settings.seed}/{type(self).__name__}/{self.number}")

    # --- what scenarios call ------------------------------------------------------------------------------------------
    def token(self) -> str:
        """The user's token, as for an Authorization header; may block. Not to be logged."""
        return self.client.token()

    def say(self, intended_ns: int) -> None:
        """Send a message to the user's conversation; of `--invalid-share`, one that must be refused."""
        share, invalid = self.settings.invalid_share, None
        if share and self.rng.random() < share:
            invalid = self.rng.choice(tuple(Invalid))
        self.client.send(self.conversation_id(), self.text(), intended_ns, invalid)

    # --- Locust's side ------------------------------------------------------------------------------------------------
    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._process: Process | None = getattr(environment, "loadtest_process", None)
        self._actions: Iterator[Action] = iter(())
        self._next: Action | None = None
        self.began_ns = 0
        self._conversation = ""

    def on_start(self) -> None:
        """Connect, and begin the schedule once authenticated."""
        process = self._process
        if process is None or not process.sending:  # the run was refused, or is over already
            raise StopUser
        self._alarm = process.alarm
        self.settings = process.settings
        self.number = process.numbers.take()
        has_hook = type(self).on_event is not ChatUser.on_event
        self.client = process.new_client(
            self.number,
            type(self).__name__,
            self.population,
            self._guarded_hook if has_hook else None,
            self._owed,
            self.dialect,
            self.log_in if logs_in(type(self)) else None,
        )
        if self.client.connect() and self._find_conversation(process) and process.sending:
            self.began_ns = time.monotonic_ns()
            self._actions = iter(self.actions())
            self._next = next(self._actions, None)

    def on_stop(self) -> None:
        """Close with 1000."""
        client = getattr(self, "client", None)
        if client is not None and self._process is not None:
            client.disconnect()
            self._process.forget(client)
            self._process.numbers.give_back(self.number)

    def wait_time(self) -> float:
        """Seconds to the next action."""
        if self._next is None or not self._sending:
            return IDLE_S
        return max((self._due_ns(self._next) - time.monotonic_ns()) / 1e9 - EARLY_S, 0.0)

    @task
    def act(self) -> None:
        """Do what is due, at most so much that others get their turn; Locust then waits `wait_time`."""
        for _ in range(AT_ONCE):
            if self._next is None or not self._sending or self.client.state is State.ERROR:
                return
            if self.wait_time() > 0.0:
                return
            due = self._due_ns(self._next)
            self._alarm.wait_until(due)
            action, self._next = self._next, next(self._actions, None)
            if self._sending:
                action.do(due)

    def _owed(self, until_ns: int, at_most: int) -> int:
        """Actions that were due by then and never done, though the user could have."""
        if self.client.state is State.ERROR:
            return 0
        owed = 0
        while owed < at_most and self._next is not None and self._due_ns(self._next) < until_ns:
            owed, self._next = owed + 1, next(self._actions, None)
        return owed

    def _due_ns(self, action: Action) -> int:
        return self.began_ns + round(action.at_s * 1e9)

    @property
    def _sending(self) -> bool:
        return self._process is not None and self._process.sending

    def _find_conversation(self, process: Process) -> bool:
        """Whether the user has one; without it, it stays connected and sends nothing."""
        try:
            created = self.create_conversation()
        except Exception as error:  # noqa: BLE001 - whatever a scenario raises, this user alone goes without
            self._own_up(error)
            return False
        self._conversation = created or process.conversation(self.client, self.participants)
        return True

    def _guarded_hook(self, event: ServerEvent) -> None:
        try:
            self.on_event(event)
        except Exception as error:  # noqa: BLE001 - a scenario's mistake must not deafen the connection; Locust shows it
            self._own_up(error)

    def _own_up(self, error: Exception) -> None:
        """A hook of the locustfile has failed: count it, and have Locust show it."""
        if self._process is not None:
            self._process.recorder.tally.add("hook_error", type(error).__name__)
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)


def chat_classes(classes: Iterable[type[User]]) -> list[type[ChatUser]]:
    """Those of Locust's user classes that are ours."""
    return [cls for cls in classes if issubclass(cls, ChatUser)]


def logs_in(cls: type[ChatUser]) -> bool:
    """Whether a user class brings a login of its own."""
    return cls.log_in is not ChatUser.log_in


class AtLimit(ChatUser):
    """Sends exactly at the declared rate limit; without one, as any user."""

    abstract = True
    population = Population.LIMIT

    def schedule(self) -> Iterator[float]:
        limit = self.settings.rate_limit
        return super().schedule() if limit is None else schedule.at_limit(limit, self.rng)

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        return settings.rate_limit or super().pace(settings)


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
        limit, period_s = self.settings.rate_limit, self.settings.abuse_period
        if limit is None:
            times = super().schedule()
        else:
            size = self.burst or self.settings.above_burst
            times = schedule.above_limit(limit, self._factor(self.settings), self.rng, size)
        return times if period_s is None else schedule.every_other(times, period_s, self.began_ns / 1e9)

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        limit = settings.rate_limit
        if limit is None:
            return super().pace(settings)
        return Rate(limit.messages, limit.window_s / cls._factor(settings) * (2 if settings.abuse_period else 1))

    @classmethod
    def _factor(cls, settings: Settings) -> float:
        return cls.factor or settings.above_factor


class Typing(ChatUser):
    """Types before it sends, as the browser client does: start, stop, message."""

    abstract = True
    typing_s: ClassVar[float] = CLIENT_TYPING_STOP_S
    """Longest time that it types before a message."""

    def actions(self) -> Iterator[Action]:
        before = 0.0
        for at in self.schedule():
            start = max(at - self.typing_s * self.rng.random(), before)
            yield Action(start, self.start_typing)
            yield Action(at, self.stop_typing)
            yield Action(at, self.say)
            before = at

    def start_typing(self, _intended_ns: int) -> None:
        self.client.typing_start(self.conversation_id())

    def stop_typing(self, _intended_ns: int) -> None:
        self.client.typing_stop(self.conversation_id())


class Roaming(ChatUser):
    """Loses its connection without a close frame every `--outage-every` on average, and comes back."""

    abstract = True
    population = Population.OUTAGE

    def actions(self) -> Iterator[Action]:
        outages = itertools.accumulate(
            self.rng.expovariate(1.0 / self.settings.outage_every) for _ in itertools.count()
        )
        return heapq.merge(
            super().actions(), (Action(at, self.lose_connection) for at in outages), key=lambda a: a.at_s
        )

    def lose_connection(self, _intended_ns: int) -> None:
        self.client.reset()


class Listening(ChatUser):
    """Holds a connection and sends nothing."""

    abstract = True

    def schedule(self) -> Iterator[float]:
        return iter(())

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        return Rate(0, settings.message_rate.window_s)
