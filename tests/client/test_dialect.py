"""What a server may word differently, from literal frames."""

import json

import pytest

from loadtest import protocol
from loadtest.client.dialect import GUIDE, Content, Dialect, Refusal, Renamed, quickest
from loadtest.errors import InvalidEvent, MalformedFrame, UnknownEvent, UsageError
from loadtest.protocol import MessageAck, MessageSend, MessageStream, TypingStart

ACME = Renamed(
    content=Content.DELTAS,
    stream_prefix="reply/",
    retry_after=r"wait (\d+(?:\.\d+)?) ?s",
    rate_limited="slow down",
    type_field="event",
    body_field="data",
    events={"message:send": "chat.say", "message:stream": "chat.delta", "message:ack": "chat.ack"},
    fields={"messageId": "id", "content": "text", "isComplete": "last"},
)


def test_the_guides_dialect_is_the_guide():
    assert json.loads(GUIDE.encode(MessageSend("m", "c", "hi"))) == {
        "type": "message:send",
        "messageId": "m",
        "conversationId": "c",
        "content": "hi",
    }
    assert GUIDE.decode(b'{"type":"message:ack","messageId":"m","status":"received"}') == MessageAck("m", "received")
    assert GUIDE.message_of("ai-m1") == "m1"
    assert GUIDE.message_of("m1") is None


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("Rate limit exceeded. Try again in 42 seconds", Refusal(True, 42)),
        ("RATE_LIMIT", Refusal(True, None)),
        ("rate-limited, try again in 1 second", Refusal(True, 1)),
        ("rate limit: " + "9" * 5_000 + " seconds", Refusal(True, None)),
        ("the database took 30 seconds", Refusal(False, None)),
    ],
)
def test_the_guides_limit_texts(text, refusal):
    assert GUIDE.refusal(text) == refusal


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("Slow down! wait 1.2s", Refusal(True, 2)),
        ("slow down, wait " + "9" * 5_000 + "s", Refusal(True, None)),
        ("Rate limit exceeded. Try again in 42 seconds", Refusal(False, None)),
    ],
)
def test_limit_texts_of_another_server(text, refusal):
    assert ACME.refusal(text) == refusal


def test_other_names_in_an_envelope_are_read_and_written():
    assert json.loads(ACME.encode(MessageSend("m", "c", "hi"))) == {
        "event": "chat.say",
        "data": {"id": "m", "conversationId": "c", "text": "hi"},
    }
    frame = b'{"event":"chat.delta","seq":7,"data":{"id":"reply/m","text":"Hel","last":false,"model":"x"}}'
    event = ACME.decode(frame)
    assert event == MessageStream("reply/m", "Hel", False)
    assert ACME.unknown_fields(frame, event) == ["model"]


def test_names_that_are_not_told_stay():
    flat = Renamed(type_field="kind")
    assert json.loads(flat.encode(TypingStart("c"))) == {"kind": "typing:start", "conversationId": "c"}
    assert flat.decode(b'{"kind":"typing:start","conversationId":"c"}') == TypingStart("c")


ACK = b'{"type":"message:ack","messageId":"m","status":"received","shard":3}'


def test_unknown_fields_are_named_where_the_guides_decoding_is():
    assert Dialect(content=Content.DELTAS).unknown_fields(ACK, GUIDE.decode(ACK)) == ["shard"]


def test_what_a_dialects_own_decoding_reads_is_known_to_it_alone():
    class Own(Dialect):
        def decode(self, _):
            return MessageAck("m", "received")

    own = Own()
    decode, unknown_fields = quickest(own)
    for frame in (b"no JSON", ACK):
        assert own.unknown_fields(frame, own.decode(frame)) == unknown_fields(frame, decode(frame)) == []


def test_a_dialect_may_know_the_names_of_its_fields_itself():
    class Own(Dialect):
        def decode(self, _):
            return MessageAck("m", "received")

        def unknown_fields(self, *_):
            return ["z"]

    decode, unknown_fields = quickest(Own())
    assert unknown_fields(b"no JSON", decode(b"no JSON")) == ["z"]


def test_a_dialect_that_leaves_decoding_to_the_guide_costs_a_frame_no_more():
    assert quickest(Dialect(content=Content.DELTAS)) == (protocol.decode_server_event, protocol.unknown_fields)


@pytest.mark.parametrize(
    ("frame", "error", "text"),
    [
        (b"{", MalformedFrame, "string `event` and an object `data`"),
        (b"[1]", MalformedFrame, "string `event` and an object `data`"),
        (b'{"event":7,"data":{}}', MalformedFrame, "string `event`"),
        (b'{"event":"chat.ack","data":[]}', MalformedFrame, "object `data`"),
        (b'{"event":"presence","data":{}}', UnknownEvent, "presence"),
        (b'{"event":"chat.ack","data":{"id":7,"status":"received"}}', InvalidEvent, "message:ack"),
        (b"\xff\xfe", MalformedFrame, "string `event`"),
        (b'{"event":' * 5_000, MalformedFrame, "string `event`"),
    ],
)
def test_frames_of_another_dialect_that_are_no_good(frame, error, text):
    with pytest.raises(error, match=text):
        ACME.decode(frame)


@pytest.mark.parametrize(
    ("kind", "differs", "text"),
    [
        (Dialect, {"retry_after": "in ("}, "dialect, retry_after: no regular expression"),
        (Dialect, {"retry_after": "in [0-9]+ s"}, "dialect, retry_after: no group"),
        (Dialect, {"rate_limited": "*"}, "dialect, rate_limited: no regular expression"),
        (Renamed, {"events": {"message:sent": "x"}}, "dialect, events: the guide has no 'message:sent'; it has"),
        (Renamed, {"fields": {"message_id": "id"}}, "dialect, fields: the guide has no 'message_id'; it has"),
        (Renamed, {"fields": {"messageId": "id", "userId": "id"}}, "two of the guide's names"),
    ],
)
def test_a_dialect_that_cannot_be_says_so_at_once(kind, differs, text):
    with pytest.raises(UsageError) as raised:
        kind(**differs)
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)
