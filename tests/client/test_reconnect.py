"""The browser client's schedule."""

import pytest

from loadtest.settings import Backoff


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (9, 30)])
def test_attempt_k_waits_two_to_the_k_seconds_up_to_thirty(attempt, seconds):
    assert Backoff().delay(attempt, luck=0.0) == seconds


def test_however_often_it_was_tried_there_is_a_next_wait():
    assert Backoff(attempts=5_000).bounds(4_999) == (30, pytest.approx(36))


def test_jitter_adds_up_to_a_fifth():
    assert Backoff().delay(2, luck=0.5) == pytest.approx(4.4)


def test_five_attempts():
    assert Backoff().attempts == 5
