"""An answer on its way to its readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .answers import Answer
from .truth import MessageTruth

Write = Callable[[str, bool], int | None]
"""Writes one chunk, given all content so far and whether it is complete.

Returns when that was, monotonic ns; None where there was nobody to read it."""


class Stream:
    """Writes the chunks of an answer, each at its planned moment, and the completion frame right behind the last.

    It is driven by timers and not by a task: a chunk then costs one turn of the event loop, and not two.

    Args:
        answer: what to write, and when.
        write: how to write it.
        truth: where the moments go.
        on_end: called once with the stream, and whether it came to its end; it stops where there is nobody to read it.
    """

    def __init__(
        self, answer: Answer, write: Write, truth: MessageTruth, on_end: Callable[[Stream, bool], None]
    ) -> None:
        self.truth = truth
        self._answer = answer
        self._write = write
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._written = 0
        self._due = self._loop.time()
        self._timer = self._next()

    def cancel(self) -> None:
        """Break it off."""
        self._timer.cancel()
        self._on_end(self, False)

    def _next(self) -> asyncio.TimerHandle:
        # From when it was due and not from now: a late wake-up must not stretch the rest of the answer.
        self._due += self._answer.waits_s[self._written]
        return self._loop.call_at(self._due, self._chunk)

    def _chunk(self) -> None:
        wrote_ns = self._write(self._answer.text[: self._answer.ends[self._written]], False)
        if wrote_ns is None:
            self._on_end(self, False)
            return
        self.truth.wrote_content(wrote_ns)
        self._written += 1
        if self._written < len(self._answer.ends):
            self._timer = self._next()
        else:
            self._complete()

    def _complete(self) -> None:
        self.truth.completed_ns = self._write(self._answer.text, True)
        self._on_end(self, self.truth.completed_ns is not None)
