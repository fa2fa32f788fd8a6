"""What comes back of an offline queue that was sent at once."""

import pytest

from loadtest.client.flush import OpenFlush, Return


def test_broadcasts_in_the_order_of_sending():
    flush = OpenFlush(["a", "b", "c"], 0, 0, after_outage=True)
    assert [flush.heard(each) for each in "ac"] == [Return.IN_ORDER, Return.IN_ORDER]


def test_one_that_was_overtaken_is_out_of_order_and_those_behind_it_are_not():
    flush = OpenFlush(["a", "b", "c"], 0, 0, after_outage=True)
    assert [flush.heard(each) for each in "bac"] == [Return.IN_ORDER, Return.OUT_OF_ORDER, Return.IN_ORDER]


def test_a_second_broadcast_is_a_duplicate_and_a_message_that_did_not_wait_is_none_of_it():
    flush = OpenFlush(["a"], 0, 0, after_outage=True)
    assert [flush.heard(each) for each in "aax"] == [Return.IN_ORDER, Return.AGAIN, None]


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (lambda flush: (flush.answered("a", 310), flush.answered("b", 330)), ("answered", 330, 0)),
        (lambda flush: (flush.answered("a", 310, limited=True), flush.answered("b", 330)), ("answered", 330, 1)),
        (lambda flush: (flush.answered("a", 310), flush.answered("of no flush", 320)), ("lost", None, 0)),
        (lambda flush: (flush.unanswered("a"), flush.answered("b", 330)), ("unanswered", None, 0)),
        (lambda flush: (flush.answered("a", 310), flush.unanswered("b")), ("unanswered", None, 0)),
    ],
    ids=["all answered", "one refused", "one open", "the first given up", "the last given up"],
)
def test_its_record_says_when_the_last_was_answered_or_that_none_knows(story, expected):
    flush = OpenFlush(["a", "b"], 300, 4, after_outage=False)
    story(flush)
    record = flush.record("load-0", "LeavingUser", "lost")
    assert (record.ended, record.ended_ns, record.rejected) == expected
    assert (record.user, record.user_class, record.after_outage) == ("load-0", "LeavingUser", False)
    assert (record.began_ns, record.sent, record.dropped) == (300, 2, 4)
