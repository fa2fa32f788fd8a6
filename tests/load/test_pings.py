"""Whom a run pings: a few, so that the others are as quiet on their way as a browser's connection."""

import json
import os
from contextlib import suppress

import gevent
import pytest
from real_servers import behaving
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.sync.server import ServerConnection

from loadtest.load.numbers import Numbers
from loadtest.load.people import People
from loadtest.load.process import Process
from loadtest.load.reach import read_endpoint
from loadtest.model import Population
from loadtest.settings import settings


class NoTable:
    """Stands for Locust's `events.request`."""

    def fire(self, **_):
        pass


class Watching(ServerConnection):
    """A connection that knows how often it was pinged."""

    pings = 0

    def process_event(self, event):
        self.pings += getattr(event, "opcode", None) is Opcode.PING
        super().process_event(event)


@pytest.fixture
def process(monkeypatch):
    """Starts a process of a run with so many users; and its connections, as the server has them."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    connections = []

    def welcome(connection):
        connections.append(connection)
        connection.send(json.dumps({"type": "connection:authenticated"}))
        with suppress(ConnectionClosed):
            connection.recv()

    with behaving(welcome, create_connection=Watching) as port:
        chosen = settings({"jwt_secret": "a secret of the tests, long enough for HS256", "reply_timeout": "1s"})
        endpoint = read_endpoint(f"ws://127.0.0.1:{port}/ws", chosen)
        running = Process("local", endpoint, chosen, People(chosen), Numbers(), NoTable())
        running.start()

        def connected(users):
            for number in range(users):
                client = running.new_client(number, "A", Population.HEADLINE, None, lambda _until, _most: 0)
                assert client.connect()
            return connections

        yield connected
        running.drain(lambda: True)


@pytest.mark.parametrize(("users", "pinged"), [(3, 1), (25, 2)])
def test_one_connection_in_ten_is_pinged_again_and_again_and_the_others_never(process, users, pinged):
    connections = process(users)
    with gevent.Timeout(20):
        while sum(connection.pings for connection in connections) < 6:
            gevent.sleep(0.05)
    assert sum(connection.pings > 0 for connection in connections) == pinged
