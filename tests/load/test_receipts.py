"""Receipts on their way: a row for each event, each receipt a place in its arrays."""

import numpy as np

from loadtest.load.receipts import ReceiptLog
from loadtest.model import Receipts

KEY = ("message:receive", "tea", "m1", "ann", 7)


def unpacked(row):
    kinds = {"clients": "<u4", "orders": "<u4", "at_ns": "<i8"}
    return {name: np.frombuffer(getattr(row, name), kind).tolist() for name, kind in kinds.items()}


def test_receipts_of_one_event_share_a_row():
    log = ReceiptLog(lambda _: None)
    log.received(*KEY, 1, 10, 500)
    log.received(*KEY, 2, 20, 600)
    (row,) = log.take(9)
    assert row == Receipts(*KEY, row.clients, row.orders, row.at_ns)
    assert unpacked(row) == {"clients": [1, 2], "orders": [10, 20], "at_ns": [500, 600]}
    assert len(log) == 0


def test_another_content_or_author_is_another_row():
    log = ReceiptLog(lambda _: None)
    log.received(*KEY, 1, 10, 500)
    log.received(*KEY[:4], 8, 2, 20, 600)
    log.received(*KEY[:3], "ben", 7, 3, 30, 700)
    assert [unpacked(row)["clients"] for row in log.take(9)] == [[1], [2], [3]]


def test_rows_are_taken_oldest_first_and_no_more_than_asked_for():
    log = ReceiptLog(lambda _: None)
    for number in range(3):
        log.received("message:receive", "tea", f"m{number}", "ann", 7, 1, number, 500)
    assert [row.message_id for row in log.take(2)] == ["m0", "m1"]
    assert [row.message_id for row in log.take(2)] == ["m2"]


def test_locust_is_told_of_the_slowest_where_the_sender_is_here_too():
    told = []
    log = ReceiptLog(told.append)
    log.left("m1", 400)
    for client, at in ((0, 450), (1, 500), (2, 900)):
        log.received(*KEY, client, 1, at)
    log.received("message:receive", "tea", "of another process", "ben", 7, 1, 2, 900)
    log.tell_all()
    assert told == [500]


def test_a_slowest_receiver_that_comes_after_a_take_is_told_of_once():
    told = []
    log = ReceiptLog(told.append)
    log.left("m1", 400)
    for client, at in ((0, 450), (1, 900)):
        log.received(*KEY, client, 1, at)
        log.take(9)
        log.tell_settled()
    assert told == []
    log.tell_settled()
    log.tell_settled()
    assert told == [500]
