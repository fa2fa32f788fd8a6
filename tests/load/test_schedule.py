"""Intended times: absolute, seeded, and within the limit where they have to be."""

from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.load import schedule
from loadtest.settings import Arrivals, Rate

LIMIT = Rate(10, 60.0)


def first(count, times):
    return list(islice(times, count))


@pytest.mark.parametrize("kind", list(Arrivals))
def test_a_schedule_is_its_seed(kind):
    rate = Rate(8, 60.0)
    once, again, other = (first(50, schedule.arrivals(kind, rate, Random(seed), 5)) for seed in (1, 1, 2))
    assert once == again != other


@pytest.mark.parametrize("kind", list(Arrivals))
def test_times_ascend_and_keep_the_mean_rate(kind):
    times = first(4000, schedule.arrivals(kind, Rate(8, 60.0), Random(5), 5))
    assert all(a <= b for a, b in pairwise(times))
    assert times[-1] == pytest.approx(4000 * 7.5, rel=0.06)


def test_constant_gaps_begin_at_a_random_phase():
    times = first(3, schedule.constant(Rate(10, 60.0), Random(1)))
    assert 0.0 <= times[0] < 6.0
    assert [b - a for a, b in pairwise(times)] == pytest.approx([6.0, 6.0])


def test_a_burst_leaves_at_once():
    times = first(10, schedule.burst(Rate(10, 60.0), Random(1), 5))
    assert len(set(times)) == 2
    assert times[5] - times[4] == pytest.approx(30.0)


@given(st.integers(0, 10_000), st.sampled_from(list(Arrivals)), st.integers(1, 12), st.floats(1.0, 120.0))
def test_a_user_within_the_limit_never_has_more_than_it_in_any_window(seed, kind, messages, window):
    limit = Rate(messages, window)
    wanted = schedule.arrivals(kind, Rate(messages, window * 0.9), Random(seed), 5)
    times = first(200, schedule.within(limit, wanted))
    room = window + schedule.guard_s(limit)
    assert all(later - earlier >= room - 1e-6 for earlier, later in zip(times, times[messages:], strict=False))


def fixed_window_rejections(times, limit):
    """What the real limiter of backend.md rejects: a fixed window that opens at the first message."""
    opened, used, rejected = float("-inf"), 0, 0
    for at in times:
        if at >= opened + limit.window_s:
            opened, used = at, 0
        used += 1
        rejected += used > limit.messages
    return rejected


def jittered(times, rng):
    return sorted(at + rng.uniform(0.0, 0.2) for at in times)


def test_within_the_limit_is_never_rejected_even_with_jitter():
    for seed in range(200):
        rng = Random(seed)
        times = first(60, schedule.within(LIMIT, schedule.poisson(Rate(8, 60.0), rng)))
        assert fixed_window_rejections(jittered(times, rng), LIMIT) == 0


def test_without_the_guard_jitter_alone_rejects_users_at_the_limit():
    rejected = sum(
        fixed_window_rejections(jittered(first(60, schedule.at_limit(LIMIT, Random(seed))), Random(seed)), LIMIT)
        for seed in range(200)
    )
    assert rejected > 100


def test_above_the_limit_is_so_many_times_its_rate():
    times = first(21, schedule.above_limit(LIMIT, 2.0, Random(1)))
    assert times[20] - times[0] == pytest.approx(60.0)
    assert fixed_window_rejections(times, LIMIT) == 10


def test_holding_back_does_not_shift_what_needs_no_holding_back():
    wanted = [0.0, 10.0, 20.0, 100.0]
    assert first(4, schedule.within(LIMIT, iter(wanted))) == wanted
