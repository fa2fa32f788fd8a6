"""What cannot work is refused in one line, with exit code 2, before anything starts."""

import socket
import threading
import time
from contextlib import closing, contextmanager

import jwt
import locust_command
import pytest

HEADLESS = ("-u", "5", "-r", "5", "-t", "3s", "--loglevel", "WARNING")


def locust(*options, **environment):
    """Run to the end; returns the exit code and the lines on the console."""
    done = locust_command.locust(*HEADLESS, *options, **environment)
    return done.returncode, done.stdout.strip().splitlines()


def assert_refused(result, *words):
    code, lines = result
    assert code == 2, lines
    (line,) = lines
    assert line.startswith("loadtest: error: --")
    for word in words:
        assert word in line


@pytest.fixture
def server(start_reference_server):
    return start_reference_server("--ttft", "10ms", "--gap", "1ms", "--chunks", "3")


@contextmanager
def answering(response):
    """A TCP server that gives one answer to whoever asks."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer_one():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(response)

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"
        thread.join()


def unused_address():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"


SECRET = {"LOADTEST_JWT_SECRET": "a secret of the tests, long enough for HS256"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("--host", "missing")),
        (("--host", "http://127.0.0.1/ws"), ("--host", "is no WebSocket address")),
        (("--host", "ws://127.0.0.1:1/ws", "--warmup", "5s"), ("--warmup", "leaves nothing of --run-time 3 s")),
        (("--host", "ws://127.0.0.1:1/ws", "--message-rate", "20/60s"), ("--message-rate", "is above --rate-limit")),
        (("--host", "ws://127.0.0.1:1/ws", "--weights", "Nobody=1"), ("--weights", "no user class Nobody")),
        (("--host", "ws://127.0.0.1:1/ws", "--tokens-file", "absent"), ("--tokens-file", "cannot be combined")),
        (("--host", "ws://127.0.0.1:1/ws", "-u", "-5"), ("--users", "-5 is no number of users")),
    ],
)
def test_options_that_cannot_work(options, words, tmp_path):
    assert_refused(locust(*options, "--results", str(tmp_path), **SECRET), *words)


def test_no_tokens_at_all():
    assert_refused(locust("--host", unused_address()), "LOADTEST_JWT_SECRET", "--tokens-file")


@pytest.mark.parametrize(
    "processes",
    [(), pytest.param(("--processes", "2"), marks=pytest.mark.long)],
    ids=["one process", "two workers"],
)
def test_nobody_listening(processes, tmp_path):
    address = unused_address()
    began = time.monotonic()
    result = locust("--host", address, "--results", str(tmp_path), *processes, **SECRET)
    assert_refused(result, "--host", f"nobody listens at {address}")
    assert time.monotonic() - began < 15, "orphaned workers wait a minute for their master"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("200 OK", "answered HTTP 200 instead of 101"),
        ("404 Not Found", "answered HTTP 404 instead of 101"),
        ("401 Unauthorized", "HTTP 401 at the upgrade"),
        ("403 Forbidden", "HTTP 403 at the upgrade"),
    ],
)
def test_a_server_that_does_not_upgrade(status, words, tmp_path):
    with answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as address:
        assert_refused(locust("--host", address, "--results", str(tmp_path), **SECRET), words)


def test_a_wrong_secret_is_refused_and_never_shown(server, tmp_path):
    wrong = "a wrong secret, which is nobody else's business"
    result = locust("--host", server.url, "--results", str(tmp_path), LOADTEST_JWT_SECRET=wrong)
    assert_refused(result, "--jwt-secret", "AUTH_FAILED")
    assert wrong not in result[1][0]


def token(server, user, life=900):
    return jwt.encode({"userId": user, "exp": int(time.time()) + life}, server.secret, algorithm="HS256")


@pytest.mark.parametrize(
    ("lives", "words"),
    [((900,) * 4, ("holds 4 tokens for 5 users", "lower --users to 4")), ((900, -60), ("line 2", "expired 6"))],
)
def test_a_tokens_file_that_will_not_do(server, tmp_path, lives, words):
    path = tmp_path / "tokens"
    path.write_text("\n".join(token(server, f"u{n}", life) for n, life in enumerate(lives)))
    assert_refused(locust("--host", server.url, "--tokens-file", str(path)), "--tokens-file", *words)


@pytest.mark.parametrize(
    "processes",
    [(), pytest.param(("--processes", "2"), marks=pytest.mark.long)],
    ids=["one process", "two workers"],
)
def test_as_many_tokens_as_users_are_enough(server, tmp_path, processes):
    path = tmp_path / "tokens"
    path.write_text("\n".join(token(server, f"u{n}") for n in range(5)))
    options = ("--host", server.url, "--tokens-file", str(path), "--results", str(tmp_path / "results"))
    code, lines = locust(*options, "--rate-limit", "none", "--message-rate", "5/1s", *processes)
    assert code in (0, 3), lines  # 3: the machine was too busy for its numbers, which is another matter
    assert server.stop()["connects"] >= 6


def test_a_results_folder_that_cannot_be_written(server, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    result = locust("--host", server.url, "--results", str(blocked), LOADTEST_JWT_SECRET=server.secret)
    assert_refused(result, "--results", "cannot write to")


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [("--rate-limit", "lots", "is no rate"), ("--label", "abc", "is no label"), ("--seed", "-1", "is not a whole")],
)
def test_a_malformed_value_is_refused_by_the_parser(option, value, complaint):
    code, lines = locust("--host", unused_address(), f"{option}={value}", **SECRET)
    assert code == 2
    assert f"argument {option}" in lines[-1]
    assert complaint in lines[-1]


def test_that_nothing_is_checked_is_said_before_anything_is_sent(tmp_path):
    address = unused_address().replace("ws:", "wss:")
    code, lines = locust("--host", address, "--results", str(tmp_path), "--insecure", **SECRET)
    assert (code, len(lines)) == (2, 2)
    assert lines[0].startswith("WARNING: --insecure: the backend's certificate is NOT checked")
    assert f"nobody listens at {address}" in lines[1]


UNFORESEEN = """
from loadtest.load import ChatUser

class OwnUser(ChatUser):
    def __init__(self, environment):
        raise KeyError("HUSH")

    def log_in(self):
        return ""
"""


def test_what_nobody_foresaw_ends_it_too_by_kind_and_place(tmp_path):
    path = tmp_path / "unforeseen.py"
    path.write_text(UNFORESEEN)
    code, lines = locust("--host", unused_address(), "--results", str(tmp_path / "results"), "-f", str(path))
    assert code == 2
    assert lines == [f"loadtest: error: unexpected KeyError in line 6 of {path}, before the run"]
