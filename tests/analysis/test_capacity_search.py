"""The strategy of a capacity search: on literals, on a server without noise, and on a noisy one of known capacity."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis.capacity_search import Bracket, End, Range, Step, Tried, Word, bracket, following
from loadtest.analysis.intervals import Interval, quantile_intervals
from loadtest.analysis.percentiles import required_samples
from loadtest.analysis.slo.deciding import needs

P, F, I, U = Word.PASS, Word.FAIL, Word.INCONCLUSIVE, Word.UNSOUND  # noqa: E741
LEVELS_AT_MOST = 40


def tried(*levels):
    return [Tried(users, word) for users, word in levels]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], 100),
        ([(100, P)], 200),
        ([(100, P), (200, P), (400, P)], 800),
        ([(100, I)], 200),  # too few messages to tell: with more users there are more
        ([(100, P), (200, F)], 150),
        ([(100, P), (200, F), (150, P)], 180),
        ([(100, P), (200, F), (150, I)], 120),
        ([(100, P), (200, F), (150, I), (120, P)], 180),
        ([(2000, P), (4000, F), (3000, P)], 3500),
        ([(100, F)], 25),
        ([(100, F), (25, P)], 50),  # a wide gap: its geometric middle
        ([(100, F), (25, F)], 6),
    ],
)
def test_levels_double_to_find_the_edge_and_then_narrow(seen, expected):
    assert following(Range(100), tried(*seen)) == Step(expected)


@pytest.mark.parametrize(
    ("where", "seen", "end"),
    [
        (Range(100), [(100, P), (200, F), (150, P), (180, F), (160, P), (170, F)], End.FOUND),
        (Range(100, precision=0.5), [(100, P), (150, F)], End.FOUND),
        (Range(100), [(1000, P), (1200, F), (1100, I)], End.FOUND),
        (Range(4), [(4, P), (5, F)], End.FOUND),
        (Range(100, most=400), [(100, P), (200, P), (400, P)], End.MOST),
        (Range(100, most=400), [(100, P), (200, P), (400, I)], End.MOST),
        (Range(100), [(100, F), (25, F), (6, F)], End.NOTHING_PASSES),
        (Range(1), [(1, F)], End.NOTHING_PASSES),
        (Range(100), [(100, F), (25, I), (6, I)], End.FOUND),  # with few users it cannot be told: nothing has failed
        (Range(100), [(100, F), (25, F), (6, U), (6, U)], End.FOUND),
        (Range(100, least=21), [(100, F), (25, F)], End.NOTHING_PASSES),
        (Range(100, least=69), [(100, F)], End.NOTHING_PASSES),
        (Range(100), [(100, P), (200, U), (200, U)], End.GENERATOR),
    ],
)
def test_a_search_ends(where, seen, end):
    assert following(where, tried(*seen)) is end


def test_the_last_doubling_stops_at_the_most():
    assert following(Range(100, most=300), tried((100, P), (200, P))) == Step(300)


def test_a_level_is_run_again_once_where_the_generator_was_not_sound():
    assert following(Range(100), tried((100, P), (200, U))) == Step(200)
    assert following(Range(100), tried((100, P), (200, U), (200, P))) == Step(400)


def test_between_the_ends_an_unsound_level_tells_nothing():
    assert following(Range(100), tried((100, P), (200, F), (150, U), (150, U))) == Step(120)


def test_a_pass_above_a_level_that_could_not_be_told_counts_once_it_has_come_twice():
    seen = [(100, P), (200, F), (150, I), (180, P)]
    assert following(Range(100), tried(*seen)) == Step(180)
    assert bracket(tried(*seen)) == Bracket(100, 200)
    assert bracket(tried(*seen, (180, P))) == Bracket(180, 200)
    assert bracket(tried(*seen, (180, I))) == Bracket(100, 200)


def untold(users, settled_by, times=1.0):
    return Tried(users, I, times, settled_by)


def test_once_a_level_has_failed_one_that_could_not_be_told_is_run_so_long_that_it_can():
    doubled = [*tried((100, P)), untold(200, 3.0), *tried((400, F))]
    assert following(Range(100), doubled[:2]) == Step(400)
    assert following(Range(100), doubled) == Step(200, 3.9)
    assert following(Range(100), [*doubled, Tried(200, U, 3.9)]) == Step(200, 3.9), "once more, the generator was late"


@pytest.mark.parametrize("settled_by", [None, 5.0, 40.0])
def test_a_level_that_only_a_very_long_run_can_tell_is_left(settled_by):
    seen = [*tried((100, P), (200, F)), untold(150, settled_by)]
    assert following(Range(100), seen) == Step(120)


def test_the_level_that_is_told_the_soonest_is_the_first_and_each_is_run_longer_once():
    seen = [*tried((100, P)), untold(200, 3.0), untold(400, 1.0), *tried((800, F))]
    assert following(Range(100), seen) == Step(400, 1.5)
    seen.append(Tried(400, F, 1.5))
    assert bracket(seen) == Bracket(100, 400)
    assert following(Range(100), seen) == Step(200, 3.9)
    seen.append(untold(200, 1.2, times=3.9))
    assert following(Range(100), seen) == Step(300)


def test_outside_the_bracket_nothing_is_left_to_tell():
    seen = [*tried((100, P)), untold(200, 2.0), *tried((400, P), (400, P), (800, F))]
    assert following(Range(100), seen) == Step(600)


def test_a_bracket_that_is_narrow_enough_has_nothing_left_to_tell():
    seen = [*tried((100, P), (200, F), (150, P), (180, F)), untold(160, 2.0)]
    assert following(Range(100, precision=0.1), seen) == Step(160, 2.6)
    assert following(Range(100, precision=0.2), seen) is End.FOUND


def test_of_the_longer_levels_the_first_is_run_that_there_is_time_for():
    seen = [*tried((100, P)), untold(200, 3.0), untold(400, 2.0), *tried((800, F))]
    assert following(Range(100), seen, lambda step: step.users < 400) == Step(200, 3.9)
    assert following(Range(100), seen, lambda step: step.times < 2) == Step(600), "no time for any"


def test_where_there_is_no_time_for_the_next_doubling_what_could_not_be_told_is():
    seen = [*tried((100, P)), untold(200, 2.0)]
    assert following(Range(100), seen, lambda step: step.users < 400) == Step(200, 2.6)
    assert following(Range(100), seen, lambda step: step.users < 200) == Step(400), "nothing fits"


def test_only_tries_that_were_unsound_count_and_only_a_level_without_a_sound_one_shows_the_generators_limit():
    seen = [*tried((100, P)), untold(200, None), *tried((400, P), (400, U))]
    assert following(Range(100), seen) == Step(400)
    assert following(Range(100), [*seen, *tried((400, U))]) == Step(800)
    assert following(Range(100), tried((100, P), (200, U), (200, U))) is End.GENERATOR


def test_a_pass_that_has_to_come_twice_is_confirmed_though_the_generator_was_late_meanwhile():
    seen = tried((100, P), (200, F), (150, I), (180, P), (180, U))
    assert following(Range(100), seen) == Step(180)
    assert bracket([*seen, *tried((180, P))]) == Bracket(180, 200)


def test_of_a_level_that_was_run_again_what_was_said_the_longer_time_holds():
    seen = [*tried((100, P)), untold(200, 3.0), *tried((400, F)), Tried(200, P, 3.9)]
    assert bracket(seen) == Bracket(200, 400)
    assert following(Range(100), seen) == Step(300)


def test_where_no_level_has_failed_the_largest_is_told_at_last():
    seen = [*tried((100, P), (200, P)), untold(400, 2.0)]
    assert following(Range(100, most=400), seen) == Step(400, 2.6)
    assert following(Range(100, most=400), [*seen, Tried(400, P, 2.6)]) is End.MOST
    late = Tried(400, U, 2.6)
    assert following(Range(100, most=400), [*seen, late, late]) is End.MOST, "it was sound at its usual length"


def test_the_bracket_holds_the_highest_pass_below_the_lowest_fail():
    assert bracket(tried((100, P), (200, P), (400, F), (300, I), (250, F))) == Bracket(200, 250)
    assert bracket([]) == Bracket(None, None)
    assert bracket(tried((100, F))) == Bracket(None, 100)


def search(where, verdict):
    """Every level of a whole search, and how it ended."""
    levels = []
    while not isinstance(step := following(where, levels), End):
        levels.append(verdict(step))
        assert len(levels) < LEVELS_AT_MOST
    return levels, step


@given(
    start=st.integers(1, 500), most=st.none() | st.integers(500, 5000), capacity=st.integers(0, 100_000),
    blur=st.floats(0, 0.3), precision=st.floats(0.01, 1), late=st.sets(st.integers(0, 20), max_size=5),
)  # fmt: skip
def test_without_noise_the_capacity_is_in_the_bracket(start, most, capacity, blur, precision, late):
    count = itertools.count()

    def verdict(step):
        if next(count) in late:
            return Tried(step.users, U, step.times)
        far = abs(step.users - capacity) / max(capacity, 1)
        if far < blur / step.times:
            return Tried(step.users, I, step.times, blur / far if far else None)
        return Tried(step.users, P if step.users <= capacity else F, step.times)

    levels, end = search(Range(start, most, precision), verdict)
    found = bracket(levels)
    assert (found.passes or 0) <= capacity
    assert capacity < (found.fails or math.inf)
    if end is End.FOUND and not blur and not late:
        assert found.fails - found.passes <= max(precision * found.passes, 1)
    assert most is None or all(level.users <= most for level in levels)


# --- a noisy server of known capacity ---------------------------------------------------------------------------------
SERVICE_S = 0.01
LIMIT_S = 0.1
RATE_PER_USER = 8 / 60
SEARCHES = 120
CAPACITY = (1 / SERVICE_S - math.log(100) / LIMIT_S) / RATE_PER_USER
"""Of M/M/1, p99 of the time in the system is ln(100) / (service rate - arrival rate)."""


def level_of(step, rng, at_least=20.0):
    """What a level says of a queue with random arrivals and random costs: its p99 against the limit."""
    users = step.users
    settling = max(at_least, 1.5 * required_samples(0.99) / (users * RATE_PER_USER))
    seconds = settling * (1 + step.times)
    count = rng.poisson(users * RATE_PER_USER * seconds)
    arrivals = np.sort(rng.uniform(0, seconds, count))
    costs = rng.exponential(SERVICE_S, count)
    # Lindley: done[n] = max(done[n-1], arrival[n]) + cost[n]
    work = np.cumsum(costs)
    done = work + np.maximum.accumulate(arrivals - work + costs)
    measured = arrivals >= settling
    values, at = (done - arrivals)[measured], arrivals[measured]
    found = quantile_intervals(values, (at * 1e9).astype(np.int64), rng.integers(0, users, len(at)), [0.99])[0]
    if not isinstance(found, Interval):
        return Tried(users, I, step.times)
    word = P if found.high < LIMIT_S else F if found.low >= LIMIT_S else I
    seen = float(np.quantile(values, 0.99, method="inverted_cdf"))
    reach = found.high - seen if seen < LIMIT_S else seen - found.low
    needed = needs(len(values), reach, abs(seen - LIMIT_S))
    return Tried(users, word, step.times, needed / len(values) if needed and word is I else None)


def test_on_a_noisy_server_the_truth_is_in_the_bracket_in_19_of_20_searches():
    rng = np.random.default_rng(8)
    brackets = [bracket(search(Range(100), lambda step: level_of(step, rng))[0]) for _ in range(SEARCHES)]
    inside = [each.passes is not None and each.passes <= CAPACITY < each.fails for each in brackets]
    assert sum(inside) >= 0.95 * SEARCHES
    # nor are they wide, though 20 s of 54 messages a second say little of their p99
    assert np.median([each.fails / each.passes for each in brackets if each.passes]) < 2
