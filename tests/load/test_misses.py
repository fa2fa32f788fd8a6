"""Whether more samples are beyond a limit than chance explains, though they depend on each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from loadtest.load.misses import CELLS, DOUBT, Misses

SECOND = 1_000_000_000


def misses(*seconds):
    """Of each second from the first on, samples and those beyond."""
    found = Misses(0)
    for second, (samples, beyond) in enumerate(seconds):
        for number in range(samples):
            found.add(second * SECOND + number * SECOND // samples, number < beyond)
    return found


def test_counts_are_those_since_the_start():
    found = misses((10, 3), (0, 0), (5, 5))
    found.add(-1, True)
    assert (found.samples, found.beyond) == (15, 8)


@pytest.mark.parametrize("tolerated", [0.01, 0.05, 0.5])
def test_of_independent_samples_the_bound_is_never_below_the_exact_chance(tolerated):
    for samples in (10, 100, 1_000):
        first = next((k for k in range(samples + 1) if misses((samples, k)).beyond_doubt(tolerated)), None)
        if first is not None:
            assert stats.binom.sf(first - 1, samples, tolerated) <= DOUBT
            assert not misses((samples, first - 1)).beyond_doubt(tolerated)


def test_what_is_tolerated_is_never_beyond_doubt():
    assert not Misses(0).beyond_doubt(0.01)
    assert not misses((1_000, 10)).beyond_doubt(0.01)
    assert misses((1, 1)).beyond_doubt(0.0)
    assert misses((100, 100)).beyond_doubt(0.5)


def test_seconds_that_are_alike_say_what_independent_samples_would_and_a_slow_phase_less():
    """Both have 400 of 2,000 beyond, where 5 % are tolerated."""
    assert misses(*[(100, 20)] * 20).beyond_doubt(0.05)
    assert misses(*[(100, 20)] * 20).inflation() == pytest.approx(1.94, abs=0.01)  # (6.6 / 4.75) ** 2
    assert not misses(*[(100, 100)] * 4, *[(100, 0)] * 16).beyond_doubt(0.05)


def test_a_server_that_has_died_is_not_waited_for_until_the_end():
    """After a minute of 10 messages a second: less than half of them are delivered from the second minute on."""
    died = next(
        second for second in range(61, 600) if misses(*[(10, 0)] * 60, *[(10, 10)] * (second - 60)).beyond_doubt(0.5)
    )
    assert 120 < died < 240


def test_a_run_of_which_nothing_arrives_is_lost_at_once():
    assert misses(*[(5, 5)] * 10).inflation() == 1.0
    assert misses(*[(5, 5)] * 10).beyond_doubt(0.5)


@given(st.lists(st.integers(0, 100 * CELLS), min_size=1, max_size=200))
def test_however_long_a_run_is_it_takes_no_more_room_and_loses_nothing(seconds):
    found = Misses(0)
    for each in seconds:
        found.add(each * SECOND, each % 2 == 0)
    assert (found.samples, found.beyond) == (len(seconds), sum(each % 2 == 0 for each in seconds))


SERVICE_S, LIMIT_S, RUNS = 0.005, 0.025, 300


def watched(rng, per_s, seconds):
    """A queue with random costs (M/M/1), asked each second from the tenth on; whether the answer was ever yes."""
    arrivals = np.sort(rng.uniform(0, seconds, rng.poisson(per_s * seconds)))
    costs = rng.exponential(SERVICE_S, len(arrivals))
    work = np.cumsum(costs)
    times = work + np.maximum.accumulate(arrivals - work + costs) - arrivals
    found, second = Misses(0), 10
    for at, took in zip(arrivals, times, strict=True):
        while at >= second:
            if found.beyond_doubt(0.05):
                return True
            second += 1
        found.add(round(at * 1e9), took >= LIMIT_S)
    return found.beyond_doubt(0.05)


def test_messages_that_wait_for_each_other_end_no_good_run_and_a_lost_one_early():
    """p95 of M/M/1 is ln(20) / (service rate - arrival rate): 25 ms at 80 messages a second."""
    rng = np.random.default_rng(6)
    assert sum(watched(rng, 80.0, 60) for _ in range(RUNS)) == 0
    assert all(watched(rng, 190.0, 60) for _ in range(RUNS // 10))
