"""Ticks of the event loop: none is left out, however long it stood still."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.health import TICK_NS, TICKS_AT_ONCE, Ticks

MS = 1_000_000


def test_a_tick_that_is_not_due_yet_is_no_tick():
    lags = []
    assert Ticks(0, lags).pass_until(TICK_NS - 1) == 0
    assert lags == []


def test_a_tick_in_time_has_its_own_lag():
    lags = []
    ticks = Ticks(0, lags)
    assert ticks.pass_until(TICK_NS + 3) == 3
    assert (lags, ticks.due_ns) == ([3], 2 * TICK_NS)


def test_a_loop_that_stood_still_was_late_for_every_tick_meanwhile():
    lags = []
    ticks = Ticks(0, lags)
    assert ticks.pass_until(45 * MS) == 35 * MS
    assert lags == [35 * MS, 25 * MS, 15 * MS, 5 * MS]
    assert ticks.due_ns == 50 * MS


def test_a_night_of_sleep_is_not_a_million_samples():
    lags = []
    ticks = Ticks(0, lags)
    ticks.pass_until(8 * 3600 * 1000 * MS)
    assert len(lags) == TICKS_AT_ONCE
    assert ticks.due_ns > 8 * 3600 * 1000 * MS


@given(st.lists(st.integers(0, 200 * MS), min_size=1, max_size=50))
def test_every_tick_is_counted_once(waits):
    lags, now = [], 0
    ticks = Ticks(0, lags)
    for wait in waits:
        now += wait
        ticks.pass_until(now)
    assert len(lags) == now // TICK_NS
    assert all(lag >= 0 for lag in lags)
