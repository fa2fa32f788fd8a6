"""Which proxy the environment names, and what it is asked."""

import pytest

from loadtest.client.proxy import Proxy, connect_request, proxy_for, status
from loadtest.settings import Address

BACKEND = Address("chat.example.com", 443)


def chosen(secure=True, target=BACKEND, **environ):
    proxy = proxy_for(target, secure, environ)
    return None if proxy is None else (proxy.variable, str(proxy))


def test_no_variable_means_no_proxy():
    assert chosen() is None
    assert chosen(https="") is None


def test_wss_takes_the_proxy_for_https_and_ws_that_for_http_where_there_is_no_other():
    both = {"https": "http://one:3128", "http": "http://two:3128"}
    assert chosen(True, **both) == chosen(False, **both) == ("HTTPS_PROXY", "one:3128")
    assert chosen(False, http="http://two:3128") == ("HTTP_PROXY", "two:3128")
    assert chosen(True, http="http://two:3128") is None


@pytest.mark.parametrize(
    "text", ["proxy.corp:80", "http://proxy.corp", "http://proxy.corp:80/", "http://me:pw@proxy.corp:80"]
)
def test_an_address_may_be_short(text):
    assert chosen(https=text) == ("HTTPS_PROXY", "proxy.corp:80")


@pytest.mark.parametrize(
    ("excepted", "host"),
    [
        ("example.com", "chat.example.com"),
        (".example.com", "chat.example.com"),
        ("*", "a"),
        ("a, 10.0.0.7", "10.0.0.7"),
    ],
)
def test_what_no_proxy_lists_is_reached_without(excepted, host):
    assert chosen(target=Address(host, 443), https="http://one:3128", no=excepted) is None
    assert chosen(target=Address("other.org", 443), https="http://one:3128", no=excepted.replace("*", "a")) is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "::1", "localhost", "chat.localhost"])
def test_this_machine_is_always_reached_without(host):
    assert chosen(target=Address(host, 443), https="http://one:3128") is None


@pytest.mark.parametrize(
    "text",
    ["socks5://me:SECRET@one:1080", "https://one:3128", "http://", "http://me:SECRET@one:port", "http://[::1:3128"],
)
def test_what_is_no_http_proxy_is_refused_by_the_name_of_its_variable(text):
    with pytest.raises(
        ValueError, match=r"HTTPS_PROXY: .* is no HTTP proxy; give http://HOST:PORT, or unset it"
    ) as caught:
        chosen(https=text)
    assert "SECRET" not in str(caught.value)


def test_a_tunnel_is_asked_for_with_the_credentials_of_the_address():
    proxy = proxy_for(BACKEND, True, {"https": "http://me:p%40ss@one:3128"})
    assert connect_request(proxy, BACKEND) == (
        b"CONNECT chat.example.com:443 HTTP/1.1\r\nHost: chat.example.com:443\r\n"
        b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n"
    )
    assert "bWU6" not in f"{proxy} {proxy!r}"
    bare = Proxy("HTTPS_PROXY", Address("one", 3128))
    assert connect_request(bare, Address("::1", 5000)) == b"CONNECT [::1]:5000 HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n"


def test_a_proxy_is_asked_for_names_as_dns_has_them():
    asked = connect_request(Proxy("HTTPS_PROXY", Address("one", 3128)), Address("bücher.example", 443))
    assert asked == b"CONNECT xn--bcher-kva.example:443 HTTP/1.1\r\nHost: xn--bcher-kva.example:443\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "seen"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 200),
        (b"HTTP/1.0 407 Who?\r\n\r\n", 407),
        (b"HTTP/1.1 200\r\n\r\n", 200),
        (b"SSH-2", None),
    ],
)
def test_the_status_of_an_answer(head, seen):
    assert status(head) == seen
