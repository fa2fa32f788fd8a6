"""The points of a percentile plot, and distributions that are kept as counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadtest import histogram
from loadtest.analysis.curves import curve
from loadtest.analysis.distribution import Distribution
from loadtest.model import Counts, Population

MS = 1_000_000
SAMPLES = st.lists(st.integers(0, 60_000 * MS), min_size=1, max_size=100)


def counted(samples):
    return Counts("inter_chunk", Population.HEADLINE, 0, 1, *histogram.pack(np.array(samples, np.int64)))


def at(drawn, tail):
    return float(np.interp(tail, drawn.tails, drawn.values))


def test_a_curve_goes_from_the_smallest_sample_to_the_largest():
    drawn = curve("ttft", Distribution.of(np.arange(1.0, 1_001.0)))
    assert (drawn.tails[0], drawn.tails[-1]) == (1.0, 1_000.0)
    assert (drawn.values[0], drawn.values[-1]) == (1.0, 1_000.0)
    assert (drawn.count, drawn.unanswered) == (1_000, 0)
    assert 899 <= at(drawn, 10) <= 901


def test_a_curve_of_one_sample():
    drawn = curve("ttft", Distribution.of(np.array([7.0])))
    assert (drawn.tails.tolist(), drawn.values.tolist(), drawn.firm) == ([1.0], [7.0], 1.0)


def test_a_curve_leaves_where_the_unanswered_begin():
    drawn = curve("ttft", Distribution.of(np.array([1.0] * 90 + [np.inf] * 10)))
    assert drawn.unanswered == 10
    assert np.isinf(drawn.values[drawn.tails > 10.01]).all()
    assert (drawn.values[drawn.tails <= 10] == 1.0).all()


@given(SAMPLES)
def test_a_curve_never_falls(samples):
    drawn = curve("ttft", Distribution.of(np.array(samples, float)))
    assert (np.diff(drawn.values) >= 0).all()
    assert set(drawn.values) <= set(map(float, samples))


@given(st.lists(SAMPLES, min_size=1, max_size=4), st.floats(0.001, 0.999))
def test_counts_of_several_processes_are_the_counts_of_all_samples(parts, q):
    merged = Distribution.of_counts(counted(part) for part in parts)
    whole = Distribution.of_counts([counted([sample for part in parts for sample in part])])
    assert merged.count == whole.count == sum(map(len, parts))
    assert merged.quantile(q) == whole.quantile(q)
    assert merged.mean() == whole.mean()


@given(SAMPLES, st.floats(0.001, 0.999))
def test_a_percentile_of_counts_is_that_of_the_samples_to_a_thousandth(samples, q):
    exact = Distribution.of(np.array(samples) / MS).quantile(q)
    assert abs(Distribution.of_counts([counted(samples)]).quantile(q) - exact) <= max(0.001, exact / 1_000)


def test_no_counts_are_no_samples():
    nothing = Distribution.of_counts([])
    assert (nothing.count, nothing.unanswered, nothing.mean()) == (0, 0, None)
