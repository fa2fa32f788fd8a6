"""What frames, counts and outcomes mean for somebody who looks at one connection: words, and nothing else.

What a run counts in silence is explained here, with what to look at next.
"""

from __future__ import annotations

from typing import Final

from loadtest.client.endings import NEVER_DELIVERED
from loadtest.model import Message, Outcome, StreamState
from loadtest.protocol import (
    ConnectionAuthenticated,
    ConnectionDisconnected,
    ConnectionError_,
    ConnectionEstablished,
    MessageAck,
    MessageError,
    MessageReceive,
    MessageStream,
    ServerEvent,
    TypingStart,
    TypingStop,
    excerpt,
)

SHOWN: Final = 60
"""Characters of a text that are shown of it."""

COUNTED: Final = {
    "binary_frame": "a binary frame: events are text frames with JSON in them",
    "malformed_frame": "is no JSON object with a `type`",
    "unknown_event": "no event of the guide. If it is an ack, a broadcast or a chunk under another name, a run sees "
    "none: the backend speaks a dialect",
    "invalid_event": "known by its type, but fields are missing or of another kind: a run cannot read it",
    "unknown_field": "a field that the guide does not know; harmless",
    "unmatched_ack": "acknowledges no message of yours: does the backend make ids of its own?",
    "late_ack": "too late: the message was given up already; see --reply-timeout",
    "duplicate_ack": "a second ack of this status",
    "unmatched_stream": "belongs to no message of yours: its id is neither `ai-` (or the dialect's prefix) and the "
    "message's, nor the message's own, and no delivered message waits for an answer",
    "foreign_stream_frame": "answers a message of another participant",
    "error_unattributed": "names no message, and none or several are open: a run cannot tell which one it is about",
    "connection_error": "the backend did not like what it got",
    "stream_violation": "a breach of the stream's rules: `content` holds all of the answer so far, and ends once with "
    "`isComplete`",
    "dialect_error": "the locustfile's dialect cannot read it: a run counts it, and is suspect",
    "listener_error": "an error of ours: please report it",
}
"""Counter of a run to what it means; what is not here needs no explanation."""


_REMEDIES: Final = {
    Outcome.ERROR: "the backend refused it: must the conversation exist, or this user be in it? See --conversation",
    Outcome.REJECTED: "the window may be used up by an earlier run, or be shared by users of one account",
    Outcome.LOST: "the connection went away before the ack: the line of its close says how",
}


def of_event(event: ServerEvent) -> str:  # noqa: PLR0911 - one for each event
    """One event in words, without the time and without what it answers."""
    match event:
        case ConnectionEstablished():
            return "the WebSocket is open"
        case ConnectionAuthenticated():
            return f"the token was accepted{f', for user {quoted(event.user_id)}' if event.user_id else ''}"
        case ConnectionError_():
            return f"{excerpt(event.code or 'no code', 64)}: {excerpt(event.message)}"
        case ConnectionDisconnected():
            return f"the backend says that it closes: {event.code} {excerpt(event.reason)}".rstrip()
        case MessageAck():
            return f"{event.status}{f': {excerpt(event.error)}' if event.error else ''}"
        case MessageReceive():
            return f"{quoted(event.content)} of {quoted(event.author or '?')} in {quoted(event.conversation_id)}"
        case MessageError():
            return excerpt(event.text)
        case TypingStart() | TypingStop():
            return f"{quoted(event.user_id or '?')} in {quoted(event.conversation_id)}"
        case MessageStream():
            return "complete" if event.is_complete else "chunk"


def of_message(message: Message) -> str:
    """How one message ended."""
    sent = message.sent_ns
    if message.outcome is Outcome.DELIVERED and sent is not None and message.delivered_ns is not None:
        return f"delivered in {interval(message.delivered_ns - sent)}{_of_answer(message, sent)}"
    if message.outcome is Outcome.REJECTED:
        wait = f", try again in {message.retry_after_s} s" if message.retry_after_s is not None else ""
        return f"rejected by the rate limit{wait}"
    return f"{message.outcome}: {message.reason}" if message.reason else str(message.outcome)


def _of_answer(message: Message, sent: int) -> str:
    size = f"{message.chunks} chunks, {message.chars:,} characters"
    first = message.first_content_ns
    begun = f", first token {interval(first - sent)}" if first is not None else ""
    if message.completed_ns is not None:
        return f"{begun}, complete {interval(message.completed_ns - sent)}: {size}"
    if message.chunks:
        reason = f" ({message.reason})" if message.reason else ""
        return f"{begun}, answer {message.stream_state}{reason} after {size}"
    return ", not answered"


def remedy(message: Message, strange: list[str], expected: bool | None) -> str | None:
    """What to look at where a message did not come to a good end.

    Args:
        strange: types of events that the client did not understand, as far as any came.
        expected: whether an answer is; None where nobody has said so.
    """
    unread = f" Not understood: {', '.join(strange)}." if strange else ""
    match message.outcome:
        case Outcome.TIMEOUT if message.reason == NEVER_DELIVERED:
            return f"the ack `delivered` is missing: a run calls such a message a timeout.{unread}"
        case Outcome.TIMEOUT:
            return f"no `message:ack` names this message's id: is it acknowledged under another name or id?{unread}"
        case Outcome.DELIVERED if not message.chunks and expected is not False:
            return (
                "acks, but no stream: is the AI switched off, or its event called otherwise than message:stream?"
                f"{unread} Where none is meant to come: --expect-stream no"
            )
        case outcome:
            return _REMEDIES.get(outcome)


def is_good(message: Message, expected: bool | None) -> bool:
    """Whether a message got all that it was to get."""
    answered = message.stream_state is StreamState.COMPLETED
    return message.outcome is Outcome.DELIVERED and (answered or (expected is False and not message.chunks))


def quoted(text: str, length: int = SHOWN) -> str:
    """A text of a server as it may be shown: cut, and said so, without tokens and escapes."""
    shown = excerpt(text, length)
    return f'"{shown}…"' if len(text) > length else f'"{shown}"'


def interval(ns: int) -> str:
    """An interval as people read it, such as `0.42 ms`, `41.3 ms`, `402 ms` or `1.13 s`."""
    if ns >= 999_500_000:
        return f"{ns / 1e9:.2f} s"
    ms = ns / 1e6
    return f"{ms:.2f} ms" if ms < 9.995 else f"{ms:.1f} ms" if ms < 99.95 else f"{ms:.0f} ms"
