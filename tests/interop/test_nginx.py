"""Behind nginx, as backends are reached in life: TLS ends there, and connections that are idle are cut off."""

import sqlite3
from contextlib import closing

from both_sides import LIMIT, LOAD, assert_both_saw_the_same, assert_ended_as_its_verdict_says


def test_pings_of_the_backend_keep_connections_open(start_backend, start_proxy, run_against, authority):
    backend = start_backend(*LIMIT, "--heartbeat-ms", "300")
    url = start_proxy(backend.port, idle_timeout="1s")
    run = run_against(url, *LOAD, *authority.trust)
    seen = backend.stop()
    assert_both_saw_the_same(run, seen)
    assert seen["terminated"] == 0


def test_idle_connections_are_cut_off_and_come_back(start_backend, start_proxy, run_against, authority):
    backend = start_backend()
    url = start_proxy(backend.port, idle_timeout="1s")
    idle = ("-u", "20", "-r", "20", "-t", "3s", "--warmup", "0", "ListeningUser")
    run = run_against(url, *idle, *authority.trust)
    assert_ended_as_its_verdict_says(run)
    counts = run.counts
    assert counts["outages"] >= 18  # two of twenty are pinged
    assert counts["reconnects"] >= 15  # after 1 to 1.2 s
    assert counts["connects"] == backend.stop()["connections"]
    with closing(sqlite3.connect(run.folder / "run.db")) as db:
        ends = dict(db.execute("SELECT by, count(*) FROM disconnects WHERE code = 1006 GROUP BY by"))
    assert ends == {"server": counts["outages"]}


def test_nobody_behind_it_is_one_line(start_backend, start_proxy, run_against, authority):
    backend = start_backend()
    url = start_proxy(backend.port, idle_timeout="1s")
    backend.stop()
    run = run_against(url, *LOAD, *authority.trust)
    assert run.code == 2, run.output
    assert len(run.output.splitlines()) == 1
    assert "HTTP 502" in run.output
