"""Intervals of percentiles: they cover what they promise, and are withheld where they cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from loadtest.analysis.intervals import Interval, Withheld, quantile_intervals

REPLAYS = 2_000
COUNT = 4_000
QUANTILES = (0.5, 0.95, 0.99)
SECOND = 1_000_000_000
EVERY_NS = 120 * SECOND // COUNT


def independent(rng):
    return rng.standard_normal(COUNT)


def autocorrelated(rng):
    """Half of the variance is a state of the server with a memory of 0.3 s, in a run of two minutes."""
    keep = np.exp(-EVERY_NS / (0.3 * SECOND))
    shocks = rng.standard_normal(COUNT) * np.sqrt(1 - keep**2)
    state = signal.lfilter([1.0], [1.0, -keep], shocks, zi=[keep * rng.standard_normal()])[0]
    return np.sqrt(0.5) * state + np.sqrt(0.5) * rng.standard_normal(COUNT)


@pytest.mark.parametrize("draw", [independent, autocorrelated])
def test_the_nominal_95_percent_cover_the_truth_in_93_to_97_of_100_replays(draw):
    truth = stats.norm.ppf(QUANTILES)
    covered, told = np.zeros(3), np.zeros(3)
    for seed in range(REPLAYS):
        rng = np.random.default_rng(seed)
        at, users = np.arange(COUNT) * EVERY_NS, rng.integers(0, 200, COUNT)
        for place, found in enumerate(quantile_intervals(draw(rng), at, users, QUANTILES)):
            if isinstance(found, Interval):
                told[place] += 1
                covered[place] += found.low <= truth[place] <= found.high
    assert (told > 0.9 * REPLAYS).all()
    assert ((covered / told > 0.93) & (covered / told < 0.97)).all(), covered / told


def interval(values, q=0.5, users=None):
    values = np.asarray(values, float)
    (found,) = quantile_intervals(
        values, np.arange(len(values)), np.arange(len(values)) % 10 if users is None else users, [q]
    )
    return found


def test_no_samples_and_too_few_are_withheld_with_how_many_it_takes():
    assert interval([]) == Withheld(10)
    assert interval([1.0] * 9) == Withheld(10)
    assert interval([1.0] * 499, 0.99) == Withheld(500)


def test_shares_that_are_equal_in_all_blocks_are_luck_and_not_certainty():
    found = interval(np.tile([1.0, 2.0, 3.0, 4.0], 200), 0.5, np.repeat(np.arange(10), 80))
    assert isinstance(found, Interval)
    assert found.low == 2.0


def test_one_value_over_and_over_has_an_interval_of_no_width():
    assert interval([7.0] * 1_000, 0.99) == Interval(7.0, 7.0)


def test_an_interval_that_reaches_into_the_unanswered_has_no_upper_end():
    values = np.append(np.arange(3_970.0), [np.inf] * 30)
    found = interval(np.random.default_rng(1).permutation(values), 0.99)
    assert found.low < 3_959.0
    assert found.high == np.inf


def test_slow_messages_that_follow_each_other_say_little():
    mixed = np.random.default_rng(1).permutation(np.arange(4_000.0))
    together = np.sort(mixed)  # the same values, but the slow ones follow each other
    assert isinstance(interval(mixed, 0.9), Interval)
    assert isinstance(interval(together, 0.9), Withheld)


@given(
    st.lists(st.floats(0, 1e9), min_size=20, max_size=300),
    st.sampled_from([0.5, 0.75, 0.9]),
    st.permutations(range(10)),
)
def test_it_holds_the_percentile_and_the_names_of_users_do_not_matter(values, q, names):
    users = np.arange(len(values)) % 10
    found = interval(values, q, users)
    assert interval(values, q, np.array(names)[users]) == found
    if isinstance(found, Interval):
        at = np.sort(values)[int(np.ceil(round(q * len(values), 6))) - 1]
        assert found.low <= at <= found.high
        assert min(values) <= found.low
        assert found.high <= max(values)
