"""Additive counts: HdrHistogram's buckets at three digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import histogram

US = histogram.NS_PER_UNIT
HOUR_NS = 3_600_000_000_000
values = st.lists(st.integers(0, HOUR_NS), min_size=1, max_size=200)


def counted(samples):
    return histogram.pack(np.array(samples, np.int64))


@pytest.mark.parametrize(
    ("microseconds", "bucket"),
    [(0, 0), (1, 1), (2_047, 2_047), (2_048, 2_048), (2_049, 2_048), (4_095, 3_071), (4_096, 3_072)],
)
def test_buckets(microseconds, bucket):
    assert histogram.buckets_of(np.array([microseconds * US])).tolist() == [bucket]


def test_a_negative_value_counts_as_none():
    assert histogram.buckets_of(np.array([-5 * US])).tolist() == [0]


def test_no_parts_and_no_samples():
    assert [column.tolist() for column in histogram.merge([])] == [[], []]


@given(st.integers(0, HOUR_NS))
def test_a_value_is_kept_to_a_microsecond_or_a_thousandth(value):
    kept = histogram.value_of(histogram.buckets_of(np.array([value])))[0]
    assert abs(kept - value) <= max(US, value / 1_000)


@given(st.lists(values, min_size=1, max_size=5))
def test_merging_equals_concatenating(parts):
    merged = histogram.merge([counted(part) for part in parts])
    whole = histogram.merge([counted([value for part in parts for value in part])])
    assert [column.tolist() for column in merged] == [column.tolist() for column in whole]
    assert merged[1].sum() == sum(map(len, parts))
