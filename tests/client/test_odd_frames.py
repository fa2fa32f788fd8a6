"""A frame that can be decoded costs nobody the connection, whatever else it holds: on real connections."""

import json

import pytest
from chat_stage import connected, hosting, say, until
from real_servers import behaving
from staged_run import stage as staged

from loadtest.client.dialect import Dialect
from loadtest.errors import UnknownEvent
from loadtest.model import Outcome, StreamState
from loadtest.protocol import ConnectionAuthenticated, MessageAck, MessageStream
from loadtest.runs.reader import RunReader

HALF = "\ud83d"
"""What JavaScript leaves of an emoji that it cuts; `say` writes it as JavaScript does, as an escape."""


def in_flight(stage, host, content):
    """A message that the server has, and says nothing to on its own; returns its id."""
    host.answers = False
    id_ = stage.client.send("c", content)
    until(lambda: content in host.contents)
    return id_


def ended_sound(stage):
    """All that was recorded of a client that was never cut off, and has no message open."""
    until(lambda: not stage.client.open)
    assert stage.client.losses == 0
    batch, counts = stage.end()
    assert not {"listener_error", "dialect_error"} & {name for name, _ in counts}
    return batch, counts


# --- half a character
def test_half_a_character_in_a_broadcast_is_heard_and_its_author_kept_as_far_as_it_can_be_written(tmp_path):
    with hosting() as host, connected(host.url, seat=7) as stage:
        stage.client.send("c", "joins")
        until(lambda: not stage.client.open)
        id_ = in_flight(stage, host, "asks")
        more = {"content": f"Hi {HALF}", "userId": f"eve {HALF}", "mood": HALF}
        say(host.connections[0], "message:receive", messageId=f"other {HALF}", conversationId="c", **more)
        say(host.connections[0], "message:ack", messageId=id_, status="delivered")
        batch, counts = ended_sound(stage)
    assert [message.outcome for message in batch.messages] == [Outcome.DELIVERED] * 2
    assert (counts["broadcast", "other"], counts["unknown_field", "message:receive.mood"]) == (1, 1)
    with RunReader(staged(tmp_path, [batch])) as run:
        columns, rows = run.rows("receipts")
        heard = [dict(zip(columns, row, strict=True)) for row in rows]
    assert ("other ?", "eve ?") in {(row["message_id"], row["author"]) for row in heard}


def test_an_answer_that_begins_with_half_a_character_is_whole_at_its_end():
    with hosting() as host, connected(host.url) as stage:
        id_ = in_flight(stage, host, "asks")
        for content, done in ((f"Hi {HALF}", False), ("Hi 😀", True)):
            chunk = {"messageId": f"ai-{id_}", "conversationId": "c", "content": content, "isComplete": done}
            say(host.connections[0], "message:stream", **chunk)
        say(host.connections[0], "message:ack", messageId=id_, status="delivered")
        batch, counts = ended_sound(stage)
    (message,) = batch.messages
    assert (message.outcome, message.stream_state) == (Outcome.DELIVERED, StreamState.COMPLETED)
    assert (message.chars, message.violations) == (4, 0)
    assert counts["stream_oddity", "surrogate pair cut by a chunk"] == 1


@pytest.mark.parametrize(
    "refusal",
    [
        {"type": "message:ack", "status": "error", "error": f"no {HALF}"},
        {"type": "message:error", "error": f"no {HALF}"},
    ],
    ids=["ack", "error"],
)
def test_a_refusal_that_ends_in_half_a_character_is_a_refusal(refusal):
    with hosting() as host, connected(host.url) as stage:
        id_ = in_flight(stage, host, "asks")
        host.connections[0].send(json.dumps(refusal | {"messageId": id_}))
        batch, _ = ended_sound(stage)
    assert [(message.outcome, message.reason) for message in batch.messages] == [(Outcome.ERROR, "no ?")]


# --- a dialect that reads frames in its own way
class Wire(Dialect):
    """A server that speaks no JSON: words, and a text at the end."""

    def decode(self, data):
        word, *rest = bytes(data).decode().split(" ", 2)
        match word:
            case "WELCOME":
                return ConnectionAuthenticated()
            case "ACK":
                return MessageAck(rest[0], "delivered")
            case "TOKEN" | "END":
                return MessageStream(f"ai-{rest[0]}", rest[1], word == "END")
            case "BEAT":
                return None
        raise UnknownEvent(word)

    def encode(self, event):
        return f"SAY {event.message_id} {event.content}".encode()

    @staticmethod
    def serve(connection):
        connection.send("WELCOME")
        for frame in connection:
            id_ = frame.split(" ", 2)[1]
            for said in ("BEAT", f"ACK {id_}", f"TOKEN {id_} Hel", f"END {id_} Hello"):
                connection.send(said)


class Terse(Dialect):
    """A server that speaks JSON of other names."""

    def decode(self, data):
        match json.loads(data):
            case {"t": "hi"}:
                return ConnectionAuthenticated()
            case {"t": "ok", "i": id_}:
                return MessageAck(id_, "delivered")
            case {"t": "say", "i": id_, "x": text, "end": end}:
                return MessageStream(f"ai-{id_}", text, end)
        raise UnknownEvent("other")

    def encode(self, event):
        return json.dumps({"t": "ask", "i": event.message_id, "x": event.content}).encode()

    @staticmethod
    def serve(connection):
        connection.send('{"t": "hi"}')
        for frame in connection:
            id_ = json.loads(frame)["i"]
            for said in ({"t": "ok"}, {"t": "say", "x": "Hel", "end": False}, {"t": "say", "x": "Hello", "end": True}):
                connection.send(json.dumps(said | {"i": id_}))


@pytest.mark.parametrize("kind", [Wire, Terse])
def test_a_dialect_that_decodes_in_its_own_way_has_no_fields_that_nobody_knows(kind):
    with behaving(kind.serve) as port, connected(f"ws://127.0.0.1:{port}/ws", dialect=kind()) as stage:
        stage.client.send("c", "hi")
        until(lambda: stage.client.losses or not stage.client.open)
        stage.client.send("c", "again")
        batch, counts = ended_sound(stage)
    assert [message.outcome for message in batch.messages] == [Outcome.DELIVERED] * 2
    assert not [name for name, _ in counts if name in ("unknown_field", "malformed_frame", "unknown_event")]
