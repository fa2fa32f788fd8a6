"""The guide as types: what is on the wire, and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import protocol
from loadtest.errors import FrameError, InvalidEvent, MalformedFrame, UnknownEvent
from loadtest.protocol import (
    ConnectionAuthenticated,
    ConnectionDisconnected,
    ConnectionError_,
    ConnectionEstablished,
    MessageAck,
    MessageError,
    MessageReceive,
    MessageSend,
    MessageStream,
    TypingStart,
    TypingStop,
    decode_client_event,
    decode_server_event,
    encode,
    excerpt,
    timestamp,
    unknown_fields,
    utf16_length,
)

AT = "2025-11-04T12:00:00.000Z"

# One frame for each event that the guide lists, and one that only backend.md knows, as servers write them.
FROM_SERVER: list[tuple[dict[str, Any], object]] = [
    (
        {"type": "message:receive", "messageId": "m", "conversationId": "c", "content": "hi", "userId": "u",
         "timestamp": AT},
        MessageReceive("m", "c", "hi", user_id="u", timestamp=AT),
    ),
    (
        {"type": "message:stream", "messageId": "ai-m", "conversationId": "c", "content": "hi", "isComplete": False,
         "timestamp": AT},
        MessageStream("ai-m", "hi", False, "c", AT),
    ),
    (
        {"type": "message:ack", "messageId": "m", "status": "received", "timestamp": AT},
        MessageAck("m", "received", None, AT),
    ),
    ({"type": "message:ack", "messageId": "m", "status": "error", "error": "no"}, MessageAck("m", "error", "no")),
    ({"type": "message:error", "message": "too long", "timestamp": AT}, MessageError("too long", timestamp=AT)),
    (
        {"type": "message:error", "messageId": "ai-m", "error": "model is away", "timestamp": AT},
        MessageError(message_id="ai-m", error="model is away", timestamp=AT),
    ),
    ({"type": "typing:start", "conversationId": "c", "userId": "u", "timestamp": AT}, TypingStart("c", AT, "u")),
    ({"type": "typing:stop", "conversationId": "c", "userId": "u", "timestamp": AT}, TypingStop("c", AT, "u")),
    (
        {"type": "connection:established", "timestamp": AT, "serverVersion": "1.2"},
        ConnectionEstablished(AT, "1.2"),
    ),
    (
        {"type": "connection:authenticated", "connectionId": "k", "userId": "u", "timestamp": AT},
        ConnectionAuthenticated("k", "u", AT),
    ),
    (
        {"type": "connection:disconnected", "code": 1001, "reason": "bye", "timestamp": AT},
        ConnectionDisconnected(1001, "bye", AT),
    ),
    (
        {"type": "connection:error", "message": "no token", "code": "AUTH_REQUIRED", "timestamp": AT},
        ConnectionError_("no token", "AUTH_REQUIRED", AT),
    ),
]  # fmt: skip


def test_the_limits_are_those_of_the_guide() -> None:
    assert (protocol.CONTENT_MIN, protocol.CONTENT_MAX) == (1, 10_000)
    assert (protocol.MESSAGES_PER_WINDOW, protocol.WINDOW_S) == (10, 60.0)
    assert (protocol.TYPING_MIN_INTERVAL_S, protocol.TYPING_AUTO_STOP_S) == (1.0, 5.0)


@pytest.mark.parametrize(("frame", "event"), FROM_SERVER, ids=[frame["type"] for frame, _ in FROM_SERVER])
def test_every_event_of_a_server_is_read_and_written_alike(frame: dict[str, Any], event: Any) -> None:
    assert decode_server_event(json.dumps(frame)) == event
    assert json.loads(encode(event)) == frame


def test_a_message_to_send_is_written_as_the_guide_has_it() -> None:
    message = MessageSend(message_id="msg-1", conversation_id="c", content="hé", timestamp=AT)
    assert encode(message).decode() == (
        '{"type":"message:send","messageId":"msg-1","conversationId":"c","content":"hé","timestamp":"' + AT + '"}'
    )


def test_what_is_left_out_is_not_written() -> None:
    assert encode(TypingStart("c")) == b'{"type":"typing:start","conversationId":"c"}'


def test_fields_that_the_guide_does_not_know_are_named_and_harmless() -> None:
    frame = b'{"type":"message:ack","messageId":"m","status":"delivered","shard":3,"trace":{"id":1}}'
    event = decode_server_event(frame)
    assert event == MessageAck("m", "delivered")
    assert unknown_fields(frame, event) == ["shard", "trace"]


def test_half_a_character_stays_in_the_content_alone_where_its_other_half_may_follow() -> None:
    frame = (
        rb'{"type":"message:receive","messageId":"m\ud83d","conversationId":"c","userId":"u \ud83d",'
        rb'"content":"hi \ud83d","mood":"\ud83d","\ud83d":1}'
    )
    event = decode_server_event(frame)
    assert event == MessageReceive("m?", "c", "hi \ud83d", user_id="u ?")
    assert unknown_fields(frame, event) == ["mood", "\ud83d"]


def test_names_of_fields_that_are_no_text_are_named_all_the_same() -> None:
    frame = b'{"type":"message:ack","messageId":"m","status":"received","\xff":1}'
    assert unknown_fields(frame, decode_server_event(frame)) == ["\ufffd"]


def test_older_servers_call_the_sender_sender_id() -> None:
    old = decode_server_event(b'{"type":"message:receive","messageId":"m","conversationId":"c","senderId":"u"}')
    new = decode_server_event(b'{"type":"message:receive","messageId":"m","conversationId":"c","userId":"u"}')
    assert isinstance(old, MessageReceive)
    assert isinstance(new, MessageReceive)
    assert (old.author, new.author) == ("u", "u")


@pytest.mark.parametrize(
    "frame",
    [b"", b"{", b"null", b"[]", b'"message:send"', b"{}", b'{"type":7}', b"\xff", b"[" * 100_000, b'{"type":"\xff"}'],
)
def test_what_is_no_object_with_a_type_is_malformed(frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode_client_event(frame)
    with pytest.raises(MalformedFrame):
        decode_server_event(frame)


def test_a_type_that_is_not_listed_is_unknown_and_cut_short() -> None:
    with pytest.raises(UnknownEvent) as caught:
        decode_server_event(b'{"type":"' + b"x" * 100 + b'"}')
    assert caught.value.type == "x" * 64


def test_a_client_may_not_send_what_only_servers_send() -> None:
    with pytest.raises(UnknownEvent):
        decode_client_event(b'{"type":"message:ack","messageId":"m","status":"received"}')


@pytest.mark.parametrize(
    ("frame", "missing"),
    [
        (b'{"type":"message:send","messageId":"m","conversationId":"c"}', "content"),
        (b'{"type":"message:send","messageId":"m","content":"hi"}', "conversationId"),
        (b'{"type":"message:send","messageId":5,"conversationId":"c","content":"hi"}', "messageId"),
        (b'{"type":"typing:start"}', "conversationId"),
    ],
)
def test_a_listed_type_with_wrong_fields_is_invalid_and_says_which(frame: bytes, missing: str) -> None:
    with pytest.raises(InvalidEvent, match=missing) as caught:
        decode_client_event(frame)
    assert caught.value.type == json.loads(frame)["type"]


def test_an_ack_has_one_of_three_states() -> None:
    with pytest.raises(InvalidEvent, match="seen"):
        decode_server_event(b'{"type":"message:ack","messageId":"m","status":"seen"}')


@pytest.mark.parametrize(("text", "length"), [("", 0), ("abc", 3), ("é", 1), ("漢字", 2), ("🙂", 2), ("\ud83d", 1)])
def test_length_counts_what_javascript_counts(text: str, length: int) -> None:
    assert utf16_length(text) == length


def test_a_timestamp_is_what_javascript_writes() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_762_257_600.125) == "2025-11-04T12:00:00.125Z"


_texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.builds(MessageSend, _texts, _texts, _texts, st.none() | _texts))
def test_any_message_survives_the_wire(message: MessageSend) -> None:
    assert decode_client_event(encode(message)) == message


@given(st.binary() | st.builds(lambda type_, rest: json.dumps({"type": type_} | rest).encode(),
                               st.sampled_from(["message:send", "message:ack", "typing:stop", "other"]),
                               st.dictionaries(st.sampled_from(["messageId", "content", "status"]),
                                               st.none() | st.integers() | _texts)))  # fmt: skip
def test_a_frame_is_an_event_or_a_frame_error_and_nothing_else(frame: bytes) -> None:
    for decode in (decode_client_event, decode_server_event):
        with suppress(FrameError):
            event = decode(frame)
            assert decode(encode(event)) == event


def test_an_excerpt_is_one_line_without_control_characters():
    assert excerpt("a\x1b[1mb\nc\x1fd\u2028é夜") == "a [1mb c d é夜"
    assert excerpt("x" * 300) == "x" * 200
    assert excerpt("x" * 190 + " eyJhbGciOiJIUzI1NiJ9.eyJ1IjoxfQ.c2ln") == "x" * 190 + " <token>"
    assert excerpt("no /ws?token=eyJhbGciOiJIUzI1Ni") == "no /ws?token=<token>"
    assert excerpt("x" * 300, 64) == "x" * 64


def test_an_excerpt_holds_nothing_of_a_token_that_is_no_jwt_either():
    token = "s3ss10n/opaque+token"
    assert excerpt(f"bad token {token}: {token}", token=token) == "bad token <token>: <token>"
    assert excerpt(f"no /ws?token={quote(token, safe='')}", token=token) == "no /ws?token=<token>"
    assert excerpt("bad token s3ss10n/op...", token=token) == "bad token <token>..."
    assert excerpt("x" * 195 + token, token=token) == "x" * 195 + "<toke"
    assert excerpt("too many", token="t") == "too many", "no secret"
