"""A connection to the reference server from its upgrade to its end, seen from real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from server_stage import QUICK, SECRET, Client, Stage
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import loadtest
from loadtest.server import AnswerStyle, ChatServer, ServerOptions
from loadtest.server.auth import issue
from loadtest.server.server import STOP_TIMEOUT_S

LARGE_MESSAGES_THAT_NO_SOCKET_BUFFERS = 1000
"""Of 10 kB each: Linux buffers at most 4 MB to send and 6 MB to receive by itself (tcp_wmem, tcp_rmem)."""

Play = Callable[..., ChatServer]


async def _deaf(stage: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An authenticated connection that answers no ping, and reads only what the test reads."""
    url = urlsplit(stage.server.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=4096)
    key = base64.b64encode(bytes(16)).decode()
    writer.write(
        f"GET /ws?token={issue('deaf', SECRET)} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await stage.until(lambda: stage.server.counts.connects > 0)
    return reader, writer


async def _join(stage: Stage, writer: asyncio.StreamWriter) -> None:
    """Take part in the conversation that clients are in when nothing else is said."""
    hello = {"type": "message:send", "messageId": "d", "conversationId": "tea", "content": "hi"}
    writer.write(_masked_text(json.dumps(hello)))
    await stage.until(lambda: stage.server.counts.broadcasts == 1)


def _masked_text(text: str) -> bytes:
    """A short client frame (RFC 6455 section 5.2) under the mask 0, which changes nothing."""
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


# --- Authentication ---------------------------------------------------------------------------------------------------
def test_a_valid_token_is_established_then_authenticated(play: Play) -> None:
    async def story(stage: Stage) -> None:
        client = Client(await stage.dial(f"?token={issue('ann', SECRET)}"), "ann")
        established, authenticated = await client.hear(), await client.hear()
        assert established["type"] == "connection:established"
        assert established["serverVersion"] == f"loadtest {loadtest.__version__}"
        assert authenticated["type"] == "connection:authenticated"
        assert authenticated["userId"] == "ann"
        assert authenticated["connectionId"]

    counts = play(story).counts
    assert (counts.connects, counts.auth_required, counts.auth_failed) == (1, 0, 0)


def test_every_connection_has_an_id_of_its_own(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ids = set()
        for _ in range(3):
            client = Client(await stage.dial(f"?token={issue('ann', SECRET)}"), "ann")
            ids.add((await client.hear_until(type="connection:authenticated"))[-1]["connectionId"])
        assert len(ids) == 3

    play(story)


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("", "AUTH_REQUIRED", "Authentication required"),
        ("?token=abc", "AUTH_FAILED", "Invalid or expired token"),
        (f"?token={issue('ann', SECRET, life_s=-1)}", "AUTH_FAILED", "Invalid or expired token"),
    ],
    ids=["none", "bad", "expired"],
)
def test_without_a_good_token_the_upgrade_succeeds_and_the_connection_is_refused(
    play: Play, query: str, code: str, reason: str
) -> None:
    async def story(stage: Stage) -> None:
        client = Client(await stage.dial(query), "nobody")
        heard = await client.hear_all()
        assert [frame["type"] for frame in heard] == ["connection:established", "connection:error"]
        assert (heard[1]["code"], heard[1]["message"]) == (code, reason)
        assert (client.socket.close_code, client.socket.close_reason) == (1008, reason)

    counts = play(story).counts
    assert counts.auth_required + counts.auth_failed == 1
    assert counts.disconnects == {1008: 1}
    assert (counts.connects, counts.frames_read) == (0, 0)


@pytest.mark.parametrize("path", ["/", "/wss", "/ws/"])
def test_other_paths_are_not_found(play: Play, path: str) -> None:
    async def story(stage: Stage) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(stage.server.url.removesuffix("/ws") + path)
        assert refused.value.response.status_code == 404

    assert play(story).counts.disconnects == {}


# --- Endings ----------------------------------------------------------------------------------------------------------
def test_a_stopping_server_closes_every_connection_with_1001(play: Play) -> None:
    clients = []

    async def story() -> ChatServer:
        async with ChatServer(ServerOptions(jwt_secret=SECRET, answers=AnswerStyle(ttft_s=60))) as server:
            for user in ("ann", "ben"):
                clients.append(Client(await connect(f"{server.url}?token={issue(user, SECRET)}"), user))
                await clients[-1].hear_until(type="connection:authenticated")
            await clients[0].say("m1")
            await clients[0].hear_until(status="delivered")
        for client in clients:
            await client.hear_all()
        return server

    server = asyncio.run(story())
    assert [client.socket.close_code for client in clients] == [1001, 1001]
    assert server.counts.disconnects == {1001: 2}
    assert (server.counts.streams_started, server.counts.streams_cancelled) == (1, 1)


def test_a_stopping_server_does_not_wait_for_who_reads_nothing() -> None:
    async def story() -> float:
        options = ServerOptions(jwt_secret=SECRET, rate_limit=None, answers=None)
        async with ChatServer(options) as server, AsyncExitStack() as stack:
            stage = Stage(server, stack)
            _, writer = await _deaf(stage)
            await _join(stage, writer)
            ann = await stage.client("ann")
            for number in range(LARGE_MESSAGES_THAT_NO_SOCKET_BUFFERS):
                await ann.say(f"m{number}", content="x" * 10_000)
                await ann.hear_until(messageId=f"m{number}", status="delivered")
            stack.pop_all()  # ann stays, too
            stopping = time.monotonic()
        writer.close()
        assert server.counts.slow_readers == 0
        assert server.counts.disconnects == {1001: 1, 1006: 1}
        return time.monotonic() - stopping

    assert asyncio.run(story()) < STOP_TIMEOUT_S + 1


def test_close_codes_are_counted_as_the_server_saw_them(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben, eve = [await stage.client(user) for user in ("ann", "ben", "eve")]
        await ann.socket.close(1000)
        await ben.socket.close(4001, "of our own")
        eve.socket.transport.abort()
        await stage.until(lambda: sum(stage.server.counts.disconnects.values()) == 3)

    assert play(story).counts.disconnects == {1000: 1, 4001: 1, 1006: 1}


# --- Pings and slow readers -------------------------------------------------------------------------------------------
def test_who_answers_pings_stays(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann", ping_interval=None)
        await stage.until(lambda: stage.server.counts.pings >= 3)
        assert await ann.nothing_more()

    assert play(story, ping_interval_s=0.05).counts.pings_unanswered == 0


def test_who_does_not_answer_a_ping_by_the_next_is_terminated_without_a_close_frame(play: Play) -> None:
    async def story(stage: Stage) -> None:
        reader, writer = await _deaf(stage)
        received = await reader.read(-1)
        assert received.count(b"\x89\x04") == 1  # one ping; and a close frame, 0x88, would be the last
        assert received[-6:-4] == b"\x89\x04"
        writer.close()

    counts = play(story, ping_interval_s=0.1).counts
    assert (counts.pings, counts.pings_unanswered) == (1, 1)
    assert counts.disconnects == {1006: 1}


def test_a_reader_that_takes_nothing_delays_nobody_and_is_terminated(play: Play) -> None:
    async def story(stage: Stage) -> None:
        _, writer = await _deaf(stage)
        await _join(stage, writer)
        ann = await stage.client("ann")
        sent = 0
        while not stage.server.counts.slow_readers:
            await ann.say(f"m{sent}", content="x" * 10_000)
            await ann.hear_until(messageId=f"m{sent}", status="delivered")
            sent += 1
        await ann.say("last")
        await ann.hear_until(messageId="last", status="delivered")
        writer.close()

    counts = play(story, rate_limit=None, max_backlog_bytes=100_000).counts
    assert counts.slow_readers == 1
    assert counts.delivered_acks == counts.broadcasts


# --- The wire ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("compression", "negotiated"), [(False, []), (True, ["permessage-deflate"])])
def test_compression_is_an_option(play: Play, compression: bool, negotiated: list[str]) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann", compression="deflate")
        assert [extension.name for extension in ann.socket.protocol.extensions] == negotiated
        await ann.say("m1", content="x" * 5000)
        assert (await ann.hear_until(status="delivered"))[1]["content"] == "x" * 5000

    play(story, compression=compression)


def test_the_counts_are_what_went_over_the_wire(play: Play) -> None:
    heard: list[str] = []
    said = ['{"type":"message:send","messageId":"m","conversationId":"tea","content":"hé"}', "{"]

    async def story(stage: Stage) -> None:
        socket = await stage.dial(f"?token={issue('ann', SECRET)}")
        for frame in said:
            await socket.send(frame)
        while '"isComplete":true' not in (heard or [""])[-1]:
            heard.append(str(await socket.recv()))

    counts = play(story, answers=QUICK).counts
    assert (counts.frames_written, counts.bytes_written) == (len(heard), sum(len(frame.encode()) for frame in heard))
    assert (counts.frames_read, counts.bytes_read) == (2, sum(len(frame.encode()) for frame in said))
    assert counts.messages == counts.broadcasts + counts.rejected + counts.invalid == 1


def test_an_address_that_is_taken_is_an_error_of_the_system() -> None:
    async def story() -> None:
        async with ChatServer(ServerOptions(jwt_secret=SECRET)) as first:
            port = urlsplit(first.url).port
            assert port is not None
            with pytest.raises(OSError, match=str(port)):
                async with ChatServer(ServerOptions(jwt_secret=SECRET, port=port)):
                    pass

    asyncio.run(story())


def test_the_secret_is_not_in_the_text_of_the_options() -> None:
    assert SECRET not in repr(ServerOptions(jwt_secret=SECRET))
