"""Streams that break the rules, by kind; streams of others; and streams that name nobody. From literal frames."""

import pytest
from test_session import MS, TIMEOUT, Chat, delivered

from loadtest.client.dialect import Content, Dialect
from loadtest.client.followed import FOLLOWED
from loadtest.model import Outcome, StreamState


def violations(chat):
    return {key: n for (name, key), n in chat.counts.seen.items() if name == "stream_violation"}


def streamed(*contents, done=None, chat=None):
    """A chat that got these chunks, 10 ms apart from 100 ms on, and then a completion with the last of them."""
    chat = chat or Chat()
    delivered(chat)
    for place, content in enumerate(contents):
        chat.chunk(content, 100 + 10 * place)
    chat.chunk(contents[-1] if done is None else done, 900, done=True)
    return chat


# --- violations, by kind
@pytest.mark.parametrize(
    ("contents", "done", "found"),
    [
        (("A", "AB", "ABC"), "ABC", {}),
        (("A", "AB", "ABC"), "ABCD", {}),
        (("A", "AB", "AB", "ABC"), "ABC", {"repeated": 1}),
        (("A", "ABC", "A", "ABCD"), "ABCD", {"shrunk": 1}),
        (("A", "ABC", "", "ABCD"), "ABCD", {"shrunk": 1}),
        (("A", "ABC", "AB", "ABCD"), "ABCD", {"reordered": 1}),
        (("A", "AB", "xy", "ABC"), "ABC", {"rewritten": 1}),
        (("A", "AB", "xy", "xyz"), "xyz", {"rewritten": 1}),
        (("A", "xy", "AB", "xy", "ABC"), "ABC", {"rewritten": 2}),
        (("A", "AB", "ABC"), "A", {"truncated": 1}),
        (("A", "AB", "ABC"), "", {"truncated": 1}),
    ],
)
def test_each_broken_chunk_is_found_once_and_named(contents, done, found):
    chat = streamed(*contents, done=done)
    assert violations(chat) == found
    assert chat.only.violations == sum(found.values())
    assert chat.only.stream_state is StreamState.COMPLETED


def test_deltas_where_the_guide_wants_all_of_it_are_rewritten_chunks():
    chat = streamed("Hel", "lo ", "you", done="Hello you")
    assert violations(chat) == {"rewritten": 3}
    assert chat.only.chars == 9


def test_an_overtaken_chunk_is_no_progress():
    chat = streamed("A", "ABC", "AB", "ABCD")
    assert list(chat.gaps) == [10 * MS, 20 * MS]
    assert chat.only.chars == 4


def test_a_truncated_completion_completes_but_is_no_content():
    chat = streamed("A", "ABC", done="A")
    assert (chat.only.completed_ns, chat.only.last_content_ns, chat.only.chars) == (900 * MS, 110 * MS, 3)


@pytest.mark.parametrize(("done", "progress"), [("ABC", 2), ("ABCD", 3)])
def test_a_completion_is_progress_where_it_brings_new_content(done, progress):
    record = streamed("A", "ABC", done=done).only
    assert (record.chunks, record.progress_chunks) == (3, progress)


def test_a_chunk_of_another_conversation_is_foreign_and_changes_nothing():
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100)
    chat.chunk("secrets of others", 110, conversation="c2")
    chat.chunk("AB", 120, done=True)
    assert violations(chat) == {"foreign": 1}
    assert (chat.only.chars, list(chat.gaps)) == (2, [20 * MS])


def test_a_completion_of_another_conversation_does_not_complete():
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100)
    chat.chunk("x", 110, done=True, conversation="c2")
    chat.chunk("AB", 120, done=True)
    assert violations(chat) == {"foreign": 1}
    assert chat.only.completed_ns == 120 * MS


def test_a_chunk_with_the_content_of_another_answer_is_foreign():
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2")
    chat.chunk("one", 100, id_="ai-m1")
    chat.chunk("two", 110, id_="ai-m2")
    chat.chunk("two and", 120, id_="ai-m1")
    chat.chunk("one and", 130, id_="ai-m1", done=True)
    assert violations(chat) == {"foreign": 1}
    assert (chat.only.chars, list(chat.gaps)) == (7, [30 * MS])


def test_two_answers_that_swap_their_texts_are_both_found_out():
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2")
    for content, id_ in (("one", "m1"), ("two", "m2"), ("two", "m1"), ("one", "m2"), ("one and", "m1"), ("two!", "m2")):
        chat.chunk(content, 100, id_=f"ai-{id_}")
    assert violations(chat) == {"foreign": 2}


def test_a_completion_with_the_content_of_another_answer_completes():
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2")
    chat.chunk("one", 100, id_="ai-m1")
    chat.chunk("two", 110, id_="ai-m2")
    chat.chunk("two", 120, id_="ai-m1", done=True)
    assert violations(chat) == {"foreign": 1}
    assert (chat.only.completed_ns, chat.only.chars) == (120 * MS, 3)


@pytest.mark.parametrize(
    "beginning",
    [[("m1", "cats are"), ("m2", "cats are")], [("m2", "cats are"), ("m1", "cats are nice")]],
    ids=["after the other", "before the other"],
)
def test_an_answer_that_begins_with_the_text_of_another_begins_with_its_own(beginning):
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2")
    for place, (id_, content) in enumerate(beginning):
        chat.chunk(content, 100 + place, id_=f"ai-{id_}")
    chat.chunk("dogs", 1_000, id_="ai-m2")
    chat.chunk("dogs bark", 1_030, id_="ai-m2", done=True)
    (mixed,) = chat.session.ended
    assert violations(chat) == {"foreign": 1}
    assert (mixed.first_content_ns, mixed.completed_ns) == (1_000 * MS, 1_030 * MS)
    assert (mixed.chars, mixed.chunks, mixed.progress_chunks, list(chat.gaps)) == (9, 3, 2, [30 * MS])


def test_an_answer_that_takes_back_a_beginning_which_is_also_anothers_later_is_rewritten():
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2")
    for place, (id_, content) in enumerate((("m1", "cats"), ("m2", "cats"), ("m1", "dogs"))):
        chat.chunk(content, 100 + place, id_=f"ai-{id_}")
    assert violations(chat) == {"rewritten": 1}


def test_deltas_that_begin_alike_are_not_taken_for_each_others():
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2")
    for place, (id_, content) in enumerate((("m1", "The"), ("m2", "The"), ("m1", " cat"), ("m2", " cat"))):
        chat.chunk(content, 100 + place, id_=f"ai-{id_}")
    assert violations(chat) == {"rewritten": 2}


def test_deltas_side_by_side_are_not_taken_for_each_others():
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2")
    for content, id_ in (("The", "m2"), (" cat", "m2"), ("A", "m1"), (" cat", "m1"), (" sat", "m2"), (" sat", "m1")):
        chat.chunk(content, 100, id_=f"ai-{id_}")
    assert violations(chat) == {"rewritten": 4}


def test_a_server_may_call_the_conversation_otherwise_as_long_as_it_stays_with_it():
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100, conversation="C1")
    chat.chunk("AB", 110, conversation="C1", done=True)
    assert violations(chat) == {}
    assert chat.count("stream_oddity", "in another conversation than its question") == 1


@pytest.mark.parametrize(("done", "oddity"), [(False, "empty first chunk"), (True, "empty answer")])
def test_a_stream_that_begins_with_nothing_is_odd_but_no_violation(done, oddity):
    chat = Chat()
    delivered(chat)
    chat.chunk("", 100, done=done)
    assert chat.count("stream_oddity", oddity) == 1
    assert violations(chat) == {}


def test_an_answer_that_fails_ends_there():
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100)
    chat.hear(110, type="message:error", messageId="ai-m1", error="model overloaded")
    chat.chunk("AB", 120)
    assert chat.only.stream_state is StreamState.ERRORED
    assert violations(chat) == {"after errored": 1}


@pytest.mark.parametrize("id_", ["ai-m1", "m1"])
@pytest.mark.parametrize(
    ("error", "kind"), [("Rate limit exceeded. Try again in 9 seconds", "after rejected"), ("no", "after error")]
)
def test_an_answer_to_a_refused_message_is_a_violation(id_, error, kind):
    chat = Chat()
    chat.send()
    chat.ack("error", 5, error=error)
    chat.chunk("A", 100, id_=id_)
    chat.chunk("AB", 110, id_=id_, done=True)
    assert violations(chat) == {kind: 2}
    assert chat.only.first_content_ns is None


def test_an_answer_to_a_message_that_timed_out_is_named_so():
    chat = Chat()
    chat.send()
    chat.session.expire(TIMEOUT + MS)
    chat.chunk("A", 31_000)
    assert violations(chat) == {"after the timeout": 1}
    assert chat.only.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("before", "state"), [([], StreamState.MISSING), (["A"], StreamState.INCOMPLETE)], ids=["begins", "goes on"]
)
@pytest.mark.parametrize("swept", [True, False])
def test_an_answer_that_goes_on_after_the_timeout_is_named_so_whether_or_not_it_was_given_up(before, state, swept):
    chat = Chat(expects=True)
    delivered(chat)
    for content in before:
        chat.chunk(content, 100)
    if swept:
        chat.session.expire(TIMEOUT + 101 * MS)
    chat.chunk("AB", 31_000)
    chat.chunk("AB", 31_010, done=True)
    assert violations(chat) == {"after the timeout": 2}
    assert chat.only.stream_state is state


def test_an_interrupted_answer_that_goes_on_after_the_return_is_no_violation():
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100)
    chat.session.lost(1006)
    chat.chunk("AB", 3_000)
    assert chat.only.stream_state is StreamState.INTERRUPTED
    assert violations(chat) == {}
    assert chat.count("late_stream_frame", "interrupted") == 1


# --- characters in halves
HIGH, LOW = "\\ud83d", "\\ude00"


def raw_chunk(content, done):
    return b'{"type":"message:stream","messageId":"ai-m1","conversationId":"c1","content":"%s","isComplete":%s}' % (
        content.encode(),
        b"true" if done else b"false",
    )


@pytest.mark.parametrize(
    ("how", "pieces"),
    [
        (Content.CUMULATIVE, ("Hi ", "Hi " + HIGH, "Hi " + HIGH + LOW)),
        (Content.DELTAS, ("Hi ", HIGH, LOW)),
    ],
)
def test_a_character_that_a_chunk_cuts_in_halves_is_whole_again_and_no_violation(how, pieces):
    chat = Chat(dialect=Dialect(content=how))
    delivered(chat)
    for place, piece in enumerate(pieces):
        chat.hear_raw(raw_chunk(piece, False), 100 + place)
    chat.hear_raw(raw_chunk("Hi 😀" if how is Content.CUMULATIVE else "", True), 200)
    assert violations(chat) == {}
    assert (chat.only.chars, chat.only.text_bytes, chat.only.chunks) == (4, 7, 4)
    assert chat.count("stream_oddity", "surrogate pair cut by a chunk") == 1


def test_amplification_is_of_payload_bytes_over_the_text_in_utf8():
    chat = streamed("é", "éé", "ééé")
    sizes = [len(chat_frame) for chat_frame in chat.frames if b"message:stream" in chat_frame]
    assert (chat.only.stream_bytes, chat.only.text_bytes) == (sum(sizes), 6)


# --- deltas
@pytest.mark.parametrize(
    ("how", "deltas", "done", "text", "found"),
    [
        (Content.DELTAS, ("ha", "ha"), "", "haha", {}),
        (Content.DELTAS, ("ha", "", "ha"), "!", "haha!", {}),
        (Content.DELTAS_THEN_ALL, ("ha", "ha"), "haha", "haha", {}),
        (Content.DELTAS_THEN_ALL, ("ha", "ha"), "haha!", "haha!", {}),
        (Content.DELTAS_THEN_ALL, ("ha", "ha"), "ha", "haha", {"truncated": 1}),
        (Content.DELTAS_THEN_ALL, ("ha", "ha"), "hoho", "hoho", {"rewritten": 1}),
    ],
)
def test_deltas_add_up(how, deltas, done, text, found):
    chat = streamed(*deltas, done=done, chat=Chat(dialect=Dialect(content=how)))
    assert (chat.only.chars, violations(chat)) == (len(text), found)


# --- whose is it?
def test_two_streams_interleaved_on_one_socket_keep_apart():
    chat = Chat()
    delivered(chat, "m1")
    delivered(chat, "m2", 7)
    for at, (id_, content) in enumerate([("m1", "A"), ("m2", "X"), ("m1", "AB"), ("m2", "XY")]):
        chat.chunk(content, 100 + 10 * at, id_=f"ai-{id_}")
    chat.chunk("XY", 150, id_="ai-m2", done=True)
    chat.chunk("AB", 160, id_="ai-m1", done=True)
    second, first = chat.session.ended
    assert (first.first_content_ns, first.completed_ns) == (100 * MS, 160 * MS)
    assert (second.first_content_ns, second.completed_ns) == (110 * MS, 150 * MS)
    assert violations(chat) == {}


def test_a_stream_joined_in_the_middle_is_never_taken_for_ones_own():
    """Ours is delivered and waits; the answer that runs names a message that we have not seen."""
    chat = Chat(expects=True)
    delivered(chat)
    chat.chunk("long since begun", 100, id_="ai-msg-1700000000000-abcdefghi")
    chat.chunk("long since begun, done", 110, id_="ai-msg-1700000000000-abcdefghi", done=True)
    chat.chunk("A", 200, done=True)
    assert chat.only.first_content_ns == 200 * MS
    assert (chat.count("unmatched_stream"), chat.count("foreign_stream", "completed")) == (2, 1)


def test_a_stream_by_order_is_counted_as_the_guess_that_it_is():
    chat = Chat()
    delivered(chat, "m1")
    chat.chunk("A", 100, id_="4711", done=True)
    assert chat.count("stream_by_order", "the only one waiting") == 1
    delivered(chat, "m2", 205)
    delivered(chat, "m3", 206)
    chat.chunk("B", 300, id_="4712", done=True)
    assert chat.count("stream_by_order", "the oldest of several waiting") == 1
    assert [m.message_id for m in chat.session.ended] == ["m1", "m2"]


def test_by_order_means_within_the_conversation():
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100, id_="4711", conversation="c2")
    assert chat.count("unmatched_stream") == 1


def test_nothing_is_matched_by_order_where_others_write_too():
    chat = Chat()
    delivered(chat)
    chat.hear(50, type="message:receive", messageId="other", conversationId="c1", content="hi", userId="load-9")
    chat.chunk("A", 100, id_="4711")
    assert chat.count("unmatched_stream") == 1


def test_a_stream_that_names_nothing_is_never_taken_for_ones_own_in_a_room():
    """It was joined in the middle: the message that it answers was sent before we were there to see it."""
    chat = Chat(client=7)
    delivered(chat)
    chat.chunk("long since begun", 20, id_="4711")
    chat.chunk("A", 100, id_="4712")
    assert chat.count("unmatched_stream") == 2
    assert chat.session.open == 1


def test_a_stream_that_was_not_ours_at_first_does_not_become_so():
    chat = Chat()
    chat.send()
    chat.chunk("A", 2, id_="4711")
    chat.ack("delivered", 5)
    chat.chunk("AB", 8, id_="4711")
    assert chat.count("unmatched_stream") == 2


def test_frames_after_the_completion_of_a_stream_without_a_name_are_found_too():
    chat = Chat()
    delivered(chat)
    chat.chunk("A", 100, id_="4711", done=True)
    chat.chunk("A", 110, id_="4711", done=True)
    assert violations(chat) == {"second completion": 1}


# --- at the other participants
def others(chat, *contents, id_="ai-other", done=True):
    chat.hear(1, type="message:receive", messageId="other", conversationId="c1", content="hi", userId="load-9")
    for at, content in enumerate(contents):
        chat.chunk(content, 10 + at, id_=id_)
    if done:
        chat.chunk(contents[-1], 90, id_=id_, done=True)


def test_a_stream_is_checked_at_the_other_participants_too():
    chat = Chat()
    others(chat, "A", "AB", "AB", "x")
    assert chat.count("foreign_stream_frame") == 5
    assert (chat.count("foreign_stream_violation", "repeated"), chat.count("foreign_stream", "completed")) == (1, 1)
    assert chat.count("foreign_stream_violation", "rewritten") == 1
    assert violations(chat) == {}
    assert list(chat.gaps) == []


def test_an_answer_with_the_text_of_another_participants_is_found_at_either():
    chat = Chat()
    others(chat, "theirs", done=False)
    delivered(chat)
    chat.chunk("ours", 100)
    chat.chunk("theirs", 110)
    chat.chunk("ours", 120, id_="ai-other")
    assert violations(chat) == {"foreign": 1}
    assert chat.count("foreign_stream_violation", "foreign") == 1


@pytest.mark.parametrize(("done", "kind"), [(False, "after completion"), (True, "second completion")])
def test_frames_after_the_completion_of_anothers_stream_are_found(done, kind):
    chat = Chat()
    others(chat, "A")
    chat.chunk("A", 100, id_="ai-other", done=done)
    assert chat.count("foreign_stream_violation", kind) == 1


def test_anothers_stream_ends_as_it_does():
    def ended(how):
        chat = Chat()
        others(chat, "A", done=False)
        how(chat)
        return {key: n for (name, key), n in chat.counts.seen.items() if name == "foreign_stream"}

    assert ended(lambda chat: chat.session.lost(1006)) == {"interrupted": 1}
    assert ended(lambda chat: chat.session.finish()) == {"unfinished": 1}
    assert ended(lambda chat: chat.session.expire(TIMEOUT + 11 * MS)) == {"incomplete": 1}
    failed = {"type": "message:error", "messageId": "ai-other", "error": "overloaded"}
    assert ended(lambda chat: chat.hear(50, **failed)) == {"errored": 1}


def test_anothers_stream_that_never_brought_any_content_is_given_up_like_any_other():
    chat = Chat()
    others(chat, "", "", done=False)
    chat.session.expire(TIMEOUT + 11 * MS)
    assert chat.session.expecting
    chat.session.expire(TIMEOUT + 12 * MS)
    assert not chat.session.expecting
    chat.session.finish()
    assert {key: n for (name, key), n in chat.counts.seen.items() if name == "foreign_stream"} == {"incomplete": 1}


def test_anothers_stream_is_not_given_up_while_its_frames_come_as_ones_own_is_not():
    chat = Chat()
    others(chat, "A", "A", done=False)
    chat.session.expire(TIMEOUT + 11 * MS)  # so long after the content, but not after the last frame
    assert chat.session.expecting
    chat.chunk("A", 100, id_="ai-other", done=True)
    assert chat.count("foreign_stream", "completed") == 1


def test_streams_of_others_are_followed_in_bounded_number():
    chat = Chat()
    for number in range(FOLLOWED + 3):
        chat.chunk("A", 10, id_=f"ai-other-{number}")
    assert chat.count("foreign_stream", "one of too many") == 3
