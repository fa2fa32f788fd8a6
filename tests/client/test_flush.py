"""What comes back of an offline queue that was sent at once."""

from loadtest.client.flush import Flush, Return


def test_broadcasts_in_the_order_of_sending():
    flush = Flush(["a", "b", "c"])
    assert [flush.heard(each) for each in "ac"] == [Return.IN_ORDER, Return.IN_ORDER]


def test_one_that_was_overtaken_is_out_of_order_and_those_behind_it_are_not():
    flush = Flush(["a", "b", "c"])
    assert [flush.heard(each) for each in "bac"] == [Return.IN_ORDER, Return.OUT_OF_ORDER, Return.IN_ORDER]


def test_a_second_broadcast_is_a_duplicate_and_a_message_that_did_not_wait_is_none_of_it():
    flush = Flush(["a"])
    assert [flush.heard(each) for each in "aax"] == [Return.IN_ORDER, Return.AGAIN, None]
