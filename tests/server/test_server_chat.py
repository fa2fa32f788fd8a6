"""What the reference server does with each frame of the guide, seen from real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from server_stage import QUICK, Client, Stage

from loadtest.server import AnswerStyle, ChatServer
from loadtest.settings import Rate

LENGTH = "content must have 1 to 10000 characters"

Play = Callable[..., ChatServer]


def _heard(frames: list[dict[str, object]], *fields: str) -> list[tuple[object, ...]]:
    return [tuple(frame.get(field) for field in fields) for frame in frames]


def test_a_message_is_acked_broadcast_acked_and_answered_in_this_order(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1", content="hello")
        heard = await ann.hear_until(type="message:stream", isComplete=True)
        assert _heard(heard, "type", "messageId", "status", "isComplete") == [
            ("message:ack", "m1", "received", None),
            ("message:receive", "m1", None, None),
            ("message:ack", "m1", "delivered", None),
            ("message:stream", "ai-m1", None, False),
            ("message:stream", "ai-m1", None, False),
            ("message:stream", "ai-m1", None, False),
            ("message:stream", "ai-m1", None, True),
        ]
        assert heard[1] | {"timestamp": ""} == {
            "type": "message:receive",
            "messageId": "m1",
            "conversationId": "tea",
            "content": "hello",
            "userId": "ann",
            "timestamp": "",
        }
        assert all(str(frame["timestamp"]).endswith("Z") for frame in heard)

    counts = play(story, answers=QUICK).counts
    assert (counts.messages, counts.received_acks, counts.delivered_acks, counts.broadcasts) == (1, 1, 1, 1)
    assert (counts.streams_started, counts.streams_completed, counts.stream_frames) == (1, 1, 4)


def test_a_stream_is_cumulative_and_its_completion_repeats_all_of_it(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1")
        heard = await ann.hear_until(type="message:stream", isComplete=True)
        contents = [str(frame["content"]) for frame in heard if frame["type"] == "message:stream"]
        assert len(contents) == 21
        for earlier, later in pairwise(contents[:-1]):
            assert later.startswith(earlier)
            assert len(later) > len(earlier) > 0
        assert contents[-1] == contents[-2]

    play(story, answers=AnswerStyle(ttft_s=0, gap_s=0, chunks=20))


def test_sending_into_a_conversation_joins_it_and_leaves_the_former_one(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await stage.client("ann"), await stage.client("ben")
        await ann.say("a1")
        await ann.hear_until(status="delivered")
        await ben.say("b1")
        assert (await ann.hear())["messageId"] == "b1"  # ann is there
        await ann.say("a2", "milk")
        await ann.hear_until(status="delivered")
        await ben.hear_until(status="delivered")
        await ben.say("b2")
        await ben.hear_until(status="delivered")
        assert await ann.nothing_more()  # ann has left
        assert await ben.nothing_more()  # and ben never saw milk

    counts = play(story).counts
    assert (counts.broadcasts, counts.receive_frames) == (4, 5)


def test_every_participant_gets_every_chunk(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await stage.client("ann"), await stage.client("ben")
        await ben.say("b1")
        await ben.hear_until(isComplete=True)
        await ann.say("a1")
        for client in (ann, ben):
            heard = await client.hear_until(messageId="ai-a1", isComplete=True)
            assert sum(frame["messageId"] == "ai-a1" for frame in heard) == 4

    counts = play(story, answers=QUICK).counts
    assert (counts.streams_completed, counts.stream_frames) == (2, 12)


def test_without_ai_messages_are_delivered_and_not_answered(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1")
        await ann.hear_until(status="delivered")
        assert await ann.nothing_more()

    assert play(story, answers=None).counts.streams_started == 0


def test_an_answer_that_nobody_is_left_to_read_is_broken_off(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1")
        await ann.hear_until(type="message:stream")
        await ann.socket.close()
        await stage.until(lambda: stage.server.counts.streams_cancelled == 1)

    counts = play(story, answers=AnswerStyle(ttft_s=0, gap_s=0.01, chunks=500)).counts
    assert (counts.streams_started, counts.streams_completed) == (1, 0)


# --- Rate limit -------------------------------------------------------------------------------------------------------
def test_beyond_the_limit_there_is_one_ack_error_and_nothing_else(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        for number in range(4):
            await ann.say(f"m{number}")
        heard = await ann.hear_until(status="error")
        assert _heard(heard[-1:], "messageId", "error") == [("m3", "Rate limit exceeded. Try again in 60 seconds")]
        assert await ann.nothing_more()

    counts = play(story, rate_limit=Rate(3, 60.0)).counts
    assert (counts.messages, counts.broadcasts, counts.rejected) == (4, 3, 1)


def test_the_connections_of_a_user_share_one_limit(play: Play) -> None:
    async def story(stage: Stage) -> None:
        tab, phone, other = [await stage.client(user) for user in ("ann", "ann", "ben")]
        await tab.say("m1")
        await tab.hear_until(status="delivered")
        await phone.say("m2", "milk")
        assert (await phone.hear())["status"] == "error"
        await other.say("m3", "milk")
        assert (await other.hear())["status"] == "received"

    play(story, rate_limit=Rate(1, 60.0))


def test_the_limit_opens_again_when_the_window_is_over(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1")
        await ann.say("m2")
        heard = await ann.hear_until(status="error")
        assert heard[-1]["error"] == "Rate limit exceeded. Try again in 1 seconds"
        await asyncio.sleep(0.2)  # the window itself is what is waited for
        await ann.say("m3")
        assert (await ann.hear())["status"] == "received"

    play(story, rate_limit=Rate(1, 0.2))


def test_the_limit_can_be_switched_off(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        for number in range(50):
            await ann.say(f"m{number}")
        await ann.hear_until(messageId="m49", status="delivered")

    assert play(story, rate_limit=None).counts.delivered_acks == 50


# --- What is wrong ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"messageId": "m", "conversationId": "tea"}, "missing required field `content`"),
        ({"messageId": "m", "conversationId": "tea", "content": ""}, LENGTH),
        ({"messageId": "m", "conversationId": "tea", "content": "x" * 10_001}, LENGTH),
        ({"messageId": "m", "conversationId": "tea", "content": "🙂" * 5_001}, LENGTH),
        ({"messageId": "m", "conversationId": "tea", "content": 5}, "Expected `str`, got `int` - at `$.content`"),
        ({"messageId": "", "conversationId": "tea", "content": "hi"}, "messageId must not be empty"),
        ({"messageId": "m", "conversationId": "", "content": "hi"}, "conversationId must not be empty"),
    ],
    ids=["missing", "empty", "too long", "too long in UTF-16", "wrong kind", "no message id", "no conversation"],
)  # fmt: skip
def test_an_invalid_message_is_answered_by_an_error_without_id_and_costs_no_limit(
    play: Play, fields: dict[str, object], problem: str
) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.send(type="message:send", **fields)
        error = await ann.hear()
        assert set(error) == {"type", "message", "timestamp"}
        assert error["type"] == "message:error"
        assert problem in str(error["message"])
        await ann.say("m1")
        assert (await ann.hear())["status"] == "received"

    counts = play(story, rate_limit=Rate(1, 60.0)).counts
    assert (counts.messages, counts.invalid, counts.broadcasts, counts.rejected) == (2, 1, 1, 0)


@pytest.mark.parametrize("content", ["x", "x" * 10_000, "🙂" * 5_000], ids=["one", "most", "most in UTF-16"])
def test_the_longest_and_the_shortest_message_pass(play: Play, content: str) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.say("m1", content=content)
        heard = await ann.hear_until(status="delivered")
        assert heard[1]["content"] == content

    play(story)


@pytest.mark.parametrize("frame", ["{", "[]", "7", b"\xff\xfe", ""])
def test_what_is_no_json_object_is_an_error_and_the_connection_lives(play: Play, frame: str | bytes) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        await ann.socket.send(frame)
        assert (await ann.hear()) | {"timestamp": ""} == {
            "type": "connection:error",
            "code": "MESSAGE_ERROR",
            "message": "Invalid JSON",
            "timestamp": "",
        }
        await ann.say("m1")
        assert (await ann.hear())["status"] == "received"

    assert play(story).counts.malformed == 1


def test_an_unknown_type_and_an_invalid_typing_event_are_validation_errors(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        for frame in ({"type": "message:stream"}, {"type": "room:join"}, {"type": "typing:start"}):
            await ann.send(**frame)
            assert _heard([await ann.hear()], "type", "code") == [("connection:error", "VALIDATION_ERROR")]

    counts = play(story).counts
    assert (counts.unknown_types, counts.invalid_typing) == (2, 1)


# --- Typing -----------------------------------------------------------------------------------------------------------
async def _two_in_one_room(stage: Stage) -> tuple[Client, Client]:
    ann, ben = await stage.client("ann"), await stage.client("ben")
    for client in (ann, ben):
        await client.say(f"of-{client.user}")
        await client.hear_until(messageId=f"of-{client.user}", status="delivered")
    await ann.hear_until(type="message:receive", userId="ben")
    return ann, ben


def test_typing_is_told_to_the_others_with_the_user_and_not_to_the_sender(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await _two_in_one_room(stage)
        await ann.typing("start")
        await ann.typing("stop")
        heard = [await ben.hear(), await ben.hear()]
        assert _heard(heard, "type", "conversationId", "userId") == [
            ("typing:start", "tea", "ann"),
            ("typing:stop", "tea", "ann"),
        ]
        assert await ann.nothing_more()

    counts = play(story).counts
    assert (counts.typing_starts, counts.typing_stops, counts.typing_ignored) == (1, 1, 0)


def test_typing_does_not_join_a_conversation(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await stage.client("ann"), await stage.client("ben")
        await ann.say("m1")
        await ann.hear_until(status="delivered")
        await ben.typing("start")
        assert (await ann.hear())["userId"] == "ben"
        await ann.typing("start")
        assert await ann.nothing_more()
        assert await ben.nothing_more()

    play(story)


def test_a_second_start_within_a_second_is_ignored_and_five_seconds_after_the_last_it_stops(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await _two_in_one_room(stage)
        loop = asyncio.get_running_loop()
        await ann.typing("start")
        await ben.hear_until(type="typing:start")
        started = loop.time()
        await ann.typing("start")
        assert (await ben.hear())["type"] == "typing:stop"  # and no second start before it
        assert 4.9 < loop.time() - started < 6.0

    counts = play(story).counts
    assert (counts.typing_starts, counts.typing_ignored, counts.typing_stops) == (1, 1, 1)


def test_a_disconnect_stops_the_typing(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await _two_in_one_room(stage)
        await ann.typing("start")
        await ben.hear_until(type="typing:start")
        await ann.socket.close()
        assert _heard([await ben.hear()], "type", "userId") == [("typing:stop", "ann")]

    play(story)


def test_a_stop_without_a_start_is_ignored(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await _two_in_one_room(stage)
        await ann.typing("stop")
        assert await ann.nothing_more()
        assert await ben.nothing_more()

    assert play(story).counts.typing_ignored == 1
