"""What goes wrong with connections and limits on order, seen from real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from server_stage import SECRET, Client, Stage
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from loadtest.server import ChatServer
from loadtest.server import server as server_module
from loadtest.server.auth import issue
from loadtest.server.faults.orders import order
from loadtest.server.limiter import LimitScope
from loadtest.settings import Rate

Play = Callable[..., ChatServer]


def _good(user: str = "ann") -> str:
    return f"?token={issue(user, SECRET)}"


# --- Handshake and token ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("query", "counted"), [("", "auth_required"), ("?token=bad", "auth_failed")])
def test_a_refusal_can_be_the_answer_to_the_upgrade(play: Play, status: int, query: str, counted: str) -> None:
    async def story(stage: Stage) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(stage.server.url + query)
        assert refused.value.response.status_code == status
        await stage.client("ann")

    counts = play(story, refusal=status).counts
    assert (counts.upgrades_refused, getattr(counts, counted), counts.connects) == (1, 1, 1)
    assert sum(counts.disconnects.values()) == 1  # ann's


def test_a_refusal_can_have_another_close_code(play: Play) -> None:
    async def story(stage: Stage) -> None:
        nobody = Client(await stage.dial("?token=bad"), "nobody")
        assert (await nobody.hear_all())[-1]["code"] == "AUTH_FAILED"
        assert nobody.socket.close_code == 4001

    assert play(story, refusal=4001).counts.disconnects == {4001: 1}


@pytest.mark.parametrize("refusal", [1008, 401])
def test_bad_tokens_are_let_in_as_often_as_ordered(play: Play, refusal: int) -> None:
    users: list[str | None] = []

    async def story(stage: Stage) -> None:
        for _ in range(4):
            users.append(None)
            with suppress(InvalidHandshake):
                client = Client(await stage.dial("?token=bad"), "nobody")
                if (second := (await client.hear(), await client.hear())[1])["type"] == "connection:authenticated":
                    users[-1] = second["userId"]

    counts = play(story, refusal=refusal, faults=(order("auth-let-in:every=2"),)).counts
    assert users == [None, "intruder", None, "intruder"]
    assert (counts.auth_failed, counts.connects, counts.faults) == (2, 2, {"auth-let-in": 2})


def test_good_tokens_are_refused_as_often_as_ordered(play: Play) -> None:
    types: list[str] = []

    async def story(stage: Stage) -> None:
        for _ in range(3):
            client = Client(await stage.dial(_good()), "ann")
            types.append((await client.hear(), await client.hear())[1].get("code", "in"))

    counts = play(story, faults=(order("auth-refuse:from=2,to=2"),)).counts
    assert types == ["in", "AUTH_FAILED", "in"]
    assert counts.faults == {"auth-refuse": 1}


def test_a_slow_handshake_delays_the_upgrade_it_was_ordered_for(play: Play) -> None:
    took_s: list[float] = []

    async def story(stage: Stage) -> None:
        for _ in range(2):
            began = time.monotonic()
            await stage.dial(_good())
            took_s.append(time.monotonic() - began)

    assert play(story, faults=(order("handshake-slow:300ms,to=1"),)).counts.faults == {"handshake-slow": 1}
    assert took_s[0] >= 0.3 > took_s[1]


def test_one_ordered_while_it_serves_may_take_longer_than_a_handshake_has_without_faults(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "STOP_TIMEOUT_S", 0.1)

    async def story(stage: Stage) -> None:
        stage.server.order([order("handshake-slow:300ms")])
        await stage.dial(_good())

    assert play(story, control_port=0).counts.faults == {"handshake-slow": 1}


# --- Ghosts -----------------------------------------------------------------------------------------------------------
def test_a_ghost_still_counts_as_a_member(play: Play) -> None:
    async def story(stage: Stage) -> None:
        for user in ("ann", "ben"):
            client = await stage.client(user)
            await client.say(f"of-{user}")
            await client.hear_until(messageId=f"of-{user}", status="delivered")
            await client.socket.close()
            await stage.until(lambda: sum(stage.server.counts.disconnects.values()) == stage.server.counts.connects)
        assert stage.server.rooms() == {"tea": ["ben"]}
        cid = await stage.client("cid")
        await cid.say("m1")
        await cid.hear_until(messageId="m1", status="delivered")

    counts = play(story, faults=(order("ghost:from=2,to=2"),)).counts
    assert counts.faults == {"ghost": 1}
    assert counts.receive_frames == 3  # a ghost reads nothing


# --- Rate limit -------------------------------------------------------------------------------------------------------
def _verdicts(play: Play, *orders: str, said: int = 5, **options: Any) -> tuple[list[str], ChatServer]:
    """What becomes of so many messages in a row, where three are admitted a minute."""
    heard: list[str] = []

    async def story(stage: Stage) -> None:
        ann = await stage.client("ann")
        for number in range(said):
            await ann.say(f"m{number}")
            ack = (await ann.hear_until(type="message:ack"))[-1]
            heard.append(ack.get("error", "admitted").removeprefix("Rate limit exceeded. Try again in "))
            if ack["status"] == "received":
                await ann.hear_until(status="delivered")

    chosen = {"rate_limit": Rate(3, 60.0), "faults": tuple(map(order, orders))} | options
    return heard, play(story, **chosen)


@pytest.mark.parametrize(
    ("orders", "heard", "done"),
    [
        ([], ["admitted"] * 3 + ["60 seconds"] * 2, {}),
        (["limit-leak:to=1"], ["admitted"] * 4 + ["60 seconds"], {"limit-leak": 1}),
        (["limit-false:from=2,to=2"], ["admitted", "1 seconds", "admitted"] + ["60 seconds"] * 2, {"limit-false": 1}),
        (["limit-mistime:-5s,every=2"], ["admitted"] * 3 + ["60 seconds", "55 seconds"], {"limit-mistime": 1}),
        (["limit-mistime:90s"], ["admitted"] * 3 + ["150 seconds"] * 2, {"limit-mistime": 2}),
        (["limit-mistime:-90s"], ["admitted"] * 3 + ["1 seconds"] * 2, {"limit-mistime": 2}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) and value and ":" in value[0] else "",
)
def test_the_limit_errs_as_ordered(play: Play, orders: list[str], heard: list[str], done: dict[str, int]) -> None:
    verdicts, server = _verdicts(play, *orders)
    assert verdicts == heard
    assert server.counts.faults == done
    assert server.counts.rejected == sum(verdict != "admitted" for verdict in heard)


def test_a_limit_can_be_that_of_a_connection(play: Play) -> None:
    async def story(stage: Stage) -> None:
        for message_id in ("m1", "m2"):
            tab = await stage.client("ann")
            await tab.say(message_id)
            await tab.hear_until(messageId=message_id, status="delivered")

    assert play(story, rate_limit=Rate(1, 60.0), limit_scope=LimitScope.CONNECTION).counts.rejected == 0
