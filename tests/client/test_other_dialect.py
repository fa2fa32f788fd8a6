"""A client that speaks another dialect than the guide's, against a real server that does: the seam works.

The server greets nobody, has names of its own in an envelope, streams deltas and tells their end in an event of its
own, and names streams and limits in its own way.
"""

import json
import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import gevent
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from loadtest.client.client import ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.dialect import Content, Renamed
from loadtest.client.endpoint import Endpoint
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.tokens import MintedTokens, SigningKey
from loadtest.load.recorder import Recorder
from loadtest.model import Outcome, Population, StreamState
from loadtest.protocol import MessageStream, ServerEvent

ANSWER = ("Hel", "lo ", "👋")


@dataclass(frozen=True, kw_only=True)
class Acme(Renamed):
    """What `Renamed` cannot say: the end of a stream is an event of its own, and a heartbeat means nothing."""

    def decode(self, data) -> ServerEvent | None:
        return None if data == b'{"event":"heartbeat"}' else super().decode(data)

    def to_guide(self, type_, body):
        if type_ == "chat.delta":
            body = body | {"isComplete": False}
        elif type_ == "chat.done":
            type_, body = "chat.delta", body | {"text": "", "isComplete": True}
        return super().to_guide(type_, body)


ACME = Acme(
    content=Content.DELTAS,
    stream_prefix="reply/",
    greets=False,
    rate_limited="slow down",
    retry_after=r"wait (\d+)s",
    type_field="event",
    body_field="data",
    events={"message:send": "chat.say", "message:ack": "chat.ack", "message:stream": "chat.delta"},
    fields={"messageId": "id", "conversationId": "room", "content": "text"},
)


class NoTable:
    """Stands for Locust's `events.request`."""

    def fire(self, **_):
        pass


def answer(say, heard):
    """What the server says to one message."""
    id_, room = heard["data"]["id"], heard["data"]["room"]
    if heard["data"]["text"] == "too much":
        say("chat.ack", id=id_, status="error", error="Slow down, wait 7s")
        return
    say("chat.ack", id=id_, status="received")
    say("chat.ack", id=id_, status="delivered")
    for piece in ANSWER:
        say("chat.delta", id=f"reply/{id_}", room=room, text=piece)
    say("chat.done", id=f"reply/{id_}", room=room)


@contextmanager
def acme():
    """The server; yields its address and what it heard."""
    heard = []

    def serve_one(connection):
        def say(event, **data):
            connection.send(json.dumps({"event": event, "data": data}))

        connection.send('{"event":"heartbeat"}')
        try:
            for frame in connection:
                heard.append(json.loads(frame))
                if heard[-1]["event"] == "chat.say":
                    answer(say, heard[-1])
        except ConnectionClosed:
            pass

    with serve(serve_one, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws", heard
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def talk():
    """What the server heard, what the client recorded, and the events that a locustfile's hook saw."""
    recorder, events = Recorder("test", NoTable()), []
    with acme() as (url, heard):
        client = ChatClient(
            Identity("ann", "A", Population.HEADLINE),
            0,
            ClientConfig(Endpoint(url=url, connect_timeout_s=5.0, max_frame_size=2**20), 5.0),
            MintedTokens(SigningKey("a secret of the tests, long enough for HS256")),
            Expectation(True),
            recorder,
            random.Random(1),
            on_event=events.append,
            dialect=ACME,
        )
        assert client.connect()
        client.typing_start("c")
        client.send("c", "hi")
        client.send("c", "too much")
        with gevent.Timeout(5):
            while client.open:
                gevent.sleep(0.005)
        client.disconnect()
    return heard, recorder.take(), events


def test_what_it_sends_is_in_the_servers_words(talk):
    typing, first, second = talk[0]
    assert (typing["event"], typing["data"]["room"]) == ("typing:start", "c")
    assert (first["event"], first["data"]["text"]) == ("chat.say", "hi")
    assert set(second["data"]) == {"id", "room", "text", "timestamp"}


def test_deltas_make_one_answer_with_its_instants(talk):
    (delivered,) = [m for m in talk[1].messages if m.outcome is Outcome.DELIVERED]
    assert (delivered.stream_state, delivered.chunks, delivered.chars) == (StreamState.COMPLETED, 4, 7)
    assert delivered.text_bytes == len("Hello 👋".encode())
    assert (
        delivered.sent_ns
        < delivered.delivered_ns
        <= delivered.first_content_ns
        <= delivered.last_content_ns
        <= delivered.completed_ns
    )
    assert delivered.violations == 0


def test_its_limit_text_is_a_rejection_with_its_promise(talk):
    (rejected,) = [m for m in talk[1].messages if m.outcome is Outcome.REJECTED]
    assert (rejected.reason, rejected.retry_after_s) == ("rate limit", 7)


def test_an_open_websocket_is_a_connection_where_nobody_greets(talk):
    (connect,) = talk[1].connects
    assert connect.outcome == "ok"
    assert connect.auth_ns is not None


def test_nothing_of_it_is_taken_for_unknown(talk):
    counted = {count.name: count.value for count in talk[1].counters}
    assert counted["ignored_frame"] == 1
    assert counted["server_timestamp"] == 2  # it has none: of the one delivered ack and the one stream
    strange = {
        "unknown_event",
        "unknown_field",
        "invalid_event",
        "malformed_frame",
        "unmatched_stream",
        "dialect_error",
    }
    assert strange.isdisjoint(counted)


def test_a_hook_sees_the_guides_events(talk):
    assert [event.content for event in talk[2] if isinstance(event, MessageStream)] == [*ANSWER, ""]
