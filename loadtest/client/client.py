"""One virtual chat client: session, transport, tokens and the reconnection schedule tied together.

It does what the browser client does (backend.md): it connects with a token, queues what is sent while it is away, comes
back by its schedule, and gives up where the guide says so. Everything it learns goes to an `Observer`.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from typing import Final

import gevent
import gevent.event
from msgspec.structs import replace

from loadtest.client.absences import Absences
from loadtest.client.attempt import OpenAttempt
from loadtest.client.closed import HALF_OPEN, Closed, ClosedBy
from loadtest.client.config import ClientConfig
from loadtest.client.dial import DialError, Dialled
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.client.endpoint import credentials, new_trace_id
from loadtest.client.expectation import Expectation
from loadtest.client.ghost import GhostWatch
from loadtest.client.invalid import Invalid
from loadtest.client.message import Identity, named
from loadtest.client.observer import Observer
from loadtest.client.room import RoomLog
from loadtest.client.session import Session
from loadtest.client.state import State
from loadtest.client.tokens import NoToken, Tokens
from loadtest.client.transport import CLOSE_TIMEOUT_S, Transport
from loadtest.model import Disconnect, Outcome
from loadtest.protocol import (
    AUTH_FAILED,
    AUTH_REQUIRED,
    CLOSE_ABNORMAL,
    CLOSE_NORMAL,
    CLOSE_POLICY,
    INTERNAL_ERROR,
    ConnectionAuthenticated,
    ConnectionError_,
    MessageReceive,
    Payload,
    ServerEvent,
    TypingStart,
    TypingStop,
    timestamp,
)

BASE36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_NO_TOKEN: Final = "no token"
_NO_TOKEN_FOR_GOOD: Final = "no token, for good"
_REFUSALS: Final = {"http 401": AUTH_FAILED, "http 403": AUTH_FAILED}
_REFUSING_CODES: Final = (CLOSE_POLICY, 4001, 4401, 4403)
"""Close codes that refuse a token before anybody is welcome: the guide's, and those that servers make of HTTP's."""


class ChatClient:
    """One user at one tab.

    Args:
        identity: who this is.
        number: the user's number, which its token is asked for by.
        expectation: shared by the clients of a process.
        rng: draws message ids and jitter.
        on_event: told of each decoded event, after it is accounted for.
        dialect: how the server words the guide's events.
        room: told of what happens in a room.

    Attributes:
        losses: authenticated connections that have ended.
        last_loss: how the last of them did, as in `1006 by server`.
    """

    __slots__ = (
        "_absences",
        "_admission",
        "_config",
        "_dialect",
        "_ghost",
        "_gone",
        "_leaving",
        "_observer",
        "_on_event",
        "_paused_ns",
        "_reconnector",
        "_rng",
        "_sending",
        "_session",
        "_silent_ns",
        "_transport",
        "identity",
        "last_loss",
        "losses",
        "number",
        "state",
        "tokens",
    )

    def __init__(
        self,
        identity: Identity,
        number: int,
        config: ClientConfig,
        tokens: Tokens,
        expectation: Expectation,
        observer: Observer,
        rng: random.Random,
        on_event: Callable[[ServerEvent], None] | None = None,
        dialect: Dialect = GUIDE,
        room: RoomLog | None = None,
    ) -> None:
        self.identity = identity
        self.state = State.DISCONNECTED
        self.number = number
        self.losses = 0
        self.last_loss = ""
        self._config = config
        self.tokens = tokens
        self._observer = observer
        self._rng = rng
        self._on_event = on_event
        self._dialect = dialect
        self._session = Session(
            identity,
            expectation,
            observer.tally,
            observer.gaps,
            observer.gap_bounds,
            round(config.reply_timeout_s * 1e9),
            dialect,
            room,
            config.queue_limit,
        )
        self._absences = Absences(identity, observer)
        self._transport: Transport | None = None
        self._admission: gevent.event.AsyncResult | None = None
        self._gone = gevent.event.Event()
        self._ghost: GhostWatch | None = None
        self._silent_ns = self._paused_ns = 0
        self._reconnector: gevent.Greenlet | None = None
        self._leaving = False
        self._sending = True

    # --- what a user does ---------------------------------------------------------------------------------------------
    def connect(self) -> bool:
        """Connect and authenticate, by the schedule where it fails at first; blocks. Returns whether it worked."""
        self._leaving = False
        return self._persist(reconnect=False)

    def send(
        self, conversation: str, content: str, intended_ns: int | None = None, invalid: Invalid | None = None
    ) -> str:
        """Send a message, or queue it while not authenticated; never blocks.

        Args:
            intended_ns: when the schedule wanted it to leave (monotonic ns); None for now.
            invalid: how it is to break the guide; None for a message that the server has to take.

        Returns:
            The message's id.
        """
        wall_s, now = time.time(), time.monotonic_ns()
        message_id = self._message_id(wall_s)
        intended = now if intended_ns is None else intended_ns
        if self._config.names_messages:
            content = named(content, message_id)
        if self.state is State.AUTHENTICATED and self._transport is not None:
            frame = self._session.send(message_id, conversation, content, intended, now, timestamp(wall_s), invalid)
            self._put_on_wire(self._transport, message_id, frame, now)
        else:
            self._absences.dropped(self._session.enqueue(message_id, conversation, content, intended, invalid))
        self._observer.on_sent(now - intended)
        self._hand_over()
        return message_id

    def token(self) -> str:
        """The token that it connects with; blocks where that takes a login. Raises NoToken."""
        return self.tokens.token(self.number)

    def belongs(self, conversation: str) -> None:
        """The user belongs to a conversation: what it hears of it is no leak, even before it joins by sending there."""
        self._session.belongs(conversation)

    def typing_start(self, conversation: str) -> None:
        """Say that the user types; not sent while not authenticated, or silent."""
        self._send_typing(TypingStart(conversation, timestamp(time.time())), "start")

    def typing_stop(self, conversation: str) -> None:
        """Say that the user stopped typing; not sent while not authenticated, or silent."""
        self._send_typing(TypingStop(conversation, timestamp(time.time())), "stop")

    def reset(self) -> None:
        """Lose the connection on purpose, without a close frame; the client then comes back by its schedule."""
        if self.state is State.AUTHENTICATED and self._transport is not None and not self._silent_ns:
            self._transport.reset()

    def fall_silent(self) -> None:
        """Lose the network on purpose: nothing is sent or read any more, and nobody is told.

        The client notices after `silence_s` and comes back by its schedule; the old connection stays for the server to
        find out about.
        """
        if self.state is State.AUTHENTICATED and self._transport is not None and not self._silent_ns:
            self._silent_ns = time.monotonic_ns()
            self._transport.fall_silent()

    def pause_reading(self) -> bool:
        """Read nothing until `resume_reading`; returns whether there is a connection that can be left unread."""
        if self.state is not State.AUTHENTICATED or self._transport is None or self._silent_ns:
            return False
        now = time.monotonic_ns()
        if not self._transport.unread(now):
            self._paused_ns = now
        self._transport.pause()
        self._session.leave_gaps_out()  # from here on they are made by the pauses
        return True

    def resume_reading(self) -> None:
        """Read on, where there still is a connection."""
        if self._transport is not None:
            self._transport.resume()

    def disconnect(self) -> None:
        """Close with 1000 and stay away; blocks until the server has answered, at most `CLOSE_TIMEOUT_S`.

        What waits in the offline queue is dropped, and an outage that was not over ends.
        """
        self._leaving = True
        if self._reconnector is not None:
            self._reconnector.kill(block=False)
            self._reconnector = None
        transport = self._transport
        if transport is not None:
            if self._silent_ns:
                transport.reset()  # whoever fell silent has no way to say goodbye
            else:
                transport.resume()
                transport.close(CLOSE_NORMAL)
            # a dial that is broken off tells nobody; reconnecting with a transport, it closes after an INTERNAL_ERROR
            if self.state in (State.AUTHENTICATED, State.CONNECTED, State.RECONNECTING):
                self._gone.wait(CLOSE_TIMEOUT_S + 1.0)
        self.state = State.DISCONNECTED
        self._abandon("disconnected", "left")

    # --- what the process does ----------------------------------------------------------------------------------------
    @property
    def open(self) -> int:
        """Messages whose end is not known yet."""
        return self._session.open

    def awaiting(self, now_ns: int) -> bool:
        """Whether a reply may still come, or the outcome of a dial."""
        if self.state is State.AUTHENTICATED:
            return self._session.awaiting(now_ns)
        return self.state in (State.CONNECTING, State.CONNECTED)

    def ping(self) -> None:
        """Send a WebSocket ping where there is a connection."""
        if self.state is State.AUTHENTICATED and self._transport is not None:
            self._transport.ping()

    def expire(self, now_ns: int) -> None:
        """Give up messages, and the connection, that have been silent for longer than their timeouts."""
        if self._transport is not None:
            if self._silent_ns and now_ns - self._silent_ns >= self._config.silence_s * 1e9:
                self._notice_silence(now_ns)
            else:
                self._transport.give_up_silent(now_ns)
        unread = self._transport is not None and self._transport.unread(now_ns)
        if self._session.expecting and not unread:  # else the answers may be there already, in time
            self._session.expire(now_ns)
            self._hand_over()

    def hold(self) -> None:
        """Send nothing more: what waits in the offline queue stays there, even if the connection comes back.

        Whoever paused its reading reads on, since what it was sent is still to be heard.
        """
        self._sending = False
        self.resume_reading()

    def finish(self) -> None:
        """The run is over: close every open record. The connection stays as it is."""
        self._session.gone(self._silent_ns or time.monotonic_ns(), told=not self._silent_ns)
        self._session.finish()
        self._hand_over()
        self._absences.end_flush("run ended")
        self._absences.end_outage("run ended")
        if self._ghost is not None:
            self._ghost.leave()
            self._ghost = None

    # --- the connection -----------------------------------------------------------------------------------------------
    def _persist(self, reconnect: bool) -> bool:
        """Establish a connection; where that is given up, begin anew after `start_anew_s`, if so set."""
        pause_s = self._config.start_anew_s
        while not self._establish(reconnect):
            if pause_s is None or self._leaving:
                return False
            gevent.sleep(pause_s)
            if self._leaving or not self._sending:
                return False
            self._observer.tally.add("started_anew")
            reconnect = False
        return True

    def _establish(self, reconnect: bool) -> bool:
        refused_before = False
        waits = range(self._config.backoff.attempts)
        for wait in waits if reconnect else itertools.chain((None,), waits):
            backoff_ns = None
            if wait is not None:
                self.state = State.RECONNECTING
                backoff_ns = self._wait(wait)
            outcome = self._attempt(reconnect, None if wait is None else wait + 1, backoff_ns)
            if outcome == "ok":
                return True
            # AUTH_REQUIRED: log in again. AUTH_FAILED: once more with a fresh token, and no more if that fails too.
            if outcome in (AUTH_REQUIRED, _NO_TOKEN_FOR_GOOD):
                break
            if outcome == AUTH_FAILED and (not self.tokens.refused(self.number) or refused_before):
                break
            if self._leaving:
                return False
            refused_before = outcome == AUTH_FAILED
        self._give_up("gave up connecting")
        return False

    def _wait(self, attempt: int) -> int:
        """Wait for the turn of an attempt; returns how long it was, ns."""
        began = time.monotonic_ns()
        gevent.sleep(self._config.backoff.delay(attempt, self._rng.random()))
        waited = time.monotonic_ns() - began
        self._absences.waited(waited)
        return waited

    def _give_up(self, reason: str) -> None:
        self.state = State.ERROR
        self._observer.tally.add("gave_up", reason)
        self._abandon(reason, "gave up")

    def _attempt(self, reconnect: bool, number: int | None, backoff_ns: int | None) -> str:
        """One dial and login; returns `ok` or what stopped it.

        What it takes to get a token is no part of connecting, and is recorded by whoever gets it.
        """
        try:
            token = self.token()
        except NoToken as error:
            return _NO_TOKEN_FOR_GOOD if error.for_good else _NO_TOKEN
        self._session.token = token
        if self._leaving:
            return "left"
        self.state = State.CONNECTING
        self._absences.attempt()
        trace_id = new_trace_id() if self._config.endpoint.traced else None
        attempt = OpenAttempt(time.monotonic_ns(), reconnect, number, backoff_ns, trace_id)
        try:
            attempt.dialled = self._dial(token, trace_id)
            if not self._dialect.greets and self.tokens.flaw(self.number) is None:
                self._on_connection_event(ConnectionAuthenticated(), time.monotonic_ns())
            attempt.outcome, attempt.authenticated_ns, attempt.detail = self._await_admission(attempt.began_ns)
        except DialError as error:
            attempt.outcome, attempt.detail = _REFUSALS.get(error.kind, error.kind), error.detail
            self._transport = None
        self._observer.on_connect(attempt.record(self.identity, self.tokens.flaw(self.number), time.monotonic_ns()))
        return attempt.outcome

    def _dial(self, token: str, trace_id: str | None) -> Dialled:
        self._gone = gevent.event.Event()
        self._admission = gevent.event.AsyncResult()
        shown = replace(credentials(token, self._config.token_in), trace_id=trace_id)
        endpoint = self._config.endpoint
        source = endpoint.source(self.number)
        self._transport = Transport(endpoint, shown, self, self._observer.tally, source)
        return self._transport.dial(endpoint.connect_timeout_s)

    def _await_admission(self, began_ns: int) -> tuple[str, int | None, str | None]:
        assert self._admission is not None
        if self.state is State.CONNECTING:
            self.state = State.CONNECTED
        left = self._config.endpoint.connect_timeout_s - (time.monotonic_ns() - began_ns) / 1e9
        try:
            outcome, at, detail = self._admission.get(timeout=max(left, 0.001))
        except gevent.Timeout:
            outcome, at, detail = "timeout", None, "no connection:authenticated in time"
            if not self._dialect.greets:  # a bad token, which nobody has refused by now
                self._on_connection_event(ConnectionAuthenticated(), time.monotonic_ns())
                outcome, at, detail = self._admission.get()
        if outcome != "ok" and self._transport is not None:
            transport, self._transport = self._transport, None
            transport.abandon()
        return outcome, at, detail

    def _reconnect(self) -> None:
        # a connection that was lost before this greenlet had its turn has another at work on the next one already
        if self._persist(reconnect=True) and self._reconnector is gevent.getcurrent():
            self._reconnector = None

    # --- what the transport tells -------------------------------------------------------------------------------------
    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        """See `listener.Listener`."""
        session = self._session
        self._observer.lags.append(lag_ns)
        event = session.receive(data, text, at_ns, bound_ns, lag_ns)
        if isinstance(event, (ConnectionAuthenticated, ConnectionError_)):
            self._on_connection_event(event, at_ns)
        elif self._absences.flush is not None and isinstance(event, MessageReceive):
            self._absences.heard(event.message_id)
        if session.ended or session.answered:
            self._hand_over()
        if event is not None and self._on_event is not None:
            self._on_event(event)

    def on_pong(self, rtt_ns: int) -> None:
        """See `listener.Listener`."""
        self._observer.on_pong(rtt_ns)

    def on_closed(self, closed: Closed) -> None:
        """See `listener.Listener`."""
        now, transport, self._transport = time.monotonic_ns(), self._transport, None
        unread = transport is not None and transport.unread(now)
        self._gone.set()
        if self.state is not State.AUTHENTICATED and closed.by is not ClosedBy.RETRY:
            refused = closed.by is ClosedBy.SERVER and closed.code in _REFUSING_CODES
            self._admit(
                AUTH_FAILED if refused else "closed",
                None,
                f"close {closed.code} {self._session.excerpt(closed.reason)}".strip(),
            )
            return
        self._lose(closed, now, unread)

    def _lose(self, closed: Closed, now: int, unread: bool = False) -> None:
        """An authenticated connection is gone.

        Args:
            unread: whether it may have been so since the client paused its reading.
        """
        self._observer.on_disconnect(
            Disconnect(
                user=self.identity.user,
                user_class=self.identity.user_class,
                at_ns=now,
                code=closed.code,
                reason=self._session.excerpt(closed.reason),
                by=closed.by.name.lower(),
                close_ns=closed.close_ns,
                quiet_ns=closed.quiet_ns,
            )
        )
        self.losses += 1
        self.last_loss = f"{closed.code} by {closed.by.name.lower().replace('_', ' ')}"
        lost_ns = self._silent_ns or closed.lost_ns or now
        if unread and closed.by is not ClosedBy.CLIENT:
            self._session.gone(self._paused_ns, told=False)  # the server may have cut it at any time since
        else:
            self._session.gone(lost_ns, told=not self._silent_ns and closed.by not in HALF_OPEN)
        lost = self._session.lost(closed.code)
        self._hand_over()
        self._silent_ns = 0
        self.state = State.DISCONNECTED
        left = closed.by is ClosedBy.CLIENT or (self._leaving and closed.by is not ClosedBy.RETRY)
        self._absences.end_flush("left" if left else "lost")
        if not left:
            noticed_ns = lost_ns if closed.by is ClosedBy.RETRY else now
            self._absences.begin(closed, self._session.excerpt(closed.reason), lost_ns, noticed_ns, lost)
            if not self._leaving:
                self._come_back(closed)

    def _come_back(self, closed: Closed) -> None:
        if closed.code == CLOSE_NORMAL and closed.by is ClosedBy.SERVER:  # the browser client takes 1000 for a goodbye
            self._give_up("closed 1000 by the server")
            return
        self.state = State.RECONNECTING
        self._reconnector = gevent.spawn(self._reconnect)

    def _abandon(self, reason: str, ended: str) -> None:
        """Away for good: what waits is dropped, and an outage that was not over ends."""
        self._session.abandon(reason)
        self._hand_over()
        self._absences.give_up(ended)

    def _notice_silence(self, now_ns: int) -> None:
        """After a silence of its own: the client takes its connection for dead, and the server keeps a ghost of it."""
        transport, silent_ns = self._transport, self._silent_ns
        if transport is None:
            return
        if self._ghost is not None:
            self._ghost.leave()
        self._transport = None
        self._gone.set()
        self._ghost = GhostWatch(self.identity, silent_ns, now_ns, transport, self._dialect, self._observer.on_ghost)
        self._lose(Closed(CLOSE_ABNORMAL, "fell silent", ClosedBy.SILENCE, None, silent_ns), now_ns)

    def _on_connection_event(self, event: ConnectionAuthenticated | ConnectionError_, at_ns: int) -> None:
        if self.state is State.AUTHENTICATED:
            # the guide, Common Errors: after an INTERNAL_ERROR the connection is made anew
            if isinstance(event, ConnectionError_) and event.code == INTERNAL_ERROR and self._transport is not None:
                self.state = State.RECONNECTING
                self._transport.retry()
            return
        if isinstance(event, ConnectionAuthenticated):
            self.state = State.AUTHENTICATED
            self._flush_queue(at_ns)
            self._admit("ok", at_ns, None)
        else:
            shown = self._session.excerpt
            self._admit(shown(event.code or "connection:error", 64), None, shown(event.message))

    def _admit(self, outcome: str, at_ns: int | None, detail: str | None) -> None:
        if self._admission is not None and not self._admission.ready():
            self._admission.set((outcome, at_ns, detail))

    def _flush_queue(self, at_ns: int) -> None:
        now = time.monotonic_ns()
        flushed = self._session.flush(now, timestamp(time.time())) if self._sending else []
        self._absences.back(at_ns, [message_id for message_id, _ in flushed])
        for message_id, frame in flushed:
            if self._transport is not None:
                self._put_on_wire(self._transport, message_id, frame, now)

    # --- what whoever looks on is told --------------------------------------------------------------------------------
    def on_leaving(self, event: str, frame: bytes, message_id: str | None, sent_ns: int) -> None:
        """A frame leaves now; for those who show what goes over the wire.

        Args:
            event: what the guide calls it.
            message_id: of a message; None for what is none.
            sent_ns: the instant that its latencies count from.
        """

    # --- helpers ------------------------------------------------------------------------------------------------------
    def _hand_over(self) -> None:
        """Pass finished records and answers on."""
        session, absences = self._session, self._absences
        if not (session.ended or session.answered):
            return
        for message in session.ended:
            self._observer.on_message(message)
            if message.outcome is Outcome.TIMEOUT:
                absences.unanswered(message.message_id)
        session.ended.clear()
        for answer in session.answered:
            absences.answered(answer)
        session.answered.clear()
        absences.settle()

    def _put_on_wire(self, transport: Transport, message_id: str, frame: bytes, sent_ns: int) -> None:
        self.on_leaving("message:send", frame, message_id, sent_ns)
        if transport.send(frame):
            self._session.handed_over(message_id, time.monotonic_ns() - sent_ns)

    def _send_typing(self, event: TypingStart | TypingStop, key: str) -> None:
        if self.state is State.AUTHENTICATED and self._transport is not None and not self._silent_ns:
            self._observer.tally.add("typing_sent", key)
            frame = self._dialect.encode(event)
            now = time.monotonic_ns()
            self._session.types(event.conversation_id, f"typing:{key}", now)
            self.on_leaving(f"typing:{key}", frame, None, now)
            self._transport.send(frame)

    def _message_id(self, wall_s: float) -> str:
        return f"msg-{int(wall_s * 1000)}-{''.join(self._rng.choices(BASE36, k=9))}"
