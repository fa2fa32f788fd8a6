"""The ledger of one user: which frames end a message how."""

import json
from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.client.dialect import GUIDE
from loadtest.client.endings import NEVER_DELIVERED, NO_ACK
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.offline_queue import QUEUE_LIMIT
from loadtest.client.recent import RECENT
from loadtest.client.session import Session
from loadtest.model import Message, Outcome, Population, StreamState

MS = 1_000_000
TIMEOUT = 30_000 * MS


class Counts:
    frames_received = bytes_received = 0

    def __init__(self):
        self.seen = Counter()

    def add(self, name, key="", value=1):
        self.seen[name, key] += value


class Chat:
    """A session with a shorthand for the server's frames; time is in ms."""

    def __init__(self, expects=None, population=Population.HEADLINE, dialect=GUIDE, client=None):
        self.counts, self.gaps, self.gap_bounds = Counts(), array("q"), array("q")
        identity = Identity("load-0", "WithinLimitUser", population, client)
        self.session = Session(
            identity, Expectation(expects), self.counts, self.gaps, self.gap_bounds, TIMEOUT, dialect
        )
        self.frames = []

    def send(self, id_="m1", at=0, intended=None):
        intended = at if intended is None else intended
        return json.loads(self.session.send(id_, "c1", "hello", intended * MS, at * MS, "2026-01-01T00:00:00.000Z"))

    def hear(self, at, *, bound=0, lag=0, **event):
        self.hear_raw(json.dumps(event).encode(), at, bound, lag)

    def hear_raw(self, data, at, bound=0, lag=0, text=True):
        self.frames.append(data)
        return self.session.receive(data, text, at * MS, bound * MS, lag * MS)

    def ack(self, status, at, id_="m1", **more):
        self.hear(at, type="message:ack", messageId=id_, status=status, **more)

    def chunk(self, content, at, *, done=False, id_="ai-m1", conversation="c1", **more):
        event = {"messageId": id_, "conversationId": conversation, "content": content, "isComplete": done}
        self.hear(at, type="message:stream", **event, **more)

    def hear_chunk(self, content, at, bound):
        self.chunk(content, at, bound=bound)

    def count(self, name, key=""):
        return self.counts.seen[name, key]

    @property
    def only(self) -> Message:
        (message,) = self.session.ended
        return message


def delivered(chat, id_="m1", at=5):
    chat.send(id_)
    chat.ack("received", at - 1, id_)
    chat.ack("delivered", at, id_)


def test_a_message_is_sent_as_the_guide_says():
    assert Chat().send() == {
        "type": "message:send",
        "messageId": "m1",
        "conversationId": "c1",
        "content": "hello",
        "timestamp": "2026-01-01T00:00:00.000Z",
    }


def test_acks_and_a_stream_make_one_record_with_every_instant():
    chat = Chat()
    chat.send(at=2, intended=1)
    chat.ack("received", 3)
    chat.ack("delivered", 5, bound=1, lag=2)
    chat.chunk("", 300)
    chat.chunk("Hel", 400)
    chat.chunk("Hello", 450)
    chat.chunk("Hello", 460, done=True)
    record = chat.only
    assert (record.outcome, record.stream_state) == (Outcome.DELIVERED, StreamState.COMPLETED)
    assert (record.intended_ns, record.sent_ns) == (1 * MS, 2 * MS)
    assert (record.received_ns, record.delivered_ns) == (3 * MS, 5 * MS)
    assert (record.first_content_ns, record.last_content_ns, record.completed_ns) == (400 * MS, 450 * MS, 460 * MS)
    assert (record.chunks, record.chars, record.longest_stall_ns) == (4, 5, 50 * MS)
    assert (record.delivered_bound_ns, record.receive_lag_ns) == (1 * MS, 2 * MS)
    assert list(chat.gaps) == [50 * MS]
    assert chat.session.open == 0


def test_a_gap_is_known_to_within_the_bounds_of_both_its_frames():
    chat = Chat()
    delivered(chat)
    chat.hear_chunk("A", 100, bound=3)
    chat.hear_chunk("AB", 150, bound=1)
    chat.hear_chunk("ABC", 190, bound=0)
    assert list(chat.gaps) == [50 * MS, 40 * MS]
    assert list(chat.gap_bounds) == [4 * MS, 1 * MS]


def test_a_record_tells_when_the_socket_had_taken_its_message():
    chat = Chat()
    chat.send("m1", at=1)
    chat.session.handed_over("m1", 7_000)
    chat.session.handed_over("m0", 9_000)
    chat.session.finish()
    assert chat.only.handover_ns == 7_000


def test_the_first_token_is_the_first_chunk_with_content():
    chat = Chat()
    delivered(chat)
    chat.chunk("", 100)
    chat.chunk("A", 200)
    chat.chunk("A", 210, done=True)
    assert chat.only.first_content_ns == 200 * MS


def test_an_answer_cannot_be_bounded_to_before_its_question():
    chat = Chat()
    chat.send(at=100)
    chat.ack("delivered", 103, bound=5_000)
    chat.session.finish()
    assert chat.only.delivered_bound_ns == 3 * MS


def test_a_rate_limit_error_rejects_and_keeps_its_promise():
    chat = Chat()
    chat.send()
    chat.ack("error", 4, error="Rate limit exceeded. Try again in 42 seconds")
    assert (chat.only.outcome, chat.only.retry_after_s, chat.only.refused_ns) == (Outcome.REJECTED, 42, 4 * MS)


def test_another_error_is_an_error_with_its_text():
    chat = Chat()
    chat.send()
    chat.ack("error", 4, error="database is down")
    assert (chat.only.outcome, chat.only.reason) == (Outcome.ERROR, "database is down")


@pytest.mark.parametrize(("acks", "reason"), [((), NO_ACK), (("received",), NEVER_DELIVERED)])
def test_a_timeout_tells_no_ack_from_received_but_never_delivered(acks, reason):
    chat = Chat()
    chat.send()
    for status in acks:
        chat.ack(status, 1)
    chat.session.expire(TIMEOUT)
    assert chat.session.open == 1
    chat.session.expire(TIMEOUT + 2 * MS)
    assert (chat.only.outcome, chat.only.reason, chat.only.delivered_ns) == (Outcome.TIMEOUT, reason, None)


def test_an_ack_after_the_timeout_is_late_even_if_nobody_looked_in_between():
    chat = Chat()
    chat.send()
    chat.ack("delivered", 30_001)
    assert chat.only.outcome is Outcome.TIMEOUT
    chat.ack("delivered", 30_002)
    assert chat.count("late_ack", "delivered") == 2


def test_silence_in_a_stream_makes_it_incomplete():
    chat = Chat()
    delivered(chat)
    chat.chunk("Hel", 100)
    chat.session.expire(31_000 * MS)
    assert (chat.only.outcome, chat.only.stream_state) == (Outcome.DELIVERED, StreamState.INCOMPLETE)
    assert chat.only.first_content_ns == 100 * MS
    assert chat.only.completed_ns is None


@pytest.mark.parametrize(
    ("expects", "state"), [(True, StreamState.MISSING), (False, StreamState.NOT_EXPECTED), (None, "not_expected")]
)
def test_an_answer_that_never_begins_is_missing_only_where_one_is_expected(expects, state):
    chat = Chat(expects)
    delivered(chat)
    chat.session.expire(40_000 * MS)
    assert chat.only.stream_state == state


def test_one_stream_teaches_all_sessions_of_a_process_to_expect_one():
    expectation = Expectation(None)
    assert not expectation.stream
    expectation.saw_stream()
    assert expectation.stream


def test_a_lost_connection_loses_what_was_not_acked_and_interrupts_streams():
    chat = Chat(expects=True)
    delivered(chat, "m1")
    chat.chunk("Hel", 100)
    chat.send("m2", 110)
    chat.session.lost(1006)
    states = {m.message_id: (m.outcome, m.stream_state, m.reason) for m in chat.session.ended}
    assert states == {
        "m1": (Outcome.DELIVERED, StreamState.INTERRUPTED, None),
        "m2": (Outcome.LOST, None, "closed 1006"),
    }


def test_the_end_of_the_run_leaves_open_messages_unfinished():
    chat = Chat(expects=True)
    delivered(chat, "m1")
    chat.send("m2", 110)
    assert chat.session.awaiting(120 * MS)
    chat.session.finish()
    assert [(m.outcome, m.stream_state) for m in chat.session.ended] == [
        (Outcome.DELIVERED, StreamState.UNFINISHED),
        (Outcome.UNFINISHED, None),
    ]


# --- the offline queue
def test_the_offline_queue_drops_the_oldest_and_leaves_in_order():
    chat = Chat()
    drops = [chat.session.enqueue(f"m{n}", "c1", "x", n * MS) for n in range(102)]
    assert drops == [False] * 100 + [True, True]
    assert [m.message_id for m in chat.session.ended] == ["m0", "m1"]
    assert {m.outcome for m in chat.session.ended} == {Outcome.DROPPED}
    assert chat.session.ended[0].sent_ns is None
    flushed = chat.session.flush(500 * MS, "now")
    assert [id_ for id_, _ in flushed] == [f"m{n}" for n in range(2, 102)]


def test_a_message_that_waited_counts_among_the_queued_whoever_sent_it():
    chat = Chat()
    chat.session.enqueue("m1", "c1", "x", 1 * MS)
    chat.session.flush(500 * MS, "now")
    chat.ack("error", 501, error="no")
    assert (chat.only.population, chat.only.sent_ns) == (Population.QUEUED, 500 * MS)


def test_a_client_that_gives_up_drops_its_queue():
    chat = Chat()
    chat.session.enqueue("m1", "c1", "x", 1 * MS)
    chat.session.abandon("gave up")
    assert (chat.only.outcome, chat.only.reason) == (Outcome.DROPPED, "gave up")


# --- streams that break the rules
@pytest.mark.parametrize(
    ("contents", "kind"),
    [(("Hello", "Hel"), "shrunk"), (("Hello", "Jello!"), "rewritten"), (("Hello", "Hello"), "repeated")],
)
def test_cumulative_content_may_only_grow(contents, kind):
    chat = Chat()
    delivered(chat)
    for at, content in enumerate(contents, 100):
        chat.chunk(content, at)
    chat.chunk(contents[-1], 200, done=True)
    assert chat.count("stream_violation", kind) == 1
    assert chat.only.violations == 1


@pytest.mark.parametrize(("done", "kind"), [(False, "after completion"), (True, "second completion")])
def test_frames_after_completion_are_violations(done, kind):
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100, done=True)
    chat.chunk("AB", 110, done=done)
    assert chat.count("stream_violation", kind) == 1
    assert chat.only.chars == 1


def test_a_stream_that_overtakes_its_ack_waits_for_it():
    chat = Chat()
    chat.send()
    chat.chunk("A", 100, done=True)
    assert chat.session.ended == []
    chat.ack("delivered", 110)
    assert (chat.only.stream_state, chat.only.completed_ns) == (StreamState.COMPLETED, 100 * MS)


def test_a_failed_answer_ends_the_stream_not_the_message():
    chat = Chat()
    delivered(chat)
    chat.hear(100, type="message:error", messageId="ai-m1", error="model overloaded")
    assert (chat.only.outcome, chat.only.stream_state) == (Outcome.DELIVERED, StreamState.ERRORED)
    assert chat.only.reason == "model overloaded"


# --- whose stream is it?
@pytest.mark.parametrize("stream_id", ["ai-m1", "m1", "4711"])
def test_a_stream_is_matched_by_prefix_then_by_id_then_by_order(stream_id):
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100, id_=stream_id, done=True)
    assert chat.only.completed_ns == 100 * MS


def test_once_a_server_names_its_streams_there_is_no_guessing():
    chat = Chat()
    delivered(chat, "m1")
    chat.chunk("A", 100, done=True)
    delivered(chat, "m2", 205)
    chat.chunk("B", 300, id_="4711")
    assert chat.count("unmatched_stream") == 1


def test_the_stream_of_somebody_elses_message_is_foreign():
    chat = Chat()
    delivered(chat)
    chat.hear(50, type="message:receive", messageId="other", conversationId="c1", content="hi", userId="load-9")
    chat.chunk("A", 100, id_="ai-other")
    assert (chat.count("foreign_stream_frame"), chat.count("broadcast", "other")) == (1, 1)


# --- frames that are no good
def test_an_answer_that_somebody_got_before_we_joined_is_not_taken_for_ours():
    chat = Chat()
    delivered(chat, "msg-1763950000000-k3f9x2a1b")
    chat.chunk("To ", 6, id_="ai-msg-1763949999000-zz81m4c7d")
    chat.chunk("For ", 25, id_="ai-msg-1763950000000-k3f9x2a1b")
    chat.chunk("To somebody else", 26, id_="ai-msg-1763949999000-zz81m4c7d", done=True)
    chat.chunk("For us", 30, id_="ai-msg-1763950000000-k3f9x2a1b", done=True)
    assert (chat.only.first_content_ns, chat.only.chars) == (25 * MS, len("For us"))
    assert (chat.count("unmatched_stream"), chat.only.violations) == (2, 0)


@pytest.mark.parametrize(
    ("data", "name", "key"),
    [
        (b"{", "malformed_frame", "not a JSON object with a string `type`"),
        (b"[1]", "malformed_frame", "not a JSON object with a string `type`"),
        (b'{"type":"presence:update"}', "unknown_event", "presence:update"),
        (b'{"type":"message:ack","messageId":7,"status":"received"}', "invalid_event", "message:ack"),
    ],
)
def test_a_frame_that_is_no_event_is_counted_under_its_name(data, name, key):
    chat = Chat()
    assert chat.hear_raw(data, 1) is None
    assert chat.count(name, key) == 1


def test_binary_frames_and_unknown_fields_are_counted():
    chat = Chat()
    chat.hear_raw(b"\x00\x01", 1, text=False)
    chat.hear(2, type="connection:established", region="eu")
    assert (chat.count("binary_frame"), chat.count("unknown_field", "connection:established.region")) == (1, 1)


def test_an_error_without_an_id_goes_to_the_only_open_message():
    chat = Chat()
    chat.send()
    chat.hear(3, type="message:error", message="content too long")
    assert (chat.only.outcome, chat.only.reason) == (Outcome.ERROR, "content too long")


def test_an_error_without_an_id_is_nobodys_when_two_are_open():
    chat = Chat()
    chat.send("m1")
    chat.send("m2")
    chat.hear(3, type="message:error", message="content too long")
    assert chat.session.ended == []
    assert chat.count("error_unattributed", "content too long") == 1


@pytest.mark.parametrize(("id_", "name"), [("m1", "duplicate_ack"), ("nobody", "unmatched_ack")])
def test_acks_that_change_nothing_are_counted(id_, name):
    chat = Chat(expects=False)
    delivered(chat)
    chat.ack("delivered", 9, id_)
    assert chat.count(name, "delivered") == 1
    assert len(chat.session.ended) == 1


def test_a_whole_offline_queue_that_is_acked_too_late_is_still_ones_own():
    chat = Chat()
    for number in range(QUEUE_LIMIT):
        chat.send(f"m{number}")
    chat.session.expire(TIMEOUT + MS)
    for number in range(QUEUE_LIMIT):
        chat.ack("delivered", 31_000, f"m{number}")
    assert (chat.count("late_ack", "delivered"), chat.count("unmatched_ack", "delivered")) == (100, 0)


def test_a_session_remembers_a_bounded_number_of_closed_messages():
    chat = Chat(expects=False)
    for number in range(RECENT + QUEUE_LIMIT + 1):
        delivered(chat, f"m{number}")
    chat.ack("delivered", 9, "m0")
    chat.ack("delivered", 9, "m1")
    assert (chat.count("unmatched_ack", "delivered"), chat.count("duplicate_ack", "delivered")) == (1, 1)


# --- the ledger closes
ids = st.sampled_from(["m0", "m1", "m2", "ai-m0", "ai-m1", "ai-m2", "stranger"])
moves = st.one_of(
    st.tuples(st.just("ack"), ids, st.sampled_from(["received", "delivered", "error"])),
    st.tuples(st.just("chunk"), ids, st.tuples(st.text("ab", max_size=4), st.booleans())),
    st.tuples(st.just("fail"), ids | st.none(), st.none()),
    st.tuples(st.sampled_from(["lost", "expire", "flush", "queue", "send"]), st.none(), st.none()),
)


@given(st.lists(moves, max_size=40), st.sampled_from([None, True, False]))
def test_whatever_the_server_does_every_message_ends_exactly_once(script, expects):
    chat, offered, now = Chat(expects), 0, 0
    for kind, id_, detail in script:
        now += 7_000
        match kind:
            case "send":
                chat.send(f"m{offered}", now)
                offered += 1
            case "queue":
                chat.session.enqueue(f"m{offered}", "c1", "x", now * MS)
                offered += 1
            case "flush":
                chat.session.flush(now * MS, "now")
            case "ack":
                chat.ack(detail, now, id_)
            case "chunk":
                chat.chunk(detail[0], now, done=detail[1], id_=id_)
            case "fail":
                chat.hear(now, type="message:error", messageId=id_, message="no")
            case "lost":
                chat.session.lost(1006)
            case _:
                chat.session.expire(now * MS)
    chat.session.finish()
    assert sorted(m.message_id for m in chat.session.ended) == sorted(f"m{n}" for n in range(offered))
    assert chat.count("messages_offered") == offered
    assert chat.session.open == 0
    assert chat.session.flush(now * MS, "now") == []
    for message in chat.session.ended:
        assert (message.stream_state is not None) == (message.outcome is Outcome.DELIVERED)
        assert (message.sent_ns is None) <= (message.outcome in (Outcome.DROPPED, Outcome.UNFINISHED))
