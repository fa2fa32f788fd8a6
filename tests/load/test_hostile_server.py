"""A broken or hostile server takes no user and no worker down: what it does is counted and shown."""

import json
import threading
from contextlib import contextmanager

import pytest
from locust_command import locust
from websockets.sync.server import serve


def event(type_, **fields):
    return json.dumps({"type": type_, **fields})


def welcome(connection):
    connection.send(event("connection:established"))
    connection.send(event("connection:authenticated", connectionId="c", shard=7))


def answer(connection, message):
    """Everything that a server should not do, and then a proper answer."""
    id_, conversation = message["messageId"], message["conversationId"]
    connection.send("{malformed")
    connection.send(b"\x00binary")
    connection.send(event("presence:update", who="everybody"))
    connection.send(event("message:ack", messageId="nobody's", status="delivered"))
    connection.send(event("message:ack", messageId=id_))
    chunk = {"conversationId": conversation, "messageId": f"ai-{id_}"}
    connection.send(event("message:stream", **chunk, content="out of order", isComplete=False))
    connection.send(event("message:ack", messageId=id_, status="delivered"))
    connection.send(event("message:ack", messageId=id_, status="received"))
    connection.send(event("message:stream", **chunk, content="out of order, done", isComplete=True))
    connection.send(event("message:stream", **chunk, content="and once more", isComplete=True))


def breaking(connection):
    welcome(connection)
    for raw in connection:
        message = json.loads(raw)
        if message["type"] == "message:send":
            answer(connection, message)


def closing_early(connection):
    welcome(connection)
    connection.recv()
    connection.close(1011, "out of memory")


def steering(connection):
    """Errors that would colour a terminal, end a line, and not fit into 64 bits."""
    welcome(connection)
    for raw in connection:
        message = json.loads(raw)
        if message["type"] == "message:send":
            text = "\x1b[31mred\n# heading, wait " + "9" * 5_000 + " seconds"
            connection.send(event("message:ack", messageId=message["messageId"], status="error", error=text))


def echoing(connection):
    """Tells the token that it was given wherever a text can go."""
    welcome(connection)
    path = connection.request.path
    for raw in connection:
        message = json.loads(raw)
        if message["type"] == "message:send":
            connection.send(event(path))
            connection.send(event("connection:error", code=path, message=path))
            connection.send(event("message:error", error=path))
            connection.send(event("message:ack", messageId=message["messageId"], status="error", error=path))
            connection.close(1011, path[:120])


def flooding(connection):
    welcome(connection)
    connection.recv()
    connection.send("x" * 100_000)
    connection.recv()


@contextmanager
def serving(handler):
    with serve(handler, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        finally:
            server.shutdown()
            thread.join()


def summary_of_a_run_against(address, results, *options):
    done = locust(
        "--host", address, "-u", "6", "-r", "6", "-t", "4s", "--rate-limit", "none", "--message-rate", "4/1s",
        "--results", str(results), "--max-frame-size", "50000", "WithinLimitUser", *options,
        LOADTEST_JWT_SECRET="a secret of the tests, long enough for HS256",
    )  # fmt: skip
    assert "Traceback" not in done.stdout
    return json.loads((results / "latest" / "summary.json").read_text()), done


@pytest.mark.parametrize(
    "processes",
    [(), pytest.param(("--processes", "2"), marks=pytest.mark.long)],
    ids=["one process", "two workers"],
)
def test_broken_frames_are_counted_and_messages_still_answered(tmp_path, processes):
    with serving(breaking) as address:
        summary, _ = summary_of_a_run_against(address, tmp_path, *processes)
    counts = summary["counts"]
    assert counts["delivered"] == counts["streams_completed"] == counts["sent"] > 10
    assert counts["unknown_events"] == counts["delivered"]
    assert counts["stream_violations"] == counts["delivered"]
    assert counts["unaccounted"] == counts["disconnects"] - counts["connects"] == 0


def test_an_early_close_is_told_by_code_and_reason(tmp_path):
    with serving(closing_early) as address:
        summary, done = summary_of_a_run_against(address, tmp_path)
    assert summary["counts"]["lost"] > 0
    assert "1011" in done.stdout
    assert "out of memory" in done.stdout


def test_a_huge_frame_closes_the_connection_and_is_told(tmp_path):
    with serving(flooding) as address:
        summary, done = summary_of_a_run_against(address, tmp_path)
    assert summary["counts"]["lost"] > 0
    assert "1009" in done.stdout


def test_text_of_a_server_steers_no_terminal_and_fits_into_the_run(tmp_path):
    with serving(steering) as address:
        summary, done = summary_of_a_run_against(address, tmp_path)
    assert summary["counts"]["error"] == summary["counts"]["sent"] > 40
    assert "\x1b" not in done.stdout
    assert " [31mred # heading, wait 999" in done.stdout


@pytest.mark.parametrize(
    "processes",
    [(), pytest.param(("--processes", "2"), marks=pytest.mark.long)],
    ids=["one process", "two workers"],
)
def test_a_server_that_tells_our_tokens_puts_them_nowhere(tmp_path, processes):
    with serving(echoing) as address:
        _, done = summary_of_a_run_against(address, tmp_path / "results", "--csv", str(tmp_path / "stats"), *processes)
    assert "token=<token>" in done.stdout
    assert "eyJ" not in done.stdout
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert [path.name for path in written if b"eyJhbG" in path.read_bytes()] == []
