"""A run folder made of literal records: what a run would have left, without a run."""

from datetime import UTC, datetime

from loadtest.model import (
    PREFLIGHT,
    Batch,
    Connect,
    Count,
    Disconnect,
    Message,
    Outage,
    Outcome,
    Population,
    RunInfo,
    StreamState,
)
from loadtest.runs.folder import create
from loadtest.runs.writer import RunWriter

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
MS = 1_000_000
SECOND = 1_000 * MS
START = 1_000 * SECOND
"""Start of the run on the monotonic clock."""
STEADY_S = 20
"""Seconds from the start to the steady window: 10 s of spawning and one limiter window of 10 s."""


def info(**changes):
    facts = {
        "scenario": "chat",
        "started_utc": "2026-11-24T02:00:00+00:00",
        "started_ns": START,
        "tool_version": "0.1.0",
        "seed": 1,
        "host": "ws://127.0.0.1:5000/ws",
        "command": ["locust", "-f", "locustfiles/chat.py"],
        "labels": {"build": "abc123"},
        "options": {},
        "generator": {"cores": 2},
        "users": 3,
        "processes": 1,
        "receive_clock": "kernel",
        "limit_messages": 10,
        "limit_window_s": 10.0,
        "reply_timeout_s": 30.0,
        "warmup_s": None,
        "expect_stream": "auto",
        "spawned_ns": START + 10 * SECOND,
        "stopped_ns": START + 80 * SECOND,
        "ended_ns": START + 82 * SECOND,
        "ended_by": "time",
    }
    return RunInfo(**facts | changes)


def message(
    number, at_s, outcome=Outcome.DELIVERED, population=Population.HEADLINE, user_class="WithinLimitUser", **more
):
    """A message intended so many seconds after the start and sent 1 ms later."""
    intended = START + round(at_s * SECOND)
    return Message(
        user=f"user-{number % 3}",
        user_class=user_class,
        population=population,
        conversation="conv-0",
        message_id=f"msg-{number}",
        outcome=outcome,
        **{"intended_ns": intended, "sent_ns": intended + MS} | more,
    )


def answered(number, at_s, ack_ms, **more):
    """A message delivered after `ack_ms`, its answer begun 400 ms after it was sent and completed after 1 s."""
    sent = START + round(at_s * SECOND) + MS
    return message(
        number,
        at_s,
        **{
            "received_ns": sent + MS,
            "delivered_ns": sent + ack_ms * MS,
            "delivered_bound_ns": 0,
            "stream_state": StreamState.COMPLETED,
            "first_content_ns": sent + 400 * MS,
            "first_content_bound_ns": 0,
            "last_content_ns": sent + 990 * MS,
            "completed_ns": sent + 1_000 * MS,
            "longest_stall_ns": 30 * MS,
            "chunks": 31,
            "progress_chunks": 30,
            "chars": 120,
        }
        | more,
    )


def ordinary():
    """100 messages that were answered after 1 to 100 ms, in mixed order, and some that are not of the headline."""
    messages = [answered(number, STEADY_S + number * 0.5, number * 37 % 100 + 1) for number in range(100)]
    messages.append(answered(200, 5, 9_000))  # before the steady window
    messages.append(
        message(201, 30, Outcome.REJECTED, Population.LIMIT, "AboveLimitUser", refused_ns=START + 31 * SECOND)
    )
    messages.append(answered(202, 31, 7, population=Population.LIMIT, user_class="AboveLimitUser"))
    messages.append(answered(203, 32, 7, population=Population.OUTAGE, user_class="RoamingUser"))
    return messages


def batch(messages, sequence=0, process="local", **more):
    connects = [
        Connect(PREFLIGHT, PREFLIGHT, START, "ok", authenticated_ns=START + 5 * MS),
        *(Connect(f"user-{n}", "WithinLimitUser", START, "ok", authenticated_ns=START + 5 * MS) for n in range(3)),
        Connect("user-2", "WithinLimitUser", START + SECOND, "ok", reconnect=True, authenticated_ns=START + 2 * SECOND),
        Connect("user-2", "WithinLimitUser", START, "AUTH_FAILED"),
    ]
    return Batch(
        process,
        sequence,
        **{
            "messages": messages,
            "connects": connects,
            "disconnects": [Disconnect("user-2", "WithinLimitUser", START + SECOND, 1006, "", "server")],
            "outages": [Outage("user-2", "WithinLimitUser", START + SECOND, 1006, "", False, 1, START + 2 * SECOND)],
            "counters": [
                Count("messages_offered", "", len(messages)),
                Count("frames_received", "", 3_000),
                Count("bytes_received", "", 90_000),
                Count("unknown_event", "message:edited", 2),
            ],
        }
        | more,
    )


def stage(results, batches, **facts):
    """Write a run folder; returns its path."""
    folder = create(results, "chat", NOW)
    with RunWriter(folder, info(**facts)) as writer:
        for each in batches:
            writer.write(each)
    return folder
