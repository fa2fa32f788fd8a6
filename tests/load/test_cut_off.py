"""Master, server and workers in network namespaces of their own: one worker loses its network for 10 s, one is killed.

On a system that gives none, `test_workers.py` is what remains: on 127.0.0.1, where a cut is one of the link between
worker and master alone.
"""

import sqlite3
import time
from contextlib import closing

import pytest
from machines import Machines, by_end
from network import HUB, Network, Unavailable
from reference_server import ReferenceServer

pytestmark = pytest.mark.long
CUT_S = 10.0
CUT_OFF = 0
"""The worker of this place is cut off."""
SERVER = ("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none", "--listen", HUB)


@pytest.fixture(scope="module")
def network():
    try:
        network = Network(machines=3)
    except Unavailable as why:
        pytest.skip(f"no network namespaces here ({why}); test_workers.py cuts a worker off on 127.0.0.1")
    yield network
    network.close()


@pytest.fixture(scope="module")
def cut(network, tmp_path_factory):
    """What a run left: its master, and what the server counted."""
    folder = tmp_path_factory.mktemp("cut")
    server = ReferenceServer(folder, SERVER, network.hub)
    machines = Machines(server, folder, 3, "26s", "--reply-timeout", "3s", address=HUB, within=network.hub)
    try:
        workers = [machines.worker(within=machine) for machine in network.machines]
        machines.master.until_under_way(30)
        network.pull(CUT_OFF)
        pulled = time.monotonic()
        machines.wait_until_noticed("is silent")
        workers[CUT_OFF + 1].kill()
        time.sleep(max(CUT_S - (time.monotonic() - pulled), 0.0))
        network.plug_in(CUT_OFF)
        machines.wait_until_noticed("is back")
        machines.master.end()
        yield machines.master, server.stop()
    finally:
        server.kill()
        machines.close()


def test_the_run_goes_on_to_its_end(cut):
    master, _ = cut
    run = master.summary["run"]
    assert (run["ended_by"], run["complete"]) == ("time", True), master.output
    assert master.process.returncode == 3, "a worker was killed, and with it some of the truth"
    assert "Traceback" not in master.output


def test_each_worker_is_kept_with_what_became_of_it(cut):
    workers = cut[0].summary["run"]["workers"]
    (killed,) = by_end(cut[0].summary, "lost")
    (back,) = [worker for worker in workers if worker["silences_s"]]
    assert len(workers) == 3
    assert (killed["users"], killed["silences_s"]) == (4, [])
    assert back["ended"] == "with the run"
    assert [CUT_S - 1 < silence_s < CUT_S + 9 for silence_s in back["silences_s"]] == [True], back


def test_the_verdict_tells_of_both(cut):
    summary = cut[0].summary
    told = " / ".join(summary["verdict"]["reasons"])
    assert summary["verdict"]["status"] == "invalid"
    for end, words in (("lost", "was lost"), ("with the run", "out of touch for")):
        names = {worker["name"] for worker in by_end(summary, end)}
        assert any(name in told and words in told for name in names), told
    assert "fault of the tool" not in told


def test_what_was_lost_with_them_is_counted(cut):
    """A message that is sent into the cut reaches the server when the cable is back: late, and so it has timed out."""
    master, truth = cut
    counts = master.summary["counts"]
    assert counts["unaccounted"] == 0
    assert counts["timeout"] >= 4 * 2 * (CUT_S - 4), "of four users, two a second, but for the last 3 s of the cut"
    unreported = truth["messages"] - counts["sent_on_wire"]
    assert 0 <= unreported < 60, "three seconds of the killed one"
    assert counts["lost_with_workers"] <= unreported


def test_nobody_but_the_users_of_the_one_that_was_cut_off_waited_in_vain(cut):
    with closing(sqlite3.connect(cut[0].results / "latest" / "run.db")) as db:
        waited = db.execute("SELECT DISTINCT user FROM messages WHERE outcome = 'timeout'").fetchall()
        after = db.execute(
            "SELECT count(*) FROM messages WHERE outcome = 'delivered' AND intended_ns > "
            "(SELECT max(intended_ns) FROM messages WHERE outcome = 'timeout') AND user IN "
            "(SELECT user FROM messages WHERE outcome = 'timeout')"
        ).fetchone()
    assert len(waited) == 4
    assert after[0] >= 8, "they go on once the cable is back"
