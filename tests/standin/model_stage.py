"""Stand-ins of the model in a thread of the test process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from loadtest.server.answers import AnswerStyle
from loadtest.standin.log import Request
from loadtest.standin.server import StandIn, StandInOptions

QUICK = AnswerStyle(ttft_s=0.02, gap_s=0.002, chunks=5)


class Model:
    """A stand-in that listens.

    Attributes:
        url: where.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stand_in: StandIn, log: Path) -> None:
        self.url = stand_in.url
        self._loop, self._stand_in, self._log = loop, stand_in, log

    def requests(self, number: int) -> list[Request]:
        """The truth of its requests, once so many are over."""

        async def ended() -> None:
            while sum(self._stand_in.ended.values()) < number:
                await asyncio.sleep(0.001)  # the last byte reaches the client before the handler returns
            self._stand_in.flush()

        asyncio.run_coroutine_threadsafe(ended(), self._loop).result(10)
        return msgspec.json.Decoder(Request).decode_lines(self._log.read_bytes())


@contextmanager
def served(options: StandInOptions) -> Iterator[Model]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    stand_in = StandIn(options)
    run(stand_in.__aenter__())
    try:
        assert options.log is not None
        yield Model(loop, stand_in, options.log)
    finally:
        run(stand_in.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


StartModel = Callable[..., Model]
