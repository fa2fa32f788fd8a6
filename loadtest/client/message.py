"""One message while its end is not known, and the record that comes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from loadtest.client.invalid import Invalid
from loadtest.client.stream import NO_STREAM, Stream
from loadtest.model import Message, Outcome, Population, StreamState
from loadtest.protocol import NAMED_LENGTH


class Identity(Struct, frozen=True):
    """Who the messages of a session belong to."""

    user: str
    user_class: str
    population: Population
    client: int | None = None
    """Its number where it takes part in a room; see `model.Message.client`."""


def named(content: str, message_id: str) -> str:
    """A text that says which message it is of, to whoever gets the text alone, as the model behind a backend does.

    The id takes the place of the text's end, so that it stays as long as it was. A text without room for one has none.
    """
    return f"{content[:-NAMED_LENGTH]} {message_id}" if len(content) >= NAMED_LENGTH else content


_DELIVERED: Final = Outcome.DELIVERED


@dataclass(slots=True, eq=False)
class OpenMessage:
    """A message whose end is not known yet; instants in ns. See `model.Message` for what becomes its record."""

    message_id: str
    conversation: str
    content: str
    intended_ns: int
    sent_ns: int | None = None
    stamp: str = ""
    """The wall time that it was sent with."""
    handover_ns: int | None = None
    progress_ns: int = 0
    """When it was last heard of; the reply timeout counts from here."""
    queued: bool = False
    outcome: Outcome | None = None
    reason: str | None = None
    received_ns: int | None = None
    delivered_ns: int | None = None
    refused_ns: int | None = None
    retry_after_s: int | None = None
    duplicate_acks: int = 0
    stream: Stream | None = None
    stream_state: StreamState | None = None
    received_bound_ns: int | None = None
    delivered_bound_ns: int | None = None
    receive_lag_ns: int | None = None
    digest: int | None = None
    invalid: Invalid | None = None
    """How it breaks the guide on purpose."""

    def record(self, identity: Identity, outcome: Outcome) -> Message:
        """The record of a message that has ended so."""
        stream = self.stream if self.stream is not None else NO_STREAM
        first_ns, first_bound_ns, text = stream.first_content_ns, stream.first_content_bound_ns, stream.answer
        if first_ns is not None and first_bound_ns is not None and self.sent_ns is not None:
            first_bound_ns = min(first_bound_ns, first_ns - self.sent_ns)  # no answer comes before its question left
        return Message(
            user=identity.user,
            user_class=identity.user_class,
            population=self._population(identity),
            conversation=self.conversation,
            message_id=self.message_id,
            intended_ns=self.intended_ns,
            sent_ns=self.sent_ns,
            outcome=outcome,
            reason=self.reason if self.invalid is None else f"{self.invalid}: {self.reason or outcome}",
            received_ns=self.received_ns,
            delivered_ns=self.delivered_ns,
            refused_ns=self.refused_ns,
            stream_state=self.stream_state if outcome is _DELIVERED else None,
            first_content_ns=first_ns,
            last_content_ns=stream.last_content_ns,
            completed_ns=stream.completed_ns,
            chunks=stream.chunks,
            chars=len(text),
            stream_bytes=stream.bytes,
            longest_stall_ns=stream.longest_stall_ns,
            violations=stream.violations,
            duplicate_acks=self.duplicate_acks,
            retry_after_s=self.retry_after_s,
            received_bound_ns=self.received_bound_ns,
            delivered_bound_ns=self.delivered_bound_ns,
            first_content_bound_ns=first_bound_ns,
            completed_bound_ns=stream.completed_bound_ns,
            receive_lag_ns=self.receive_lag_ns,
            handover_ns=self.handover_ns,
            client=identity.client,
            digest=self.digest,
            progress_chunks=stream.progress_chunks,
            text_bytes=len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")),
        )

    def _population(self, identity: Identity) -> Population:
        if self.invalid is not None:
            return Population.INVALID
        return Population.QUEUED if self.queued else identity.population
