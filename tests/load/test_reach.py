"""From options to the way to the backend: what cannot work is one line with the option, and what to do."""

import os
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from loadtest.errors import UsageError
from loadtest.load import reach
from loadtest.load.reach import read_endpoint, remarks
from loadtest.settings import Address, settings

URL = "wss://chat.example.com/ws"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """PEM files: `ca`, `cert`, `key`, `both`, `other-key`, `locked-key`; and `prose` and `empty`."""
    folder = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    ours, other = authority.issue_cert("load@example.com"), authority.issue_cert("other@example.com")
    authority.cert_pem.write_to_path(folder / "ca")
    ours.cert_chain_pems[0].write_to_path(folder / "cert")
    ours.private_key_pem.write_to_path(folder / "key")
    ours.private_key_and_cert_chain_pem.write_to_path(folder / "both")
    other.private_key_pem.write_to_path(folder / "other-key")
    key = load_pem_private_key(ours.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
    (folder / "locked-key").write_bytes(locked)
    (folder / "prose").write_text("no certificate")
    (folder / "empty").write_text("")
    return lambda name: str(folder / name)


def reached(url=URL, **values):
    return read_endpoint(url, settings(values))


def complaint(**values):
    with pytest.raises(UsageError) as caught:
        reached(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_options_it_is_as_a_browser_would():
    endpoint = reached()
    assert (endpoint.target, endpoint.proxy, endpoint.origin) == (Address("chat.example.com", 443), None, None)
    assert endpoint.compression
    assert endpoint.tls.verify_mode is ssl.CERT_REQUIRED
    assert endpoint.tls.check_hostname
    assert reached("ws://chat.example.com/ws").tls is None


def test_a_ca_file_takes_the_place_of_the_systems_authorities(files):
    (trusted,) = reached(ca_file=files("ca")).tls.get_ca_certs()
    assert dict(part[0] for part in trusted["subject"])["organizationName"].startswith("trustme")


def test_insecure_checks_nothing():
    tls = reached(insecure="true").tls
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_NONE, False)


def test_a_certificate_of_ours_comes_in_one_file_or_two(files):
    reached(client_cert=files("both"))
    reached(client_cert=files("cert"), client_key=files("key"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ca_file": "absent"}, ["--ca-file: ", "cannot be read (No such file or directory)"]),
        ({"ca_file": "."}, ["--ca-file: ", "cannot be read (Is a directory)"]),
        ({"ca_file": "prose"}, ["--ca-file: ", "holds no certificate; give the authority's in PEM"]),
        ({"ca_file": "empty"}, ["--ca-file: ", "holds no certificate"]),
        ({"ca_file": "key"}, ["--ca-file: ", "holds no certificate"]),
        ({"client_cert": "absent"}, ["--client-cert: ", "cannot be read"]),
        ({"client_cert": "prose"}, ["--client-cert: ", "holds no certificate"]),
        ({"client_cert": "cert"}, ["--client-cert: ", "holds no private key"]),
        ({"client_cert": "cert", "client_key": "absent"}, ["--client-key: ", "cannot be read"]),
        ({"client_cert": "cert", "client_key": "prose"}, ["--client-key: ", "holds no private key"]),
        ({"client_cert": "cert", "client_key": "other-key"}, ["--client-key: ", "is not that of the certificate in"]),
        ({"client_cert": "cert", "client_key": "locked-key"}, ["--client-key: ", "has a passphrase; give one without"]),
    ],
)
def test_a_file_that_is_none(files, given, words):
    line = complaint(**{option: files(name) for option, name in given.items()})
    assert line.startswith(words[0])
    assert words[-1] in line


def test_the_proxy_of_the_environment_is_taken_for_where_tcp_goes(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.corp:3128")
    monkeypatch.setenv("NO_PROXY", "inside.corp")
    assert str(reached().proxy) == "proxy.corp:3128"
    assert reached(connect_to="node.inside.corp:443").proxy is None
    assert reached("wss://chat.inside.corp/ws").proxy is None
    assert reached("ws://127.0.0.1:5000/ws").proxy is None


def test_a_proxy_that_is_none(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:SECRET@proxy.corp:1080")
    line = complaint()
    assert line.startswith("HTTPS_PROXY: socks5://... is no HTTP proxy; give http://HOST:PORT")
    assert "SECRET" not in line


@pytest.mark.parametrize(
    ("url", "given", "lines"),
    [
        (URL, {}, []),
        (
            URL,
            {"insecure": "true"},
            ["WARNING: --insecure: the backend's certificate is NOT checked: whoever answers gets the tokens"],
        ),
        (
            "ws://chat.example.com/ws",
            {"insecure": "true", "client_cert": "a"},
            ["without effect: --client-cert, --insecure, since ws://chat.example.com/ws is not encrypted"],
        ),
        (
            "ws://chat.example.com/ws",
            {"insecure": "true", "users_file": "u", "login_url": "https://chat.example.com/login"},
            ["WARNING: --insecure: the login's certificate is NOT checked: whoever answers gets the passwords"],
        ),
        (
            "ws://chat.example.com/ws",
            {"ca_file": "ca", "users_file": "u", "login_url": "https://chat.example.com/login"},
            [],
        ),
    ],
)
def test_what_a_person_should_know_is_said(url, given, lines):
    chosen = settings(given)
    assert list(remarks(read_endpoint(url, chosen), chosen)) == lines


def test_a_proxy_is_said(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:SECRET@proxy.corp:3128")
    chosen = settings({})
    assert list(remarks(read_endpoint(URL, chosen), chosen)) == [
        "through the proxy proxy.corp:3128 (HTTPS_PROXY): its time is in every latency"
    ]


def test_a_platform_that_stamps_no_packets_is_said_before_the_run(monkeypatch):
    monkeypatch.setattr(reach, "KERNEL_STAMPS", False)
    chosen = settings({})
    (line,) = remarks(read_endpoint(URL, chosen), chosen)
    assert line.startswith("receive times will be the callback's")
