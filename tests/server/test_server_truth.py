"""The truth file: the moments of each message on the clock that all processes share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from server_stage import Stage

from loadtest.protocol import ServerEvent, encode
from loadtest.server import AnswerStyle, ChatServer, post
from loadtest.server.truth import LINES_PER_WRITE, MessageTruth, TruthLog
from loadtest.settings import Rate

Play = Callable[..., ChatServer]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_moments_lie_between_sending_and_hearing_in_the_order_of_the_guide(play: Play, tmp_path: Path) -> None:
    moments: list[int] = []

    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        moments.append(time.monotonic_ns())
        await ann.say("m1")
        await ann.hear_until(isComplete=True)
        moments.append(time.monotonic_ns())

    play(story, answers=AnswerStyle(ttft_s=0.05, gap_s=0.01, chunks=3), truth_file=tmp_path / "truth.jsonl")
    (line,) = _lines(tmp_path / "truth.jsonl")
    assert line["messageId"] == "m1"
    first, second, third = line["content_ns"]
    in_order = [
        moments[0],
        line["read_ns"],
        line["received_ns"],
        line["broadcast_ns"],
        line["delivered_ns"],
        line["first_content_ns"],
        second,
        third,
        line["completed_ns"],
        moments[1],
    ]
    assert in_order == sorted(in_order)
    assert first == line["first_content_ns"]
    assert first - line["delivered_ns"] >= 50_000_000
    assert third - line["delivered_ns"] >= 70_000_000


def test_the_moment_of_a_frame_lies_behind_its_encoding(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def noting(event: ServerEvent) -> bytes:
        data = encode(event)
        encoded.append(time.monotonic_ns())
        return data

    monkeypatch.setattr(post, "encode", noting)

    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        encoded.clear()
        await ann.say("m1")
        await ann.hear_until(isComplete=True)

    play(story, answers=AnswerStyle(ttft_s=0, gap_s=0.01, chunks=2), truth_file=tmp_path / "truth.jsonl")
    (line,) = _lines(tmp_path / "truth.jsonl")
    moments = [line[f"{name}_ns"] for name in ("received", "broadcast", "delivered")]
    moments += [*line["content_ns"], line["completed_ns"]]
    assert len(moments) == len(encoded) == 6
    assert all(ready <= moment for ready, moment in zip(encoded, moments, strict=True))
    assert moments[:-1] < encoded[1:]


def test_what_did_not_happen_is_left_out(play: Play, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1")
        await ann.say("m2")
        await ann.hear_until(messageId="m2", status="error")

    play(story, rate_limit=Rate(1, 60.0), truth_file=tmp_path / "truth.jsonl")
    assert [sorted(line) for line in _lines(tmp_path / "truth.jsonl")] == [
        ["broadcast_ns", "delivered_ns", "messageId", "read_ns", "received_ns"],
        ["messageId", "read_ns", "rejected_ns"],
    ]


def test_an_answer_that_was_broken_off_keeps_what_was_written(play: Play, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1")
        await ann.hear_until(type="message:stream")

    play(story, answers=AnswerStyle(ttft_s=0, gap_s=60, chunks=2), truth_file=tmp_path / "truth.jsonl")
    (line,) = _lines(tmp_path / "truth.jsonl")
    assert line["content_ns"] == [line["first_content_ns"]]
    assert "completed_ns" not in line


def test_lines_are_written_many_at_a_time_and_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    log = TruthLog(path)
    for number in range(LINES_PER_WRITE - 1):
        log.add(MessageTruth(f"m{number}", number))
    assert path.read_bytes() == b""
    log.add(MessageTruth("m", 7))
    assert len(_lines(path)) == LINES_PER_WRITE
    log.add(MessageTruth("late", 8))
    log.flush()
    log.close()
    assert path.read_bytes().endswith(b'{"messageId":"m","read_ns":7}\n{"messageId":"late","read_ns":8}\n')
