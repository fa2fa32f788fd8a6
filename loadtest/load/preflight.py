"""One connection before the run: is anybody there, does it speak WebSocket, and does it take our tokens?"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from loadtest.client.client import ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.client.endpoint import Endpoint
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.errors import UsageError
from loadtest.load.login_refusal import explained_login
from loadtest.load.own_login import LogIn
from loadtest.load.people import People
from loadtest.load.recorder import Recorder
from loadtest.load.refusal import explained
from loadtest.model import PREFLIGHT, Batch, Population
from loadtest.settings import Backoff, Settings


class _Silent:
    """Stands for Locust's `events.request`: the preflight is in no table."""

    def fire(self, **_facts: Any) -> None: ...


def preflight(
    endpoint: Endpoint,
    settings: Settings,
    people: People,
    log_in: LogIn | None = None,
    dialect: Dialect = GUIDE,
    converse: Callable[[ChatClient], str | None] | None = None,
) -> Batch:
    """Connect once as the first user, authenticate and close with 1000.

    Args:
        log_in: of a user class that logs in by itself; None takes the token from the options.
        converse: creates a conversation for a client, of a user class that does so.

    Returns:
        What was recorded of it.

    Raises:
        UsageError: no authenticated connection, or no conversation; says what was seen and what to do.
    """
    recorder = Recorder(PREFLIGHT, _Silent())
    number = settings.first_user  # of another run's users none may lose its place, its token or its limit to us
    tokens = people.tokens(number, log_in)
    people.begin(recorder.on_login)
    config = ClientConfig(
        endpoint=endpoint,
        reply_timeout_s=settings.reply_timeout,
        token_in=settings.token_in,
        backoff=Backoff(attempts=0),
    )
    identity = Identity(PREFLIGHT, PREFLIGHT, Population.HEADLINE)
    client = ChatClient(identity, number, config, tokens, Expectation(None), recorder, random.Random(), dialect=dialect)
    try:
        connected = client.connect()
        if connected and converse is not None:
            people.own_conversations.tried(partial(converse, client))
    finally:
        client.disconnect()
        people.end()
    batch = recorder.take()
    if not connected:
        if not batch.connects:
            raise UsageError(explained_login(tokens.option, settings, batch.logins[-1].outcome))
        connect = batch.connects[-1]
        raise UsageError(explained(endpoint, settings, tokens.option, connect.outcome, connect.detail or ""))
    return batch
