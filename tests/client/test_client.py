"""A virtual chat client against a real server: what it sends when it comes back."""

import json
import random
import threading
from contextlib import contextmanager

import gevent
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from loadtest.client.client import ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.endpoint import Endpoint
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.state import State
from loadtest.client.tokens import MintedTokens
from loadtest.load.recorder import Recorder
from loadtest.model import Outcome, Population
from loadtest.settings import Backoff

SECRET = "a secret of the tests, long enough for HS256"


class NoTable:
    """Stands for Locust's `events.request`."""

    def fire(self, **_):
        pass


@contextmanager
def listening():
    """A server that authenticates everybody, and the contents that it was sent."""
    contents = []

    def serve_one(connection):
        connection.send(json.dumps({"type": "connection:authenticated"}))
        try:
            for frame in connection:
                contents.append(json.loads(frame)["content"])
        except ConnectionClosed:
            pass

    with serve(serve_one, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws", contents
        finally:
            server.shutdown()
            thread.join()


def until(happened):
    with gevent.Timeout(5):
        while not happened():
            gevent.sleep(0.005)


@pytest.mark.parametrize(
    ("held", "arrived", "outcomes"),
    [(False, ["before", "meanwhile", "after"], {}), (True, ["before", "after"], {Outcome.UNFINISHED: 1})],
    ids=["it goes on", "sending is over"],
)
def test_what_waits_in_the_queue_is_sent_on_return_unless_sending_is_over(held, arrived, outcomes):
    recorder = Recorder("test", NoTable())
    with listening() as (url, contents):
        endpoint = Endpoint(url=url, connect_timeout_s=5.0, max_frame_size=2**20)
        config = ClientConfig(endpoint, 5.0, Backoff(base_s=0.01))
        identity = Identity("ann", "A", Population.HEADLINE)
        client = ChatClient(identity, 0, config, MintedTokens(SECRET), Expectation(False), recorder, random.Random(1))
        assert client.connect()
        client.send("c", "before")
        until(lambda: contents == ["before"])
        client.reset()
        client.send("c", "meanwhile")
        if held:
            client.hold()
        until(lambda: client.state is State.AUTHENTICATED)
        client.send("c", "after")
        until(lambda: contents[-1] == "after")
        client.finish()
        client.disconnect()
    assert contents == arrived
    never_left = [message for message in recorder.take().messages if message.sent_ns is None]
    assert {message.outcome: 1 for message in never_left} == outcomes
