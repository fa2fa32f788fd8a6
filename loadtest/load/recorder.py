"""Collects what the clients of one process learn, tells Locust of it, and hands it over in batches."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from typing import Any, Final

import numpy as np

from loadtest import histogram
from loadtest.load.receipts import ReceiptLog
from loadtest.model import (
    BROKEN_OFF,
    Batch,
    Connect,
    Count,
    Counts,
    Disconnect,
    Flush,
    Ghost,
    Health,
    Login,
    Message,
    Outage,
    Outcome,
    Population,
    StreamState,
)
from loadtest.protocol import AUTH_REFUSALS

REQUEST_TYPE: Final = "WS"
ROWS_AT_ONCE: Final = 20
"""Messages of one batch, which is one transaction: that blocks the event loop of a single process, and every message
due meanwhile is late. Measured: 0.15 ms for 1 row, 0.4 for 20, 0.7 for 40, 6.6 for 500."""
_FAILED: Final = frozenset({Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST})
_STREAM_FAILED: Final = frozenset(
    {StreamState.INCOMPLETE, StreamState.ERRORED, StreamState.INTERRUPTED, StreamState.MISSING}
)


class ChatFailure(Exception):
    """What Locust's failure table shows of a message, stream or connection that failed."""


class Tally:
    """Counts by name and key; see `client.tally.Tally` for the attributes."""

    __slots__ = ("_counts", "bytes_received", "frames_received")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self.frames_received = self.bytes_received = 0

    def add(self, name: str, key: str = "", value: int = 1) -> None:
        self._counts[name, key] += value

    def take(self) -> list[Count]:
        """All counts since the last take."""
        if self.frames_received:
            self.add("frames_received", "", self.frames_received)
            self.add("bytes_received", "", self.bytes_received)
            self.frames_received = self.bytes_received = 0
        counts, self._counts = self._counts, defaultdict(int)
        return [Count(name, key, value) for (name, key), value in counts.items()]


class Recorder:
    """The observer of all clients of one process (see `client.observer.Observer`).

    Args:
        process: name of the process in every batch.
        request: Locust's `events.request`.
    """

    def __init__(self, process: str, request: Any) -> None:
        self.process = process
        self.tally = Tally()
        self.gaps = array("q")
        self.gap_bounds = array("q")
        self.lags = array("q")
        self.pings = array("q")
        self.loop_lags = array("q")
        self.worst_send_lag_ns = 0
        self.rooms = ReceiptLog(lambda elapsed_ns: self._fire("fanout_last", elapsed_ns))
        self._request = request
        self._sequence = 0
        self._folded_ns = time.monotonic_ns()
        self._messages: list[Message] = []
        self._connects: list[Connect] = []
        self._disconnects: list[Disconnect] = []
        self._outages: list[Outage] = []
        self._logins: list[Login] = []
        self._ghosts: list[Ghost] = []
        self._flushes: list[Flush] = []
        self._health: list[Health] = []
        self._histograms: list[Counts] = []

    # --- Observer -----------------------------------------------------------------------------------------------------
    def on_message(self, message: Message) -> None:
        self._messages.append(message)
        self._fire_message(message)

    def on_connect(self, connect: Connect) -> None:
        self._connects.append(connect)
        if connect.bad_token is not None:
            self._fire_intruder(connect)
        elif connect.authenticated_ns is not None:
            self._fire("connect", connect.authenticated_ns - connect.began_ns)
        else:
            self._fire("connect", 0, ChatFailure(f"{connect.outcome}: {connect.detail or 'no detail'}"))

    def _fire_intruder(self, connect: Connect) -> None:
        """To be refused is what a bad token is for."""
        took_ns = (connect.ended_ns or connect.began_ns) - connect.began_ns
        error = None
        if connect.authenticated_ns is not None:
            error = ChatFailure(f"LET IN with a bad token: {connect.bad_token}")
        elif connect.outcome not in AUTH_REFUSALS:
            error = ChatFailure(f"{connect.outcome}: {connect.detail or 'no detail'}")
        self._fire("refusal", took_ns, error)

    def on_login(self, login: Login) -> None:
        """Told by the source of tokens (`client.tokens`)."""
        self._logins.append(login)
        if login.outcome == BROKEN_OFF:
            return
        error = None if login.outcome == "ok" else ChatFailure(login.outcome)
        self._fire("login", login.ended_ns - login.began_ns, error)

    def on_disconnect(self, disconnect: Disconnect) -> None:
        self._disconnects.append(disconnect)

    def on_outage(self, outage: Outage) -> None:
        self._outages.append(outage)
        if outage.recovered_ns is not None:
            self._fire("recovery", outage.recovered_ns - outage.lost_ns)

    def on_ghost(self, ghost: Ghost) -> None:
        self._ghosts.append(ghost)

    def on_flush(self, flush: Flush) -> None:
        self._flushes.append(flush)

    def on_pong(self, rtt_ns: int) -> None:
        self.pings.append(rtt_ns)

    def on_sent(self, lag_ns: int) -> None:
        self.worst_send_lag_ns = max(self.worst_send_lag_ns, lag_ns)

    def on_health(self, health: Health) -> None:
        self._health.append(health)

    # --- batches ------------------------------------------------------------------------------------------------------
    def fold(self, now_ns: int) -> None:
        """Turn the samples of frames since the last fold into histograms."""
        for metric, samples in (
            ("inter_chunk", self.gaps),
            ("gap_bound", self.gap_bounds),
            ("receive_lag", self.lags),
            ("ping_rtt", self.pings),
            ("loop_lag", self.loop_lags),
        ):
            if samples:
                buckets, counts = histogram.pack(np.array(samples, np.int64))
                self._histograms.append(
                    Counts(metric, Population.HEADLINE, self._folded_ns, now_ns, buckets, counts, self.process)
                )
                del samples[:]
        self._folded_ns = now_ns

    def take(self) -> Batch:
        """What was recorded since the last take, at most `ROWS_AT_ONCE` messages and rows of receipts of it."""
        messages = self._messages[:ROWS_AT_ONCE]
        del self._messages[:ROWS_AT_ONCE]
        batch = Batch(
            self.process,
            self._sequence,
            messages,
            self._connects,
            self._disconnects,
            self._outages,
            self._histograms,
            self._health,
            self.tally.take(),
            self._logins,
            self.rooms.take(ROWS_AT_ONCE),
            self.rooms.take_stays(),
            self.rooms.take_typed(),
            ghosts=self._ghosts,
            flushes=self._flushes,
        )
        self._sequence += 1
        self._connects, self._disconnects, self._outages, self._logins = [], [], [], []
        self._histograms, self._health, self._ghosts, self._flushes = [], [], [], []
        return batch

    def take_all(self) -> list[Batch]:
        """Everything since the last take, in batches of bounded size."""
        self.rooms.tell_settled()
        batches = [self.take()]
        while self._messages or self.rooms:
            batches.append(self.take())
        return batches

    # --- Locust's table -----------------------------------------------------------------------------------------------
    def _fire_message(self, message: Message) -> None:
        sent = message.sent_ns
        if sent is None:
            return
        if message.population is Population.INVALID:
            self._fire_invalid(message, sent)
            return
        row = "" if message.population is Population.HEADLINE else f" [{message.population}]"
        own_outage = message.population in (Population.OUTAGE, Population.QUEUED)
        if message.outcome is Outcome.REJECTED and message.refused_ns is not None:
            self._fire("reject", message.refused_ns - sent)
        elif message.delivered_ns is not None:
            self._fire(f"ack_delivered{row}", message.delivered_ns - sent)
            self._fire_stream(message, sent, row, own_outage)
        elif message.outcome in _FAILED and not (own_outage and message.outcome is Outcome.LOST):
            self._fire(f"ack_delivered{row}", 0, ChatFailure(f"{message.outcome}: {message.reason}"))

    def _fire_invalid(self, message: Message, sent: int) -> None:
        """To be refused is what an invalid message is for; an error that names nobody leaves it open."""
        if message.refused_ns is not None:
            self._fire("reject" if message.outcome is Outcome.REJECTED else "refuse invalid", message.refused_ns - sent)
        elif message.delivered_ns is not None:
            self._fire("refuse invalid", 0, ChatFailure(f"delivered, though invalid: {message.reason}"))

    def _fire_stream(self, message: Message, sent: int, row: str, own_outage: bool) -> None:
        if message.first_content_ns is not None:
            self._fire(f"ttft{row}", message.first_content_ns - sent)
        state = message.stream_state
        if message.completed_ns is not None:
            self._fire(f"stream_completion{row}", message.completed_ns - sent, None, message.stream_bytes)
        elif state in _STREAM_FAILED and not (own_outage and state is StreamState.INTERRUPTED):
            self._fire(f"stream_completion{row}", 0, ChatFailure(f"stream {state}"))

    def _fire(self, name: str, elapsed_ns: int, error: ChatFailure | None = None, length: int = 0) -> None:
        self._request.fire(
            request_type=REQUEST_TYPE,
            name=name,
            response_time=elapsed_ns / 1e6,
            response_length=length,
            exception=error,
            context={},
        )


class Aside:
    """The observer of a client whose connects are recorded and nothing else of it: an intruder's.

    Args:
        recorder: gets the connects.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.tally = Tally()
        self.gaps, self.gap_bounds, self.lags = array("q"), array("q"), array("q")
        self.on_connect = recorder.on_connect

    def on_message(self, message: Message) -> None: ...
    def on_disconnect(self, disconnect: Disconnect) -> None: ...
    def on_outage(self, outage: Outage) -> None: ...
    def on_ghost(self, ghost: Ghost) -> None: ...
    def on_flush(self, flush: Flush) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_sent(self, lag_ns: int) -> None: ...
