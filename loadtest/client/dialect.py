"""How a server words the guide's events. Pure; a locustfile replaces it (docs/scenarios.md).

Inside, everything speaks the guide: `Dialect` reads a server's frames as the guide's events and writes ours in the
server's words. It is the guide's own unless told otherwise; `Renamed` is for servers that differ in names alone or in
an envelope; whatever differs more is a subclass with `decode` and `encode` of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec

from loadtest.errors import MalformedFrame, UsageError
from loadtest.protocol import (
    EVENT_FIELDS,
    STREAM_ID_PREFIX,
    ClientEvent,
    Payload,
    ServerEvent,
    decode_server_event,
    encode,
    server_event,
    unknown_fields,
)

_DIGITS_MOST: Final = 9
"""A promise of more digits is none: it would not fit into a column of 64 bits."""


Decode = Callable[[Payload], ServerEvent | None]
UnknownFields = Callable[[Payload, ServerEvent], list[str]]


class Content(StrEnum):
    """What the `content` of a stream's chunk holds."""

    CUMULATIVE = "cumulative"
    """All of the answer so far, as the guide says."""
    DELTAS = "deltas"
    """What is new; the completion too, where it holds anything."""
    DELTAS_THEN_ALL = "deltas, then all"
    """What is new, and in the completion all of the answer."""


class Refusal(NamedTuple):
    """The text of a refusal, read.

    Attributes:
        limited: whether it is the rate limit's.
        retry_after_s: the wait that it promises, seconds; None where it promises none.
    """

    limited: bool
    retry_after_s: int | None


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The guide's dialect, and the base of every other.

    Attributes:
        content: what a chunk's `content` holds.
        stream_prefix: the stream that answers message M has the id prefix + M; a stream of the same id is found too.
        message_prefix: how message ids begin: a stream that names one of them is never taken for an answer to another.
        greets: whether the server says that the token was accepted (`connection:authenticated`); where it does not, a
            client may send once the WebSocket is open, and a refused token shows as a close; one that is bad on
            purpose was let in where none comes before the connect timeout.
        rate_limited: pattern, in any case, of a refusal by the rate limit.
        retry_after: pattern, in any case, whose first group is the number of seconds that a refusal promises.

    Raises:
        UsageError: a pattern that is none.
    """

    content: Content = Content.CUMULATIVE
    stream_prefix: str = STREAM_ID_PREFIX
    message_prefix: str = "msg-"
    greets: bool = True
    rate_limited: str = r"rate.?limit"
    retry_after: str = r"(?<!\d)(\d{1,9})\s*second"

    def __post_init__(self) -> None:
        for name, groups in (("rate_limited", 0), ("retry_after", 1)):
            try:
                pattern = re.compile(getattr(self, name))
            except re.error as error:
                raise UsageError(f"dialect, {name}: no regular expression: {error}; correct it") from None
            if pattern.groups < groups:
                raise UsageError(f"dialect, {name}: no group; put the number of seconds in brackets, as in (\\d+)")

    # --- frames -------------------------------------------------------------------------------------------------------
    def decode(self, data: Payload) -> ServerEvent | None:
        """The guide's event that a frame means; None for one that is known and of no interest, such as a keep-alive.

        Raises:
            MalformedFrame: no event at all.
            UnknownEvent: of a type that is not known.
            InvalidEvent: of a known type, with fields that are not as they should be.
        """
        return decode_server_event(data)

    def encode(self, event: ClientEvent) -> bytes:
        """The frame that says an event of ours: UTF-8."""
        return encode(event)

    def unknown_fields(self, data: Payload, event: ServerEvent) -> list[str]:
        """Names of a frame's fields that the dialect does not know, `event` being what `decode` made of it.

        Where a subclass decodes in its own way there are no names: what its frames hold is known to it alone.
        """
        return unknown_fields(data, event) if type(self).decode is Dialect.decode else []

    # --- meaning ------------------------------------------------------------------------------------------------------
    def message_of(self, stream_id: str) -> str | None:
        """Id of the message that a stream says to answer; None where its id does not say."""
        prefix = self.stream_prefix
        return stream_id[len(prefix) :] if prefix and stream_id.startswith(prefix) else None

    def refusal(self, text: str) -> Refusal:
        """What the text of a refusal says."""
        limited = re.search(self.rate_limited, text, re.IGNORECASE) is not None
        promised = re.search(self.retry_after, text, re.IGNORECASE) if limited else None
        return Refusal(limited, _seconds(promised[1]) if promised is not None else None)


GUIDE: Final = Dialect()
"""What the guide says."""


def quickest(dialect: Dialect) -> tuple[Decode, UnknownFields]:
    """How to decode frames of a dialect, and to name their unknown fields.

    Of the guide's the functions themselves, without the methods around them: those cost a frame three parts in a
    hundred.
    """
    kind = type(dialect)
    guides = kind.decode is Dialect.decode
    return (
        decode_server_event if guides else dialect.decode,
        unknown_fields if guides and kind.unknown_fields is Dialect.unknown_fields else dialect.unknown_fields,
    )


@dataclass(frozen=True, kw_only=True)
class Renamed(Dialect):
    """A server that has other names for the guide's events and fields, and perhaps an envelope around the fields.

    Attributes:
        type_field: the field that names the event.
        body_field: the field that holds all others as an object; None where they stand beside the type.
        events: the guide's name of an event to the server's; what is not there keeps its name.
        fields: the guide's name of a field to the server's; what is not there keeps its name.

    For fields that differ in more than their names, override `to_guide`.

    Raises:
        UsageError: a name that the guide does not have.
    """

    type_field: str = "type"
    body_field: str | None = None
    events: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_names("events", self.events, frozenset(EVENT_FIELDS))
        _check_names("fields", self.fields, frozenset().union(*EVENT_FIELDS.values()) - {"type"})

    def to_guide(self, type_: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The guide's names for a server's event and its fields."""
        names = self._guide_fields
        return self._guide_events.get(type_, type_), {names.get(name, name): value for name, value in body.items()}

    def decode(self, data: Payload) -> ServerEvent | None:
        type_, body = self.to_guide(*self._opened(data))
        return server_event(type_, body)

    def encode(self, event: ClientEvent) -> bytes:
        body = msgspec.to_builtins(event)
        type_ = body.pop("type")
        said = {self.fields.get(name, name): value for name, value in body.items()}
        head = {self.type_field: self.events.get(type_, type_)}
        return msgspec.json.encode(head | (said if self.body_field is None else {self.body_field: said}))

    def unknown_fields(self, data: Payload, event: ServerEvent) -> list[str]:  # noqa: ARG002
        type_, body = self.to_guide(*self._opened(data))
        return [name for name in body if name not in EVENT_FIELDS.get(type_, ())]

    @cached_property
    def _guide_events(self) -> dict[str, str]:
        return {theirs: ours for ours, theirs in self.events.items()}

    @cached_property
    def _guide_fields(self) -> dict[str, str]:
        return {theirs: ours for ours, theirs in self.fields.items()}

    def _opened(self, data: Payload) -> tuple[str, dict[str, Any]]:
        """The server's name of an event, and its fields."""
        try:
            frame = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            frame = {}
        type_ = frame.pop(self.type_field, None)
        body = frame if self.body_field is None else frame.get(self.body_field, {})
        if not isinstance(type_, str) or not isinstance(body, dict):
            inside = "" if self.body_field is None else f" and an object `{self.body_field}`"
            raise MalformedFrame(f"not a JSON object with a string `{self.type_field}`{inside}")
        return type_, body


def _seconds(promised: str) -> int | None:
    """A promise in whole seconds, rounded up; None where it is no number, or none to believe."""
    if len(promised) > _DIGITS_MOST:
        return None
    try:
        return math.ceil(float(promised))
    except (ValueError, OverflowError):
        return None


def _check_names(what: str, names: Mapping[str, str], known: frozenset[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"dialect, {what}: the guide has no {name!r}; it has {', '.join(sorted(known))}")
    if len(set(names.values())) < len(names):
        raise UsageError(f"dialect, {what}: two of the guide's names have one name of the server's; give each its own")
