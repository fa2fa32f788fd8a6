"""The client against what befalls the reference server on order: a black hole, a closed door, slow handshakes."""

import time
from urllib.request import urlopen

import pytest
from chat_stage import connected, cut, hosting, until

from loadtest.client.state import State
from loadtest.model import Outcome
from loadtest.settings import Backoff

SECOND = 1_000_000_000
PATIENT = Backoff(base_s=0.05, max_s=0.05, attempts=100)


@pytest.fixture
def server(start_reference_server):
    server = start_reference_server("--control-port", "0", "--no-ai", "--rate-limit", "none")
    server.control = server._process.stdout.readline().strip().removeprefix("control: ")
    return server


def order(server, *faults):
    with urlopen(f"{server.control}/faults", "\n".join(faults).encode()) as answer:
        assert answer.status == 201


def back(stage):
    until(lambda: stage.client.state is State.AUTHENTICATED and stage.client.losses)


def test_a_black_hole_is_found_by_a_ping_and_who_is_back_leaves_it_behind(server):
    with connected(server.url, ping_timeout_s=4.0, backoff=PATIENT) as stage:
        order(server, "black-hole:60s")
        stage.client.send("c", "swallowed")
        now = time.monotonic_ns()
        stage.client.expire(now + 3 * SECOND)
        assert stage.client.state is State.AUTHENTICATED
        stage.client.expire(now + 4_500_000_000)
        back(stage)
        stage.client.send("c", "after")
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    (outage,) = batch.outages
    assert (outage.cause, outage.code, outage.lost, outage.attempts, outage.ended) == (
        "ping timeout", 1006, 1, 1, "recovered",
    )  # fmt: skip
    assert outage.lost_ns < now < outage.noticed_ns
    assert [message.outcome for message in batch.messages] == [Outcome.LOST, Outcome.DELIVERED]


def test_a_closed_door_is_tried_by_the_schedule_until_it_opens(server):
    with connected(server.url, backoff=PATIENT) as stage:
        order(server, "refuse-connects:400ms", "cut-all:1006")
        back(stage)
        stage.client.send("c", "after")
        until(lambda: not stage.client.open)
        batch, _ = stage.end()
    (outage,) = batch.outages
    again = [connect for connect in batch.connects if connect.reconnect]
    assert outage.attempts == len(again) > 2
    assert [connect.outcome for connect in again] == ["refused"] * (len(again) - 1) + ["ok"]
    assert outage.authenticated_ns - outage.lost_ns >= 300_000_000


def test_a_slow_handshake_is_time_of_the_upgrade(server):
    order(server, "handshake-slow:300ms")
    with connected(server.url) as stage:
        batch, _ = stage.end()
    (connect,) = batch.connects
    assert connect.outcome == "ok"
    assert connect.upgrade_ns >= 300_000_000 > connect.tcp_ns + connect.auth_ns


def test_a_cut_while_the_run_ends_loses_what_is_open_and_sends_nothing_more():
    with hosting() as host, connected(host.url) as stage:
        host.answers = False
        stage.client.send("c", "in flight")
        until(lambda: host.contents == ["in flight"])
        stage.client.hold()
        cut(host.connections[0])
        until(lambda: stage.client.state is State.RECONNECTING)
        stage.client.send("c", "waits")
        until(lambda: stage.client.state is State.AUTHENTICATED)
        assert stage.client.open == 1
        batch, counts = stage.end()
    assert host.contents == ["in flight"]
    assert [(message.outcome, message.reason) for message in batch.messages] == [
        (Outcome.LOST, "closed 1006"),
        (Outcome.UNFINISHED, None),  # and never sent
    ]
    (outage,) = batch.outages
    assert (outage.lost, outage.ended) == (1, "recovered")
    assert counts["messages_offered", ""] == 2
