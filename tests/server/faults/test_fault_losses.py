"""What befalls all connections at a moment, on order over the control endpoint, seen from real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from server_stage import SECRET, Client, Stage
from websockets.asyncio.client import connect

from loadtest.server import AnswerStyle, ChatServer
from loadtest.server.auth import issue
from loadtest.server.faults.orders import order
from loadtest.settings import Rate

Play = Callable[..., ChatServer]


async def _crowd(stage: Stage, size: int, **options: Any) -> list[Client]:
    """So many clients in one conversation."""
    clients = [await stage.client(f"user-{number}", **options) for number in range(size)]
    for client in clients:
        await client.say(f"of-{client.user}")
        await client.hear_until(messageId=f"of-{client.user}", status="delivered")
    return clients


def _order(stage: Stage, text: str) -> None:
    stage.server.order([order(text)])


async def _dial(stage: Stage) -> float:
    """Connect as soon as somebody listens; seconds until then. Nobody listening is the one error that may come."""
    began = time.monotonic()
    while True:
        try:
            async with connect(f"{stage.server.url}?token={issue('late', SECRET)}"):
                return time.monotonic() - began
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)


def _is_listening(stage: Stage) -> bool:
    url = urlsplit(stage.server.url)
    try:
        socket.create_connection((str(url.hostname), url.port or 0), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013])
def test_all_are_cut_with_the_code_ordered_and_may_come_back(play: Play, code: int) -> None:
    async def story(stage: Stage) -> None:
        clients = await _crowd(stage, 5)
        _order(stage, f"cut-all:{code}")
        for client in clients:
            await client.hear_all()
        assert [client.socket.close_code for client in clients] == [code] * 5
        await _crowd(stage, 1)

    server = play(story, control_port=0)
    assert server.counts.faults == {"cut-all": 5}


def test_a_share_is_cut_and_the_others_notice_nothing(play: Play) -> None:
    async def story(stage: Stage) -> None:
        clients = await _crowd(stage, 10)
        _order(stage, "cut-all:1012,share=0.3")
        await stage.until(lambda: sum(stage.server.counts.disconnects.values()) == 3)
        spared = [member for members in stage.server.rooms().values() for member in members]
        assert len(spared) == 7
        for client in clients:
            if client.user in spared:
                await client.say(f"after-{client.user}")
                await client.hear_until(messageId=f"after-{client.user}", status="delivered")
            else:
                await client.hear_all()
                assert client.socket.close_code == 1012

    assert play(story, control_port=0).counts.faults == {"cut-all": 3}


def test_a_cut_can_be_ordered_for_moments_of_the_run(play: Play) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            (client,) = await _crowd(stage, 1)
            await client.hear_all()

    assert play(story, faults=(order("cut-all:at=100ms,every=200ms"),)).counts.faults["cut-all"] >= 2


def test_connects_are_refused_for_so_long_and_open_connections_stay(play: Play) -> None:
    async def story(stage: Stage) -> None:
        (client,) = await _crowd(stage, 1)
        _order(stage, "refuse-connects:300ms")
        await stage.until(lambda: stage.server.counts.faults == {"refuse-connects": 1})
        assert not _is_listening(stage)
        await client.say("m1")
        await client.hear_until(messageId="m1", status="delivered")
        assert 0.2 < await _dial(stage) < 5

    play(story, control_port=0)


def test_a_restart_cuts_all_forgets_all_and_listens_again_on_its_port(play: Play) -> None:
    async def story(stage: Stage) -> None:
        url = stage.server.url
        clients = await _crowd(stage, 3)
        _order(stage, "restart:200ms")
        for client in clients:
            await client.hear_all()
            assert client.socket.close_code == 1006
        assert not _is_listening(stage)
        assert await _dial(stage) > 0.1
        assert stage.server.url == url
        assert stage.server.rooms() == {}
        await _crowd(stage, 3)  # the windows of the limit are forgotten, too

    server = play(story, control_port=0, rate_limit=Rate(1, 60.0), answers=AnswerStyle(ttft_s=60))
    assert server.counts.faults == {"restart": 1}
    assert (server.counts.streams_started, server.counts.streams_cancelled) == (6, 6)


def test_a_black_hole_moves_nothing_while_sockets_stay_open_and_then_all_arrives(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann, ben = await _crowd(stage, 2)
        _order(stage, "black-hole:300ms")
        await stage.until(lambda: stage.server.counts.faults == {"black-hole": 2})
        began = time.monotonic()
        cid = await stage.client("cid")  # who comes meanwhile is spared
        await cid.say("of-cid")
        await cid.hear_until(messageId="of-cid", status="delivered")
        read = stage.server.counts.frames_read
        await ann.say("m1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ben.hear_until(messageId="of-cid")
        assert stage.server.counts.frames_read == read
        assert time.monotonic() - began < 0.3, "the machine was too slow for this test to say anything"
        await ben.hear_until(messageId="m1", type="message:receive")
        await ann.hear_until(messageId="m1", status="delivered")
        assert time.monotonic() - began > 0.25

    play(story, control_port=0)


def test_a_black_hole_within_another_changes_nothing_about_its_end(play: Play) -> None:
    async def story(stage: Stage) -> None:
        (ann,) = await _crowd(stage, 1)
        _order(stage, "black-hole:300ms")
        await stage.until(lambda: stage.server.counts.faults == {"black-hole": 1})
        _order(stage, "black-hole:60s")
        await stage.until(lambda: len(stage.server.orders()) == 2)
        await ann.say("m1")
        await ann.hear_until(messageId="m1", status="delivered")

    assert play(story, control_port=0).counts.faults == {"black-hole": 1}


def test_a_server_stops_in_the_middle_of_all_of_it(play: Play) -> None:
    async def story(stage: Stage) -> None:
        await _crowd(stage, 2, close_timeout=0.1)
        for text in ("black-hole:1h", "refuse-connects:1h", "cut-all:at=1h"):
            _order(stage, text)
        await stage.until(lambda: len(stage.server.counts.faults) == 2)

    counts = play(story, control_port=0).counts
    assert sum(counts.disconnects.values()) == counts.connects == 2
