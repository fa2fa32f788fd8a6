"""One connection before the run: is anybody there, does it speak WebSocket, and does it take our tokens?"""

from __future__ import annotations

import random
from typing import Any

from loadtest.client.client import ChatClient, ClientConfig
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.reconnect import Backoff
from loadtest.client.tokens import Tokens
from loadtest.errors import UsageError
from loadtest.load.recorder import Recorder
from loadtest.model import PREFLIGHT, Batch, Population
from loadtest.protocol import AUTH_FAILED, AUTH_REQUIRED
from loadtest.settings import Settings


class _Silent:
    """Stands for Locust's `events.request`: the preflight is in no table."""

    def fire(self, **_facts: Any) -> None: ...


def preflight(url: str, settings: Settings, tokens: Tokens, dialect: Dialect = GUIDE) -> Batch:
    """Connect once, authenticate and close with 1000.

    Returns:
        What was recorded of it.

    Raises:
        UsageError: no authenticated connection; says what was seen and what to do.
    """
    recorder = Recorder(PREFLIGHT, _Silent())
    config = ClientConfig(
        url=url,
        reply_timeout_s=settings.reply_timeout,
        connect_timeout_s=settings.connect_timeout,
        max_frame_size=settings.max_frame_size,
        backoff=Backoff(attempts=0),
    )
    identity = Identity(PREFLIGHT, PREFLIGHT, Population.HEADLINE)
    client = ChatClient(identity, 0, config, tokens, Expectation(None), recorder, random.Random(), dialect=dialect)
    connected = client.connect()
    client.disconnect()
    batch = recorder.take()
    if not connected:
        connect = batch.connects[-1]
        raise UsageError(_explained(url, connect.outcome, connect.detail or ""))
    return batch


def _explained(url: str, outcome: str, detail: str) -> str:
    remedies = {
        "refused": f"--host: nobody listens at {url}; start the server, or correct the address",
        AUTH_FAILED: f"--jwt-secret / --tokens-file: {url} refused the token with AUTH_FAILED ({detail}); give the "
        "server's own secret, or fresh tokens",
        AUTH_REQUIRED: f"--jwt-secret / --tokens-file: {url} saw no token (AUTH_REQUIRED: {detail}); it may expect it "
        "elsewhere than in the query",
        "dns": f"--host: {detail}; correct the name",
        "tls": f"--host: TLS with {url} failed: {detail}",
        "no websocket": f"--host: {url} answered, but not as a WebSocket server; correct the path or the port",
    }
    if outcome.startswith("http "):
        return f"--host: {url} answered HTTP {outcome[5:]} instead of 101; correct the path (often /ws) or the port"
    return remedies.get(outcome, f"--host: no connection to {url}: {outcome} ({detail})")
