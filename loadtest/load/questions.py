"""A worker's questions to its master, of which many may be open at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

import gevent
import gevent.event

PATIENCE_S: Final = 60.0
"""How long an answer may take; after as long without its master a worker ends itself."""


class Questions:
    """Asks for numbers of further users.

    Args:
        send: sends a question by its number.
    """

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._count = itertools.count()
        self._open: dict[int, gevent.event.AsyncResult] = {}

    def ask(self) -> int | None:
        """A number for one more user; None where there is none. Blocks the calling greenlet."""
        question = next(self._count)
        answer = self._open[question] = gevent.event.AsyncResult()
        self._send(question)
        try:
            number: int | None = answer.get(timeout=PATIENCE_S)
        except gevent.Timeout:
            return None
        finally:
            del self._open[question]
        return number

    def answer(self, question: int, number: int | None) -> None:
        """The master's answer to one of them."""
        if question in self._open:
            self._open[question].set(number)
