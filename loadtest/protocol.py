"""The WebSocket guide as types: its ten events, its limits, encoding and validating decoding.

Fields that the guide marks as always present but that no client needs (timestamps, and names that servers are known to
leave out) are optional here, so that a sparse server is measured rather than refused. Unknown fields are ignored by the
decoder and named by `unknown_fields`; unknown types raise `UnknownEvent`. Pure: no clock, no socket.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from loadtest.errors import InvalidEvent, MalformedFrame, UnknownEvent

# --- Limits -----------------------------------------------------------------------------------------------------------
CONTENT_MIN: Final = 1
"""Least length of `content`, in UTF-16 code units (backend.md, Messages)."""
CONTENT_MAX: Final = 10_000
"""Greatest length of `content`, in UTF-16 code units: what `String.length` counts in the guide's JavaScript, where an
emoji is two. Use `utf16_length`."""
MESSAGES_PER_WINDOW: Final = 10
"""Messages that the guide admits in one window, per user."""
WINDOW_S: Final = 60.0
"""Length of the rate-limit window, seconds."""
TYPING_MIN_INTERVAL_S: Final = 1.0
"""A second `typing:start` within this many seconds is ignored."""
TYPING_AUTO_STOP_S: Final = 5.0
"""The server sends `typing:stop` this many seconds after the last `typing:start`."""
CLIENT_TYPING_STOP_S: Final = 3.0
"""The browser client sends `typing:stop` after this many seconds without input."""
PING_INTERVAL_S: Final = 30.0
"""Seconds between the server's WebSocket pings (backend.md, Connection)."""
STREAM_ID_PREFIX: Final = "ai-"
"""The stream that answers message M has the id `ai-M` (backend.md, AI stream)."""
MESSAGE_ID: Final = re.compile(r"msg-\d{13}-[0-9a-z]{9}")
"""A message id as clients make it: `msg-<ms>-<9 base-36 characters>` (backend.md, Browser client)."""
NAMED_LENGTH: Final = 28
"""Least length of a text that has room for such an id at its end, behind a blank."""

# --- Close codes and error codes --------------------------------------------------------------------------------------
CLOSE_NORMAL: Final = 1000
CLOSE_ABNORMAL: Final = 1006
"""Never on the wire: the connection ended without a close frame (RFC 6455 section 7.1.5)."""
CLOSE_POLICY: Final = 1008

AUTH_REQUIRED: Final = "AUTH_REQUIRED"
AUTH_FAILED: Final = "AUTH_FAILED"
MESSAGE_ERROR: Final = "MESSAGE_ERROR"
VALIDATION_ERROR: Final = "VALIDATION_ERROR"
INTERNAL_ERROR: Final = "INTERNAL_ERROR"
RATE_LIMIT: Final = "RATE_LIMIT"
AUTH_REFUSALS: Final = frozenset({AUTH_REQUIRED, AUTH_FAILED})
"""Codes for which the token is to blame (backend.md, Connection)."""
TOKEN_LIFE_S: Final = 900
"""Life of an access token (backend.md, Connection: 15 minutes)."""


Timestamp = str | float | None
"""When something happened, by the server's clock: the guide has ISO text, and other servers numbers. No latency hangs
on it, so one that is wrong costs no event."""


class _Event(Struct, frozen=True, gc=False, rename="camel", tag_field="type", omit_defaults=True):
    """An event on the wire: a JSON object whose `type` names it."""


# --- Client to server -------------------------------------------------------------------------------------------------
class MessageSend(_Event, frozen=True, tag="message:send"):
    """A user's message. `content` is 1 to 10,000 UTF-16 code units."""

    message_id: str
    conversation_id: str
    content: str
    timestamp: str | None = None


class TypingStart(_Event, frozen=True, tag="typing:start"):
    """Somebody began to type; `user_id` is there when it comes from the server."""

    conversation_id: str
    timestamp: Timestamp = None
    user_id: str | None = None


class TypingStop(_Event, frozen=True, tag="typing:stop"):
    """Somebody stopped typing; `user_id` is there when it comes from the server."""

    conversation_id: str
    timestamp: Timestamp = None
    user_id: str | None = None


# --- Server to client -------------------------------------------------------------------------------------------------
class MessageReceive(_Event, frozen=True, tag="message:receive"):
    """A message broadcast to every participant, its sender included."""

    message_id: str
    conversation_id: str
    content: str = ""
    user_id: str | None = None
    sender_id: str | None = None
    timestamp: Timestamp = None

    @property
    def author(self) -> str | None:
        """The sender's user id, which older servers call `senderId`."""
        return self.user_id if self.user_id is not None else self.sender_id


class MessageStream(_Event, frozen=True, tag="message:stream"):
    """One chunk of an AI answer. `content` is cumulative: all of the answer so far."""

    message_id: str
    content: str
    is_complete: bool
    conversation_id: str = ""
    timestamp: Timestamp = None


class MessageAck(_Event, frozen=True, tag="message:ack"):
    """The server's word on one message of ours."""

    message_id: str
    status: Literal["received", "delivered", "error"]
    error: str | None = None
    timestamp: Timestamp = None


class MessageError(_Event, frozen=True, tag="message:error"):
    """Not in the guide (backend.md): an invalid `message:*` event (no id), or a failed answer (`ai-<id>`)."""

    message: str | None = None
    message_id: str | None = None
    error: str | None = None
    timestamp: Timestamp = None

    @property
    def text(self) -> str:
        """What went wrong, from whichever field the server used."""
        return self.error or self.message or "unspecified"


class ConnectionEstablished(_Event, frozen=True, tag="connection:established"):
    """The WebSocket is open. The guide calls it a client event; real servers send it (backend.md)."""

    timestamp: Timestamp = None
    server_version: str | None = None


class ConnectionAuthenticated(_Event, frozen=True, tag="connection:authenticated"):
    """The token was accepted: from here on a client may send."""

    connection_id: str = ""
    user_id: str | None = None
    timestamp: Timestamp = None


class ConnectionDisconnected(_Event, frozen=True, tag="connection:disconnected"):
    """The connection closed: `code` is the WebSocket close code. A client event; tolerated on the wire."""

    code: int = CLOSE_ABNORMAL
    reason: str = ""
    timestamp: Timestamp = None


class ConnectionError_(_Event, frozen=True, tag="connection:error"):  # noqa: N801 - the builtin has the plain name
    """Something went wrong with the connection; `code` is one of the guide's error codes."""

    message: str = ""
    code: str | None = None
    timestamp: Timestamp = None


ClientEvent = MessageSend | TypingStart | TypingStop
"""What a client may send."""

ServerEvent = (
    MessageReceive
    | MessageStream
    | MessageAck
    | MessageError
    | TypingStart
    | TypingStop
    | ConnectionEstablished
    | ConnectionAuthenticated
    | ConnectionDisconnected
    | ConnectionError_
)
"""What a server may send."""

Event = ClientEvent | ServerEvent


Payload = bytes | bytearray | memoryview
"""What a frame carries."""


NO_EVENT: Final = "not a JSON object with a string `type`"


class _Envelope(Struct):
    type: str


_encoder = msgspec.json.Encoder()
_server_events: msgspec.json.Decoder[ServerEvent] = msgspec.json.Decoder(ServerEvent)
_client_events: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(ClientEvent)
_envelope = msgspec.json.Decoder(_Envelope)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _tags(union: Any) -> dict[str, frozenset[str]]:
    infos = {member: msgspec.inspect.type_info(member) for member in union.__args__}
    return {info.tag: frozenset({"type", *(f.encode_name for f in info.fields)}) for info in infos.values()}  # type: ignore[attr-defined]


_SERVER_FIELDS = _tags(ServerEvent)
_CLIENT_FIELDS = _tags(ClientEvent)

EVENT_FIELDS: Final = _CLIENT_FIELDS | _SERVER_FIELDS
"""The guide's events by type, with the names of their fields as they are on the wire."""


def encode(event: Event) -> bytes:
    """The event as UTF-8 JSON; fields that hold their default are left out."""
    return _encoder.encode(event)


def decode_server_event(data: Payload | str) -> ServerEvent:
    """Decode and validate one frame from a server.

    Raises:
        MalformedFrame: not a JSON object with a string `type`.
        UnknownEvent: a type that the guide does not list.
        InvalidEvent: a known type whose fields are not what the guide says.
    """
    try:
        return _server_events.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _HALF_PAIR.search(data if isinstance(data, bytes) else _bytes(data)) is not None:
            return _with_half_pairs(data)
        raise _reason(data, _SERVER_FIELDS, error) from None


def server_event(type_: str, body: dict[str, Any]) -> ServerEvent:
    """The event of a type with these fields, both named as the guide does; for other dialects than the guide's.

    Raises:
        UnknownEvent: a type that the guide does not list.
        InvalidEvent: a known type whose fields are not what the guide says.
    """
    if type_ not in _SERVER_FIELDS:
        raise UnknownEvent(type_)
    try:
        event: ServerEvent = msgspec.convert({**body, "type": type_}, ServerEvent)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidEvent(type_, str(error)) from None
    return event


def decode_client_event(data: Payload | str) -> ClientEvent:
    """Decode and validate one frame from a client. Raises as `decode_server_event` does."""
    try:
        return _client_events.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _reason(data, _CLIENT_FIELDS, error) from None


def unknown_fields(data: Payload | str, event: ServerEvent) -> list[str]:
    """Names of the fields of a frame that the guide does not know.

    Args:
        data: the frame that `decode_server_event` made `event` from.
    """
    known = _SERVER_FIELDS[type(event).__struct_config__.tag]  # type: ignore[index]
    try:
        names = _fields.decode(data).keys()
    except (msgspec.DecodeError, UnicodeDecodeError):  # half a character, or none at all, where nobody needed to look
        names = json.loads(_bytes(data).decode("utf-8", "replace")).keys()
    return [] if names <= known else [name for name in names if name not in known]


_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*)*")
"""A JWT, whole or cut: base64url of `{"`, as every one begins (RFC 7519). A server may tell us the one that we sent."""
_EXCERPT_OF: Final = 4_000
"""Characters that are looked at: no server makes us search a megabyte."""


_TOKEN_START: Final = 8
"""Characters of a token that tell it from other words, where a server tells us its beginning; no secret is shorter."""


def excerpt(text: str, length: int = 200, token: str = "") -> str:
    """A server's text as it may go into records: cut, without tokens, and a blank for what could steer a terminal.

    Args:
        token: what we showed the server; JWTs are known without it.
    """
    secretless = _TOKEN.sub("<token>", text[:_EXCERPT_OF])
    secretless = without(token, secretless)
    return "".join(character if character.isprintable() else " " for character in secretless[:length])


def without(token: str, text: str) -> str:
    """A text without a token that is known, or the beginning of it."""
    if len(token) < _TOKEN_START:
        return text
    for written in (token, quote(token, safe="")):
        text = _masked(text, written)
    return text


def _masked(text: str, token: str) -> str:
    """A text without a token, or the beginning of it."""
    before, *behind = text.split(token[:_TOKEN_START])
    rest = token[_TOKEN_START:]
    return "<token>".join([before, *(part[_alike(part, rest) :] for part in behind)])


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
                min(len(one), len(other)))  # fmt: skip


def utf16_length(text: str) -> int:
    """Length of a text in UTF-16 code units, the unit of the guide's limits."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def timestamp(seconds: float) -> str:
    """An instant (Unix seconds) as the ISO 8601 text of JavaScript's `toISOString`, to the nearest millisecond."""
    second, millisecond = divmod(round(seconds * 1000), 1000)
    return f"{_date_and_time(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=4)  # a server stamps every frame: the calendar is asked once a second
def _date_and_time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


_HALF_PAIR: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""The escape of half a surrogate pair, as JavaScript writes it for a text that was cut inside a character."""


def _bytes(data: Payload | str) -> bytes:
    return data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)


def _with_half_pairs(data: Payload | str) -> ServerEvent:
    """Decode a frame that the strict decoder does not take, since one of its texts ends in half a character.

    Of an answer the next chunk has the other half, so `content` keeps it; any other text may go into the records, which
    hold whole characters alone.
    """
    try:
        frame = json.loads(_bytes(data))
    except (ValueError, RecursionError):
        frame = None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise MalformedFrame(NO_EVENT)
    return server_event(frame["type"], {_whole(name): _kept(name, value) for name, value in frame.items()})


def _kept(name: str, value: Any) -> Any:
    """What an event keeps of a field that may hold half a character."""
    return _whole(value) if isinstance(value, str) and name != "content" else value


def _whole(text: str) -> str:
    """A text with a question mark for each half of a character."""
    return text.encode("utf-8", "replace").decode()


def _reason(
    data: Payload | str, known: dict[str, frozenset[str]], error: Exception
) -> MalformedFrame | UnknownEvent | InvalidEvent:
    try:
        type_ = _envelope.decode(data).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return MalformedFrame(NO_EVENT)
    return InvalidEvent(type_, str(error)) if type_ in known else UnknownEvent(type_)
