"""What waits while a client is away."""

from loadtest.client.offline_queue import OfflineQueue


def test_a_full_queue_gives_up_its_oldest():
    queue = OfflineQueue(limit=2)
    assert [queue.push(item) for item in "abc"] == [None, None, "a"]
    assert queue.take_all() == ["b", "c"]
    assert queue.take_all() == []
