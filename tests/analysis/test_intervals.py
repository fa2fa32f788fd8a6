"""Intervals of percentiles: they cover what they promise, and are given wherever the percentile is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from loadtest import histogram
from loadtest.analysis.intervals import Interval, Withheld, counted_intervals, quantile_intervals
from loadtest.analysis.percentiles import required_samples
from loadtest.model import Counts, Population

REPLAYS = 2_000
COUNT = 4_000
QUANTILES = (0.5, 0.95, 0.99)
SECOND = 1_000_000_000
RUN = 120 * SECOND
USERS = 200


def independent(rng, _):
    return rng.standard_normal(COUNT)


def slow_phases(memory_s):
    """Half of the variance is a state of the server that is forgotten at the rate 1 / `memory_s`."""

    def draw(rng, _):
        keep = np.exp(-RUN / COUNT / SECOND / memory_s)
        shocks = rng.standard_normal(COUNT) * np.sqrt(1 - keep**2)
        state = signal.lfilter([1.0], [1.0, -keep], shocks, zi=[keep * rng.standard_normal()])[0]
        return np.sqrt(0.5) * state + np.sqrt(0.5) * rng.standard_normal(COUNT)

    return draw


def slow_users(rng, users):
    """Half of the variance is a property of the user."""
    return np.sqrt(0.5) * rng.standard_normal(USERS)[users] + np.sqrt(0.5) * rng.standard_normal(COUNT)


CASES = {
    "independent": independent,
    "slow phases of 0.3 s": slow_phases(0.3),
    "slow phases of 1 s": slow_phases(1.0),
    "slow phases of 3 s": slow_phases(3.0),
    "slow users": slow_users,
}


@pytest.mark.parametrize("case", CASES)
def test_the_nominal_95_percent_cover_the_truth_in_93_to_97_of_100_replays(case):
    truth = stats.norm.ppf(QUANTILES)
    covered = np.zeros(3)
    at = np.arange(COUNT) * (RUN // COUNT)
    for seed in range(REPLAYS):
        rng = np.random.default_rng(seed)
        users = rng.integers(0, USERS, COUNT)
        found = quantile_intervals(CASES[case](rng, users), at, users, QUANTILES)
        covered += [interval.low <= true <= interval.high for interval, true in zip(found, truth, strict=True)]
    assert ((covered > 0.93 * REPLAYS) & (covered < 0.97 * REPLAYS)).all(), covered / REPLAYS


def interval(values, q=0.5, users=None):
    values = np.asarray(values, float)
    every = np.arange(len(values))
    (found,) = quantile_intervals(values, every * SECOND, every % 10 if users is None else users, [q])
    return found


def width(found):
    return found.high - found.low


def test_below_the_floor_of_its_percentile_an_interval_is_withheld_with_how_many_samples_it_takes():
    assert interval([]) == Withheld(6)
    assert interval([1.0] * 5) == Withheld(6)
    assert interval([1.0] * 367, 0.99) == Withheld(368)
    assert interval([1.0] * 368, 0.99) == Interval(1.0, 1.0)


def test_a_thousand_independent_samples_give_the_ranks_of_the_binomial():
    found = interval(np.random.default_rng(5).permutation(1_000.0 * np.arange(1_000)))
    assert stats.binom.ppf(0.025, 1_000, 0.5) == 469
    assert found.low / 1_000 == pytest.approx(469, abs=3)
    assert found.high / 1_000 == pytest.approx(531, abs=3)


def test_an_interval_that_reaches_into_the_unanswered_has_no_upper_end():
    values = np.append(np.arange(3_970.0), [np.inf] * 30)
    found = interval(np.random.default_rng(1).permutation(values), 0.99)
    assert found.low < 3_959.0
    assert found.high == np.inf


def test_slow_messages_that_follow_each_other_say_little():
    mixed = np.random.default_rng(1).permutation(np.arange(4_000.0))
    together = np.sort(mixed)  # the same values, but the slow ones follow each other
    assert width(interval(together, 0.9)) > 5 * width(interval(mixed, 0.9))


def test_a_freeze_makes_the_tail_unsure_and_leaves_the_median_as_it_is():
    calm = np.random.default_rng(2).uniform(1.0, 2.0, 4_000)
    frozen = calm.copy()
    frozen[1_000:1_030], frozen[2_500:2_530] = np.linspace(30.0, 1.0, 30), np.linspace(30.0, 1.0, 30)
    assert width(interval(frozen, 0.5)) < 1.5 * width(interval(calm, 0.5))
    assert interval(frozen, 0.99).high > 20.0
    assert interval(np.random.default_rng(3).permutation(frozen), 0.99).high < 20.0


def test_messages_of_few_users_who_differ_say_little():
    rng = np.random.default_rng(1)
    users = np.arange(4_000) % 8
    values = 10.0 * users + rng.standard_normal(4_000)
    assert width(interval(values, users=users)) > 5 * width(interval(values, users=np.arange(4_000)))


def second_of(number, samples_ms, process_lag_ns=0):
    start = number * SECOND + process_lag_ns
    packed = histogram.pack(np.asarray(samples_ms * 1e6, np.int64))
    return Counts("inter_chunk", Population.HEADLINE, start, start + SECOND, *packed)


def test_counts_by_the_second_give_nearly_what_their_samples_would():
    rng = np.random.default_rng(4)
    seconds = [rng.uniform(20.0, 30.0, 200) for _ in range(120)]
    at = np.repeat(np.arange(120) * SECOND, 200)
    sampled = quantile_intervals(np.concatenate(seconds), at, np.arange(len(at)), QUANTILES)
    counted = counted_intervals([second_of(number, part) for number, part in enumerate(seconds)], QUANTILES)
    for one, other in zip(sampled, counted, strict=True):
        assert other.low == pytest.approx(one.low, rel=0.005)
        assert other.high == pytest.approx(one.high, rel=0.005)


def test_counts_of_slow_seconds_say_little():
    rng = np.random.default_rng(4)
    slow = np.repeat(rng.uniform(0.0, 20.0, 12), 10)
    drifting = [second_of(number, 20.0 + own + rng.uniform(0.0, 1.0, 200)) for number, own in enumerate(slow)]
    mixed = [second_of(number, 20.0 + rng.permutation(np.repeat(slow, 2))) for number in range(120)]
    assert width(counted_intervals(drifting, [0.5])[0]) > 5 * width(counted_intervals(mixed, [0.5])[0])


def test_counts_of_nothing_are_withheld():
    assert counted_intervals([], QUANTILES) == [Withheld(6), Withheld(72), Withheld(368)]


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 2.5, 2.6, 9.0, np.inf]), st.integers(0, 30), st.sampled_from([0, 3, 7])),
        min_size=1,
        max_size=80,
    )
)
def test_ties_silences_and_a_single_user_are_no_trouble(samples):
    values, seconds, users = (np.array(column) for column in zip(*samples, strict=True))
    for q in QUANTILES[:2]:
        (found,) = quantile_intervals(values, seconds * SECOND, users, [q])
        assert isinstance(found, Withheld) == (len(values) < required_samples(q))
        assert isinstance(found, Withheld) or found.low <= found.high


@given(
    st.lists(st.floats(0, 1e9), min_size=6, max_size=300),
    st.sampled_from([0.5, 0.75, 0.9]),
    st.permutations(range(10)),
)
def test_it_holds_the_percentile_and_the_names_of_users_do_not_matter(values, q, names):
    users = np.arange(len(values)) % 10
    found = interval(values, q, users)
    assert interval(values, q, np.array(names)[users]) == found
    if isinstance(found, Interval):
        at = np.sort(values)[int(np.ceil(round(q * len(values), 6))) - 1]
        assert min(values) <= found.low <= at <= found.high <= max(values)


def test_where_one_user_of_many_has_all_the_samples_users_tell_nothing():
    """Users are numbered over the whole run: of most, a class or a population has no sample."""
    values = np.random.default_rng(1).permutation(100.0 * np.arange(100.0))
    of_the_last = interval(values, users=np.full(100, 7))
    assert isinstance(of_the_last, Interval)
    assert of_the_last == interval(values, users=np.zeros(100, int))
