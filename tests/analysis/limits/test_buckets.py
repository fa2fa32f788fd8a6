"""Which buckets of tokens would have admitted what a server did."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis.limits.buckets import possible_buckets
from loadtest.server.limiter import TokenBucket
from loadtest.settings import Rate

MS = 1_000_000
SECOND = 1_000 * MS


def possible(*story):
    """By (millisecond of sending, of the answer, admitted)."""
    sent, answered, admitted = zip(*story, strict=True)
    buckets = possible_buckets(np.array(sent) * MS, np.array(answered) * MS, admitted)
    return {each.size: tuple(ns / MS for ns in each.interval_ns) for each in buckets}


def at(ms, admitted=True):
    return ms, ms, admitted


def test_three_at_once_and_one_after_half_a_second():
    found = possible(at(0), at(0), at(0), at(0, False), at(490, False), at(510), at(511, False))
    assert found == {3: (490.0, 510.0)}


def test_a_token_that_fell_while_it_was_emptied_is_no_part_of_the_size():
    """One falls every 200 ms: the fourth message took the first of them."""
    story = [at(0), at(100), at(190), at(210), at(220, False), at(390, False), at(410)]
    assert possible(*story) == {3: (195.0, 205.0), 4: (390.0, 410.0)}, "or there were four, and it was the first"
    assert possible(*story, at(590, False), at(610)) == {3: (590 / 3, 610 / 3)}


def test_a_bucket_that_was_full_again_meanwhile_got_fewer_tokens_than_intervals_passed():
    """Full at the second message, too: the second of the tokens that fell until then found no room."""
    later = [at(1_010, False), at(1_490, False), at(1_510), at(1_990, False), at(2_010)]
    assert possible(at(0), at(1_000), at(1_000), *later) == {2: (495.0, 505.0)}


def test_the_time_of_a_decision_is_between_sent_and_answered():
    found = possible((0, 5, True), (0, 5, True), (0, 5, False), (480, 485, False), (510, 515, True))
    assert found == {2: (475.0, 515.0)}


def test_what_may_have_taken_a_token_leaves_both_sizes():
    found = possible(at(0), at(0), at(0, None), at(0, False), at(490, False), at(510))
    assert found == {2: (245.0, 510.0), 3: (490.0, math.inf)}


@pytest.mark.parametrize(
    "story",
    [
        (at(0), at(0), at(0)),
        (at(0, False), at(10)),
        (at(0), at(0), at(0, False), at(490, False), at(510), at(520, False), at(600)),
    ],
    ids=["none rejected", "none admitted at first", "now slow, now fast"],
)
def test_none_is_possible(story):
    assert possible(*story) == {}


GAP, WAY = st.integers(0, 400 * MS), st.integers(0, 200 * MS)


@given(
    rate=st.builds(Rate, st.integers(1, 12), st.sampled_from([0.5, 2.0, 10.0])),
    messages=st.lists(st.tuples(GAP, WAY, WAY, st.booleans()), min_size=1, max_size=40),
)
def test_the_bucket_that_decided_is_always_possible(rate, messages):
    """Whatever the times, whenever between sent and answered it decided, and whichever answers were lost."""
    bucket, now, decided, story = TokenBucket(rate), 0, 0, []
    for gap, out, back, lost in messages:
        now += gap
        decided = max(decided, now + out)
        admitted = bucket.take("user", decided) == 0
        story.append((now, decided + back, None if lost else admitted))
    sent, answered, fates = zip(*story, strict=True)
    found = {each.size: each for each in possible_buckets(np.array(sent), np.array(answered), fates)}
    if False in fates:
        low, high = found[rate.messages].window_ns
        assert low <= rate.window_s * SECOND <= high
