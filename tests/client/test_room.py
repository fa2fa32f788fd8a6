"""What a session tells of rooms: receipts, stays, typing, and what leaks from conversations that it is not in."""

import json
import zlib
from array import array
from collections import Counter

from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.session import Session
from loadtest.model import Population, Stay, Typed

STAMP = "2026-01-01T00:00:00.000Z"


class Log:
    frames_received = bytes_received = 0

    def __init__(self):
        self.seen, self.receipts, self.sent, self.stays, self.events = Counter(), [], {}, [], []

    def add(self, name, key="", value=1):
        self.seen[name, key] += value

    def received(self, *receipt):
        self.receipts.append(receipt)

    def left(self, message_id, sent_ns):
        self.sent[message_id] = sent_ns

    def stayed(self, stay):
        self.stays.append(stay)

    def typed(self, typed):
        self.events.append(typed)


class Ann:
    """A user in a room, client 7; instants in ns."""

    def __init__(self, client=7):
        self.log = Log()
        identity = Identity("ann", "RoomUser", Population.HEADLINE, client)
        expectation, gaps = Expectation(False), array("q")
        self.session = Session(identity, expectation, self.log, gaps, array("q"), 10**12, room=self.log)

    def joins(self, conversation="tea", id_="join", at=100):
        self.session.send(id_, conversation, "hello", at - 10, at - 10, STAMP)
        self.hears("message:ack", at, messageId=id_, status="received")
        self.hears("message:ack", at, messageId=id_, status="delivered", timestamp=STAMP)
        return self

    def hears(self, type_, at, **fields):
        self.session.receive(json.dumps({"type": type_, **fields}).encode(), True, at, 0, 0)

    def hears_of(self, conversation, at, id_="m1", content="hi", **author):
        event = {"messageId": id_, "conversationId": conversation, "content": content}
        self.hears("message:receive", at, **event, **(author or {"userId": "ben"}))

    def counted(self, name):
        return {key: count for (counter, key), count in self.log.seen.items() if counter == name}


def test_each_broadcast_of_the_own_conversation_is_a_receipt():
    ann = Ann().joins()
    ann.hears_of("tea", 200)
    ann.hears_of("tea", 300, id_="m2", senderId="cid")
    hi = zlib.crc32(b"hi")
    assert ann.log.receipts == [
        ("message:receive", "tea", "m1", "ben", hi, 7, 1, 200),
        ("message:receive", "tea", "m2", "cid", hi, 7, 2, 300),
    ]
    assert ann.counted("leak") == {}


def test_the_own_message_comes_back_and_is_a_receipt_too():
    ann = Ann().joins()
    ann.hears_of("tea", 200, id_="join", content="hello", userId="ann")
    assert ann.log.receipts == [("message:receive", "tea", "join", "ann", zlib.crc32(b"hello"), 7, 1, 200)]


def test_the_record_of_a_message_has_what_its_receipts_are_known_by():
    (message,) = Ann().joins().session.ended
    assert (message.client, message.digest) == (7, zlib.crc32(b"hello"))


def test_outside_of_rooms_nothing_is_recorded_and_leaks_are_seen_all_the_same():
    ann = Ann(client=None).joins()
    ann.hears_of("tea", 200)
    ann.hears_of("milk", 300)
    ann.session.types("tea", "typing:start", 400)
    ann.session.gone(500)
    (message,) = ann.session.ended
    assert (ann.log.receipts, ann.log.stays, ann.log.events, message.digest) == ([], [], [], None)
    assert ann.counted("leak") == {"message:receive": 1}


def test_an_event_of_any_kind_of_another_conversation_is_a_leak_and_no_receipt():
    ann = Ann().joins()
    ann.hears_of("milk", 200)
    ann.hears("typing:start", 210, conversationId="milk", userId="ben")
    ann.hears("typing:stop", 220, conversationId="milk", userId="ben")
    for at in (230, 240):
        chunk = {"messageId": "ai-m1", "conversationId": "milk", "content": "x" * at, "isComplete": False}
        ann.hears("message:stream", at, **chunk)
    kinds = ("message:receive", "typing:start", "typing:stop", "message:stream")
    assert ann.counted("leak") == dict.fromkeys(kinds, 1)
    assert ann.log.receipts == []


def test_what_is_heard_of_a_conversation_that_was_left_is_a_leak_of_its_own():
    ann = Ann().joins("tea").joins("milk", "second", 200)
    ann.hears_of("tea", 300)
    assert ann.counted("leak") == {"message:receive after leaving": 1}


def test_while_nobody_can_say_where_it_is_nothing_leaks():
    ann = Ann().joins("tea")
    ann.session.send("second", "milk", "hello", 200, 200, STAMP)
    ann.hears_of("tea", 210)
    ann.hears_of("milk", 220, id_="m2")
    assert ann.counted("leak") == {}


def test_its_own_conversation_is_no_leak_to_who_has_yet_to_join_it():
    ann = Ann()
    ann.session.belongs("tea")
    ann.hears_of("tea", 50)
    assert (ann.counted("leak"), ann.counted("before_joining")) == ({}, {"message:receive": 1})
    assert ann.log.receipts == []


def test_its_stays_end_with_the_connection():
    ann = Ann().joins(at=100)
    ann.session.gone(900)
    ann.joins(id_="again", at=1_000).session.gone(2_000)
    ann.session.gone(3_000)
    assert ann.log.stays == [Stay(7, "ann", "tea", 100, 900), Stay(7, "ann", "tea", 1_000, 2_000)]


def test_typing_ends_with_the_connection_unless_it_has_ended_before():
    ann = Ann().joins()
    ann.session.types("tea", "typing:start", 200)
    ann.session.types("tea", "typing:stop", 300)
    ann.session.gone(400)
    ann.session.types("tea", "typing:start", 500)
    ann.session.gone(600)
    events = [("typing:start", 200), ("typing:stop", 300), ("typing:start", 500), ("gone", 600)]
    assert ann.log.events == [Typed(7, "ann", "tea", event, at) for event, at in events]


def test_a_half_open_connection_tells_nobody_that_its_user_stopped_typing():
    ann = Ann().joins()
    ann.session.types("tea", "typing:start", 500)
    ann.session.gone(600, told=False)
    ann.session.gone(700)
    assert ann.log.events == [Typed(7, "ann", "tea", "typing:start", 500)]


def test_typing_of_others_is_a_receipt():
    ann = Ann().joins()
    ann.hears("typing:start", 200, conversationId="tea", userId="ben")
    assert ann.log.receipts == [("typing:start", "tea", "", "ben", None, 7, 1, 200)]


def test_typing_that_comes_back_to_who_types_is_counted_by_whichever_name_the_server_has_for_it():
    ann = Ann().joins()
    ann.hears("connection:authenticated", 1, connectionId="c", userId="42")
    ann.hears("typing:start", 200, conversationId="tea", userId="ann")
    ann.hears("typing:stop", 300, conversationId="tea", userId="42")
    assert ann.counted("typing_echo") == {"start": 1, "stop": 1}
    assert ann.log.receipts == []
