"""An answer on its way to its readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from enum import StrEnum
from uuid import uuid4

from loadtest.protocol import STREAM_ID_PREFIX

from .answers import Chunk
from .truth import MessageTruth

Write = Callable[[Chunk], int | None]
"""Writes one frame; returns when that was, monotonic ns, or None where there was nobody to read it."""


class StreamIds(StrEnum):
    """Which id the stream that answers a message has; the guide does not say (backend.md, AI stream)."""

    PREFIXED = "prefixed"
    """`ai-<messageId>`, as the real server does."""
    SAME = "same"
    """The message's own."""
    RANDOM = "random"
    """A new one that tells nothing."""

    def of(self, message_id: str) -> str:
        """Id of the stream that answers this message."""
        if self is StreamIds.PREFIXED:
            return STREAM_ID_PREFIX + message_id
        return message_id if self is StreamIds.SAME else str(uuid4())


class Stream:
    """Writes the frames of an answer, each at its planned moment.

    It is driven by timers and not by a task: a chunk then costs one turn of the event loop, and not two.

    Args:
        frames: what to write, and when; each is taken after the one before it was written.
        write: how to write it.
        truth: where the moments go.
        on_end: called once with the stream, and whether it was completed; it stops where there is nobody to read it.
    """

    def __init__(
        self,
        frames: Iterator[Chunk],
        write: Write,
        truth: MessageTruth,
        on_end: Callable[[Stream, bool], None],
    ) -> None:
        self.truth = truth
        self._frames = frames
        self._write = write
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._timer = self._schedule(next(frames, None))

    def cancel(self) -> None:
        """Break it off."""
        self._timer.cancel()
        self._end()

    def _schedule(self, frame: Chunk | None) -> asyncio.TimerHandle:
        # From when it was due and not from now: a late wake-up must not stretch the rest of the answer.
        self._due += (frame and frame.wait_s) or 0
        return self._loop.call_at(self._due, self._turn, frame)

    def _turn(self, frame: Chunk | None) -> None:
        """Write this frame, and those that come right behind it."""
        while frame is not None and self._wrote(frame):
            frame = next(self._frames, None)
            if frame is not None and frame.wait_s is not None:
                self._timer = self._schedule(frame)
                return
        self._end()

    def _wrote(self, frame: Chunk) -> bool:
        moment_ns = self._write(frame)
        if moment_ns is None:
            return False
        if frame.stream_id is not None or frame.error is not None:
            return True  # no part of this answer
        if frame.is_complete:
            self.truth.completed_ns = self.truth.completed_ns or moment_ns
        elif frame.content:
            self.truth.wrote_content(moment_ns)
        return True

    def _end(self) -> None:
        self._on_end(self, self.truth.completed_ns is not None)
