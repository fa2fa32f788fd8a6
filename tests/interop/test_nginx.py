"""Behind nginx, as backends are reached in life: TLS ends there, and connections that are idle are cut off."""

import sqlite3
from contextlib import closing
from pathlib import Path

from test_ws import LIMIT, LOAD, assert_both_saw_the_same

CHAT = str(Path(__file__).parents[2] / "locustfiles" / "chat.py")


def test_pings_of_the_backend_keep_connections_open(start_backend, start_proxy, run_against, authority):
    backend = start_backend(*LIMIT, "--heartbeat-ms", "300")
    url = start_proxy(backend.port, idle_timeout="1s")
    run = run_against(url, *LOAD, "--ca-file", str(authority.file))
    seen = backend.stop()
    assert_both_saw_the_same(run, seen)
    assert seen["terminated"] == 0


def test_idle_connections_are_cut_off_and_come_back(start_backend, start_proxy, run_against, authority):
    backend = start_backend()
    url = start_proxy(backend.port, idle_timeout="1s")
    run = run_against(
        url, "-u", "20", "-r", "20", "-t", "4s", "--warmup", "0", "--ca-file", str(authority.file), "ListeningUser"
    )
    assert run.code == 3  # it sent no message, so it measured nothing
    counts = run.counts
    assert counts["outages"] >= 20
    assert counts["reconnects"] >= 15  # after 1 to 1.2 s, and some were pinged
    assert counts["connects"] == backend.stop()["connections"]
    with closing(sqlite3.connect(run.folder / "run.db")) as db:
        ends = dict(db.execute("SELECT by, count(*) FROM disconnects WHERE code = 1006 GROUP BY by"))
    assert ends == {"server": counts["outages"]}


def test_nobody_behind_it_is_one_line(start_backend, start_proxy, run_against, authority):
    backend = start_backend()
    url = start_proxy(backend.port, idle_timeout="1s")
    backend.stop()
    run = run_against(url, *LOAD, "--ca-file", str(authority.file))
    assert run.code == 2
    assert len(run.output.splitlines()) == 1
    assert "HTTP 502" in run.output
