"""How messages and the streams that answer them end: each message in one outcome, each stream in one state. No I/O."""

from __future__ import annotations

from typing import Final

from loadtest.client.expectation import Expectation
from loadtest.client.ledger import Ledger
from loadtest.client.message import OpenMessage
from loadtest.client.recent import Recent
from loadtest.client.stream import Stream
from loadtest.client.tally import Tally
from loadtest.model import Outcome, StreamState

FIRST_STREAM_GRACE_NS: Final = 5_000_000_000
"""How long the end of a run waits for an answer where no answer has been seen at all."""

NO_ACK: Final = "no ack"
NEVER_DELIVERED: Final = "received, never delivered"

_DELIVERED: Final = Outcome.DELIVERED  # to find a member in its enum takes as long as all else that a line does


class Endings:
    """The ends of one user's messages; instants are monotonic ns.

    Args:
        ledger: holds the messages.
        expectation: whether answers are expected.
        tally: counts what fits no record.
        timeout_ns: longest silence before a message or stream is given up.

    Attributes:
        answers: the streams under way and the messages that they answer, by the id of the stream.
        guessed: how streams ended whose ids name no message.
    """

    __slots__ = ("_expectation", "_ledger", "_tally", "_timeout_ns", "answers", "guessed")

    def __init__(self, ledger: Ledger, expectation: Expectation, tally: Tally, timeout_ns: int) -> None:
        self._ledger = ledger
        self._expectation = expectation
        self._tally = tally
        self._timeout_ns = timeout_ns
        self.answers: dict[str, tuple[OpenMessage, Stream]] = {}
        self.guessed: Recent[str] = Recent()

    # --- of one message -----------------------------------------------------------------------------------------------
    def overdue(self, entry: OpenMessage, now_ns: int) -> bool:
        """Whether a message has been silent for too long."""
        return entry.sent_ns is not None and now_ns - entry.progress_ns > self._timeout_ns

    def _quiet(self, entry: OpenMessage, now_ns: int) -> bool:
        """Delivered, and no answer is to be expected any more."""
        if entry.outcome is None or entry.stream is not None or self._expectation.stream:
            return False
        return now_ns - entry.progress_ns > FIRST_STREAM_GRACE_NS

    def give_up(self, entry: OpenMessage) -> None:
        """What a message still waits for will not come in time."""
        if entry.outcome is None:
            reason = NO_ACK if entry.received_ns is None else NEVER_DELIVERED
            self.close(entry, Outcome.TIMEOUT, reason)
        else:
            begun = entry.stream is not None and entry.stream.chunks > 0
            self._close_stream(entry, StreamState.INCOMPLETE if begun else StreamState.MISSING)

    def end_stream(self, entry: OpenMessage, state: StreamState, reason: str | None) -> None:
        """The answer of a message has ended."""
        if entry.stream_state is None:
            entry.stream_state = state
            if entry.stream is not None:
                entry.stream.over = state
                if entry.stream.cut_pairs:
                    self._tally.add("stream_oddity", "surrogate pair cut by a chunk", entry.stream.cut_pairs)
            if reason is not None and entry.reason is None:
                entry.reason = reason
        self.finish_if_done(entry)

    def finish_if_done(self, entry: OpenMessage) -> None:
        """Close a delivered message that waits for no answer any more."""
        if entry.outcome is not _DELIVERED:
            return
        if entry.stream_state is None and not self._expectation.worth_waiting and entry.stream is None:
            entry.stream_state = StreamState.NOT_EXPECTED
        if entry.stream_state is not None:
            self.close(entry, _DELIVERED, entry.reason)

    def close(self, entry: OpenMessage, outcome: Outcome, reason: str | None) -> None:
        """A message has ended."""
        stream = entry.stream
        if stream is not None:
            self.answers.pop(stream.stream_id, None)
            if stream.guessed:
                self.guessed.remember(stream.stream_id, entry.stream_state or outcome)
        if outcome is _DELIVERED and entry.received_ns is None:
            self._tally.add("missing_ack", "received")
        self._ledger.close(entry, outcome, reason)

    def _close_stream(self, entry: OpenMessage, state: StreamState) -> None:
        unexpected = entry.stream is None and not self._expectation.stream
        if entry.stream_state is None:
            entry.stream_state = StreamState.NOT_EXPECTED if unexpected else state
        self.close(entry, Outcome.DELIVERED, entry.reason)

    # --- of many ------------------------------------------------------------------------------------------------------
    def awaiting(self, now_ns: int) -> bool:
        """Whether anything sent may still be answered; messages that wait in the queue are not."""
        return any(not self._quiet(entry, now_ns) for entry in self._ledger)

    def expire(self, now_ns: int) -> None:
        """Give up what has been silent for too long."""
        for entry in self._ledger:
            if self.overdue(entry, now_ns):
                self.give_up(entry)

    def lost(self, code: int) -> int:
        """The connection went away: what was on it will not be answered. Queued messages stay.

        Returns:
            Messages that are lost with it.
        """
        lost = 0
        for entry in self._ledger:
            if entry.outcome is None:
                lost += 1
                self.close(entry, Outcome.LOST, f"closed {code}")
            else:
                self._close_stream(entry, StreamState.INTERRUPTED)
        return lost

    def abandon(self, reason: str) -> None:
        """The client gave up, or left: queued messages are dropped."""
        for entry in self._ledger.take_queue():
            self.close(entry, Outcome.DROPPED, reason)

    def finish(self) -> None:
        """The run is over: whatever is open is unfinished."""
        for entry in (*self._ledger, *self._ledger.take_queue()):
            if entry.outcome is None:
                self.close(entry, Outcome.UNFINISHED, None)
            else:
                self._close_stream(entry, StreamState.UNFINISHED)
