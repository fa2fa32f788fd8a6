"""The connection before a run, against real servers that are particular about whom they let in: it comes about."""

import json
import os
import ssl
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from real_servers import behaving, proxying, server_context

from loadtest.load.people import People
from loadtest.load.preflight import preflight
from loadtest.load.reach import read_endpoint
from loadtest.settings import settings

SECRET = "a secret of the tests, long enough for HS256"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "corp.pem")
    return made


def connected(url, **values):
    """The one connect of a preflight."""
    chosen = settings({"connect_timeout": "5s"} | values)
    (connect,) = preflight(read_endpoint(url, chosen), chosen, People(chosen)).connects
    return connect


def welcome(connection):
    connection.send(json.dumps({"type": "connection:authenticated"}))
    connection.recv()


def test_a_certificate_of_ours_that_the_server_trusts(authority, tmp_path):
    context = server_context(authority)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ours = authority.issue_cert("load@example.com")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "me.pem")
    ours.private_key_pem.write_to_path(tmp_path / "me.key")
    seen = []

    def handle(connection):
        seen.append(connection.socket.getpeercert()["subjectAltName"])
        welcome(connection)

    files = {"ca_file": "corp.pem", "client_cert": "me.pem", "client_key": "me.key"}
    with behaving(handle, ssl=context) as port:
        connect = connected(
            f"wss://127.0.0.1:{port}/ws",
            jwt_secret=SECRET,
            **{name: str(tmp_path / file) for name, file in files.items()},
        )
    assert connect.outcome == "ok"
    assert seen == [(("email", "load@example.com"),)]


def test_a_proxy_leads_to_a_name_that_only_it_knows(authority, tmp_path, monkeypatch):
    heads = []
    with behaving(welcome, ssl=server_context(authority, "chat.example.com")) as port, proxying(port, heads) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
        connect = connected("wss://chat.example.com/ws", jwt_secret=SECRET, ca_file=str(tmp_path / "corp.pem"))
    assert connect.outcome == "ok"
    assert connect.proxy_ns > 0
    assert [head.split("\r\n")[0] for head in heads] == ["CONNECT chat.example.com:443 HTTP/1.1"]


KEYS = {
    "RS256": lambda: rsa.generate_private_key(65_537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_tokens_that_a_private_key_signs_are_verified_by_its_public_half(tmp_path, algorithm):
    key = KEYS[algorithm]()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = []

    def verify(connection):
        (token,) = parse_qs(urlsplit(connection.request.path).query)["token"]
        assert jwt.get_unverified_header(token)["kid"] == "key-1"
        claims.append(jwt.decode(token, public, algorithms=[algorithm], audience="chat"))
        welcome(connection)

    given = {"jwt_key": str(path), "jwt_key_id": "key-1", "jwt_claims": '{"sub": "load-{n}", "aud": "chat"}'}
    with behaving(verify) as port:
        assert connected(f"ws://127.0.0.1:{port}/ws", **given).outcome == "ok"
    assert [claim["sub"] for claim in claims] == ["load-0"]
