"""Events for nobody, too late, twice or with an absurd clock, from a real server: counted by name in the summary of a
run and told to whoever reads it, and in no latency."""

import json
import time
from contextlib import contextmanager

import pytest
from chat_stage import say, until
from real_servers import behaving
from run_stage import Users

from loadtest.protocol import timestamp
from loadtest.report.render import as_text

TIMES = 3


def ack(connection, id_, *statuses, **more):
    for status in statuses:
        say(connection, "message:ack", messageId=id_, status=status, **{"timestamp": timestamp(time.time())} | more)


def stream(connection, id_, *contents, **more):
    """Chunks, of which the last completes."""
    for place, content in enumerate(contents, 1):
        chunk = {"messageId": f"ai-{id_}", "conversationId": "tea", "content": content}
        chunk |= {"isComplete": place == len(contents), "timestamp": timestamp(time.time())} | more
        say(connection, "message:stream", **chunk)


def answer(connection, id_, **more):
    """As the guide says."""
    ack(connection, id_, "received", "delivered", **more)
    stream(connection, id_, "an", "an answer", **more)


def for_an_unknown_message(connection, id_):
    unknown = f"{id_}-or-not"
    ack(connection, unknown, "received", "delivered")
    stream(connection, unknown, "nobody's")
    say(connection, "message:error", messageId=unknown, error="it failed")
    answer(connection, id_)


def acks_twice(connection, id_):
    ack(connection, id_, "received", "received", "delivered", "delivered")
    stream(connection, id_, "an answer")


def a_stream_for_a_rejected_message(connection, id_):
    ack(connection, id_, "error", error="Rate limit exceeded. Try again in 5 seconds")
    stream(connection, id_, "an", "an answer")


def other_peoples_streams(connection, id_):
    theirs = f"before-{id_}"
    sent = {"messageId": theirs, "conversationId": "tea", "content": "hi", "userId": "somebody"}
    say(connection, "message:receive", **sent, timestamp=timestamp(time.time()))
    stream(connection, theirs, "for", "for somebody else")
    answer(connection, id_)


def a_clock_years_off(connection, id_):
    answer(connection, id_, timestamp="1999-12-31T23:59:59.000Z")


def no_timestamp(connection, id_):
    answer(connection, id_, timestamp=None)


@contextmanager
def serving(how):
    """A server that answers each message that way, and the messages that it has answered."""
    answered = []

    def serve(connection):
        say(connection, "connection:authenticated", connectionId="c", timestamp=timestamp(time.time()))
        for frame in connection:
            id_ = json.loads(frame)["messageId"]
            how(connection, id_)
            answered.append(id_)

    with behaving(serve) as port:
        yield f"ws://127.0.0.1:{port}/ws", answered


@pytest.fixture
def found(tmp_path):
    """What a run found whose messages were answered that way."""

    def run(how):
        with serving(how) as (url, answered):
            users = Users(url)
            user = users.new()
            for _ in range(TIMES):
                user.send("tea", "hi")
                until(lambda: not user.open)
            until(lambda: len(answered) == TIMES)
            users.hear()
            return users.end(tmp_path)

    return run


@pytest.mark.parametrize(
    ("how", "each", "told"),
    [
        (
            for_an_unknown_message,
            {
                "unmatched_ack: received": 1, "unmatched_ack: delivered": 1, "unmatched_stream: ": 1,
                "foreign_stream: completed": 1, "error_unattributed: it failed": 1,
            },
            ["acks for no message of ours: 3 x delivered, 3 x received", "stream frames for no message seen: 3",
             "errors that name no message: 3 x it failed"],
        ),
        (
            acks_twice,
            {"duplicates": 2, "duplicate_ack: received": 1, "duplicate_ack: delivered": 1},
            ["duplicate acks: 3 x delivered, 3 x received"],
        ),
        (
            a_stream_for_a_rejected_message,
            {"rejected_within_limit": 1, "stream_violations": 2, "stream_violation: after rejected": 2},
            ["stream violations: 6 x after rejected"],
        ),
        (
            other_peoples_streams,
            {"foreign_stream_frame: ": 2, "foreign_stream: completed": 1},
            ["streams of others: 3 x completed", "stream frames of others: 6"],
        ),
        (
            a_clock_years_off,
            {"server_timestamp: more than a year off": 2},  # of the delivered ack and of the first chunk
            ["timestamps of the server: 6 x more than a year off"],
        ),
        (no_timestamp, {"server_timestamp: missing": 2}, ["timestamps of the server: 6 x missing"]),
        (answer, {}, []),
    ],
)  # fmt: skip
def test_each_is_counted_by_its_name_and_told(found, how, each, told):
    run = found(how)
    assert run.findings == {name: count * TIMES for name, count in each.items()}
    lines = as_text(run.summary).splitlines()
    assert [line for line in told if line not in lines] == []
    assert_no_latency_of_another_clock(run, answered=0 if how is a_stream_for_a_rejected_message else TIMES)


def assert_no_latency_of_another_clock(run, answered):
    """Each within the run, by our own clock."""
    length_ns = 1e9 * run.summary.run.duration_s
    for metric in ("ack_delivered", "ttft", "stream_completion"):
        values = run.measured.samples(metric).values
        assert len(values) == answered
        assert all(0 < value < length_ns for value in values)


def test_what_comes_after_the_timeout_is_counted_as_late_and_told(tmp_path):
    received = []

    def late(connection, id_):
        received.append(id_)
        if len(received) > TIMES:
            for each in received:
                answer(connection, each)

    with serving(late) as (url, answered):
        users = Users(url)
        user = users.new()
        for sent in range(1, TIMES + 1):
            user.send("tea", "hi")
            until(lambda: len(answered) == sent)  # noqa: B023 - called before the next turn
        users.give_up()
        user.send("tea", "the last one, and then what is late")
        until(lambda: not user.open)
        run = users.end(tmp_path)
    each = {
        "timeout": 1, "timeouts: no ack": 1, "late_ack: received": 1, "late_ack: delivered": 1,
        "stream_violations": 2, "stream_violation: after the timeout": 2,
    }  # fmt: skip
    assert run.findings == {name: count * TIMES for name, count in each.items()}
    lines = as_text(run.summary).splitlines()
    assert "acks after the timeout or the loss: 3 x delivered, 3 x received" in lines
    assert "stream violations: 6 x after the timeout" in lines
    assert run.at_least("ack_delivered", 30_000) == TIMES, "what came late is as good as never"
