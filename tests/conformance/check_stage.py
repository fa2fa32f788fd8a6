"""A reference server in a thread of its own, and a check of it without a process for it."""

import asyncio
import threading
from contextlib import contextmanager

from loadtest.conformance.check import Asked, Checker
from loadtest.load.people import People
from loadtest.server import AnswerStyle, ChatServer, ServerOptions
from loadtest.server.faults.orders import order
from loadtest.settings import Rate, settings

SECRET = "a secret of the tests, long enough for HS256"
RATE = Rate(10, 2.0)
QUICK = AnswerStyle(ttft_s=0.02, gap_s=0.005, chunks=6)


class Served:
    """A server that runs; `order` and `clear` are those of its faults."""

    def __init__(self, server, loop):
        self.url = server.url
        self._server, self._loop = server, loop

    def order(self, *texts):
        self._call(lambda: self._server.order([order(text) for text in texts]))

    def clear(self):
        self._call(self._server.clear_orders)

    def _call(self, do):
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (do(), done.set()))
        assert done.wait(10)


@contextmanager
def serving(**options):
    """A reference server with options of its own."""
    told, ready, loop = [], threading.Event(), asyncio.new_event_loop()
    given = {"jwt_secret": SECRET, "port": 0, "rate_limit": RATE, "answers": QUICK, "control_port": 0} | options

    async def serve():
        stop = asyncio.Event()
        async with ChatServer(ServerOptions(**given)) as server:
            told.extend((server, stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    server, stop = told
    try:
        yield Served(server, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def checked(url, *only, full=False, user=None, **options):
    """What a check of a server found."""
    values = {"jwt_secret": SECRET, "rate_limit": "10/2s", "reply_timeout": "1s"} | options
    asked = Asked(host=url, only=list(only), full=full, user=user, options={})
    chosen = settings(values)
    return Checker(asked, chosen, People(chosen)).run()


def verdicts(found):
    """Case to verdict."""
    return {case.id: str(case.verdict) for case in found.cases}


def seen(found):
    """Case to what was seen."""
    return {case.id: case.seen for case in found.cases}
