"""A chat client on a stage, and a chat server that does what a test tells it to."""

import json
import random
import threading
from contextlib import contextmanager, suppress

import gevent
from real_servers import behaving
from websockets.exceptions import ConnectionClosed

from loadtest.client.client import ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.dialect import GUIDE
from loadtest.client.endpoint import Endpoint
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.tokens import MintedTokens
from loadtest.load.recorder import Recorder
from loadtest.model import Population
from loadtest.settings import Backoff

SECRET = "a secret of the tests, long enough for HS256"
QUICK = Backoff(base_s=0.01, max_s=0.02)


class NoTable:
    """Stands for Locust's `events.request`."""

    def fire(self, **_):
        pass


class Host:
    """A chat server: welcomes everybody, broadcasts each message to its sender and acks it.

    Attributes:
        connections: welcomed, in order; to be cut by tests.
        contents: what it was sent, in order.
        unwelcome: so many of the next connections are closed before they are welcomed.
        admits: messages that the rate limit admits; None for any.
        answers: whether it says anything to a message.
        on_message: called with the connection before a message is answered.
    """

    def __init__(self):
        self.connections, self.contents = [], []
        self.unwelcome, self.admits, self.answers = 0, None, True
        self.on_message = None
        self.url = ""

    def serve(self, connection):
        if self.unwelcome:
            self.unwelcome -= 1
            connection.close(1013)
            return
        self.connections.append(connection)
        say(connection, "connection:authenticated", connectionId="c", timestamp="")
        with suppress(ConnectionClosed):
            for frame in connection:
                event = json.loads(frame)
                if event["type"] == "message:send":
                    self._on_message(connection, event)

    def _on_message(self, connection, message):
        self.contents.append(message["content"])
        if self.on_message is not None:
            self.on_message(connection)
        if not self.answers:
            return
        named = {"messageId": message["messageId"], "timestamp": ""}
        if self.admits is not None and len(self.contents) > self.admits:
            error = "Rate limit exceeded. Try again in 60 seconds"
            say(connection, "message:ack", status="error", error=error, **named)
            return
        broadcast = {"conversationId": "c", "content": message["content"], "userId": "load-0"}
        say(connection, "message:receive", **broadcast, **named)
        say(connection, "message:ack", status="delivered", **named)


def say(connection, type_, **fields):
    connection.send(json.dumps({"type": type_} | fields))


def cut(connection):
    """Without a close frame."""
    connection.socket.shutdown(2)


def close(connection, code):
    """With a close frame; from a thread of its own, since it waits for the answer."""
    threading.Thread(target=connection.close, args=(code,)).start()


@contextmanager
def hosting():
    host = Host()
    with behaving(host.serve) as port:
        host.url = f"ws://127.0.0.1:{port}/ws"
        yield host


class Stage:
    """One client, and what was recorded of it; with a `seat` it takes part in a room."""

    def __init__(self, url, ping_timeout_s=None, seat=None, on_event=None, dialect=GUIDE, tls=None, **config):
        self.recorder = Recorder("test", NoTable())
        endpoint = Endpoint(
            url=url, connect_timeout_s=5.0, max_frame_size=2**20, ping_timeout_s=ping_timeout_s, tls=tls
        )
        self.client = ChatClient(
            Identity("load-0", "A", Population.HEADLINE, seat),
            0,
            ClientConfig(endpoint, 5.0, **{"backoff": QUICK} | config),
            MintedTokens(SECRET),
            Expectation(False),
            self.recorder,
            random.Random(1),
            on_event,
            dialect=dialect,
            room=self.recorder.rooms,
        )

    def end(self):
        """The run is over; all that was recorded, and the counts by (name, key)."""
        self.client.finish()
        self.client.disconnect()
        batch, *more = self.recorder.take_all()
        batch.messages.extend(message for other in more for message in other.messages)
        return batch, {(count.name, count.key): count.value for count in batch.counters}


@contextmanager
def connected(url, **config):
    stage = Stage(url, **config)
    assert stage.client.connect()
    try:
        yield stage
    finally:
        stage.client.disconnect()


def until(happened):
    with gevent.Timeout(5):
        while not happened():
            gevent.sleep(0.002)
