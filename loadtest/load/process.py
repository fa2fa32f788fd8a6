"""What a process that holds virtual users needs while a run lasts: clients, records, timeouts, and the drain."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from typing import Any, Final

import gevent
import gevent.pool
from msgspec import structs

from loadtest.client.client import ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.client.endpoint import Endpoint
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.state import State
from loadtest.client.tokens import BadTokens
from loadtest.client.transport import CLOSE_TIMEOUT_S
from loadtest.load.alarm import Alarm
from loadtest.load.clock import clock_id
from loadtest.load.health import HealthWatch
from loadtest.load.numbers import Numbers
from loadtest.load.own_login import LogIn
from loadtest.load.people import People
from loadtest.load.recorder import Aside, Recorder
from loadtest.model import SETTLED_NS, Population
from loadtest.protocol import ServerEvent
from loadtest.settings import Backoff, Settings

SWEEP_S: Final = 0.25
"""How often silent messages are looked for and one client is pinged."""
PINGED: Final = 4
"""Clients that are pinged in turn, and at most one in ten: a browser pings nobody, and what a proxy does to a quiet
connection would not be seen if all were."""
SLICE: Final = 250
"""A sweep goes through so many clients at once, so that it never holds the event loop for long (50 µs)."""
DRAIN_POLL_S: Final = 0.05
ROOM_SETTLE_S: Final = 1.5 * SETTLED_NS / 1e9
"""In rooms, how long a process stays after its last reply: the last message of another process may have been acked a
little later, and its members here are waited for as long as any."""
DEBT_GRACE_NS: Final = 250_000_000
"""What came due just before sending stopped is no debt: Locust looks through its own stack for some 50 ms before it
says that a run is over (locust/runners.py, Runner.stop)."""
DEBT_LEAST: Final = 50_000
"""Actions never done that are counted one by one in any case, a tenth of a second's work."""
DEBT_SHARE: Final = 0.1
"""Of the actions done, so many more: beyond, the run is lost whatever their number (`generator_rules.ACHIEVED`)."""

Debt = Callable[[int, int], int]
"""From an instant (monotonic ns) and a maximum to the number of actions that were due before and never done."""


class Process:
    """One run in one process that holds users.

    Args:
        name: unique among the processes of the run.
        request: Locust's `events.request`.
    """

    def __init__(
        self, name: str, endpoint: Endpoint, settings: Settings, people: People, numbers: Numbers, request: Any
    ) -> None:
        self.settings = settings
        self.numbers = numbers
        self.intruder_numbers = numbers.again()
        self.probe_numbers = numbers.again()
        self.recorder = Recorder(name, request)
        self.alarm = Alarm()
        self.sending = True
        self.actions_done = 0
        self.people = people
        self._config = ClientConfig(
            endpoint,
            settings.reply_timeout,
            names_messages=settings.llm_log is not None,
            backoff=Backoff(
                settings.reconnect_base,
                settings.reconnect_max,
                settings.reconnect_attempts,
                settings.reconnect_jitter,
            ),
            token_in=settings.token_in,
            queue_limit=settings.offline_queue,
            start_anew_s=settings.start_anew,
            silence_s=settings.silence,
        )
        self._expectation = Expectation(settings.expect_stream.certain)
        self._clients: dict[ChatClient, Debt] = {}
        self._in_rooms = False
        self._rng = random.Random(f"{settings.seed}/{name}")  # one for all: each would take 2.5 KB
        self._health = HealthWatch(self.recorder, self.alarm, self._census)
        self._sweeper: gevent.Greenlet | None = None
        self._turn = 0

    def start(self) -> None:
        """Begin to watch timeouts and health."""
        self.recorder.tally.add("clock", clock_id())
        self._health.start()
        self.people.begin(self.recorder.on_login)
        self._sweeper = gevent.spawn(self._sweep)

    def new_client(
        self,
        number: int,
        user_class: str,
        population: Population,
        on_event: Callable[[ServerEvent], None] | None,
        debt: Debt,
        dialect: Dialect = GUIDE,
        log_in: LogIn | None = None,
        seat: int | None = None,
    ) -> ChatClient:
        """A client for user `number`; the process looks after its timeouts from here on.

        Args:
            debt: asked when sending stops: what the user's schedule has wanted by then and not got.
            log_in: the user's own way to a token; None takes it from the options.
            seat: the client's number in the records of rooms; None outside of rooms.
        """
        tokens = self.people.tokens(number, log_in)
        client = ChatClient(
            Identity(tokens.user_id(number), user_class, population, seat),
            number,
            self._config,
            tokens,
            self._expectation,
            self.recorder,
            self._rng,
            on_event=on_event,
            dialect=dialect,
            room=None if seat is None else self.recorder.rooms,
        )
        self._in_rooms = self._in_rooms or seat is not None
        self._clients[client] = debt
        return client

    def new_intruder(self, number: int, user_class: str, tokens: BadTokens, dialect: Dialect = GUIDE) -> ChatClient:
        """A client that is to be refused; it tries once, and is nobody's concern but its user's."""
        identity = Identity(tokens.user_id(number), user_class, Population.HEADLINE)
        config = structs.replace(self._config, backoff=Backoff(attempts=0), start_anew_s=None)
        aside = Aside(self.recorder)
        return ChatClient(identity, number, config, tokens, self._expectation, aside, self._rng, dialect=dialect)

    def conversation(self, client: ChatClient, participants: int) -> str:
        """The id that the options give the conversation of a client, which so many users share."""
        return self.people.conversation(client.number, participants, client.tokens)

    def await_replies(self, client: ChatClient) -> None:
        """A user goes while the run goes on: what is open then is not lost; blocks for the reply timeout at most."""
        deadline = time.monotonic() + self.settings.reply_timeout
        while self.sending and client.awaiting(time.monotonic_ns()) and time.monotonic() < deadline:
            gevent.sleep(DRAIN_POLL_S)

    def forget(self, client: ChatClient) -> None:
        """The client's user has stopped; what it still has open is unfinished."""
        client.finish()
        client.tokens.release(client.number)
        self._clients.pop(client, None)

    # --- the end ------------------------------------------------------------------------------------------------------
    def drain(self, give_up: Callable[[], bool]) -> None:
        """Stop sending, wait for open replies (at most the reply timeout), close every record and connection.

        Args:
            give_up: asked between waits; True ends the waiting.
        """
        self.sending = False
        for client in self._clients:
            client.hold()
        self._own_up()
        deadline = time.monotonic() + self.settings.reply_timeout
        while self._awaiting() and time.monotonic() < deadline and not give_up():
            gevent.sleep(DRAIN_POLL_S)
        if self._in_rooms and not give_up():
            gevent.sleep(ROOM_SETTLE_S)
        self.recorder.rooms.tell_all()
        now = time.monotonic_ns()
        for client in list(self._clients):
            client.expire(now)
            client.finish()
        farewells = gevent.pool.Group()
        for client in list(self._clients):
            farewells.spawn(client.disconnect)
        farewells.join(timeout=CLOSE_TIMEOUT_S + 2.0)
        if self._sweeper is not None:
            self._sweeper.kill()
        self.people.end()
        self._health.stop()

    def close(self) -> None:
        """The run is over and its users are gone: give back what it has of the system."""
        self.alarm.close()

    def _own_up(self) -> None:
        """Count what was due and was never done: the load that a generator promised and did not make."""
        due, most = time.monotonic_ns() - DEBT_GRACE_NS, max(DEBT_LEAST, round(DEBT_SHARE * self.actions_done))
        left = most
        for debt in self._clients.values():
            left -= debt(due, left)
        self.recorder.tally.add("actions_done", "", self.actions_done)
        if left < most:
            self.recorder.tally.add("actions_never_done", "", most - left)

    def _awaiting(self) -> bool:
        now = time.monotonic_ns()
        return any(client.awaiting(now) for client in self._clients)

    def _sweep(self) -> None:
        while True:
            clients = list(self._clients)
            slices = len(clients) // SLICE + 1
            for place in range(slices):
                gevent.sleep(SWEEP_S / slices)
                now = time.monotonic_ns()
                for client in clients[place::slices]:
                    client.expire(now)
            self._ping_one(clients)

    def _ping_one(self, clients: list[ChatClient]) -> None:
        few = max(min(len(clients) // 10, PINGED), 1)
        connected = (client for client in clients if client.state is State.AUTHENTICATED)
        pinged = list(itertools.islice(connected, few))
        if pinged:
            self._turn += 1
            pinged[self._turn % len(pinged)].ping()

    def _census(self) -> tuple[int, int]:
        authenticated = State.AUTHENTICATED
        return len(self._clients), sum([client.state is authenticated for client in self._clients])
