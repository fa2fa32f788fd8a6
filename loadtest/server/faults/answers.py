"""Streams that go wrong: the frames of an answer to the frames of a faulty one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import uuid4

from msgspec.structs import replace

from loadtest.protocol import STREAM_ID_PREFIX

from ..answers import Chunk
from .kinds import Fault

Frames = list[Chunk]


def _middle(frames: Frames) -> int:
    """Index of the chunk with which the second half begins; at least 1 where there are two chunks. The last frame is
    the completion."""
    return (len(frames) - 1) // 2


def _missing(_: Frames, __: float) -> Frames:
    return []


def _truncated(frames: Frames, _: float) -> Frames:
    return frames[: _middle(frames)]


def _repeated(frames: Frames, _: float) -> Frames:
    at = _middle(frames)
    return [*frames[:at], replace(frames[at - 1], wait_s=None), *frames[at:]]


def _shrunk(frames: Frames, _: float) -> Frames:
    """To less than its first chunk: what takes back less than its last step looks like a chunk that was overtaken."""
    at = _middle(frames)
    return [*frames[:at], Chunk(frames[0].content[:-1]), *frames[at:]]


def _rewritten(frames: Frames, _: float) -> Frames:
    """Upper case from the middle on: as long as it should be, and wrong in its first character."""
    at = _middle(frames)
    return [*frames[:at], *(replace(frame, content=frame.content.upper()) for frame in frames[at:])]


def _reordered(frames: Frames, _: float) -> Frames:
    """Content alone changes place: each frame still leaves at its moment."""
    at = _middle(frames)
    earlier, later = frames[at], frames[at - 1]
    swapped = [replace(later, content=earlier.content), replace(earlier, content=later.content)]
    return [*frames[: at - 1], *swapped, *frames[at + 1 :]]


def _unknown(frames: Frames, _: float) -> Frames:
    stranger = Chunk("of somebody else", stream_id=f"{STREAM_ID_PREFIX}unknown-{uuid4()}")
    return [*frames[:1], stranger, *frames[1:]]


def _after(frames: Frames, _: float) -> Frames:
    return [*frames, Chunk(frames[-1].content + " and more")]


def _completed_twice(frames: Frames, _: float) -> Frames:
    return [*frames, frames[-1]]


def _empty_first(frames: Frames, _: float) -> Frames:
    return [Chunk("", 0.0), *frames]


def _frozen(frames: Frames, seconds: float) -> Frames:
    at = _middle(frames)
    return [*frames[:at], replace(frames[at], wait_s=(frames[at].wait_s or 0.0) + seconds), *frames[at + 1 :]]


def _deltas(frames: Frames, _: float) -> Frames:
    """The completion still holds all of it."""
    before = 0
    made = []
    for frame in frames[:-1]:
        made.append(replace(frame, content=frame.content[before:]))
        before = len(frame.content)
    return [*made, frames[-1]]


def _failed(frames: Frames, _: float) -> Frames:
    return [*frames[: _middle(frames)], Chunk("", error="AI service failed")]


FAULTY: Final[dict[Fault, Callable[[Frames, float], Frames]]] = {
    Fault.STREAM_DELTA: _deltas,
    Fault.STREAM_REPEAT: _repeated,
    Fault.STREAM_SHRINK: _shrunk,
    Fault.STREAM_REWRITE: _rewritten,
    Fault.STREAM_REORDER: _reordered,
    Fault.STREAM_FREEZE: _frozen,
    Fault.STREAM_UNKNOWN: _unknown,
    Fault.STREAM_EMPTY_FIRST: _empty_first,
    Fault.STREAM_COMPLETE_TWICE: _completed_twice,
    Fault.STREAM_AFTER: _after,
    Fault.STREAM_ERROR: _failed,
    Fault.STREAM_TRUNCATE: _truncated,
    Fault.STREAM_MISSING: _missing,
}
"""Fault to what it makes of the frames and its value; in the order in which several are done to one answer."""
