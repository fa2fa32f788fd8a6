"""The abstract chat user that scenarios subclass."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, ClassVar, Final

import gevent
from gevent import GreenletExit
from locust import User, task

from loadtest.client.client import ChatClient
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.client.invalid import Invalid
from loadtest.client.state import State
from loadtest.load import schedule
from loadtest.load.actions import Action, during, visits
from loadtest.load.numbers import NoNumber
from loadtest.load.process import Process
from loadtest.model import Population
from loadtest.protocol import CONTENT_MAX, NAMED_LENGTH, ServerEvent
from loadtest.settings import Rate, Settings

ASKED: Final = "Answer in {words} words. "
"""How a message asks for the length of its answer (`--answer-length`); the reference server keeps to it."""
IDLE_S: Final = 3600.0
"""How long a user sleeps that has nothing more to do."""
GIVEN_UP_S: Final = 0.5
"""How often a user that gave up looks whether its client has begun anew."""
EARLY_S: Final = 0.003
"""Locust's sleep is coarse: it ends this much early, and the alarm does the rest."""

AT_ONCE: Final = 16
"""Actions of one user in one go, about a millisecond's: one who is behind must not hold the event loop."""


class ChatUser(User):
    """A virtual chat user; subclass it in a locustfile.

    Class attributes:
        rate: messages of a user in a window, as in `Rate(8, 60.0)`; None takes `--message-rate`.
        participants: users that share one conversation, unless `--participants` says otherwise.
        population: whose numbers its messages count among.
        dialect: how the server words the guide's events (`client/dialect.py`); `ChatUser.dialect = ...` is for all.

    Override `conversation_id`, `text`, `arrivals`, `schedule` or `actions` for what it does, `on_event` to see what it
    receives, `log_in` for a login of its own, and `create_conversation` where conversations have to be created. A
    message never waits for an earlier reply.
    """

    abstract = True
    rate: ClassVar[Rate | None] = None
    participants: ClassVar[int] = 1
    population: ClassVar[Population] = Population.HEADLINE
    dialect: ClassVar[Dialect] = GUIDE

    client: ChatClient
    number: int
    """From 0, unique in the run; the connections of one user (`--connections-per-user`) share it."""
    tab: int
    """Which of its user's connections this is, from 0."""
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

        Called once the user is connected, paced and bounded as logins are, and up to five times where it fails by what
        may pass: a timeout, a connection that does not come about, an HTTP status as 429 or 503. Users who share a
        conversation are those of the same `number // participants`, and are each asked, once for each of their
        connections; and the first user is before the run, to see whether it works.

        Returns:
            Its id; None takes it from the options.
        """
        return None

    def text(self) -> str:
        """The content of the next message."""
        wanted, asked = self.settings.answer_length, ""
        if wanted is not None:
            asked = ASKED.format(words=max(round(wanted.draw(self.rng)), 1))
        room = NAMED_LENGTH if asked and self.settings.llm_log else 1 - len(asked)  # the id goes behind the question
        length = min(max(round(self.settings.message_length.draw(self.rng)), len(asked) + room), CONTENT_MAX)
        filler = self.rng.choices(string.ascii_lowercase + " ", k=max(length - len(asked), 0))
        return asked + "".join(filler)

    def schedule(self) -> Iterator[float]:
        """Intended times of the messages, seconds from the user's start, ascending."""
        limit = own_limit(self.settings)
        return self.arrivals() if limit is None else schedule.within(limit, self.arrivals())

    def arrivals(self) -> Iterator[float]:
        """The same before they are held back to stay within the limit."""
        chosen = self.settings
        if chosen.think_time is not None and self.rate is None:
            return schedule.thinking(chosen.think_time, self.rng)
        return schedule.arrivals(chosen.arrivals, self.pace(chosen), self.rng, chosen.burst_size)

    def actions(self) -> Iterator[Action]:
        """All that the user does, in the order of time; by default the messages of `schedule`."""
        for at in self.schedule():
            yield Action(at, self.say)

    def on_event(self, event: ServerEvent) -> None:
        """Called with each event received. It runs inside the event loop: it must be quick and must not block."""

    @classmethod
    def pace(cls, settings: Settings) -> Rate:
        """Messages that a connection of this class means to send; the plan of a run adds them up."""
        rate, tabs = cls.rate or settings.pace, settings.connections_per_user
        return rate if tabs == 1 else Rate(rate.messages, rate.window_s * tabs)

    @classmethod
    def room(cls, settings: Settings) -> int:
        """Users that share one conversation."""
        return settings.participants or cls.participants

    @cached_property
    def rng(self) -> random.Random:
        """The user's own draws; the same in each run of the same seed. Made when first asked for: it takes 2.5 KB."""
        tab = f"/{self.tab}" if self.tab else ""
        return random.Random(f"{self.settings.seed}/{type(self).__name__}/{self.number}{tab}")

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
        self._seat = 0
        self.tab = 0
        self._absence: gevent.Greenlet | None = None

    def on_start(self) -> None:
        """Connect, and begin the schedule once authenticated."""
        process = self._process
        # GreenletExit: a StopUser here would have Locust print a traceback
        if process is None or not process.sending:  # the run was refused, or is over already
            raise GreenletExit
        self._alarm = process.alarm
        self.settings = process.settings
        self._seat = self._take_seat(process)
        place, self.tab = divmod(self._seat, self.settings.connections_per_user)
        self.number = self.settings.first_user + place
        has_hook = type(self).on_event is not ChatUser.on_event
        self.client = process.new_client(
            self.number,
            type(self).__name__,
            self.population,
            self._guarded_hook if has_hook else None,
            self._owed,
            self.dialect,
            self.log_in if logs_in(type(self)) else None,
            self._seat if self.room(self.settings) * self.settings.connections_per_user > 1 else None,
        )
        if self.client.connect() and self._find_conversation(process) and process.sending:
            self.began_ns = time.monotonic_ns()
            self._actions = self._coming_and_going(iter(self.actions()))
            self._next = next(self._actions, None)

    def on_stop(self) -> None:
        """Get the open replies, and close with 1000."""
        client = getattr(self, "client", None)
        if client is not None and self._process is not None:
            if self._absence is not None:
                self._absence.kill()
            self._process.await_replies(client)
            client.disconnect()
            self._process.forget(client)
            self._process.numbers.give_back(self._seat)

    def wait_time(self) -> float:
        """Seconds to the next action."""
        if self._next is None or not self._sending:
            return IDLE_S
        if self.client.state is State.ERROR:
            return IDLE_S if self.settings.start_anew is None else GIVEN_UP_S
        return max((self._due_ns(self._next) - time.monotonic_ns()) / 1e9 - EARLY_S, 0.0)

    @task
    def act(self) -> None:
        """Do what is due, at most so much that others get their turn; Locust then waits `wait_time`."""
        if self._next is not None and self._sending and self.client.state is State.ERROR:
            self._pass_over(time.monotonic_ns(), AT_ONCE)
            return
        for _ in range(AT_ONCE):
            if self._next is None or not self._sending:
                return
            if self.wait_time() > 0.0:
                return
            due = self._due_ns(self._next)
            self._alarm.wait_until(due)
            action, self._next = self._next, next(self._actions, None)
            if self._sending:
                action.do(due)
                self._process.actions_done += 1  # type: ignore[union-attr]  # there is one while it is sending

    def _owed(self, until_ns: int, at_most: int) -> int:
        """Actions that were due by then and never done, though the user could have."""
        if self.client.state is State.ERROR:
            self._pass_over(until_ns, at_most)
            return 0
        owed = 0
        while owed < at_most and self._next is not None and self._due_ns(self._next) < until_ns:
            owed, self._next = owed + 1, next(self._actions, None)
        return owed

    def _pass_over(self, until_ns: int, at_most: int) -> None:
        """Actions that fall due while the user has given up are not done; they are counted."""
        passed = 0
        while passed < at_most and self._next is not None and self._due_ns(self._next) < until_ns:
            passed, self._next = passed + 1, next(self._actions, None)
        if passed and self._process is not None:
            self._process.recorder.tally.add("actions_given_up", "", passed)

    def _due_ns(self, action: Action) -> int:
        return self.began_ns + round(action.at_s * 1e9)

    @property
    def _sending(self) -> bool:
        return self._process is not None and self._process.sending

    # --- coming and going ---------------------------------------------------------------------------------------------
    def _coming_and_going(self, actions: Iterator[Action]) -> Iterator[Action]:
        length, away = self.settings.session_length, self.settings.away_time
        if length is None or away is None:
            return actions
        rng = random.Random(f"{self.settings.seed}/{type(self).__name__}/{self.number}/sessions")
        return during(visits(length, away, rng), actions, self._come, self._go)

    def _go(self, _intended_ns: int) -> None:
        """Close the tab, once the open answers have been read; who waits for them holds up nothing else."""
        self._absence = gevent.spawn(self._leave)

    def _leave(self) -> None:
        assert self._process is not None
        self._process.await_replies(self.client)
        self.client.disconnect()

    def _come(self, _intended_ns: int) -> None:
        """Open it again; what it sends before it is connected waits in its queue, as in the browser."""
        self._absence = gevent.spawn(self._return, self._absence)

    def _return(self, absence: gevent.Greenlet | None) -> None:
        if absence is not None:
            absence.join()
        if self._sending:
            self.client.connect()

    def _take_seat(self, process: Process) -> int:
        """A number of its own for this connection: those of one user follow each other."""
        try:
            seat = process.numbers.take()
        except NoNumber:
            process.recorder.tally.add("users_without_token")
            raise GreenletExit from None
        if not process.sending:  # it took a question to the master, and the run is over meanwhile
            process.numbers.give_back(seat)
            raise GreenletExit
        return seat

    def _find_conversation(self, process: Process) -> bool:
        """Whether the user has one; without it, it stays connected and sends nothing."""
        try:
            created = self._created(process) if creates(type(self)) else None
        except Exception as error:  # noqa: BLE001 - whatever a scenario raises, this user alone goes without
            self._own_up(error)
            return False
        self._conversation = created or process.conversation(self.client, self.room(self.settings))
        self.client.belongs(self._conversation)
        return True

    def _created(self, process: Process) -> str | None:
        retried = process.recorder.tally
        return process.people.own_conversations.create(
            self.create_conversation, lambda outcome: retried.add("conversation_retried", outcome)
        )

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


def spoken(classes: Iterable[type[User]]) -> Dialect:
    """What the first of the chat users among them speaks: so do those who are none."""
    return next((cls.dialect for cls in chat_classes(classes)), GUIDE)


def own_limit(settings: Settings) -> Rate | None:
    """The declared limit as far as it is for one connection: those of a user share it; None for none."""
    limit = settings.rate_limit
    return None if limit is None else limit.share(settings.connections_per_user)


def logs_in(cls: type[ChatUser]) -> bool:
    """Whether a user class brings a login of its own."""
    return cls.log_in is not ChatUser.log_in


def creates(cls: type[ChatUser]) -> bool:
    """Whether a user class creates its conversations."""
    return cls.create_conversation is not ChatUser.create_conversation
