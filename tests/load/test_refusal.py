"""The connection before a run, against real servers that it cannot come about with: one line that says what to do."""

import datetime
import os
import ssl
import threading

import pytest
import trustme
from real_servers import behaving, raw, server_context, unused_port
from websockets.datastructures import Headers
from websockets.http11 import Response

from loadtest.errors import UsageError
from loadtest.load.people import People
from loadtest.load.preflight import preflight
from loadtest.load.reach import read_endpoint
from loadtest.settings import settings

AUTHORITY = trustme.CA()
LONG_AGO = {"not_before": datetime.datetime(2020, 1, 1), "not_after": datetime.datetime(2020, 2, 1)}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def ca_file(tmp_path):
    AUTHORITY.cert_pem.write_to_path(tmp_path / "corp.pem")
    return str(tmp_path / "corp.pem")


def line(url, **values):
    """What is said of a preflight that fails."""
    chosen = settings({"connect_timeout": "2s", "jwt_secret": "a secret of the tests, long enough for HS256"} | values)
    with pytest.raises(UsageError) as caught:
        preflight(read_endpoint(url, chosen), chosen, People(chosen))
    said = str(caught.value)
    assert "eyJ" not in said
    assert "\n" not in said
    return said


def never(_connection):
    pytest.fail("a connection came about")


def answering(response):
    def script(connection):
        connection.recv(65_536)
        connection.sendall(response)

    return raw(script)


@pytest.fixture
def account(tmp_path):
    """Options of a user who logs in at a port of this machine."""
    (tmp_path / "users.csv").write_text("email,password\nann@x,HUSH\n")
    users = {"jwt_secret": None, "users_file": str(tmp_path / "users.csv")}
    return lambda port, host="127.0.0.1": users | {"login_url": f"https://{host}:{port}/login?key=HUSH"}


def test_a_login_whose_certificate_will_not_do_is_told_as_that_of_the_backend_is(ca_file, account):
    url = "ws://127.0.0.1:1/ws"
    with behaving(never, ssl=server_context(trustme.CA())) as port:
        assert line(url, **account(port)).startswith(
            f"--login-url: the certificate of 127.0.0.1:{port} is from no authority that this machine trusts ("
        )
        assert line(url, ca_file=ca_file, **account(port)).startswith(
            f"--ca-file: the certificate of 127.0.0.1:{port} is from no authority in {ca_file} ("
        )
    with behaving(never, ssl=server_context(AUTHORITY, "chat.example.com")) as port:
        said = line(url, ca_file=ca_file, **account(port, "localhost"))
    assert said.startswith(f"--login-url: the certificate of localhost:{port} is not for localhost (Hostname mismatch")
    assert said.endswith("give a name that it is for as --login-url")
    with behaving(never, ssl=server_context(AUTHORITY, **LONG_AGO)) as port:
        said = line(url, ca_file=ca_file, **account(port))
    assert said.startswith(f"--login-url: the certificate of 127.0.0.1:{port} has expired; have it renewed, or go on")
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        said = line(url, **account(port))
    assert said == (
        f"--login-url: 127.0.0.1:{port} does not speak TLS; give http:// in place of https://, or another port"
    )


def test_a_server_that_says_with_http_400_that_it_wants_a_certificate_of_ours(ca_file):
    """As nginx does with `ssl_verify_client on`."""

    def bad_request(_connection, _request):
        return Response(400, "Bad Request", Headers({"Content-Length": "0"}))

    with behaving(never, ssl=server_context(AUTHORITY), process_request=bad_request) as port:
        said = line(f"wss://127.0.0.1:{port}/ws", ca_file=ca_file)
    assert said == (
        f"--host: wss://127.0.0.1:{port}/ws answered HTTP 400 instead of 101; if it wants a certificate of ours, as "
        "nginx says so, give --client-cert and --client-key, or else correct the path (often /ws) or the port"
    )


def test_an_authority_that_nobody_knows_here(ca_file):
    with behaving(never, ssl=server_context(trustme.CA())) as port:
        url = f"wss://127.0.0.1:{port}/ws"
        assert line(url) == (
            f"--host: the certificate of 127.0.0.1:{port} is from no authority that this machine trusts (unable to get "
            "local issuer certificate); name the one that issued it with --ca-file FILE"
        )
        assert line(url, ca_file=ca_file).startswith(
            f"--ca-file: the certificate of 127.0.0.1:{port} is from no authority in {ca_file}"
        )


def test_a_certificate_of_another_name(ca_file):
    with behaving(never, ssl=server_context(AUTHORITY, "chat.example.com")) as port:
        said = line(f"wss://localhost:{port}/ws", ca_file=ca_file)
    assert said.startswith(f"--host: the certificate of localhost:{port} is not for localhost (Hostname mismatch")
    assert said.endswith(f"give a name that it is for as --host, and --connect-to localhost:{port}")


def test_a_certificate_that_has_expired(ca_file):
    with behaving(never, ssl=server_context(AUTHORITY, **LONG_AGO)) as port:
        said = line(f"wss://127.0.0.1:{port}/ws", ca_file=ca_file)
    assert said.startswith(f"--host: the certificate of 127.0.0.1:{port} has expired; have it renewed, or go on with ")


def test_a_server_that_wants_a_certificate_of_ours(ca_file, tmp_path):
    context = server_context(AUTHORITY)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    stranger = tmp_path / "stranger.pem"
    trustme.CA().issue_cert("load@example.com").private_key_and_cert_chain_pem.write_to_path(stranger)
    with behaving(never, ssl=context) as port:
        url = f"wss://127.0.0.1:{port}/ws"
        assert line(url, ca_file=ca_file).startswith(f"--client-cert: 127.0.0.1:{port} wants a certificate of ours (")
        assert line(url, ca_file=ca_file, client_cert=str(stranger)).startswith(
            f"--client-cert: 127.0.0.1:{port} does not take the certificate in {stranger} ("
        )


def test_tls_where_none_is_spoken_and_none_where_it_is():
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert line(f"wss://127.0.0.1:{port}/ws") == (
            f"--host: 127.0.0.1:{port} does not speak TLS; give ws:// in place of wss://, or another port"
        )
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert (
            "HTTP 400 instead of 101; correct the path (often /ws) or the port, or give wss:// if it speaks TLS"
            in line(f"ws://127.0.0.1:{port}/ws")
        )


def test_an_address_where_nobody_is_is_said_by_the_option_that_gave_it():
    port = unused_port()
    assert line(f"ws://127.0.0.1:{port}/ws").startswith(f"--host: nobody listens at ws://127.0.0.1:{port}/ws; ")
    assert line("ws://chat.example.com/ws", connect_to=f"127.0.0.1:{port}").startswith(
        f"--connect-to: nobody listens at 127.0.0.1:{port}; "
    )


def test_a_name_that_does_not_exist():
    said = line("ws://chat.invalid/ws")
    assert said.startswith("--host: chat.invalid: ")
    assert said.endswith("correct the name, or name a proxy that knows it by HTTPS_PROXY")


def test_a_server_that_never_answers():
    over = threading.Event()
    with raw(lambda _connection: over.wait(5)) as port:
        said = line(f"ws://127.0.0.1:{port}/ws", connect_timeout="0.1s")
        over.set()
    assert "no answer to the upgrade within 0.1 s" in said
    assert said.endswith("or raise --connect-timeout")


def test_a_subprotocol_that_was_not_offered():
    def choose(_connection, _offered):
        return "chat.v9"

    with behaving(lambda connection: connection.close(), subprotocols=["x"], select_subprotocol=choose) as port:
        said = line(f"ws://127.0.0.1:{port}/ws", subprotocol="chat.v1")
    assert said.startswith(f"--subprotocol / --no-compression: ws://127.0.0.1:{port}/ws: it chose ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "would not connect us to chat.test:80 (HTTP 403); have it allowed"),
        (b"HTTP/1.1 407 Who?\r\n\r\n", "asks who we are (HTTP 407); give http://USER:PASSWORD@127.0.0.1:"),
        (b"HTTP/1.1 504 Late\r\n\r\n", "would not connect us to chat.test:80 (HTTP 504)"),
        (b"welcome\r\n\r\n", "is no proxy for chat.test:80: its answer is no HTTP"),
    ],
)
def test_a_proxy_that_refuses(monkeypatch, answer, words):
    with answering(answer) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        said = line("ws://chat.test/ws")
    assert said.startswith(f"HTTP_PROXY: the proxy 127.0.0.1:{port}" if b"HTTP" in answer else "HTTP_PROXY: 127.0.0.1")
    assert words in said
    assert said.endswith("or list chat.test in NO_PROXY")


def test_nobody_at_the_proxys_address(monkeypatch):
    port = unused_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:SECRET@127.0.0.1:{port}")
    assert line("wss://chat.test/ws") == (
        f"HTTPS_PROXY: nobody listens at the proxy 127.0.0.1:{port}; correct the address, or list chat.test in NO_PROXY"
    )
