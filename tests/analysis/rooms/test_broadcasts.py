"""Who should have received which message of a room, and who has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from room_stage import MS, received, records, sent, stay

from loadtest.analysis.rooms.expected import expected
from loadtest.analysis.rooms.faults import doubled, out_of_order, reordered
from loadtest.analysis.rooms.judge import Judged, withheld
from loadtest.analysis.rooms.values import Found
from loadtest.model import Outage

NONE = Found(0, 0)
THREE = [stay(client, 0, 9_000) for client in (1, 2, 3)]


def judged(messages, receipts, stays=THREE, why=""):
    return Judged(records(messages, receipts, stays), why)


def summary(*args, **kwargs):
    return judged(*args, **kwargs).summary()


# --- whom a message is expected at
@pytest.mark.parametrize(
    ("member", "expectation"),
    [
        (stay(2, 100, 9_000), "expected"),
        (stay(2, 1_000, 2_010), "expected"),  # joined as it was sent, left a second after the ack
        (stay(2, 1_001, 9_000), "unsure"),
        (stay(2, 0, 2_009), "unsure"),
        (stay(2, 0, 999), "nobody"),
        (stay(2, 2_011, 9_000), "nobody"),
        (stay(2, 0, 9_000, conversation="milk"), "nobody"),
        (stay(1, 0, 9_000), "nobody"),  # its sender
    ],
)
def test_a_message_is_expected_at_members_who_joined_before_it_and_stayed(member, expectation):
    """It is sent at 1,000 ms and acked at 1,010."""
    found = records(sent(("m", 1, 1_000)), (), [member])
    sure, unsure = expected(found.sent, found.stays)
    assert (len(sure), len(unsure)) == {"expected": (1, 0), "unsure": (0, 1), "nobody": (0, 0)}[expectation]


def test_who_left_and_came_back_in_time_is_expected_once():
    found = records(sent(("m", 1, 1_000)), (), [stay(2, 0, 5_000), stay(2, 500, 9_000), stay(2, 0, 1_200)])
    sure, unsure = expected(found.sent, found.stays)
    assert (sure.client.tolist(), len(unsure)) == ([2], 0)


def test_other_tabs_of_the_sender_are_members_as_any():
    found = records(sent(("m", 1, 1_000)), (), [stay(1, 0, 9_000), stay(2, 0, 9_000, user="u1")])
    assert expected(found.sent, found.stays)[0].client.tolist() == [2]


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 30), st.integers(0, 30)), max_size=12), st.integers(0, 30))
def test_what_is_expected_is_what_the_rule_says_one_by_one(stays, at):
    stays = [stay(client, from_ * 100, (from_ + length) * 100) for client, from_, length in stays]
    found = records(sent(("m", 1, at * 100)), (), stays)
    sure, unsure = expected(found.sent, found.stays)
    asked, settled = at * 100 * MS, (at * 100 + 1_010) * MS
    others = [each for each in stays if each.client != 1]
    there = {each.client for each in others if each.from_ns <= asked and each.until_ns >= settled}
    maybe = {each.client for each in others if each.from_ns <= settled and each.until_ns >= asked}
    assert (set(sure.client.tolist()), set(unsure.client.tolist())) == (there, maybe - there)


# --- what they received
def test_a_room_of_three_that_hears_everything():
    found = judged(sent(("m", 1, 1_000)), [received("m", "u1", (1, 1, 1_003), (2, 1, 1_005), (3, 1, 1_008))])
    assert found.fanout_ns.tolist() == [5 * MS, 8 * MS]
    messages, slowest = found.slowest_ns()
    assert (messages.tolist(), slowest.tolist()) == ([0], [8 * MS])
    rooms = found.summary()
    assert (rooms.rooms, rooms.messages, rooms.expected, rooms.seen, rooms.ambiguous) == (1, 1, 2, 2, 0)
    assert [rooms.missing, rooms.doubled, rooms.altered, rooms.misnamed, rooms.reordered] == [NONE] * 4 + [0]


def test_what_never_came_is_missing_and_later_than_anything():
    found = judged(sent(("m", 1, 1_000)), [received("m", "u1", (3, 1, 1_008))])
    assert found.fanout_ns.tolist() == [np.inf, 8 * MS]
    assert found.slowest_ns()[1].tolist() == [np.inf]
    assert found.summary().missing == Found(messages=1, receipts=1)


def test_what_came_twice_is_doubled_and_counts_from_the_first():
    rows = [received("m", "u1", (2, 1, 1_005), (3, 1, 1_006)), received("m", "u1", (2, 2, 1_500))]
    found = judged(sent(("m", 1, 1_000)), rows)
    assert found.fanout_ns.tolist() == [5 * MS, 6 * MS]
    assert found.summary().doubled == Found(messages=1, receipts=1)


def test_another_content_is_altered():
    rows = [received("m", "u1", (2, 1, 1_005)), received("m", "u1", (3, 1, 1_006), digest=8)]
    assert summary(sent(("m", 1, 1_000)), rows).altered == Found(messages=1, receipts=1)


def test_another_author_is_misnamed():
    rows = [received("m", "u1", (1, 1, 1_005)), received("m", "u2", (3, 1, 1_006))]
    assert summary(sent(("m", 1, 1_000)), rows).misnamed == Found(messages=1, receipts=1)


@pytest.mark.parametrize("name", ["42", None])
def test_a_server_may_call_its_users_otherwise_or_not_at_all(name):
    rows = [received("m", name, (1, 1, 1_005), (2, 1, 1_005))]
    assert summary(sent(("m", 1, 1_000)), rows).misnamed == NONE


def test_a_receipt_of_a_message_that_has_no_record_is_held_against_nobody():
    rooms = summary([], [received("lost", "u1", (2, 1, 1_005), (2, 2, 1_006))])
    assert [rooms.expected, rooms.doubled, rooms.altered, rooms.misnamed, rooms.reordered] == [0, NONE, NONE, NONE, 0]


# --- orders
def in_order(*sequences):
    """What was reordered, of messages 0 to 9 that member n received in the n-th order."""
    rows = [
        received(str(message), "u1", (client, place, 1_000 + place))
        for client, sequence in enumerate(sequences)
        for place, message in enumerate(sequence)
    ]
    found = records(sent(*((str(n), 99, 1_000) for n in range(10))), rows).received
    return reordered(found, doubled(found)).tolist()


def test_all_in_the_same_order():
    assert in_order([3, 1, 2], [3, 1, 2], [1, 2]) == []


def test_two_that_changed_places_are_one_out_of_order():
    assert len(in_order([1, 2], [2, 1])) == 1


def test_one_that_is_late_at_one_member_is_the_only_one():
    assert in_order([1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4, 1]) == [1]


@given(st.permutations(range(10)), st.integers(0, 9), st.integers(0, 9))
def test_moving_one_leaves_at_most_one_out_of_order(order, taken, to):
    moved = list(order)
    moved.insert(to, moved.pop(taken))
    found = in_order(order, order, moved)
    assert len(found) == (moved != order)


@given(st.lists(st.integers(0, 50), unique=True))
def test_without_those_out_of_order_the_rest_ascends(ranks):
    out = set(out_of_order(ranks))
    rest = [rank for place, rank in enumerate(ranks) if place not in out]
    assert rest == sorted(rest)
    assert len(out) < max(len(ranks), 1)


# --- what had waited in an offline queue
def flushed(*sequences, queued=True, intended=(10, 20, 30)):
    """How many of messages 0 to 2, which client 9 sent at once, are out of order; client n received the n-th order."""
    rows = [
        received(str(message), "u9", (client, place, 1_000 + place))
        for client, sequence in enumerate(sequences)
        for place, message in enumerate(sequence)
    ]
    found = judged(sent(*((str(n), 9, 1_000) for n in range(3))), rows)
    return found.flushed_out_of_order(np.full(3, queued), np.array(intended) * MS)


def test_a_flush_that_others_receive_in_the_order_of_sending():
    assert flushed([0, 1, 2], [0, 2]) == 0


def test_a_flush_that_all_others_receive_in_the_same_wrong_order():
    assert flushed([1, 0, 2], [1, 0, 2]) == 1


def test_what_did_not_wait_or_was_meant_for_the_same_instant_has_no_order():
    assert flushed([1, 0, 2], queued=False) == 0
    assert flushed([1, 0, 2], intended=(10, 10, 30)) == 0


def test_a_sender_is_no_peer_of_its_own():
    rows = [received(id_, "u9", (9, place, 1_000)) for place, id_ in enumerate("10")]
    assert (
        judged(sent(("0", 9, 1_000), ("1", 9, 1_000)), rows).flushed_out_of_order(np.full(2, True), np.arange(2)) == 0
    )


# --- what who is away misses
def lost(user, at_ms):
    return Outage(user, "RoamingUser", at_ms * MS, 1006, "", False, 1)


def test_who_is_away_misses_what_others_were_sent_until_it_is_a_member_again():
    """Messages at 1, 2, 3, 4 and 5 s, each delivered 10 ms later; client 2 is away from 1.5 s to 4.5 s."""
    messages = sent(("1", 1, 1_000), ("2", 1, 2_000), ("own", 2, 3_000), ("4", 1, 4_000), ("5", 1, 5_000))
    stays = [stay(1, 0, 9_000), stay(2, 0, 1_500), stay(2, 4_500, 9_000)]
    assert judged(messages, [], stays).missed([lost("u2", 1_500)]) == 2


def test_what_came_before_the_ack_that_joined_was_not_missed():
    stays = [stay(1, 0, 9_000), stay(2, 0, 1_500), stay(2, 4_500, 9_000)]
    rows = [received("4", "u1", (2, 1, 4_005))]
    assert judged(sent(("4", 1, 4_000)), rows, stays).missed([lost("u2", 1_500)]) == 0


def test_who_never_returns_misses_all_that_follows():
    messages = sent(("1", 1, 1_000), ("2", 1, 2_000), ("3", 1, 3_000))
    assert judged(messages, [], [stay(1, 0, 9_000), stay(2, 0, 1_500)]).missed([lost("u2", 1_500)]) == 2


def test_nobody_knows_what_was_missed_by_who_was_no_member_or_by_other_clocks():
    messages, stays = sent(("1", 1, 1_000)), [stay(1, 0, 9_000), stay(2, 0, 900)]
    assert judged(messages, [], stays).missed([lost("u9", 900)]) is None
    assert judged(messages, [], stays, "two clocks").missed([lost("u2", 900)]) is None


# --- what cannot be told
def test_clocks_of_two_hosts_are_not_compared():
    why = withheld({"abc": 2, "def": 1}, complete=True)
    assert "2 hosts" in why
    rows = [received("m", "u1", (2, 1, 1_005), (2, 2, 1_006))]
    rooms = summary(sent(("m", 1, 1_000)), rows, why=why)
    assert (rooms.expected, rooms.seen, rooms.missing, rooms.withheld) == (None, None, None, why)
    assert rooms.doubled == Found(messages=1, receipts=1)  # which takes no clock


def test_a_run_that_was_cut_off_tells_nobodys_stay():
    assert withheld({"abc": 2}, complete=False)
    assert withheld({"abc": 2}, complete=True) == ""
