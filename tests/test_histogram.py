"""Additive counts: HdrHistogram's buckets at three digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import histogram
from loadtest.analysis.distribution import Distribution
from loadtest.load.recorder import Recorder
from loadtest.model import Counts, Population

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


@given(st.integers(2_048 * US, HOUR_NS))
def test_three_digits_a_bucket_is_within_a_2048th_of_each_of_its_values(value):
    kept = histogram.value_of(histogram.buckets_of(np.array([value // US * US])))[0]
    assert abs(kept - value // US * US) <= value / 2_048


@given(st.integers(0, HOUR_NS), st.integers(0, HOUR_NS))
def test_a_larger_value_is_in_no_lower_bucket(one, other):
    low, high = histogram.buckets_of(np.array(sorted((one, other))))
    assert low <= high
    kept = histogram.value_of(np.array([low, high]))
    assert kept[0] <= kept[1]


@given(values, st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_a_percentile_lies_between_the_least_and_the_largest_and_near_the_exact_one(samples, q):
    part = Counts("inter_chunk", Population.HEADLINE, 0, 1, *counted(samples))
    kept = Distribution.of_counts([part])
    exact = Distribution.of(np.array(samples) / 1e6)
    assert kept.count == len(samples)
    assert kept.values[0] <= kept.quantile(q) <= kept.values[-1]
    assert kept.quantile(q) == pytest.approx(exact.quantile(q), rel=1 / 1_000, abs=US / 1e6)


@given(st.lists(st.tuples(st.integers(0, HOUR_NS), st.integers(0, 3)), min_size=1, max_size=300), st.integers(1, 4))
def test_the_same_records_through_one_process_or_several_give_identical_percentiles(records, folds):
    whole, workers = Recorder("local", None), [Recorder(f"worker-{number}", None) for number in range(4)]
    for chunk in np.array_split(np.array(records, np.int64), folds):
        for gap, number in chunk.tolist():
            whole.gaps.append(gap)
            workers[number].gaps.append(gap)
        for recorder in (whole, *workers):
            recorder.fold(1)
    one = Distribution.of_counts(whole.take().histograms)
    several = Distribution.of_counts([part for worker in workers for part in worker.take().histograms])
    quantiles = [0.5, 0.9, 0.95, 0.99, 0.999]
    assert one.count == several.count == len(records)
    assert [one.quantile(q) for q in quantiles] == [several.quantile(q) for q in quantiles]
    assert one.mean() == several.mean()


@given(st.lists(values, min_size=1, max_size=5))
def test_merging_equals_concatenating(parts):
    merged = histogram.merge([counted(part) for part in parts])
    whole = histogram.merge([counted([value for part in parts for value in part])])
    assert [column.tolist() for column in merged] == [column.tolist() for column in whole]
    assert merged[1].sum() == sum(map(len, parts))
