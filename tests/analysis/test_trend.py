"""Where a series of nights shifted."""

import math

import numpy as np
import pytest
from staged_samples import night, sample

from loadtest.analysis.changes import change_points
from loadtest.analysis.trend import trend

ACK = ("ack_delivered.p95",)


def noise(count, seed=1, sd=0.03):
    return np.random.default_rng(seed).normal(0, sd, count)


def test_no_change_in_a_constant_series():
    assert change_points([1.0] * 30) == []


@pytest.mark.parametrize("place", [3, 15, 27])
def test_a_step_is_found_where_it_is(place):
    series = noise(30) + np.where(np.arange(30) >= place, math.log(1.3), 0.0)
    assert change_points(series.tolist()) == [place]


def test_two_steps_are_both_found():
    series = noise(40) + np.repeat([0.0, 0.3, 0.1], [12, 14, 14])
    assert change_points(series.tolist()) == [12, 26]


def test_one_slow_night_is_no_shift():
    series = noise(30)
    series[20] += 1.0
    assert change_points(series.tolist()) == []


def test_noise_alone_is_called_a_shift_rarely():
    found = sum(bool(change_points(noise(20, seed).tolist())) for seed in range(60))
    assert found <= 3


def test_twelve_nights_are_the_fewest_in_which_a_shift_is_looked_for():
    assert change_points([0.0] * 5 + [1.0] * 6) == []
    assert change_points([0.0] * 6 + [1.0] * 6) == [6]


@pytest.mark.parametrize("nights", range(12, 31))
def test_three_nights_of_a_level_are_enough_wherever_they_lie(nights):
    for new in (3, nights // 2, nights - 3):
        assert change_points([*noise(nights - new, sd=0.01), *(1.0 + noise(new, 2, sd=0.01))]) == [nights - new]


def test_a_shift_names_the_build_with_which_it_began():
    result = trend([night(place, 10 if place < 9 else 11.8) for place in range(14)], ACK, 0.05)
    (shift,) = result.shifts
    assert (shift.label, shift.place, shift.ago, shift.worse) == ("build=b09", 9, 5, True)
    assert shift.ratio == pytest.approx(1.18, rel=0.01)


def test_a_shift_within_the_margin_is_not_told():
    assert trend([night(n, 10 if n < 7 else 11.8) for n in range(14)], ACK, 0.25).shifts == []


def test_nights_that_deliver_nothing_are_rows_and_a_shift():
    def one(place):
        return sample(started_utc=f"2026-11-{place + 1:02}", quantities={"delivered_ratio": 1.0 if place < 6 else 0.0})

    result = trend([one(place) for place in range(12)], ("delivered_ratio",), 0.05)
    assert [row.values["delivered_ratio"] for row in result.rows] == [1.0] * 6 + [0.0] * 6
    assert [(shift.place, shift.worse) for shift in result.shifts] == [(6, True)]


def test_nights_are_put_in_order_of_time():
    result = trend([night(place, 10) for place in (2, 0, 1)], ACK, 0.05)
    assert [row.labels["build"] for row in result.rows] == ["b00", "b01", "b02"]


def test_invalid_runs_runs_of_experiments_and_of_other_setups_are_left_out_with_the_reason():
    odd = [
        night(3, 10, status="invalid", reasons=["late"]),
        night(4, 10, workload={"scenario": "chat", "users": "9"}),
        sample("paired", pair=1),
    ]
    result = trend([*(night(n, 10) for n in range(3)), night(5, 10), *odd], ACK, 0.05)
    assert len(result.rows) == 4
    assert result.left_out == {
        odd[0].folder: "is invalid",
        odd[1].folder: "is of another setup: users 9 and 50",
        "paired": "is of an experiment",
    }


def test_nothing_left_is_said_with_the_reason():
    with pytest.raises(ValueError, match=r"no run can be used: .* is invalid; make others"):
        trend([night(0, 10, status="invalid", reasons=["late"])], ACK, 0.05)
