"""Messages that break the guide on purpose: the reference server's own rules object to each."""

import json

import pytest
from test_session import MS, Chat

from loadtest.client.invalid import Invalid, spoilt
from loadtest.errors import MalformedFrame
from loadtest.model import Outcome, Population
from loadtest.protocol import MessageSend, decode_client_event, encode
from loadtest.server.chat import _problem

GOOD = MessageSend("msg-1", "conv-1", "hello", "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("how", [Invalid.EMPTY, Invalid.TOO_LONG, Invalid.NO_CONVERSATION])
def test_a_spoilt_message_is_still_an_event_and_is_objected_to(how):
    assert _problem(GOOD) is None
    assert _problem(decode_client_event(spoilt(GOOD, how, encode)))


def test_half_a_frame_is_no_json():
    with pytest.raises(MalformedFrame):
        decode_client_event(spoilt(GOOD, Invalid.CUT, encode))


class Spoiling(Chat):
    def spoil(self, how, id_="m1", at=0):
        return self.session.send(id_, "c1", "hello", at * MS, at * MS, "2026-01-01T00:00:00.000Z", how)


def test_what_is_invalid_on_purpose_is_a_population_of_its_own_and_says_how():
    chat = Spoiling()
    assert json.loads(chat.spoil(Invalid.EMPTY))["content"] == ""
    chat.hear(5, type="message:error", error="content must have 1 to 10000 characters")
    (record,) = chat.session.ended
    assert (record.population, record.outcome) == (Population.INVALID, Outcome.ERROR)
    assert record.reason == "no content: content must have 1 to 10000 characters"


def test_the_error_of_the_connection_is_that_of_the_only_half_frame_though_others_wait():
    chat = Spoiling()
    chat.send("m1")
    chat.spoil(Invalid.CUT, "m2")
    chat.hear(5, type="connection:error", message="Invalid JSON", code="MESSAGE_ERROR")
    (record,) = chat.session.ended
    assert (record.message_id, record.outcome, record.refused_ns) == ("m2", Outcome.ERROR, 5 * MS)


def test_of_two_half_frames_neither_is_guessed():
    chat = Spoiling()
    chat.spoil(Invalid.CUT, "m1")
    chat.spoil(Invalid.CUT, "m2")
    chat.hear(5, type="connection:error", message="Invalid JSON", code="MESSAGE_ERROR")
    assert chat.session.ended == []
