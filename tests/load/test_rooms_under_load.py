"""Rooms over two processes against the reference server: what is found is what the server was told to do, no more."""

import socket
from contextlib import closing
from pathlib import Path

import pytest
from locust_command import LocustRun

HERE = Path(__file__).parent
ROOMS = HERE.parents[1] / "locustfiles" / "rooms.py"
TABS = HERE / "tabs_and_typists.py"
FAULTS = {
    "broadcast-withhold": "2,from=150,to=159",
    "broadcast-double": "1,from=170,to=173",
    "broadcast-alter": "3,from=180,to=181",
    "broadcast-misname": "1,from=190,to=194",
    "broadcast-late": "700ms,from=200,to=202",
    "broadcast-leak": "2,from=160,to=163",
}
"""Once all have joined: by the 150th message, of which 40 are the joins."""


def run(server, folder, locustfile, *options):
    """The summary of a run over two processes, what the server counted, and what was printed."""
    with pytest.MonkeyPatch.context() as environment, closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = str(listener.getsockname()[1])
        listener.close()
        environment.setenv("LOCUST_MASTER_BIND_PORT", port)
        environment.setenv("LOCUST_MASTER_NODE_PORT", port)
        load = ("--headless", "--only-summary", "--processes", "2", "--expect-stream", "no", *options)
        started = LocustRun(server, folder / "results", *load, locustfile=locustfile)
        try:
            started.end()
            assert started.sealed(), started.output
            return started.summary, server.stop(), started.output
        finally:
            started.kill()
            server.kill()


@pytest.fixture(scope="module")
def faulty(reference_server_of, tmp_path_factory):
    orders = [word for name, value in FAULTS.items() for word in ("--fault", f"{name}:{value}")]
    options = ("-u", "40", "-r", "40", "-t", "9s", "--rate-limit", "none", "--message-rate", "1/1s", "RoomUser")
    folder = tmp_path_factory.mktemp("faulty")
    return run(reference_server_of(folder, ("--no-ai", "--rate-limit", "none", *orders)), folder, ROOMS, *options)


@pytest.fixture(scope="module")
def sound(reference_server_of, tmp_path_factory):
    limit = ("--rate-limit", "8/10s")
    options = ("-u", "20", "-r", "20", "-t", "12s", *limit, "--message-rate", "6/10s", "--connections-per-user", "2")
    folder = tmp_path_factory.mktemp("sound")
    server = reference_server_of(folder, ("--no-ai", *limit))
    return run(server, folder, TABS, *options, "--participants", "10")


# --- a server that does wrong what it is told to
@pytest.mark.parametrize(
    ("fault", "count"),
    [
        ("broadcast-withhold", "broadcasts_missing"),
        ("broadcast-double", "broadcasts_doubled"),
        ("broadcast-alter", "broadcasts_altered"),
        ("broadcast-misname", "broadcasts_misnamed"),
        ("broadcast-late", "broadcasts_reordered"),
        ("broadcast-leak", "leaks"),
    ],
)
def test_as_many_are_found_as_were_ordered(faulty, fault, count):
    summary, server, _ = faulty
    assert server["faults"][fault] > 0
    assert summary["counts"][count] == server["faults"][fault]


def test_what_is_seen_falls_short_of_what_is_expected_by_what_was_withheld(faulty):
    summary, server, _ = faulty
    counts = summary["counts"]
    assert counts["broadcasts_expected"] - counts["broadcasts_seen"] == server["faults"]["broadcast-withhold"] == 20
    assert summary["rooms"]["missing"] == {"messages": 10, "receipts": 20}
    assert summary["metrics"]["fanout"]["unanswered"] == 20
    assert summary["metrics"]["fanout_last"]["unanswered"] == 10


def test_the_summary_and_the_page_say_so(faulty):
    summary, _, output = faulty
    expected = f"{summary['counts']['broadcasts_expected']:,}"
    assert f"expected at others {expected}" in output
    assert "20 missing, of 10 messages" in " ".join(output.split())
    assert "leaks: 8 events" in output
    assert "WS       fanout_last" in output


# --- a server that does right: tabs, typing
@pytest.mark.long
def test_nothing_is_found_where_nothing_was_ordered(sound):
    summary, _, _ = sound
    counts = summary["counts"]
    assert counts["broadcasts_expected"] == counts["broadcasts_seen"] > 300
    wrong = ("missing", "doubled", "altered", "misnamed", "reordered")
    assert [counts[f"broadcasts_{name}"] for name in wrong] == [0] * 5
    assert (counts["leaks"], counts["unaccounted"]) == (0, 0)
    assert summary["rooms"]["rooms"] == 1
    assert summary["rooms"]["withheld"] == ""


@pytest.mark.long
def test_tabs_of_one_user_share_its_limit_and_each_gets_the_broadcasts(sound):
    summary, server, _ = sound
    assert (summary["counts"]["rejected"], server["rejected"]) == (0, 0)
    assert summary["notices"] == []
    # each message went to all twenty connections but those that had yet to join, and to its own
    others = summary["seen"]["broadcast"]["other"]
    assert summary["counts"]["broadcasts_seen"] <= others <= 19 * summary["counts"]["delivered"]


@pytest.mark.long
def test_the_others_are_told_who_types_and_by_whatever_it_ended_that_it_did(sound):
    summary, server, _ = sound
    typing = summary["rooms"]["typing"]
    assert typing["starts"] == 3
    # the second of the hasty one came within a second
    assert typing["ledger"] == {
        "sent": 4, "told": 3, "surplus": 1, "ambiguous": 0, "surplus_ignored": 18, "surplus_passed_on": 0,
    }  # fmt: skip
    assert server["typing_ignored"] >= 1
    assert typing["expected"] == typing["seen"] == 3 * 18  # neither who types nor its other tab
    assert typing["stops_expected"] == typing["stops_seen"] >= 2 * 17
    assert typing["echoes"] == 0
    assert summary["metrics"]["typing_fanout"]["count"] > 0


@pytest.mark.long
def test_the_server_stops_for_who_does_not_after_five_seconds(sound):
    typing = sound[0]["rooms"]["typing"]
    shortest, longest = typing["automatic_ms"]
    assert typing["automatic"] == 1
    assert 5_000 <= shortest <= longest < 6_000
