"""The streams that one user gets to see: whose answer each is, and what is wrong with it. No I/O."""

from __future__ import annotations

from typing import Final

from loadtest.client.attendance import Attendance
from loadtest.client.correlation import Correlation, Matched
from loadtest.client.dialect import Content
from loadtest.client.endings import Endings
from loadtest.client.expectation import Expectation
from loadtest.client.followed import FOREIGN, UNMATCHED, Followed
from loadtest.client.ledger import Ledger
from loadtest.client.message import OpenMessage
from loadtest.client.stamps import fault
from loadtest.client.stream import NOWHERE, Gaps, Stream, new_stream
from loadtest.client.tally import Tally
from loadtest.model import Outcome, StreamState, Violation
from loadtest.protocol import MessageStream

_NAMED: Final = Matched.NAMED
_GOES_ON: Final = frozenset({StreamState.INTERRUPTED, StreamState.NOT_EXPECTED, Outcome.LOST})
"""Ends of a message that are not the server's: it may well go on with the answer, and breaks no rule by it."""
_GIVEN_UP: Final = frozenset({StreamState.INCOMPLETE, StreamState.MISSING, Outcome.TIMEOUT})
"""Ends of what was silent for longer than the reply timeout."""


class Streams:
    """Begins streams, and judges what fits none.

    Args:
        ledger: holds the messages.
        correlation: finds the message of a stream.
        endings: holds the streams under way, and ends them.
        attendance: knows which conversations the user is in.
        expectation: told that the server answers.
        content: what chunks hold.
        gaps: where the gaps between progress chunks go.
        tally: counts what fits no record.

    Attributes:
        followed: those of others.
    """

    __slots__ = (
        "_attendance", "_content", "_correlation", "_endings", "_expectation", "_gaps", "_ledger", "_tally", "followed",
    )  # fmt: skip

    def __init__(
        self,
        ledger: Ledger,
        correlation: Correlation,
        endings: Endings,
        attendance: Attendance,
        expectation: Expectation,
        content: Content,
        gaps: Gaps,
        tally: Tally,
    ) -> None:
        self._ledger = ledger
        self._correlation = correlation
        self._endings = endings
        self._attendance = attendance
        self._expectation = expectation
        self._content = content
        self._gaps = gaps
        self._tally = tally
        self.followed = Followed(content, tally, self._is_foreign)

    def leave_gaps_out(self) -> None:
        """Measure no gaps between chunks any more: whoever does not read at once only sees its own."""
        self._gaps = NOWHERE

    def begin(self, event: MessageStream, size: int, at_ns: int, bound_ns: int) -> tuple[OpenMessage, Stream] | None:
        """A chunk of a stream that is not known to be ours: whose answer is it? None where it is nobody's here."""
        if self.followed.any and self.followed.take(event, size, at_ns, bound_ns):
            return None
        self._expectation.saw_stream()
        matched = self._correlation.match(event.message_id, event.conversation_id)
        if matched is None:
            self._on_stray(event, size, at_ns, bound_ns)
            return None
        entry, how = matched
        if event.conversation_id not in ("", entry.conversation):
            self._tally.add("stream_oddity", "in another conversation than its question")
        if not event.content:
            self._tally.add("stream_oddity", "empty answer" if event.is_complete else "empty first chunk")
        if (wrong := fault(event.timestamp, entry.stamp)) is not None:
            self._tally.add("server_timestamp", wrong)
        stream = new_stream(self._content, event.message_id, event.conversation_id, self._gaps, self._is_foreign)
        if how is not _NAMED:
            self._tally.add("stream_by_order", how)
            stream.guessed = True
        entry.stream = stream
        self._endings.answers[event.message_id] = answer = (entry, stream)
        return answer

    def _on_stray(self, event: MessageStream, size: int, at_ns: int, bound_ns: int) -> None:
        """A frame of a stream that answers no open message."""
        end = self._ledger.end_of(self._correlation.own(event.message_id))
        state = self._endings.guessed.get(event.message_id) or end
        if state is None:
            if event.conversation_id:
                self._attendance.is_member("message:stream", event.conversation_id)
            counter = FOREIGN if self._correlation.is_foreign(event.message_id) else UNMATCHED
            self.followed.follow(event, size, at_ns, bound_ns, counter)
        elif state == StreamState.COMPLETED:
            late = Violation.SECOND_COMPLETION if event.is_complete else Violation.AFTER_COMPLETION
            self._tally.add("stream_violation", late)
        elif state in _GOES_ON:
            self._tally.add("late_stream_frame", state)
        elif state in _GIVEN_UP:
            self._tally.add("stream_violation", Violation.AFTER_TIMEOUT)
        else:
            self._tally.add("stream_violation", f"after {state}")

    def _is_foreign(self, stream: Stream, content: str, by_ns: int) -> bool:
        """Whether a text is that of an answer which goes on beside this one, to whomever, and was by an instant."""
        own = (answer for _, answer in self._endings.answers.values())
        return any(other.shows(content, by_ns) for other in (*own, *self.followed.streams()) if other is not stream)
