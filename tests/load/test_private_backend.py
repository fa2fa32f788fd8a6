"""A run against a backend behind TLS of an authority of its own: the run holds what was agreed on and no secret."""

import json
import threading
from contextlib import contextmanager

import pytest
import trustme
from locust_command import locust
from real_servers import behaving, server_context
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

pytestmark = pytest.mark.long

HEADER = "X-Api-Key: hush-hush"
STREAM = [{"content": "word " * n, "isComplete": n == 30} for n in range(1, 31)]


class Backend:
    """Answers each message with a cumulative stream, and keeps the first request that it saw."""

    def __init__(self):
        self.request = None
        self.lock = threading.Lock()

    def __call__(self, connection):
        self.request = self.request or connection.request
        connection.send(json.dumps({"type": "connection:authenticated"}))
        for raw in connection:
            message = json.loads(raw)
            common = {"messageId": message["messageId"], "conversationId": message["conversationId"]}
            connection.send(json.dumps({"type": "message:ack", "status": "delivered"} | common))
            for part in STREAM:
                stream = common | {"messageId": f"ai-{message['messageId']}"}
                connection.send(json.dumps({"type": "message:stream"} | stream | part))


@contextmanager
def backend(authority):
    handler = Backend()
    offers = {"extensions": [ServerPerMessageDeflateFactory()], "subprotocols": ["chat.v1"]}
    with behaving(handler, ssl=server_context(authority, "chat.example.com"), **offers) as port:
        yield handler, port


class Done:
    """One run that is over."""

    def __init__(self, folder, authority, *options):
        with backend(authority) as (handler, port):
            self.process = locust(
                "--host", "wss://chat.example.com/ws", "--connect-to", f"127.0.0.1:{port}", "-u", "5", "-r", "5",
                "-t", "3s", "--rate-limit", "none", "--message-rate", "4/1s", "--results", str(folder / "results"),
                "--subprotocol", "chat.v1", "WithinLimitUser", *options,
                LOADTEST_JWT_SECRET="a secret of the tests, long enough for HS256",
                LOADTEST_HEADER=f"{HEADER}\nUser-Agent: Mozilla/5.0",
                LOADTEST_ORIGIN="https://app.example.com",
            )  # fmt: skip
            self.request = handler.request
        self.folder = folder
        self.console = self.process.stdout
        self.summary = json.loads((folder / "results" / "latest" / "summary.json").read_text())


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    folder, authority = tmp_path_factory.mktemp("trusted"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "corp.pem")
    return Done(folder, authority, "--ca-file", str(folder / "corp.pem"))


@pytest.fixture(scope="module")
def insecure(tmp_path_factory):
    return Done(tmp_path_factory.mktemp("insecure"), trustme.CA(), "--insecure", "--no-compression")


def test_messages_are_delivered_under_the_backends_own_name(trusted):
    assert trusted.summary["counts"]["delivered"] > 10, trusted.console
    assert trusted.summary["run"]["host"] == "wss://chat.example.com/ws"
    assert trusted.request.headers["Host"] == "chat.example.com"
    assert trusted.request.headers["X-Api-Key"] == "hush-hush"
    assert trusted.request.headers["User-Agent"] == "Mozilla/5.0"
    assert trusted.request.headers["Origin"] == "https://app.example.com"


def test_what_was_negotiated_is_in_the_run_and_on_the_console(trusted):
    connects = trusted.summary["counts"]["connects"]
    assert trusted.summary["seen"]["negotiated"] == {
        "TLSv1.3": connects, "permessage-deflate": connects, "subprotocol chat.v1": connects,
    }  # fmt: skip
    assert f"{connects} x permessage-deflate" in " ".join(trusted.console.split())


def test_bytes_are_counted_as_they_travelled_and_as_they_were(trusted):
    counts = trusted.summary["counts"]
    assert 0 < counts["bytes_received_on_wire"] < counts["bytes_received"] / 4
    assert 0 < counts["bytes_sent_on_wire"] < counts["bytes_sent"]
    assert "compressed payloads: " in trusted.console


def test_the_value_of_a_header_is_nowhere(trusted):
    assert "hush-hush" not in trusted.console
    written = [path for path in (trusted.folder / "results").rglob("*") if path.is_file()]
    assert len(written) > 3
    assert [path.name for path in written if b"hush-hush" in path.read_bytes()] == []


def test_insecure_is_said_before_in_the_run_and_behind_it(insecure):
    before, _, after = insecure.console.partition("plan: ")
    assert "WARNING: --insecure: the backend's certificate is NOT checked" in before
    assert insecure.summary["run"]["options"]["insecure"] is True
    assert "INSECURE: the backend's certificate was not checked" in after


def test_without_compression_nothing_is_offered_and_bytes_are_what_they_were(insecure):
    assert "Sec-WebSocket-Extensions" not in insecure.request.headers
    counts = insecure.summary["counts"]
    assert counts["bytes_received_on_wire"] == counts["bytes_received"] > 0
    assert "compressed payloads" not in insecure.console
