"""The p-value of a trend is SciPy's, which takes too long to import for the end of a run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from loadtest.analysis.kendall import p_value


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12, unique=True))
def test_without_ties(values):
    assert p_value(np.array(values)) == pytest.approx(stats.kendalltau(range(len(values)), values).pvalue)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=12).filter(lambda values: len(set(values)) > 1))
def test_with_ties(values):
    assert p_value(np.array(values, np.float64)) == pytest.approx(stats.kendalltau(range(len(values)), values).pvalue)


def test_values_that_are_all_alike_have_no_trend():
    assert p_value(np.full(12, 5.0)) == 1.0


def test_what_rises_all_the_way_is_two_orders_of_all():
    assert p_value(np.arange(5.0)) == pytest.approx(2 / (5 * 4 * 3 * 2))
