"""Events for nobody, too late, twice, or with an absurd clock: counted under a name, and in no latency."""

import pytest
from test_session import MS, TIMEOUT, Chat, delivered

from loadtest.client.dialect import Dialect
from loadtest.client.stamps import HOURS_OFF, MISSING, NO_TEXT, UNREADABLE, YEARS_OFF, fault
from loadtest.model import Outcome, StreamState

SENT = "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("stamp", "wrong"),
    [
        ("2026-01-01T00:00:29.999Z", None),
        ("2026-01-01T00:59:59Z", None),
        ("2025-12-31T23:59:58.000Z", None),
        ("2026-01-01T02:00:30+02:00", None),
        ("2026-01-01T02:00:30Z", HOURS_OFF),
        ("2026-01-01T02:00:30", HOURS_OFF),
        ("1970-01-01T00:00:00.000Z", YEARS_OFF),
        ("9999-12-31T23:59:59.999Z", YEARS_OFF),
        ("0001-01-01T00:00:00+14:00", YEARS_OFF),
        ("yesterday", UNREADABLE),
        ("", UNREADABLE),
        ("2026-13-45T99:99:99Z", UNREADABLE),
        (1767225600000, NO_TEXT),
        (-1e300, NO_TEXT),
        (None, MISSING),
    ],
)
def test_what_is_wrong_with_a_timestamp(stamp, wrong):
    assert fault(stamp, SENT) == wrong


@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:00.000Z", 1e308, "noon", None])
def test_no_latency_hangs_on_the_servers_clock(stamp):
    chat = Chat()
    chat.send(at=1)
    chat.ack("received", 3, timestamp=stamp)
    chat.ack("delivered", 5, timestamp=stamp)
    chat.chunk("A", 100, timestamp=stamp, done=True)
    record = chat.only
    assert (record.received_ns, record.delivered_ns, record.completed_ns) == (3 * MS, 5 * MS, 100 * MS)
    assert chat.count("server_timestamp", fault(stamp, SENT)) == 2  # of the delivered ack and the first chunk
    assert chat.count("invalid_event", "message:ack") == 0


def test_a_sound_timestamp_is_not_counted():
    chat = Chat()
    chat.send()
    chat.ack("delivered", 5, timestamp="2026-01-01T00:00:00.005Z")
    chat.chunk("A", 100, timestamp="2026-01-01T00:00:00.100Z", done=True)
    assert [name for name, _ in chat.counts.seen if name == "server_timestamp"] == []


def test_acks_out_of_order_are_named():
    chat = Chat()
    chat.send()
    chat.ack("delivered", 5)
    chat.ack("received", 7)
    chat.chunk("A", 100, done=True)
    assert chat.count("reordered_ack", "received") == 1
    assert (chat.only.delivered_ns, chat.only.received_ns, chat.only.duplicate_acks) == (5 * MS, 7 * MS, 0)
    assert chat.count("missing_ack", "received") == 0


def test_an_ack_that_never_came_is_named():
    chat = Chat(expects=False)
    chat.send()
    chat.ack("delivered", 5)
    assert chat.count("missing_ack", "received") == 1
    assert chat.only.outcome is Outcome.DELIVERED


@pytest.mark.parametrize("status", ["received", "delivered", "error"])
def test_each_ack_twice_is_a_duplicate_and_changes_nothing(status):
    chat = Chat(expects=True)
    delivered(chat)
    chat.ack(status, 20)
    chat.chunk("A", 100, done=True)
    assert chat.count("duplicate_ack", status) == 1
    assert (chat.only.outcome, chat.only.delivered_ns, chat.only.duplicate_acks) == (Outcome.DELIVERED, 5 * MS, 1)


def test_an_ack_of_a_lost_message_is_late():
    chat = Chat()
    chat.send()
    chat.session.lost(1006)
    chat.ack("delivered", 3_000)
    assert chat.count("late_ack", "delivered") == 1
    assert chat.only.outcome is Outcome.LOST


@pytest.mark.parametrize(
    ("id_", "name", "key"),
    [
        ("nobody", "error_unattributed", "no"),
        ("ai-nobody", "error_unattributed", "no"),
        ("ai-m1", "late_error", StreamState.COMPLETED),
        ("m1", "late_error", StreamState.COMPLETED),
        ("ai-other", "foreign_stream", StreamState.ERRORED),
    ],
)
def test_errors_that_change_nothing_are_counted(id_, name, key):
    chat = Chat()
    delivered(chat)
    chat.hear(6, type="message:receive", messageId="other", conversationId="c1", content="hi", userId="load-9")
    chat.chunk("A", 100, done=True)
    chat.hear(110, type="message:error", messageId=id_, error="no")
    assert chat.count(name, key) == 1
    assert chat.only.stream_state is StreamState.COMPLETED


def test_an_error_without_an_id_is_not_of_a_message_that_waits_for_its_answer():
    chat = Chat()
    delivered(chat)
    chat.hear(7, type="message:error", message="no")
    assert chat.count("error_unattributed", "no") == 1


def test_an_error_without_an_id_passes_by_what_is_delivered_or_still_queued():
    chat = Chat()
    delivered(chat, "m1")
    chat.session.enqueue("m2", "c1", "x", 6 * MS)
    chat.send("m3", 7)
    chat.hear(8, type="message:error", message="too long")
    assert (chat.only.message_id, chat.only.outcome, chat.only.reason) == ("m3", Outcome.ERROR, "too long")


def test_a_nameless_error_of_the_rate_limit_is_a_rejection():
    chat = Chat()
    chat.send()
    chat.hear(3, type="message:error", message="Rate limit exceeded. Try again in 7 seconds")
    assert (chat.only.outcome, chat.only.retry_after_s) == (Outcome.REJECTED, 7)


def test_a_dialect_that_fails_at_a_frame_does_not_deafen_its_user():
    class Clumsy(Dialect):
        def decode(self, data):
            return {}[data] if b"presence" in data else super().decode(data)

    chat = Chat(dialect=Clumsy())
    chat.send()
    chat.hear(1, type="presence:update")
    chat.ack("received", 3)
    assert chat.count("dialect_error", "KeyError") == 1
    chat.session.expire(TIMEOUT + 4 * MS)
    assert chat.only.received_ns == 3 * MS


def test_a_dialect_that_fails_at_the_names_of_fields_loses_no_event():
    class Clumsy(Dialect):
        def unknown_fields(self, data, _):
            return {}[data]

    chat = Chat(dialect=Clumsy())
    chat.send()
    chat.ack("received", 3)
    chat.ack("delivered", 5)
    chat.chunk("A", 100, done=True)
    assert chat.count("dialect_error", "KeyError") == 3  # two acks, and the first chunk
    assert (chat.only.received_ns, chat.only.stream_state) == (3 * MS, StreamState.COMPLETED)
