"""Our short cut for plain text frames gives what `websockets` alone would have given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import BINARY, CONT, PING, PONG, TEXT, Frame
from websockets.protocol import CLOSING, OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from loadtest.client.boundary import Boundary
from loadtest.client.frames import Incoming, frame_size, plain_texts

LIMIT = 70_000


def upgraded():
    """A client's protocol that has sent its request, and the server's answer to it."""
    client, server = ClientProtocol(parse_uri("ws://localhost/ws"), max_size=LIMIT), ServerProtocol()
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    server.send_response(server.accept(server.events_received()[0]))
    return client, b"".join(server.data_to_send())


def wire(*frames):
    return b"".join(frame.serialize(mask=False) for frame in frames)


def text(payload, fin=True):
    return Frame(TEXT, payload, fin)


def opened():
    client, answer = upgraded()
    incoming = Incoming(client, LIMIT)
    incoming.take(answer)
    return client, incoming


def seen(items):
    """Opcode and payload of each item."""
    return [(TEXT, item) if isinstance(item, bytes) else (item.opcode, bytes(item.data)) for item in items]


payloads = st.one_of(st.binary(max_size=20), st.integers(100, 70_000).map(bytes))
messages = st.one_of(
    payloads.map(lambda data: [text(data)]),
    st.binary(max_size=20).map(lambda data: [Frame(BINARY, data)]),
    st.binary(max_size=20).map(lambda data: [text(data, fin=False), Frame(PING, b"?"), Frame(CONT, data)]),
    st.sampled_from([PING, PONG]).map(lambda opcode: [Frame(opcode, b"!")]),
)


@given(st.lists(messages, min_size=1, max_size=6), st.data())
def test_any_stream_in_any_pieces_gives_its_messages_whole_and_in_order(groups, data):
    frames = [frame for group in groups for frame in group]
    client, answer = upgraded()
    stream, incoming = answer + wire(*frames), Incoming(client, LIMIT)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream)), max_size=6)) | {len(stream)})
    items, place = [], 0
    for cut in cuts:
        items += incoming.take(stream[place:cut])
        place = cut
    expected = []
    for group in groups:
        for frame in group:
            if frame.opcode in (PING, PONG):
                expected.append((frame.opcode, frame.data))
        if group[0].opcode in (TEXT, BINARY):
            expected.append((group[0].opcode, b"".join(f.data for f in group if f.opcode not in (PING, PONG))))
    assert seen(items[1:]) == expected
    assert incoming.simple
    assert not incoming.inside


@given(st.lists(payloads, min_size=1, max_size=5), st.data())
def test_only_behind_a_whole_message_is_a_stream_not_inside_one(contents, data):
    client, answer = upgraded()
    incoming = Incoming(client, LIMIT)
    incoming.take(answer)
    stream, ends, place = wire(*map(text, contents)), set(), 0
    for content in contents:
        place += len(wire(text(content)))
        ends.add(place)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream)), max_size=6)) | {len(stream)})
    place = 0
    for cut in cuts:
        incoming.take(stream[place:cut])
        place = cut
        assert incoming.inside == (cut not in ends)


def test_a_fragment_is_no_message_yet():
    _, incoming = opened()
    assert incoming.take(wire(text(b"Hel", fin=False))) == []
    assert incoming.inside
    assert seen(incoming.take(wire(Frame(CONT, b"lo")))) == [(TEXT, b"Hello")]
    assert not incoming.inside


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x81", id="half a header"),
        pytest.param(b"\x81\x7e\x01", id="half a length"),
        pytest.param(b"\x81\x05Hell", id="a byte too few"),
        pytest.param(b"\x81\x85MASKHello", id="masked"),
        pytest.param(b"\xc1\x05Hello", id="a reserved bit"),
        pytest.param(b"\x82\x05Hello", id="binary"),
        pytest.param(b"\x01\x05Hello", id="a first fragment"),
        pytest.param(b"\x81\x05Hello\x89\x00", id="a ping behind it"),
        pytest.param(wire(text(bytes(LIMIT + 1))), id="too large"),
    ],
)
def test_what_is_not_simple_is_left_to_the_library(data):
    assert plain_texts(data, LIMIT) is None


@pytest.mark.parametrize("data", [wire(text(bytes(LIMIT + 1))), b"\x81\x85MASKHello", b"\xc1\x05Hello"])
def test_what_breaks_the_rules_fails_the_connection(data):
    client, incoming = opened()
    assert client.state is OPEN
    incoming.take(data)
    assert client.state is CLOSING
    assert not incoming.simple


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("mask", [False, True])
def test_the_size_of_a_frame_is_in_its_header(length, mask):
    data = Frame(BINARY, bytes(length)).serialize(mask=mask)
    assert frame_size(data[:14]) == len(data)
    boundary = Boundary(frame_size)
    boundary.follow(data[:-1])
    assert boundary.inside
    boundary.follow(data[-1:])
    assert not boundary.inside
