"""One WebSocket on real sockets: servers that behave, and servers that do not."""

import socket
import ssl
import struct
import threading
import time
from contextlib import closing

import gevent
import pytest
import trustme
from link_stage import Counts, Ear, dial, echo, frames, upgraded
from real_servers import behaving, raw
from websockets.frames import Opcode

from loadtest.client import dial as dial_module
from loadtest.client import transport
from loadtest.client.closed import ClosedBy
from loadtest.client.dial import KERNEL_STAMPS, DialError

needs_kernel_stamps = pytest.mark.skipif(not KERNEL_STAMPS, reason="the platform has no receive stamps")


def test_frames_go_out_and_come_back():
    ear, counts = Ear(), Counts()
    with behaving(echo) as port:
        link, dialled = dial(port, ear, counts)
        link.send(b"one")
        link.send(b"two")
        ear.wait_for(2)
        link.close(1000)
        ear.gone.wait(5)
    assert ear.texts() == [b"one", b"two"]
    assert dialled.tcp_ns > 0
    assert dialled.tls_ns is None
    assert (ear.closed.code, ear.closed.by) == (1000, ClosedBy.CLIENT)
    assert ear.closed.close_ns > 0
    assert (counts["frames_sent", ""], counts["bytes_sent", ""]) == (2, 6)


def test_tls_carries_frames_and_stamps_alike():
    authority = trustme.CA()
    server_context, client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    authority.configure_trust(client_context)
    ear, counts = Ear(), Counts()
    with behaving(echo, ssl=server_context) as port:
        link, dialled = dial(port, ear, counts, scheme="wss", tls=client_context)
        link.send(b"x" * 200_000)
        ear.wait_for(1)
        link.close(1000)
        ear.gone.wait(5)
    assert ear.texts() == [b"x" * 200_000]
    assert dialled.tls_ns > 0
    assert ear.closed.code == 1000
    assert not KERNEL_STAMPS or counts["reads_without_stamp", ""] == 0


def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure():
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server_context)
    with behaving(echo, ssl=server_context) as port, pytest.raises(DialError) as caught:
        dial(port, Ear(), scheme="wss")
    assert caught.value.kind == "tls unknown authority"


@needs_kernel_stamps
def test_the_receive_time_is_the_kernels_while_the_loop_is_blocked():
    ear, release = Ear(), threading.Event()

    def script(connection):
        protocol = upgraded(connection)
        release.wait(5)
        connection.sendall(frames(protocol, b"first"))

    with raw(script) as port:
        dial(port, ear)
        release.set()
        blocked_from = time.monotonic_ns()
        time.sleep(0.2)  # the event loop stands still: this is the generator's fault, and must be in no latency
        ear.wait_for(1)
    _, _, at, _, lag = ear.frames[0]
    assert blocked_from < at < blocked_from + 100_000_000
    assert lag > 90_000_000


@needs_kernel_stamps
def test_so_it_is_behind_tls():
    authority, ear, release = trustme.CA(), Ear(), threading.Event()
    server_context, client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    authority.configure_trust(client_context)

    def script(connection):
        release.wait(5)
        connection.send("first")
        connection.recv()

    with behaving(script, ssl=server_context) as port:
        link, _ = dial(port, ear, scheme="wss", tls=client_context)
        release.set()
        blocked_from = time.monotonic_ns()
        time.sleep(0.2)  # as above
        ear.wait_for(1)
        link.send(b"bye")
        ear.gone.wait(5)
    _, _, at, _, lag = ear.frames[0]
    assert blocked_from < at < blocked_from + 100_000_000
    assert lag > 90_000_000


@needs_kernel_stamps
def test_frames_that_waited_together_share_a_stamp_and_carry_its_bound():
    ear, counts, release = Ear(), Counts(), threading.Event()

    def script(connection):
        protocol = upgraded(connection)
        release.wait(5)
        connection.sendall(frames(protocol, b"one", b"two", b"three"))

    with raw(script) as port:
        dial(port, ear, counts)
        release.set()
        ear.wait_for(3)
    stamps, bounds = {frame[2] for frame in ear.frames}, [frame[3] for frame in ear.frames]
    assert len(stamps) == 1
    assert bounds[0] == bounds[1] > 0
    assert bounds[2] == 0
    assert counts["coalesced_frames", ""] == 2


@needs_kernel_stamps
def test_a_step_of_the_wall_clock_moves_no_stamp_out_of_its_bounds(monkeypatch):
    ear, counts, release = Ear(), Counts(), threading.Event()

    def script(connection):
        protocol = upgraded(connection)
        release.wait(5)
        connection.sendall(frames(protocol, b"one"))

    with raw(script) as port:
        before = time.monotonic_ns()
        dial(port, ear, counts)
        real = time.time_ns
        monkeypatch.setattr(transport.time, "time_ns", lambda: real() - 3_600_000_000_000)
        release.set()
        ear.wait_for(1)
        after = time.monotonic_ns()
    _, _, at, bound, _ = ear.frames[0]
    assert before < at <= after
    assert before < at - bound < after
    assert bound > 0
    assert counts["stamps_clamped", ""] == 1


@needs_kernel_stamps
def test_a_frame_is_bounded_by_the_poll_before_even_where_its_connection_was_silent_for_long():
    quiet, busy, ready, poke, sent = Ear(), Ear(), threading.Event(), threading.Event(), threading.Event()

    def two_at_once(connection):
        protocol = upgraded(connection)
        ready.set()
        poke.wait(5)
        connection.sendall(frames(protocol, b"one", b"two"))
        sent.set()

    def one(connection):
        connection.sendall(frames(upgraded(connection), b"hello"))

    def hold_the_loop_until_both_wait(*frame):
        busy.frames.append(frame)
        poke.set()
        sent.wait(5)

    busy.on_frame = hold_the_loop_until_both_wait
    with raw(two_at_once) as quiet_port:
        dial(quiet_port, quiet)
        assert ready.wait(5)
        silent_until = time.monotonic_ns()
        with raw(one) as busy_port:
            dial(busy_port, busy)
            quiet.wait_for(2)
    _, _, at, bound, _ = quiet.frames[0]
    poked_after = busy.frames[0][2]
    assert at - bound > silent_until
    assert at - bound > poked_after - 1_000_000
    assert at - bound < quiet.frames[1][2]


@needs_kernel_stamps
def test_what_a_full_read_left_behind_may_be_as_old_as_what_it_took(monkeypatch):
    monkeypatch.setattr(transport, "READ_SIZE", 1_000)
    ear, release, sent = Ear(), threading.Event(), []

    def script(connection):
        protocol = upgraded(connection)
        release.wait(5)
        connection.sendall(frames(protocol, b"a" * 800, b"b" * 800, b"c" * 800))
        sent.append(time.monotonic_ns())

    with raw(script) as port:
        dial(port, ear)
        release.set()
        while not sent:
            time.sleep(0.001)  # the event loop stands still until all of it waits
        ear.wait_for(3)
    assert all(at - bound < sent[0] for _, _, at, bound, _ in ear.frames[:2])
    assert [bound > 0 for _, _, _, bound, _ in ear.frames] == [True, True, False]


def test_without_stamps_the_bound_reaches_back_from_the_callback(monkeypatch):
    monkeypatch.setattr(dial_module, "KERNEL_STAMPS", False)
    ear, counts, release, sent = Ear(), Counts(), threading.Event(), []

    def script(connection):
        protocol = upgraded(connection)
        release.wait(5)
        sent.append(time.monotonic_ns())
        connection.sendall(frames(protocol, b"alone"))
        sent.append(time.monotonic_ns())

    with raw(script) as port:
        dial(port, ear, counts)
        release.set()
        while len(sent) < 2:
            time.sleep(0.001)  # the event loop stands still until the frame waits
        ear.wait_for(1)
    _, _, at, bound, lag = ear.frames[0]
    assert at - bound < sent[1] < at
    assert lag == 0
    assert counts["reads_without_stamp", ""] > 0
    assert counts["coalesced_frames", ""] == 0


def test_a_fragmented_message_is_put_together():
    ear = Ear()

    def script(connection):
        protocol = upgraded(connection)
        protocol.send_text(b"Hel", fin=False)
        protocol.send_continuation(b"lo", fin=True)
        connection.sendall(b"".join(protocol.data_to_send()))

    with raw(script) as port:
        dial(port, ear)
        ear.wait_for(1)
    assert ear.texts() == [b"Hello"]


def test_pings_are_answered_by_both_sides():
    ear, answered = Ear(), threading.Event()

    def script(connection):
        connection.ping().wait(5)
        answered.set()
        connection.recv()

    with behaving(script) as port:
        link, _ = dial(port, ear)
        link.ping()
        ear.wait_for(1)
        with gevent.Timeout(5):
            while not answered.is_set():
                gevent.sleep(0)
        link.send(b"bye")
        ear.gone.wait(5)
    assert ear.pongs[0] > 0


def test_a_server_that_stood_still_is_asked_all_the_while():
    """Three pings while nothing is read, and one answer to the last of them: three round trips."""
    ear, pinged = Ear(), threading.Event()

    def script(connection):
        protocol = upgraded(connection)
        pinged.wait(5)
        events = []
        while len(events) < 3:
            protocol.receive_data(connection.recv(65_536))
            events += protocol.events_received()
        protocol.data_to_send()
        protocol.send_pong(events[-1].data)
        connection.sendall(b"".join(protocol.data_to_send()))

    with raw(script) as port:
        link, _ = dial(port, ear)
        for _ in range(3):
            link.ping()
            gevent.sleep(0.01)
        pinged.set()
        ear.wait_for(3)
    assert len(ear.pongs) == 3
    assert ear.pongs[0] > ear.pongs[1] > ear.pongs[2] > 0


def test_a_pong_that_nobody_asked_for_is_no_answer_to_a_ping():
    ear = Ear()

    def script(connection):
        protocol = upgraded(connection)
        protocol.send_pong(b"")
        protocol.send_text(b"there")
        connection.sendall(b"".join(protocol.data_to_send()))
        while not (events := protocol.events_received()):
            protocol.receive_data(connection.recv(65_536))
        assert [event.opcode for event in events] == [Opcode.PING]
        connection.sendall(b"".join(protocol.data_to_send()))

    with raw(script) as port:
        link, _ = dial(port, ear)
        link.ping()
        ear.wait_for(2)
    assert (len(ear.frames), len(ear.pongs)) == (1, 1)


def test_what_the_socket_does_not_take_waits_and_arrives_whole():
    received, ear = [], Ear()

    def slow(connection):
        received.append(connection.recv())

    with behaving(slow, max_size=None) as port:
        link, _ = dial(port, ear)
        link.send(b"y" * 8_000_000)
        ear.gone.wait(5)
    assert len(received[0]) == 8_000_000


def test_a_reset_sends_no_close_frame():
    seen, ear = [], Ear()

    def script(connection):
        upgraded(connection)
        try:
            seen.append(connection.recv(100))
        except ConnectionResetError:
            seen.append("reset")

    with raw(script) as port:
        link, _ = dial(port, ear)
        link.reset()
    assert seen == ["reset"]
    assert (ear.closed.code, ear.closed.reason, ear.closed.by, ear.closed.close_ns) == (1006, "", ClosedBy.RESET, None)


# --- dials that fail
def test_nobody_listening_is_refused():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DialError) as caught:
        dial(port, Ear())
    assert caught.value.kind == "refused"
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized", b"403 Forbidden", b"404 Not Found"])
def test_an_http_answer_is_named_by_its_status(status):
    def script(connection):
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno")

    with raw(script) as port, pytest.raises(DialError) as caught:
        dial(port, Ear())
    assert caught.value.kind == f"http {status[:3].decode()}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b"", "closed"), (b"SSH-2.0-OpenSSH_9\r\n\r\n", "no websocket"), (b"HTTP/1.1 101 OK\r\n\r\n", "no websocket")],
)
def test_an_answer_that_is_no_handshake(answer, kind):
    def script(connection):
        connection.recv(65_536)
        connection.sendall(answer)

    with raw(script) as port, pytest.raises(DialError) as caught:
        dial(port, Ear())
    assert caught.value.kind == kind


def test_a_server_that_says_nothing_times_out():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, pytest.raises(DialError) as caught:
        dial(listener.getsockname()[1], Ear(), timeout=0.05)
    assert caught.value.kind == "timeout"


# --- servers that break off or break the rules
def close_frame(connection, protocol):
    protocol.send_close(1008, "AUTH_FAILED")
    connection.sendall(b"".join(protocol.data_to_send()))
    connection.recv(100)


def hang_up(connection, _protocol):
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection, _protocol):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbage(connection, _protocol):
    connection.sendall(b"\xff" * 64)
    connection.recv(100)


def too_large(connection, protocol):
    connection.sendall(frames(protocol, b"z" * 5_000))
    connection.recv(100)


def no_utf8(connection, protocol):
    connection.sendall(frames(protocol, b"\xff\xfe"))


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        (close_frame, 1008, "AUTH_FAILED"),
        (hang_up, 1006, ""),
        (reset, 1006, ""),
        (garbage, 1006, "our protocol check: 1002"),
        (too_large, 1006, "our protocol check: 1009"),
    ],
)
def test_every_way_to_end_is_told_once_with_its_code(script, code, reason):
    ear = Ear()
    with raw(lambda connection: script(connection, upgraded(connection))) as port:
        dial(port, ear, max_frame_size=4_096)
        assert ear.gone.wait(5)
    assert ear.closed.code == code
    assert ear.closed.reason.startswith(reason)
    assert ear.closed.by is ClosedBy.SERVER


def test_text_that_is_no_utf8_is_passed_on_for_the_session_to_count():
    ear = Ear()
    with raw(lambda connection: no_utf8(connection, upgraded(connection))) as port:
        dial(port, ear)
        ear.wait_for(1)
    assert ear.texts() == [b"\xff\xfe"]
