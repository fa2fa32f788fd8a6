"""What each fault of a stream makes of an answer of four chunks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.server.answers import Answer, Chunk
from loadtest.server.faults.answers import FAULTY
from loadtest.server.faults.kinds import Fault

ANSWER = Answer("one two six ten", (3, 7, 11, 15), (0.4, 0.1, 0.1, 0.1))
CLEAN = list(ANSWER.frames())
END = ("one two six ten", None, True)


def _made(fault: Fault, seconds: float = 0.0) -> list[tuple[str, float | None, bool]]:
    return [(frame.content, frame.wait_s, frame.is_complete) for frame in FAULTY[fault](CLEAN, seconds)]


ONE, TWO, THREE, FOUR = [(frame.content, frame.wait_s, False) for frame in CLEAN[:4]]


def test_without_a_fault_chunks_are_cumulative_and_the_completion_is_right_behind_the_last() -> None:
    assert [(frame.content, frame.wait_s, frame.is_complete) for frame in CLEAN] == [
        ("one", 0.4, False),
        ("one two", 0.1, False),
        ("one two six", 0.1, False),
        ("one two six ten", 0.1, False),
        ("one two six ten", None, True),
    ]


@pytest.mark.parametrize(
    ("fault", "frames"),
    [
        (Fault.STREAM_MISSING, []),
        (Fault.STREAM_TRUNCATE, [ONE, TWO]),
        (Fault.STREAM_REPEAT, [ONE, TWO, ("one two", None, False), THREE, FOUR, END]),
        (Fault.STREAM_SHRINK, [ONE, TWO, ("on", None, False), THREE, FOUR, END]),
        (Fault.STREAM_REWRITE,
         [ONE, TWO, ("ONE TWO SIX", 0.1, False), ("ONE TWO SIX TEN", 0.1, False), ("ONE TWO SIX TEN", None, True)]),
        (Fault.STREAM_REORDER, [ONE, ("one two six", 0.1, False), ("one two", 0.1, False), FOUR, END]),
        (Fault.STREAM_AFTER, [ONE, TWO, THREE, FOUR, END, ("one two six ten and more", None, False)]),
        (Fault.STREAM_COMPLETE_TWICE, [ONE, TWO, THREE, FOUR, END, END]),
        (Fault.STREAM_EMPTY_FIRST, [("", 0.0, False), ONE, TWO, THREE, FOUR, END]),
        (Fault.STREAM_DELTA,
         [("one", 0.4, False), (" two", 0.1, False), (" six", 0.1, False), (" ten", 0.1, False), END]),
    ],
)  # fmt: skip
def test_it_makes_of_the_frames(fault: Fault, frames: list[tuple[str, float | None, bool]]) -> None:
    assert _made(fault) == frames


def test_a_freeze_is_so_much_more_in_the_middle() -> None:
    assert _made(Fault.STREAM_FREEZE, 3.0) == [ONE, TWO, ("one two six", 3.1, False), FOUR, END]


def test_a_chunk_of_an_unknown_stream_has_an_id_that_answers_nothing() -> None:
    frames = FAULTY[Fault.STREAM_UNKNOWN](CLEAN, 0.0)
    assert [frame for frame in frames if frame.stream_id is None] == CLEAN
    (stranger,) = [frame for frame in frames if frame.stream_id is not None]
    assert str(stranger.stream_id).startswith("ai-unknown-")


def test_a_failed_answer_ends_with_an_error() -> None:
    assert FAULTY[Fault.STREAM_ERROR](CLEAN, 0.0) == [*CLEAN[:2], Chunk("", error="AI service failed")]


@given(st.integers(1, 9), st.sets(st.sampled_from(list(FAULTY))))
def test_several_can_be_done_to_any_answer_that_is_long_enough(chunks: int, faults: set[Fault]) -> None:
    text = "a b c d e f g h i"[: 2 * chunks - 1]
    answer = Answer(text, tuple(range(1, 2 * chunks, 2)), (0.1,) * chunks)
    frames = list(answer.frames())
    for fault in FAULTY:
        if fault in faults and chunks >= fault.kind.least_chunks:
            frames = FAULTY[fault](frames, 1.0)
    assert not frames or frames[0].wait_s is not None  # something still says when it begins


@given(st.integers(2, 9))
def test_a_shrunk_stream_shrinks_once(chunks: int) -> None:
    text = "a b c d e f g h i"[: 2 * chunks - 1]
    frames = FAULTY[Fault.STREAM_SHRINK](
        list(Answer(text, tuple(range(1, 2 * chunks, 2)), (0.1,) * chunks).frames()), 0.0
    )
    assert sum(not later.content.startswith(earlier.content) for earlier, later in pairwise(frames)) == 1
