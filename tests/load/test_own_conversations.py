"""Conversations that a locustfile creates: what is tried again, what is not, and what the preflight says of them."""

from contextlib import suppress

import gevent.event
import pytest
import requests
from login_server import SECRET, login_server
from real_servers import behaving
from websockets.exceptions import ConnectionClosed

from loadtest.errors import UsageError
from loadtest.load.own_conversations import OwnConversations
from loadtest.load.people import People
from loadtest.load.preflight import preflight
from loadtest.load.reach import read_endpoint
from loadtest.settings import settings


@pytest.fixture
def server():
    with login_server() as running:
        running.answer = lambda *_: (201, {}, '{"id": "room"}')
        yield running


@pytest.fixture
def hook(server):
    """As people write it."""

    def create_conversation(*_client):
        answer = requests.post(f"{server.url}/conversations", json={}, timeout=5)
        answer.raise_for_status()
        return answer.json()["id"]

    return create_conversation


def creating(**options):
    return OwnConversations(settings(options), 1)


def test_what_may_pass_is_tried_again(server, hook):
    answers = iter([(429, {"Retry-After": "1"}, "HUSH")])
    server.answer = lambda *_: next(answers, (201, {}, '{"id": "room"}'))
    retried = []
    assert creating().create(hook, retried.append) == "room"
    assert retried == ["http 429"]


@pytest.mark.parametrize("answer", [(403, {}, ""), (200, {}, '{"room": "r"}')], ids=["forbidden", "elsewhere"])
def test_what_will_not_pass_is_tried_once(server, hook, answer):
    server.answer = lambda *_: answer
    with pytest.raises((requests.HTTPError, KeyError)):
        creating().create(hook, pytest.fail)
    assert server.count("/conversations") == 1


def test_it_is_bounded():
    with pytest.raises(TimeoutError):
        creating(login_timeout="100ms").attempt(gevent.event.Event().wait)


def refused(hook):
    """What is said before a run."""

    def welcome(connection):
        connection.send('{"type": "connection:authenticated"}')
        with suppress(ConnectionClosed):
            connection.recv()

    chosen = settings({"jwt_secret": SECRET})
    with behaving(welcome) as port:
        endpoint = read_endpoint(f"ws://127.0.0.1:{port}/ws", chosen)
        with pytest.raises(UsageError) as caught:
            preflight(endpoint, chosen, People(chosen), converse=hook)
    return str(caught.value)


def test_one_that_cannot_be_created_is_said_before_the_run(server, hook):
    server.answer = lambda *_: (403, {}, "HUSH")
    assert refused(hook) == "create_conversation: the locustfile's own hook failed: http 403; try it by itself"
    server.answer = lambda *_: (200, {}, "{}")
    line = hook.__code__.co_firstlineno + 3
    assert refused(hook).startswith(
        f"create_conversation: the locustfile's own hook failed: KeyError in line {line} of"
    )
