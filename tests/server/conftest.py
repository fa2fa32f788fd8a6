"""A reference server in this process, for one story."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from server_stage import SECRET, Stage, Story

from loadtest.server import ChatServer, ServerOptions

PATIENCE_S = 20.0


async def _play(story: Story, options: ServerOptions) -> ChatServer:
    async with asyncio.timeout(PATIENCE_S):
        async with ChatServer(options) as server, AsyncExitStack() as stack:
            await story(Stage(server, stack))
        return server


@pytest.fixture
def play() -> Callable[..., ChatServer]:
    """Run a story against a server with these options; returns the server, closed, for its counts."""

    def run(story: Story, **options: Any) -> ChatServer:
        chosen = {"answers": None} | options
        return asyncio.run(_play(story, ServerOptions(jwt_secret=SECRET, **chosen)))

    return run
