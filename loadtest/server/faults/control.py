"""Orders to a server that runs, over HTTP on this machine: for tests.

| request | does |
|---|---|
| `GET /counts` | what the server counted, as in its counts file |
| `GET /faults` | the orders that stand, with their occasions and how many of them were due |
| `POST /faults` | orders more, one a line; a moment `at=` counts from now |
| `DELETE /faults` | takes all orders back |
| `GET /rooms` | conversation to the users in it, once for each connection that counts as a member, dead or alive |
| `POST /flush` | writes the truth of finished messages to its file |

Answers are JSON. What is wrong with an order is said in one line, status 400, and then none of its request was taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, Protocol

import msgspec

from .orders import Order, order
from .script import Progress

ADDRESS: Final = "127.0.0.1"
ANSWER_TIMEOUT_S: Final = 10.0
"""A server that is held up for longer, as by a fault of CPU, is not waited for."""
MOST_BYTES: Final = 64 * 2**10


class ControlPortTaken(OSError):
    """The control port cannot be listened on."""


class Controlled(Protocol):
    """What can be asked of a server. All of it is called in its own event loop."""

    @property
    def counts(self) -> Any:
        """What it counted."""

    def orders(self) -> list[Progress]:
        """Its orders."""

    def order(self, orders: list[Order]) -> None:
        """Take more orders."""

    def clear_orders(self) -> None:
        """Take all back."""

    def rooms(self) -> dict[str, list[str]]:
        """Who is in which conversation."""

    def flush(self) -> None:
        """Write the truth to its file."""


class Control:
    """Listens in a thread of its own, which sleeps until it is asked.

    Args:
        server: whom to ask.
        port: TCP port of 127.0.0.1; 0 for a free one.

    Raises:
        ControlPortTaken: the port cannot be listened on.
    """

    def __init__(self, server: Controlled, port: int) -> None:
        loop = asyncio.get_running_loop()

        class Handler(_Handler):
            def ask(self, what: Callable[[Controlled], object]) -> object:
                async def ask() -> object:
                    return what(server)

                return asyncio.run_coroutine_threadsafe(ask(), loop).result(ANSWER_TIMEOUT_S)

        try:
            self._http = ThreadingHTTPServer((ADDRESS, port), Handler)
        except OSError as error:
            raise ControlPortTaken(error.errno, error.strerror) from None
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,), name="control", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{ADDRESS}:{self._http.server_port}"

    async def close(self) -> None:
        """Stop listening; the event loop goes on meanwhile, for it may owe an answer."""
        await asyncio.to_thread(self._http.shutdown)
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    def ask(self, what: Callable[[Controlled], object]) -> object:
        raise NotImplementedError

    def do_GET(self) -> None:
        if self.path == "/counts":
            # encoded in the loop: a count may not change in the middle of it
            self._answer(HTTPStatus.OK, self.ask(lambda server: msgspec.Raw(msgspec.json.encode(server.counts))))
        elif self.path == "/faults":
            self._answer(HTTPStatus.OK, self.ask(lambda server: server.orders()))
        elif self.path == "/rooms":
            self._answer(HTTPStatus.OK, self.ask(lambda server: server.rooms()))
        else:
            self._not_found()

    def do_POST(self) -> None:
        if self.path == "/flush":
            self._answer(HTTPStatus.OK, self.ask(lambda server: server.flush()))
            return
        if self.path != "/faults":
            self._not_found()
            return
        try:
            orders = [order(line) for line in self._body().splitlines() if line.strip()]
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self.ask(lambda server: server.order(orders))
        self._answer(HTTPStatus.CREATED, self.ask(lambda server: server.orders()))

    def do_DELETE(self) -> None:
        if self.path != "/faults":
            self._not_found()
            return
        self.ask(lambda server: server.clear_orders())
        self._answer(HTTPStatus.OK, [])

    def _body(self) -> str:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            raise ValueError(f"orders of more than {MOST_BYTES} bytes")
        return self.rfile.read(int(length)).decode()

    def _not_found(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND, {"error": f"{self.command} {self.path} is none of this server's requests"})

    def _answer(self, status: HTTPStatus, answer: object) -> None:
        data = msgspec.json.encode(answer) + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""
