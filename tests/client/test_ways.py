"""The ways to a server: another address, IPv6, TLS of either side, a proxy; and the times that each may take."""

import socket
import ssl
import threading
import time
from contextlib import closing

import gevent
import pytest
import trustme
from link_stage import Counts, Ear, dial, echo, upgraded
from real_servers import behaving, proxying, raw, server_context, unused_port

from loadtest.client.closed import ClosedBy
from loadtest.client.dial import DialError, connect_first
from loadtest.client.endpoint import Credentials
from loadtest.client.proxy import Proxy
from loadtest.settings import Address, Header

AUTHORITY = trustme.CA()


def trusting(authority=AUTHORITY):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def here(port):
    return Address("127.0.0.1", port)


def by_proxy(port):
    return Proxy("HTTPS_PROXY", here(port))


def said(seen):
    """A handler that keeps the request of its connection, and echoes."""

    def handler(connection):
        seen.append(connection.request)
        echo(connection)

    return handler


def speak(port, **options):
    """One message there and back; returns the durations and the counts."""
    ear, counts = Ear(), Counts()
    link, dialled = dial(port, ear, counts, **options)
    link.send(b"hello")
    ear.wait_for(1)
    link.close(1000)
    assert ear.gone.wait(5)
    assert ear.texts() == [b"hello"]
    return dialled, counts


def refused(port, **options):
    with pytest.raises(DialError) as caught:
        dial(port, Ear(), **options)
    assert "SECRET" not in str(caught.value)
    return caught.value.kind


# --- where to
def test_another_address_is_connected_to_under_the_name_of_the_backend():
    seen = []
    with behaving(said(seen), ssl=server_context(AUTHORITY, "chat.example.com")) as port:
        speak(port, url="wss://chat.example.com/ws", connect_to=here(port), tls=trusting())
    assert seen[0].headers["Host"] == "chat.example.com"


def test_an_address_of_ipv6_is_called_by_tcp_and_http_alike():
    seen = []
    context = server_context(AUTHORITY, "::1")
    with behaving(said(seen), host="::1", family=socket.AF_INET6, ssl=context) as port:
        speak(port, url=f"wss://[::1]:{port}/ws", tls=trusting())
    assert seen[0].headers["Host"] == f"[::1]:{port}"


def test_headers_reach_the_server_as_they_were_given():
    seen = []
    shown = Credentials(query="token=SECRET", headers=(Header("Authorization", "Bearer mine"),))
    options = {"headers": (Header("X-Tenant", "acme"),), "origin": "https://app.example.com"}
    with behaving(said(seen)) as port:
        speak(port, shown=shown, **options)
    (request,) = seen
    assert request.path == "/ws?token=SECRET"
    assert [request.headers[name] for name in ("X-Tenant", "Origin", "Authorization")] == [
        "acme",
        "https://app.example.com",
        "Bearer mine",
    ]


@pytest.mark.parametrize(
    ("spoken", "told"),
    [(["chat.v1"], "subprotocol chat.v1"), (["bearer"], "subprotocol of the user's"), (None, "no subprotocol")],
)
def test_the_subprotocol_agreed_on_is_told_unless_it_may_be_secret(spoken, told):
    shown = Credentials(subprotocols=("bearer",))

    def choose(_connection, offered):
        return next((name for name in offered if name in spoken), None) if spoken else None

    with behaving(echo, subprotocols=spoken, select_subprotocol=choose) as port:
        _, counts = speak(port, subprotocols=("chat.v2", "chat.v1"), shown=shown)
    assert counts["negotiated", told] == 1


# --- TLS
def test_the_version_of_tls_is_told():
    with behaving(echo, ssl=server_context(AUTHORITY)) as port:
        _, counts = speak(port, scheme="wss", tls=trusting())
    assert counts["negotiated", "TLSv1.3"] == 1


LONG_AGO = {"not_before": "2020-01-01", "not_after": "2020-02-01"}
YET_TO_COME = {"not_before": "2990-01-01", "not_after": "2990-02-01"}


def dates(texts):
    import datetime  # noqa: PLC0415

    return {name: datetime.datetime.fromisoformat(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("context", "kind"),
    [
        (lambda: server_context(trustme.CA()), "tls unknown authority"),
        (lambda: server_context(AUTHORITY, "chat.example.com"), "tls other name"),
        (lambda: server_context(AUTHORITY, **dates(LONG_AGO)), "tls expired"),
        (lambda: server_context(AUTHORITY, **dates(YET_TO_COME)), "tls not yet valid"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told_apart(context, kind):
    with behaving(echo, ssl=context()) as port:
        assert refused(port, scheme="wss", tls=trusting()) == kind


def test_a_server_without_tls_is_told_apart():
    def script(connection):
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with raw(script) as port:
        assert refused(port, scheme="wss", tls=trusting()) == "tls not spoken"


def asking_for_a_certificate(version):
    context = server_context(AUTHORITY)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    return context


def test_a_server_that_asks_for_a_certificate_gets_ours():
    tls = trusting()
    AUTHORITY.issue_cert("load@example.com").configure_cert(tls)
    with behaving(echo, ssl=asking_for_a_certificate(ssl.TLSVersion.TLSv1_3)) as port:
        speak(port, scheme="wss", tls=tls)


@pytest.mark.parametrize(
    ("version", "ours", "kind"),
    [
        (ssl.TLSVersion.TLSv1_3, None, "tls client certificate"),
        (ssl.TLSVersion.TLSv1_2, None, "tls"),  # only says that the handshake failed
        (ssl.TLSVersion.TLSv1_3, trustme.CA(), "tls client certificate"),
        (ssl.TLSVersion.TLSv1_2, trustme.CA(), "tls client certificate"),
    ],
)
def test_a_server_that_does_not_like_our_certificate_is_told_apart(version, ours, kind):
    tls = trusting()
    if ours is not None:
        ours.issue_cert("load@example.com").configure_cert(tls)
    with behaving(echo, ssl=asking_for_a_certificate(version)) as port:
        assert refused(port, scheme="wss", tls=tls) == kind


# --- a proxy
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_proxy_is_asked_for_a_tunnel_to_a_name_that_only_it_knows(scheme):
    heads, seen = [], []
    context = server_context(AUTHORITY, "chat.test") if scheme == "wss" else None
    with behaving(said(seen), ssl=context) as port, proxying(port, heads) as proxy:
        dialled, _ = speak(proxy, url=f"{scheme}://chat.test:7/ws", proxy=by_proxy(proxy), tls=trusting())
    assert heads == ["CONNECT chat.test:7 HTTP/1.1\r\nHost: chat.test:7\r\n\r\n"]
    assert seen[0].headers["Host"] == "chat.test:7"
    assert dialled.proxy_ns > 0
    assert (dialled.tls_ns is None) == (scheme == "ws")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy 403"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "proxy 407"),
        (b"HTTP/1.0 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nwhat", "proxy 502"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "proxy"),
        (b"HTTP/1.1 200 OK\r\n\r\nwelcome", "proxy"),
        (b"", "proxy"),
    ],
)
def test_a_proxy_that_will_not_is_told_apart(answer, kind):
    def script(connection):
        connection.recv(65_536)
        connection.sendall(answer)

    with raw(script) as port:
        assert refused(port, url="ws://chat.test/ws", proxy=by_proxy(port)) == kind


def test_nobody_at_the_proxys_address():
    assert refused(0, url="ws://chat.test/ws", proxy=by_proxy(unused_port())) == "proxy refused"


# --- time
@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({}, "no answer to the upgrade within 0.05 s"),
        ({"scheme": "wss", "tls": trusting()}, "no TLS handshake within 0.05 s"),
        ({"proxy": True}, "no answer of the proxy 127.0.0.1:"),
    ],
)
def test_a_dial_that_takes_too_long_says_what_it_waited_for(options, detail):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        proxy = by_proxy(port) if options.get("proxy") else None
        with pytest.raises(DialError, match=detail) as caught:
            dial(port, Ear(), timeout=0.05, **options | {"proxy": proxy})
    assert caught.value.kind == "timeout"


def test_a_connection_that_falls_silent_is_taken_for_dead_after_the_read_timeout():
    ear, over = Ear(), threading.Event()

    def silent(connection):
        upgraded(connection)
        over.wait(5)

    with raw(silent) as port:
        link, _ = dial(port, ear, read_timeout_s=10.0)
        now = time.monotonic_ns()
        link.give_up_silent(now + 9_000_000_000)
        assert ear.closed is None
        link.give_up_silent(now + 10_100_000_000)
        over.set()
    assert (ear.closed.code, ear.closed.by) == (1006, ClosedBy.READ_TIMEOUT)
    assert ear.closed.reason == "nothing received for 10 s"


def test_without_a_read_timeout_silence_is_no_fault():
    ear = Ear()
    with behaving(echo) as port:
        link, _ = dial(port, ear)
        link.give_up_silent(time.monotonic_ns() + 3_600_000_000_000)
        link.send(b"still here")
        ear.wait_for(1)
        link.close(1000)
        with gevent.Timeout(5):
            ear.gone.wait()
    assert ear.texts() == [b"still here"]


# --- several addresses of one name
@pytest.fixture
def swallowing():
    """An address where connects are never answered: its queue is full, and nobody accepts."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()
        for each in waiting:
            each.close()


def test_an_address_that_swallows_everything_leaves_time_for_the_next(swallowing):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        both = [(socket.AF_INET, swallowing), (socket.AF_INET, listener.getsockname())]
        began = time.monotonic()
        connected, _ = connect_first(both, None, 0.4)
        assert time.monotonic() - began > 0.15
        with closing(connected):
            assert connected.getpeername() == listener.getsockname()


def test_the_last_address_has_all_the_time_that_is_left(swallowing):
    refusing = (socket.AF_INET, ("127.0.0.1", unused_port()))
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.3):
        connect_first([refusing, (socket.AF_INET, swallowing)], None, 0.1)
