"""What the cases of a check have in common: the backend, users, connections and patience."""

from __future__ import annotations

import copy
import random
import time
from array import array
from collections.abc import Callable
from typing import Any, Final, TypeVar

import gevent
import gevent.pool

from loadtest.client.client import BASE36, ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.dial import DialError
from loadtest.client.dialect import Dialect
from loadtest.client.endpoint import Endpoint, credentials
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.state import State
from loadtest.client.tokens import NoToken, Tokens
from loadtest.conformance.heard import Counts, Heard, Hearing
from loadtest.conformance.line import Line
from loadtest.model import Connect, Disconnect, Flush, Ghost, Message, Outage, Population
from loadtest.protocol import (
    RATE_LIMIT,
    ConnectionAuthenticated,
    ConnectionError_,
    MessageAck,
    MessageError,
    Payload,
    ServerEvent,
    excerpt,
)
from loadtest.settings import Backoff, Rate, Settings

QUICKLY: Final = Backoff(base_s=0.1, max_s=1.0, attempts=4)
"""A check need not wait as a crowd of browsers has to."""
PLACES: Final = 12
"""Users that a whole check takes, each with a rate limit of its own."""
LIMITED: Final = (8, 9)
"""Places of those whose limit is used up on purpose."""
_USER_CLASS: Final = "check"

Opened = TypeVar("Opened")


class CannotTest(Exception):
    """Something else came in the way; the text says what."""


class NotDelivered(CannotTest):
    """A good message was not acked, or refused though within the rate limit."""


class Bench:
    """The backend as a check reaches it.

    Args:
        users: numbers of the users that may be taken.
        conversation: where everything is written to.
        full: whether there is time.
        dialect: how the backend words the guide's events.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        chosen: Settings,
        tokens: Tokens,
        users: range,
        conversation: str,
        full: bool,
        dialect: Dialect,
    ) -> None:
        self.chosen = chosen
        self.endpoint = endpoint
        self.tokens = tokens
        self.users = users
        self.conversation = conversation
        self.full = full
        self.dialect = dialect
        self.counts = Counts()
        self.expectation = Expectation(chosen.expect_stream.certain)
        self.patience_s = min(chosen.reply_timeout, 30.0 if full else 6.0)
        """How long an answer may take."""
        self.hush_s = min(self.patience_s, 0.5)
        """How long nothing has to come, where nothing is to come."""
        self.rng = random.Random()
        self._open: list[Probe | Line] = []
        self._sweeper = gevent.spawn(self._sweep)

    @property
    def declared(self) -> Rate | None:
        """The rate limit that the server is said to have."""
        return self.chosen.rate_limit

    def of(self, group: str) -> Bench:
        """The same with a conversation for a group of cases, so that groups do not hear each other."""
        bench = copy.copy(self)
        bench.conversation = f"{self.conversation}-{group}"
        return bench

    def user(self, place: int) -> int:
        """Number of a user; few users take several places, but not those whose limit is used up."""
        if len(self.users) >= PLACES:
            return self.users[place]
        if place in LIMITED:
            return self.users[LIMITED.index(place) - len(LIMITED)]
        return self.users[place % max(len(self.users) - len(LIMITED), 1)]

    def limited(self, answer: Heard | None) -> bool:
        """Whether the last word on a message is the rate limit's."""
        match None if answer is None else answer.event:
            case MessageAck(status="error", error=error):
                return self.dialect.refusal(error or "").limited
            case MessageError() as event:
                return self.dialect.refusal(event.text).limited
            case ConnectionError_(code=code, message=message):
                return code == RATE_LIMIT or self.dialect.refusal(message).limited
        return False

    def new_id(self) -> str:
        """A message id, as the guide makes them."""
        return f"msg-check-{''.join(self.rng.choices(BASE36, k=12))}"

    def message(self, content: str = "hello", **fields: Any) -> dict[str, Any]:
        """Fields of a `message:send`; those that are None are left out."""
        said = {
            "type": "message:send",
            "messageId": self.new_id(),
            "conversationId": self.conversation,
            "content": content,
            "timestamp": "2026-01-01T00:00:00.000Z",
        }
        return {name: value for name, value in (said | fields).items() if value is not None}

    def dialled(self, place: int) -> Line:
        """An open WebSocket of a user, who may not be authenticated yet.

        Raises:
            CannotTest: none came about.
        """
        try:
            shown = credentials(self.tokens.token(self.user(place)), self.chosen.token_in)
            line = Line(self.endpoint, shown, self.counts, self.dialect)
            line.open()
        except (NoToken, DialError) as error:
            raise CannotTest(f"no connection: {excerpt(str(error))}") from None
        self._open.append(line)
        return line

    def line(self, place: int) -> Line:
        """An authenticated connection of a user.

        Raises:
            CannotTest: none came about.
        """
        line = self.dialled(place)
        if not self.dialect.greets:
            return line
        admission = line.admission(self.endpoint.connect_timeout_s)
        if admission is None or not isinstance(admission.event, ConnectionAuthenticated):
            raise CannotTest("no connection:authenticated came for a good token")
        return line

    def probe(self, place: int, conversation: str | None = None, joined: bool = True) -> Probe:
        """A connected chat client, which takes part in the conversation.

        Raises:
            CannotTest: it could not connect, or not send.
        """
        probe = Probe(self, self.user(place))
        self._open.append(probe)
        if not probe.connect():
            raise CannotTest(f"no connection: {probe.observer.failure}")
        if joined:
            self.delivered(probe, conversation)
        return probe

    def delivered(self, probe: Probe, conversation: str | None = None, content: str = "hello") -> str:
        """Send a message and wait for its ack `delivered`; its id.

        A rejection by the rate limit is waited for once, where that does not take long: a small limit is no fault.

        Raises:
            NotDelivered: it was not acked, or refused.
            CannotTest: the rate limit was used up.
        """
        for again in (True, False):
            place = probe.hearing.mark()
            id_ = probe.send(conversation or self.conversation, content)
            ack = probe.hearing.until(lambda each: _concludes(each, id_), place, self.patience_s)  # noqa: B023
            if ack is None:
                raise NotDelivered(f"a message was not acked within {self.patience_s:g} s")
            assert isinstance(ack.event, MessageAck)
            if ack.event.status == "delivered":
                return id_
            error = ack.event.error or "no reason given"
            limited, wait_s = self.dialect.refusal(error)
            if not limited:
                raise NotDelivered(f'a message was refused: "{excerpt(error, 80)}"')
            if not again or (wait_s or 1) > self.patience_s:
                raise CannotTest(f'the rate limit was used up before: "{excerpt(error, 80)}"')
            gevent.sleep(wait_s or 1)
        raise AssertionError("not reached")

    def close(self) -> None:
        """Hang up everywhere."""
        self._sweeper.kill()
        farewells = gevent.pool.Group()
        for each in self._open:
            farewells.spawn(each.hang_up)
        farewells.join(timeout=5.0)

    def _sweep(self) -> None:
        while True:
            gevent.sleep(0.1)
            for each in tuple(self._open):
                if isinstance(each, Probe):
                    each.sweep()


def at_once(*calls: Callable[[], Opened]) -> list[Opened]:
    """What several calls give, made at the same time; raises the first `CannotTest` of one."""
    reasons: list[CannotTest] = []

    def caught(call: Callable[[], Opened]) -> Opened | None:
        try:
            return call()
        except CannotTest as reason:  # gevent would print what leaves a greenlet
            reasons.append(reason)
            return None

    made = [each.get() for each in [gevent.spawn(caught, call) for call in calls]]
    if reasons:
        raise reasons[0]
    return [each for each in made if each is not None]


def _concludes(each: Heard, message_id: str) -> bool:
    event = each.event
    return isinstance(event, MessageAck) and event.message_id == message_id and event.status != "received"


class Witness:
    """The observer of one client (see `client.observer.Observer`); counts are those of the whole check."""

    def __init__(self, counts: Counts) -> None:
        self.tally = _Shared(counts)
        self.gaps, self.gap_bounds, self.lags = array("q"), array("q"), array("q")
        self.messages: dict[str, Message] = {}
        """Messages that have come to an end, by id."""
        self.connects: list[Connect] = []
        self.disconnects: list[Disconnect] = []
        self.outages: list[Outage] = []

    @property
    def failure(self) -> str:
        """What stopped the last attempt to connect."""
        last = self.connects[-1] if self.connects else None
        return "no token" if last is None else f"{last.outcome} {last.detail or ''}".rstrip()

    def on_message(self, message: Message) -> None:
        self.messages[message.message_id] = message

    def on_connect(self, connect: Connect) -> None:
        self.connects.append(connect)

    def on_disconnect(self, disconnect: Disconnect) -> None:
        self.disconnects.append(disconnect)

    def on_outage(self, outage: Outage) -> None:
        self.outages.append(outage)

    def on_ghost(self, ghost: Ghost) -> None: ...
    def on_flush(self, flush: Flush) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_sent(self, lag_ns: int) -> None: ...


class _Shared(Counts):
    """Counts of one client, which are added to those of all."""

    def __init__(self, whole: Counts) -> None:
        super().__init__()
        self._whole = whole

    def add(self, name: str, key: str = "", value: int = 1) -> None:
        super().add(name, key, value)
        self._whole.add(name, key, value)


class Probe(ChatClient):
    """A `ChatClient` whose every frame is kept."""

    __slots__ = ("_bench", "_event", "hearing", "observer")

    def __init__(self, bench: Bench, number: int, backoff: Backoff = QUICKLY) -> None:
        self.observer = Witness(bench.counts)
        self.hearing = Hearing()
        self._bench = bench
        self._event: ServerEvent | None = None
        super().__init__(
            identity=Identity(bench.tokens.user_id(number), _USER_CLASS, Population.HEADLINE),
            number=number,
            config=ClientConfig(
                endpoint=bench.endpoint,
                reply_timeout_s=bench.patience_s,
                backoff=backoff,
                token_in=bench.chosen.token_in,
            ),
            tokens=bench.tokens,
            expectation=bench.expectation,
            observer=self.observer,
            rng=bench.rng,
            on_event=self._keep,
            dialect=bench.dialect,
        )

    def ended(self, message_id: str, patience_s: float) -> Message | None:
        """The record of a message, once it and its answer have come to an end; None where they have not in time."""
        waited = 0.0
        while message_id not in self.observer.messages and waited < patience_s:
            gevent.sleep(0.02)
            waited += 0.02
        return self.observer.messages.get(message_id)

    def sweep(self) -> None:
        """Give up what has been silent for too long."""
        self.expire(time.monotonic_ns())

    def hang_up(self) -> None:
        """Leave for good."""
        if self.state is not State.DISCONNECTED:
            self.finish()
            self.disconnect()

    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        self._event = None
        super().on_frame(data, text, at_ns, bound_ns, lag_ns)
        self.hearing.hear(at_ns, self._event, data)

    def _keep(self, event: ServerEvent) -> None:
        self._event = event
