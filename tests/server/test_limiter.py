"""The fixed window: opens at a user's first message, admits N, and promises whole seconds rounded up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.server.limiter import FixedWindow
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
