"""permessage-deflate on real sockets: what is agreed on, what arrives, what is counted, and with which times."""

import json
import threading
import time

import pytest
from link_stage import Counts, Ear, dial, echo, frames, upgraded
from real_servers import behaving, raw
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from loadtest.client.dial import KERNEL_STAMPS

CUMULATIVE = [json.dumps({"type": "message:stream", "content": "word " * n}).encode() for n in range(1, 101)]
"""An answer as the guide streams it: each frame repeats all that was before."""


def compressing(**options):
    return {"extensions": [ServerPerMessageDeflateFactory(**options)]}


@pytest.mark.parametrize(
    ("server", "agreed"),
    [
        ({}, "permessage-deflate"),
        (
            {"server_max_window_bits": 12, "client_max_window_bits": 9},
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=9",
        ),
        (
            {"server_no_context_takeover": True, "client_no_context_takeover": True},
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
    ],
)
def test_whatever_is_agreed_on_frames_come_back_as_they_went(server, agreed):
    ear, counts = Ear(), Counts()
    with behaving(echo, **compressing(**server)) as port:
        link, _ = dial(port, ear, counts, compression=True)
        for text in CUMULATIVE:
            link.send(text)
        ear.wait_for(100)
        link.close(1000)
        ear.gone.wait(5)
    assert ear.texts() == CUMULATIVE
    assert counts["negotiated", agreed] == 1
    plain = sum(map(len, CUMULATIVE))
    assert counts["bytes_sent", ""] == plain
    assert plain / 2 < counts["deflate_saved_sent", ""] < plain
    assert plain / 2 < counts["deflate_saved_received", ""] < plain


@pytest.mark.parametrize("offered", [True, False])
def test_without_an_agreement_nothing_is_compressed(offered):
    ear, counts = Ear(), Counts()
    with behaving(echo, **({} if offered else compressing())) as port:
        link, _ = dial(port, ear, counts, compression=offered)
        link.send(CUMULATIVE[-1])
        ear.wait_for(1)
        link.close(1000)
        ear.gone.wait(5)
    assert ear.texts() == CUMULATIVE[-1:]
    assert counts["negotiated", "no compression"] == offered
    assert counts["deflate_saved_sent", ""] == counts["deflate_saved_received", ""] == 0


def test_what_is_saved_is_the_difference_of_the_payloads():
    ear, counts, wire = Ear(), Counts(), []

    def script(connection):
        sent = frames(upgraded(connection, **compressing()), *CUMULATIVE[-1:])
        wire.append(sent)
        connection.sendall(sent)

    with raw(script) as port:
        dial(port, ear, counts, compression=True)
        ear.wait_for(1)
    header = 2
    assert len(wire[0]) < 126
    assert counts["deflate_saved_received", ""] == len(CUMULATIVE[-1]) - (len(wire[0]) - header)


@pytest.mark.skipif(not KERNEL_STAMPS, reason="the platform has no receive stamps")
def test_compressed_frames_carry_the_kernels_time_and_share_it_as_plain_ones_do():
    ear, counts, release = Ear(), Counts(), threading.Event()

    def script(connection):
        protocol = upgraded(connection, **compressing())
        release.wait(5)
        connection.sendall(frames(protocol, b"one", b"two"))

    with raw(script) as port:
        dial(port, ear, counts, compression=True)
        release.set()
        blocked_from = time.monotonic_ns()
        time.sleep(0.1)  # the event loop stands still
        ear.wait_for(2)
    (_, _, first, bound, lag), (_, _, second, own_bound, _) = ear.frames
    assert first == second < blocked_from + 50_000_000
    assert lag > 40_000_000
    assert bound > own_bound == 0
    assert counts["coalesced_frames", ""] == 1
    assert counts["reads_without_stamp", ""] == 0


def test_fragments_of_a_compressed_message_are_put_together():
    ear = Ear()

    def script(connection):
        protocol = upgraded(connection, **compressing())
        protocol.send_text(b"Hel", fin=False)
        protocol.send_continuation(b"lo", fin=True)
        connection.sendall(b"".join(protocol.data_to_send()) + frames(protocol, b"again"))

    with raw(script) as port:
        dial(port, ear, compression=True)
        ear.wait_for(2)
    assert ear.texts() == [b"Hello", b"again"]


def bomb(protocol):
    return frames(protocol, bytes(10_000_000))


def nonsense(_protocol):
    return b"\xc1\x14" + b"\xff" * 20  # a text frame that says that it is compressed


@pytest.mark.parametrize(("made", "code"), [(bomb, 1009), (nonsense, 1002)])
def test_what_does_not_unpack_closes_the_connection(made, code):
    ear = Ear()

    def script(connection):
        connection.sendall(made(upgraded(connection, **compressing())))
        connection.recv(100)

    with raw(script) as port:
        dial(port, ear, compression=True)
        assert ear.gone.wait(5)
    assert ear.texts() == []
    assert ear.closed.reason.startswith(f"our protocol check: {code}")
