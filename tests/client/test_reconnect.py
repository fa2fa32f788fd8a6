"""The browser client's schedule and its queue."""

import pytest

from loadtest.client.reconnect import OfflineQueue
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


def test_a_full_queue_gives_up_its_oldest():
    queue = OfflineQueue(limit=2)
    assert [queue.push(item) for item in "abc"] == [None, None, "a"]
    assert queue.take_all() == ["b", "c"]
    assert queue.take_all() == []
