"""Rate limits: what they admit, and that they promise whole seconds rounded up. The guide's is the fixed window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.server.limiter import CountingRejected, FixedWindow, LimiterKind, SlidingLog, TokenBucket
from loadtest.settings import Rate

S = 1_000_000_000


def test_ten_pass_and_the_eleventh_waits_for_the_rest_of_the_window() -> None:
    window = FixedWindow(Rate(10, 60.0))
    assert [window.take("ann", second * S) for second in range(10)] == [0] * 10
    assert window.take("ann", 10 * S) == 50


def test_the_rest_is_rounded_up_to_whole_seconds() -> None:
    window = FixedWindow(Rate(1, 60.0))
    assert window.take("ann", 5 * S) == 0
    assert window.take("ann", 5 * S) == 60
    assert window.take("ann", 5 * S + 1) == 60
    assert window.take("ann", 6 * S) == 59
    assert window.take("ann", 6 * S + 1) == 59
    assert window.take("ann", 65 * S - 1) == 1


def test_a_window_opens_at_the_first_message_and_not_at_full_minutes() -> None:
    window = FixedWindow(Rate(2, 60.0))
    assert [window.take("ann", at) for at in (59 * S, 61 * S, 118 * S)] == [0, 0, 1]
    assert window.take("ann", 119 * S) == 0


def test_the_next_window_opens_at_the_first_message_after_the_last_one() -> None:
    window = FixedWindow(Rate(1, 60.0))
    assert [window.take("ann", at) for at in (0, 100 * S, 159 * S, 160 * S)] == [0, 0, 1, 0]


def test_each_user_has_a_window_of_its_own() -> None:
    window = FixedWindow(Rate(1, 60.0))
    assert [window.take(user, 0) for user in ("ann", "ben", "ann")] == [0, 0, 60]


def test_a_rejected_message_does_not_prolong_the_window() -> None:
    window = FixedWindow(Rate(1, 1.0))
    assert [window.take("ann", at) for at in (0, S // 2, S)] == [0, 1, 0]


def test_windows_that_are_over_are_forgotten() -> None:
    window = FixedWindow(Rate(1, 60.0))
    for number in range(1000):
        window.take(f"user-{number}", number * S)
    assert len(window) == 60


@given(
    st.integers(1, 5),
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 8 * S)), max_size=60),
)
def test_it_does_what_the_rule_says_user_by_user(limit: int, length_s: int, steps: list[tuple[str, int]]) -> None:
    window = FixedWindow(Rate(limit, float(length_s)))
    opened: dict[str, int] = {}
    admitted: dict[str, int] = {}
    now = 0
    for user, pause in steps:
        now += pause
        if user not in opened or now >= opened[user] + length_s * S:
            opened[user], admitted[user] = now, 0
        rest_s = window.take(user, now)
        if admitted[user] < limit:
            assert rest_s == 0
            admitted[user] += 1
        else:
            end = opened[user] + length_s * S
            assert now + (rest_s - 1) * S < end <= now + rest_s * S


# --- Other kinds ------------------------------------------------------------------------------------------------------
def test_a_sliding_log_admits_as_its_oldest_message_leaves_the_window() -> None:
    log = SlidingLog(Rate(2, 60.0))
    assert [log.take("ann", at) for at in (0, 30 * S, 59 * S)] == [0, 0, 1]
    assert log.take("ann", 60 * S) == 0
    assert log.take("ann", 60 * S) == 30  # where a fixed window would be new and admit another
    assert log.take("ben", 60 * S) == 0


def test_a_token_bucket_admits_a_burst_and_then_one_every_window_divided_by_its_size() -> None:
    bucket = TokenBucket(Rate(3, 60.0))
    assert [bucket.take("ann", 0) for _ in range(4)] == [0, 0, 0, 20]
    assert bucket.take("ann", 20 * S - 1) == 1
    assert bucket.take("ann", 20 * S) == 0
    assert bucket.take("ann", 20 * S) == 20
    assert [bucket.take("ann", 200 * S) for _ in range(4)] == [0, 0, 0, 20]
    assert bucket.take("ben", 200 * S) == 0


@pytest.mark.parametrize("kind", LimiterKind)
@given(
    limit=st.integers(1, 5),
    length_s=st.integers(1, 20),
    steps=st.lists(st.integers(0, 3 * S), max_size=60),
)
def test_who_waits_as_long_as_told_is_admitted_and_a_rejection_costs_nothing(
    kind: LimiterKind, limit: int, length_s: int, steps: list[int]
) -> None:
    limiter = kind.of(Rate(limit, float(length_s)))
    now = 0
    for step in steps:
        now += step
        wait_s = limiter.take("ann", now)
        assert 0 <= wait_s <= length_s
        if wait_s:
            now += wait_s * S
            assert limiter.take("ann", now) == 0


def test_where_rejected_messages_count_each_of_them_begins_the_wait_anew() -> None:
    limiter = CountingRejected(FixedWindow(Rate(2, 60.0)), 60.0)
    assert [limiter.take("ann", at) for at in (0, 0, 1 * S, 60 * S)] == [0, 0, 60, 60]
    assert limiter.take("ben", 60 * S) == 0
    assert limiter.take("ann", 119 * S) == 60
    assert limiter.take("ann", 179 * S) == 0


@pytest.mark.parametrize("kind", [SlidingLog, TokenBucket])
def test_users_who_have_been_silent_for_a_window_are_forgotten(kind: type[SlidingLog | TokenBucket]) -> None:
    limiter = kind(Rate(1, 60.0))
    for number in range(1000):
        limiter.take(f"user-{number}", number * S)
    assert len(limiter) <= 120
