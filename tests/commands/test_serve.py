"""`loadtest serve`: what it prints, what it writes, how it ends, and what it says about what cannot work."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import psutil
import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

Start = Callable[..., Any]
SERVE = [sys.executable, "-m", "loadtest", "serve"]


def _until(client: ClientConnection, **wanted: Any) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(client.recv(timeout=10))
        if frame | wanted == frame:
            return frame


def _say(client: ClientConnection, message_id: str) -> None:
    message = {"type": "message:send", "messageId": message_id, "conversationId": "tea", "content": "hi"}
    client.send(json.dumps(message))


def _demo_token(server: Any) -> str:
    token: str = server.greeting[1].rsplit(" ", 1)[1]
    return token


def test_it_prints_its_address_a_token_and_a_locust_line_and_serves_them(reference_server: Any) -> None:
    address, token, locust = reference_server.greeting
    assert re.fullmatch(r"listening on ws://127\.0\.0\.1:\d+/ws", address)
    assert token.startswith("token of user demo, good for 15 min: ")
    assert locust == f"locust -f locustfiles/chat.py --host {reference_server.url}"

    claims = jwt.decode(_demo_token(reference_server), reference_server.secret, algorithms=["HS256"])
    assert (claims["userId"], claims["exp"] - claims["iat"]) == ("demo", 900)
    with connect(f"{reference_server.url}?token={_demo_token(reference_server)}") as client:
        assert _until(client, type="connection:authenticated")["userId"] == "demo"


def test_a_secret_from_outside_is_not_printed(reference_server: Any) -> None:
    reference_server.stop()
    assert reference_server.secret not in "\n".join(reference_server.greeting + reference_server.farewell)


def test_without_a_secret_it_makes_one_and_prints_it_to_paste() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LOADTEST_JWT_SECRET"}
    process = subprocess.Popen(
        [*SERVE, "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(4)]
        secret = lines[1].removeprefix("export LOADTEST_JWT_SECRET=")
        assert len(secret) >= 32
        assert jwt.decode(lines[2].rsplit(" ", 1)[1], secret, algorithms=["HS256"])["userId"] == "demo"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode == 0


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[trustme.CA, list[str]]:
    """An authority, and the options that name a certificate of it for 127.0.0.1 and its key."""
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    made.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    return authority, ["--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")]


def test_with_a_certificate_it_serves_tls(start_reference_server: Start, certificate: Any) -> None:
    authority, options = certificate
    server = start_reference_server("--no-ai", *options)
    assert server.url.startswith("wss://127.0.0.1:")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with connect(f"{server.url}?token={_demo_token(server)}", ssl=trusting) as client:
        _say(client, "m1")
        assert _until(client, status="delivered")["messageId"] == "m1"
    assert server.stop()["messages"] == 1


def test_a_certificate_and_a_key_that_do_not_fit_are_refused(certificate: Any, tmp_path: Path) -> None:
    _, options = certificate
    strange = tmp_path / "strange.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(str(strange))
    done = subprocess.run([*SERVE, *options[:3], str(strange)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "strange.pem: no certificate and key that belong together; give PEM files" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads the limit of another process")
def test_it_may_open_as_many_files_as_its_hard_limit_allows() -> None:
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -Sn 300 && exec "$@"', "sh", *SERVE, "--port", "0"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening on")
        soft, hard = psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard > 300
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)


def test_on_sigterm_it_closes_with_1001_and_leaves_its_counts(reference_server: Any) -> None:
    with connect(f"{reference_server.url}?token={_demo_token(reference_server)}") as client:
        _say(client, "m1")
        _until(client, isComplete=True)
        counts = reference_server.stop()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert client.close_code == 1001
    expected = {"connects": 1, "messages": 1, "broadcasts": 1, "streams_completed": 1, "stream_frames": 6}
    assert counts | expected == counts
    assert counts["disconnects"] == {"1001": 1}
    assert reference_server.farewell == [
        "stopped: 1 connects, 1 messages = 1 delivered + 0 rejected + 0 invalid; 1 of 1 streams completed; "
        "11 frames written"
    ]


def test_the_options_reach_the_server(start_reference_server: Start, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    server = start_reference_server("--rate-limit", "1/30s", "--no-ai", "--truth-file", str(truth))
    assert server.greeting[2].endswith(f"--host {server.url} --rate-limit 1/30s")
    with connect(f"{server.url}?token={_demo_token(server)}") as client:
        _say(client, "m1")
        _say(client, "m2")
        assert _until(client, status="error")["error"] == "Rate limit exceeded. Try again in 30 seconds"
    counts = server.stop()
    assert (counts["rejected"], counts["streams_started"]) == (1, 0)
    assert [json.loads(line)["messageId"] for line in truth.read_text().splitlines()] == ["m1", "m2"]


def test_faults_are_ordered_done_and_counted(start_reference_server: Start, tmp_path: Path) -> None:
    server = start_reference_server("--no-ai", "--fault", "ack-drop:ack=received,to=1", "--limiter", "sliding")
    with connect(f"{server.url}?token={_demo_token(server)}") as client:
        _say(client, "m1")
        _say(client, "m2")
        statuses = [_until(client, type="message:ack")["status"] for _ in range(3)]
    assert statuses == ["delivered", "received", "delivered"]
    assert server.stop()["faults"] == {"ack-drop": 1}
    assert server.farewell[-1].endswith("; faults: ack-drop 1")


def test_the_faults_that_there_are_can_be_listed() -> None:
    done = subprocess.run([*SERVE, "--list-faults"], capture_output=True, text=True, timeout=30, check=True)
    assert "  stream-freeze:TIME           nothing for TIME more, in its middle" in done.stdout.splitlines()


def test_the_counts_file_is_kept_while_it_runs(start_reference_server: Start, tmp_path: Path) -> None:
    server = start_reference_server()
    file = tmp_path / "server-0" / "counts.json"
    with connect(f"{server.url}?token={_demo_token(server)}") as client:
        _until(client, type="connection:authenticated")
        while not file.read_bytes() or json.loads(file.read_bytes())["connects"] == 0:
            select.select([], [], [], 0.05)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--ttft", "soon"], "--ttft"),
        (["--gap", "-1s"], "--gap"),
        (["--chunks", "0"], "--chunks"),
        (["--rate-limit", "10"], "--rate-limit"),
        (["--distribution", "normal"], "--distribution"),
        (["--sigma", "0"], "--sigma"),
        (["--ping-interval", "0"], "--ping-interval"),
        (["--port", "70000"], "--port"),
        (["--port", "0", "--listen", "192.0.2.1"], "--listen: '192.0.2.1' cannot be listened on"),
        (["--limiter", "leaky"], "--limiter"),
        (["--limit-scope", "tab"], "--limit-scope"),
        (["--stream-ids", "uuid"], "--stream-ids"),
        (["--refusal", "500"], "--refusal': '500' is no refusal: give close code 1008 or 3000 to 4999, or HTTP"),
        (["--fault", "ack-dorp"], "--fault': 'ack-dorp' is no fault; did you mean 'ack-drop'?"),
        (["--control-port", "70000"], "--control-port"),
        (["--key", "key.pem"], "--key: needs the certificate that it belongs to; give it by --cert"),
        (["--cert", "/nowhere/cert.pem"], "--cert: /nowhere/cert.pem: No such file or directory; give PEM files"),
        (["--counts-file", "/nowhere/counts.json"], "--counts-file: '/nowhere/counts.json' cannot be written"),
        (["--truth-file", "/nowhere/truth.jsonl"], "--truth-file: '/nowhere/truth.jsonl' cannot be written"),
    ],
)
def test_what_cannot_work_is_one_line_that_names_the_option(options: list[str], complaint: str) -> None:
    done = subprocess.run([*SERVE, *options], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*SERVE, "--port", str(port)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"--port: {port} cannot be listened on (Address already in use); give another" in done.stderr
    assert done.stderr.count("\n") == 1
