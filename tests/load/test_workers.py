"""Master and workers as processes of their own, as on several machines: workers come, go, die and lose the network."""

import collections
import json
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress

import pytest
from machines import Machines, by_end
from reference_server import ReferenceServer

from loadtest.load.sockets import local_ports

pytestmark = pytest.mark.long

HEARTBEAT_S = 1.0
"""Locust's, of a worker (locust/runners.py, HEARTBEAT_INTERVAL)."""


class CutCable:
    """The network between one worker and the master: TCP through this, until it is cut, and again once mended."""

    def __init__(self, port):
        self._to = port
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except ConnectionRefusedError:  # the master is not there yet: the worker tries again
                    near.close()
                    continue
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one, other):
        with suppress(OSError):
            while data := one.recv(65_536):
                self._whole.wait()
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def cut(self):
        self._whole.clear()

    def mend(self):
        self._whole.set()

    def close(self):
        self._whole.set()
        self._listener.close()


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """One run in which a worker is cut off for 6 s, one joins late, one leaves, and one is killed."""
    folder = tmp_path_factory.mktemp("troubled")
    server = ReferenceServer(folder, ("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none"))
    machines = Machines(server, folder, 3, "28s", "--reply-timeout", "3s")
    cable = CutCable(machines.port)
    try:
        machines.worker(cable.port)
        leaving, dying = machines.worker(), machines.worker()
        machines.master.until_under_way(30)
        cable.cut()
        machines.wait_until_noticed("is silent")
        machines.worker()
        machines.wait_until_noticed("joined")
        time.sleep(1)
        cable.mend()
        machines.wait_until_noticed("is back")
        leaving.send_signal(signal.SIGTERM)
        machines.wait_until_noticed("left")
        dying.kill()
        left_with = leaving.wait(20)
        code = machines.master.end()
        yield (
            machines.master.summary,
            server.stop(),
            code,
            left_with,
            machines.master.output,
            folder / "results" / "latest",
        )
    finally:
        server.kill()
        cable.close()
        machines.close()


def test_the_run_goes_on_to_its_end(troubled):
    summary, _, code, _, output, _ = troubled
    assert summary["run"]["ended_by"] == "time", output
    assert summary["run"]["complete"]
    assert code == 3, "a worker was lost, and with it some of the truth"
    assert "Traceback" not in output


def test_each_worker_is_kept_with_what_became_of_it(troubled):
    summary, *_ = troubled
    assert [worker["name"] for worker in summary["run"]["workers"]] == [f"worker-{place}" for place in range(4)]
    (left,), (lost,) = by_end(summary, "left"), by_end(summary, "lost")
    (late,) = [worker for worker in summary["run"]["workers"] if worker["joined_s"]]
    (cut_off,) = [worker for worker in summary["run"]["workers"] if worker["silences_s"]]
    assert late["joined_s"] < left["ended_s"] < lost["ended_s"] + HEARTBEAT_S  # it counts from its last heartbeat on
    assert 4 < cut_off["silences_s"][0] < 15
    assert lost["users"] > 0
    assert summary["run"]["missing_processes"] in ([lost["name"]], [])


def test_the_verdict_tells_of_each(troubled):
    summary, *_ = troubled
    told = " / ".join(summary["verdict"]["reasons"])
    assert summary["verdict"]["status"] == "invalid"
    (lost,) = by_end(summary, "lost")
    assert f"{lost['name']} ({socket.gethostname()}) was lost" in told
    for words in ("joined", "left", "out of touch for", "and reported all of it afterwards"):
        assert words in told
    assert "never came" not in told
    assert "fault of the tool" not in told


def test_only_what_the_lost_worker_had_not_reported_is_missing(troubled):
    summary, truth, *_ = troubled
    counts = summary["counts"]
    assert counts["unaccounted"] == 0
    assert counts["lost"] == 0, "users who move get their open replies first"
    unreported = truth["messages"] - counts["sent_on_wire"]
    assert 0 <= unreported < 60, "three seconds of one worker"
    assert counts["lost_with_workers"] <= unreported


def test_no_user_was_ever_connected_twice_at_a_time(troubled):
    *_, folder = troubled
    with closing(sqlite3.connect(folder / "run.db")) as db:
        connects = db.execute("SELECT user, began_ns FROM connects WHERE class != 'preflight'").fetchall()
        ends = db.execute("SELECT user, at_ns FROM disconnects").fetchall()
    assert len(connects) > 12, "some have moved"
    held = collections.Counter()
    for _, user, step in sorted([(at, user, 1) for user, at in connects] + [(at, user, -1) for user, at in ends]):
        held[user] += step
        assert held[user] <= 1, user


def test_a_worker_that_is_told_to_end_ends_well(troubled):
    *_, left_with, _, _ = troubled
    assert left_with == 0


def test_a_run_that_has_lost_its_only_worker_ends_and_keeps_what_came(start_reference_server, tmp_path):
    server = start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    machines = Machines(server, tmp_path, 1, "9s", "--reply-timeout", "2s")
    try:
        machines.worker()
        machines.master.until_under_way(15)
        machines.workers[0].kill()
        assert machines.master.end() == 3
        summary = machines.master.summary
        assert summary["run"]["missing_processes"] == ["worker-0"]
        assert summary["run"]["workers"][0]["ended"] == "lost"
        assert summary["counts"]["delivered"] >= 10
        assert "worker-0" in summary["verdict"]["reasons"][0]
        assert "Traceback" not in machines.master.output
    finally:
        machines.close()


def test_a_master_that_is_out_of_touch_with_all_of_its_workers_goes_on(start_reference_server, tmp_path):
    server = start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    machines = Machines(server, tmp_path, 1, "18s", "--reply-timeout", "2s")
    cable = CutCable(machines.port)
    try:
        machines.worker(cable.port)
        machines.master.until_under_way(15)
        cable.cut()
        machines.wait_until_noticed("is silent")
        time.sleep(3)
        cable.mend()
        machines.wait_until_noticed("is back")
        machines.master.end()
        truth = server.stop()
    finally:
        cable.close()
        machines.close()
    summary = machines.master.summary
    assert summary["run"]["ended_by"] == "time", machines.master.output
    (worker,) = summary["run"]["workers"]
    assert (worker["ended"], len(worker["silences_s"])) == ("with the run", 1)
    assert summary["counts"]["sent_on_wire"] == truth["messages"]


FEW_FILES = ("sh", "-c", 'ulimit -n 205 && exec "$@"', "sh")


def test_a_worker_that_may_not_open_enough_files_says_so_and_takes_no_part(start_reference_server, tmp_path):
    server = start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    machines = Machines(server, tmp_path, 2, "3s", "--reply-timeout", "2s")
    try:
        machines.worker()
        unfit = machines.worker(within=FEW_FILES)
        assert machines.master.end() == 3
        unfit.wait(20)
    finally:
        machines.close()
    assert (
        "--users: 12 in 2 processes take 206 open files in each, and its hard limit is 205"
        in (tmp_path / "worker1.log").read_text()
    )
    assert [worker["ended"] for worker in machines.master.summary["run"]["workers"]].count("lost") == 1


def test_the_processes_of_a_machine_share_its_ports(start_reference_server, tmp_path):
    server, ports = start_reference_server(), len(local_ports())
    machines = Machines(server, tmp_path, 2, "3s", "-u", str(ports + 2))
    try:
        machines.worker(None, "--processes", "2")
        machines.master.end()
        machines.workers[0].wait(20)
    finally:
        machines.close()
    told = f"--users: {ports + 2:,} connections from 1 address of {ports:,} ports each are 2 too many"
    assert (tmp_path / "worker0.log").read_text().count(told) == 2
    assert server.stop()["messages"] == 0


AHEAD_S = 5_000
OTHER_CLOCK = (
    *("unshare", "--user", "--map-root-user", "--time", "--monotonic", str(AHEAD_S), "--fork", "--kill-child"),
)


def can_have_another_clock():
    try:
        return subprocess.run([*OTHER_CLOCK, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_have_another_clock(), reason="this system gives a process no clock of its own")
def test_a_worker_of_another_clock_records_instants_of_the_masters(start_reference_server, tmp_path):
    server = start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    machines = Machines(server, tmp_path, 2, "4s", "--reply-timeout", "2s")
    try:
        machines.worker()
        machines.worker(within=OTHER_CLOCK)
        machines.master.end()
        truth = server.stop()
    finally:
        machines.close()
    run = machines.master.summary["run"]
    same, other = sorted(run["workers"], key=lambda worker: -worker["clock_offset_s"])
    assert (same["clock_offset_s"], same["clock_bound_s"]) == (0.0, 0.0)
    assert 0.0 < other["clock_bound_s"] < 1.0
    assert other["clock_offset_s"] == pytest.approx(-AHEAD_S, abs=other["clock_bound_s"])
    with closing(sqlite3.connect(machines.master.results / "latest" / "run.db")) as db:
        (info,) = db.execute("SELECT value FROM run WHERE key = 'info'").fetchone()
        intended = [at for (at,) in db.execute("SELECT intended_ns FROM messages")]
        clocks = db.execute("SELECT count(DISTINCT key) FROM counters WHERE name = 'clock'").fetchone()
    info = json.loads(info)
    assert clocks == (2,)
    assert len(intended) == truth["messages"] >= 12
    assert info["started_ns"] <= min(intended)
    assert max(intended) <= info["stopped_ns"]
