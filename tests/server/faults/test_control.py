"""The control endpoint: orders and counts of a server that runs, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from server_stage import SECRET, Stage

from loadtest.server import ChatServer, ServerOptions
from loadtest.server.faults.control import ControlPortTaken

Play = Callable[..., ChatServer]


async def _ask(stage: Stage, method: str, path: str, body: str = "") -> tuple[int, Any]:
    def ask() -> tuple[int, Any]:
        request = Request(f"{stage.server.control_url}{path}", body.encode() or None, method=method)
        try:
            with urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            return error.code, json.load(error)

    return await asyncio.to_thread(ask)


def test_orders_are_taken_shown_carried_out_and_taken_back(play: Play) -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        assert await _ask(stage, "GET", "/faults") == (200, [])
        standing = [
            {"order": "ack-error:every=2", "occasions": 0, "due": 0},
            {"order": "cpu:1ms", "occasions": 0, "due": 0},
        ]
        assert await _ask(stage, "POST", "/faults", "cpu:1ms\n\n ack-error:every=2\n") == (201, standing)
        for number in range(4):
            await ann.say(f"m{number}")
        await ann.hear_until(messageId="m3", status="error")
        assert (await _ask(stage, "GET", "/faults"))[1][0] == {"order": "ack-error:every=2", "occasions": 4, "due": 2}
        assert await _ask(stage, "DELETE", "/faults") == (200, [])
        await ann.say("m4")
        await ann.say("m5")
        await ann.hear_until(messageId="m5", status="delivered")
        status, counts = await _ask(stage, "GET", "/counts")
        assert (status, counts["messages"], counts["failed"]) == (200, 6, 2)
        assert counts["faults"] == {"ack-error": 2, "cpu": 4}
        assert await _ask(stage, "GET", "/rooms") == (200, {"tea": ["ann"]})

    play(story, control_port=0)


def test_a_wrong_order_is_said_in_one_line_and_none_of_its_request_is_taken(play: Play) -> None:
    async def story(stage: Stage) -> None:
        status, answer = await _ask(stage, "POST", "/faults", "cut\nack-dorp")
        assert status == 400
        assert answer["error"].startswith("'ack-dorp' is no fault; did you mean 'ack-drop'?")
        assert await _ask(stage, "GET", "/faults") == (200, [])

    play(story, control_port=0)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/counts"), ("DELETE", "/counts")])
def test_other_requests_are_not_found(play: Play, method: str, path: str) -> None:
    async def story(stage: Stage) -> None:
        assert (await _ask(stage, method, path))[0] == 404

    play(story, control_port=0)


def test_too_many_orders_are_refused(play: Play) -> None:
    async def story(stage: Stage) -> None:
        assert (await _ask(stage, "POST", "/faults", "cut\n" * 20_000))[0] == 400

    play(story, control_port=0)


def test_without_a_port_there_is_none(play: Play) -> None:
    async def story(stage: Stage) -> None:
        assert stage.server.control_url is None

    play(story)


def test_a_control_port_that_is_taken_is_an_error_and_nothing_listens(play: Play) -> None:
    async def story() -> None:
        async with ChatServer(ServerOptions(jwt_secret=SECRET, control_port=0)) as first:
            port = int(str(first.control_url).rsplit(":", 1)[1])
            second = ChatServer(ServerOptions(jwt_secret=SECRET, control_port=port))
            with pytest.raises(ControlPortTaken):
                async with second:
                    pass

    asyncio.run(story())
