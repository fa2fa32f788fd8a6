"""The reference server as tests start it."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from loadtest.server import ChatServer, ServerOptions
from loadtest.server.counts import ServerCounts
from loadtest.server.faults.orders import order

SECRET = "a secret of the tests, long enough for HS256"
STOP_TIMEOUT_S = 15.0
Answer = TypeVar("Answer")


class ReferenceServer:
    """`loadtest serve` on a free port, in a process of its own.

    Args:
        folder: for what it counts.
        options: further ones of `serve`.
        within: words in front of its command.

    Attributes:
        url: address to connect to.
        secret: key that it checks tokens with.
        greeting: the lines that it printed once it listened.
        farewell: the lines that it printed after that; known once stopped.
    """

    def __init__(self, folder: Path, options: tuple[str, ...], within: tuple[str, ...] = ()) -> None:
        self.secret = SECRET
        self._counts = folder / "counts.json"
        self._process = subprocess.Popen(
            [
                *(*within, sys.executable, "-m", "loadtest", "serve", "--port", "0"),
                *("--counts-file", str(self._counts), *options),
            ],
            env=os.environ | {"LOADTEST_JWT_SECRET": self.secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.greeting = [self._process.stdout.readline().rstrip("\n") for _ in range(3)]
        self.url = self.greeting[0].removeprefix("listening on ")
        self.farewell: list[str] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> dict[str, Any]:
        """End it, if it has not ended, as SIGTERM does; what it counted."""
        if self._process.returncode is None:
            self._process.terminate()
            farewell, complaints = self._process.communicate(timeout=STOP_TIMEOUT_S)
            assert (self._process.returncode, complaints) == (0, "")
            self.farewell = farewell.splitlines()
        counts: dict[str, Any] = json.loads(self._counts.read_bytes())
        return counts

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class Served:
    """A `ChatServer` that runs in a thread of this process.

    Attributes:
        url: address to connect to.
    """

    def __init__(self, server: ChatServer, loop: asyncio.AbstractEventLoop) -> None:
        self.url = server.url
        self._server, self._loop = server, loop

    @property
    def counts(self) -> ServerCounts:
        """What it has counted by now, all at one moment."""
        return self._call(lambda: copy.deepcopy(self._server.counts))

    def order(self, *texts: str) -> None:
        """Have it do wrong what is ordered, from now on."""
        self._call(lambda: self._server.order([order(text) for text in texts]))

    def clear(self) -> None:
        """Take all orders back."""
        self._call(self._server.clear_orders)

    def _call(self, do: Callable[[], Answer]) -> Answer:
        """Between two things that the server does."""

        async def ask() -> Answer:
            return do()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(10)


@contextmanager
def served(**options: Any) -> Iterator[Served]:
    """A reference server in this process, with options of its own: as true as `ReferenceServer`, and cheaper."""
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    given = ServerOptions(**{"jwt_secret": SECRET, "control_port": 0} | options)
    servers = []

    async def serve() -> None:
        async with ChatServer(given) as server:
            servers.append(server)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield Served(servers[0], loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
