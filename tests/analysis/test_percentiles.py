"""Exact percentiles: the inverse of the distribution function."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis.distribution import Distribution
from loadtest.analysis.percentiles import rank, required_samples


@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3_688)])
def test_samples_that_a_percentile_needs(q, needed):
    assert required_samples(q) == needed


@pytest.mark.parametrize(
    ("q", "count", "place"),
    [(0.5, 1, 0), (0.5, 2, 0), (0.5, 3, 1), (0.9, 10, 8), (0.99, 100, 98), (0.999, 3_000, 2_996)],
)
def test_rank(q, count, place):
    assert rank(q, count) == place


@given(st.lists(st.floats(0, 1e12), min_size=1), st.floats(0.001, 0.999))
def test_a_percentile_is_one_of_the_samples(samples, q):
    found = Distribution.of(np.array(samples)).quantile(q)
    assert found in samples
    assert min(samples) <= found <= max(samples)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=50))
def test_a_share_q_of_the_samples_does_not_exceed_the_percentile(samples):
    found = Distribution.of(np.array(samples, float)).quantile(0.9)
    assert sum(value <= found for value in samples) >= 0.9 * len(samples) - 1e-6
    assert sum(value < found for value in samples) < 0.9 * len(samples)


def test_the_mean_is_of_the_answered():
    answered_and_not = Distribution.of(np.array([np.inf, 2.0, 4.0]))
    assert (answered_and_not.mean(), answered_and_not.unanswered, answered_and_not.count) == (3.0, 1, 3)
    assert Distribution.of(np.array([np.inf])).mean() is None


def test_without_samples_there_is_no_quantile():
    with pytest.raises(ValueError, match="no samples"):
        Distribution.of(np.array([])).quantile(0.5)
