"""Messages that break the guide on purpose, and must be refused. Pure."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec.structs import replace

from loadtest.protocol import CONTENT_MAX, MessageSend


class Invalid(StrEnum):
    """How a message breaks the guide."""

    EMPTY = "no content"
    TOO_LONG = "content too long"
    NO_CONVERSATION = "no conversation"
    CUT = "half a frame"
    """No JSON: the error cannot name the message."""


def spoilt(message: MessageSend, how: Invalid, encode: Callable[[MessageSend], bytes]) -> bytes:
    """The frame of a message that breaks the guide so."""
    match how:
        case Invalid.EMPTY:
            return encode(replace(message, content=""))
        case Invalid.TOO_LONG:
            return encode(replace(message, content=message.content.ljust(CONTENT_MAX + 1, "x")))
        case Invalid.NO_CONVERSATION:
            return encode(replace(message, conversation_id=""))
        case Invalid.CUT:
            frame = encode(message)
            return frame[: len(frame) // 2]
