"""What is seen of the server's own resources: processes, endpoints good and hostile, and a run that keeps them."""

import os
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from locust_command import LocustRun

from loadtest.errors import UsageError
from loadtest.load.container import Cpu, Memory, Throttling
from loadtest.load.server_source import Endpoint, Processes, Reading
from loadtest.load.server_watch import sample_of
from loadtest.runs.reader import RunReader

S = 1_000_000_000
NODE = """# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 52428800
# TYPE process_open_fds gauge
process_open_fds 1020
# TYPE process_max_fds gauge
process_max_fds 1024
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1764300000
# TYPE nodejs_version_info gauge
nodejs_version_info{version="v22.1.0",major="22"} 1
http_requests_total{path="/\\"quoted\\""} 7
"""


@pytest.fixture
def endpoint():
    """An HTTP server whose answer is set; yields a function from an answer to an `Endpoint`."""
    answer = {"status": 200, "body": b""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_words):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def build(body, status=200):
            answer.update(status=status, body=body.encode() if isinstance(body, str) else body)
            return Endpoint(f"http://127.0.0.1:{server.server_port}/metrics?key=secret")

        yield build
        server.shutdown()


def test_a_process_of_this_machine_is_seen():
    code = "import sys; sum(range(10**6)); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        reading = Processes([process.pid]).read()
    finally:
        process.communicate(b"")
    (cpu_s,) = reading.processes_s.values()
    assert 0 < max(reading.threads_s.values()) <= cpu_s + 0.1
    assert 10**6 < reading.memory_bytes < reading.memory_limit
    assert reading.open_files >= 3


def test_a_process_that_is_not_there_is_refused():
    with pytest.raises(UsageError) as refused:
        Processes([2**22 + 1]).read()
    assert str(refused.value).startswith("--server-pid: there is no process 4194305 on this machine; give the server's")


def test_a_process_that_has_ended_is_no_reading_of_nothing():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    source = Processes([process.pid])
    source.read()
    process.communicate(b"")
    with pytest.raises(UsageError, match=f"--server-pid: pid {process.pid} has ended; give the one that serves now"):
        source.read()


def test_an_endpoint_of_node_has_one_core(endpoint):
    assert endpoint(NODE).read() == Reading({(): 12.5}, {((), ""): 12.5}, 52_428_800, None, 1020, 1024)


def test_of_another_runtime_the_busiest_thread_is_not_known(endpoint):
    text = "\n".join(line for line in NODE.splitlines() if "nodejs" not in line)
    assert endpoint(text).read().threads_s is None


def test_a_page_that_adds_up_the_workers_of_a_cluster_tells_nothing_of_a_core(endpoint):
    text = "\n".join(line for line in NODE.splitlines() if "process_start_time" not in line)
    reading = endpoint(text).read()
    assert (reading.processes_s, reading.threads_s) == ({(): 12.5}, None)


def test_of_a_page_with_the_processes_labelled_each_has_a_core(endpoint):
    first, second = (("pid", "1"),), (("pid", "2"),)
    page = NODE + 'process_cpu_seconds_total{pid="1"} 7\nprocess_cpu_seconds_total{pid="2"} 5.5\n'
    text = page.replace("process_cpu_seconds_total 12.5\n", "")
    assert endpoint(text).read().processes_s == {first: 7.0, second: 5.5}
    assert endpoint(text).read().threads_s == {(first, ""): 7.0, (second, ""): 5.5}


def open_more(files, limit):
    """A process that has so many further files open, of so many allowed; and the pipe that ends it."""
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))\n"
        f"held = [open('/dev/null') for _ in range({files})]\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.fixture
def two_processes():
    wide, tight = open_more(300, 4096), open_more(80, 100)
    yield wide, tight
    for process in (wide, tight):
        process.communicate(b"")


def test_open_files_are_those_of_the_process_that_is_nearest_to_its_own_limit(two_processes):
    reading = Processes([process.pid for process in two_processes]).read()
    assert 80 < reading.open_files < 100
    assert reading.files_limit == 100


def test_of_several_processes_one_may_end(two_processes, monkeypatch):
    monkeypatch.setattr("loadtest.load.server_source.FAMILY_S", 0.0)
    wide, tight = two_processes
    source = Processes([wide.pid, tight.pid])
    assert source.read().processes_s.keys() == {wide.pid, tight.pid}
    wide.communicate(b"")
    assert source.read().processes_s.keys() == {tight.pid}
    tight.communicate(b"")
    with pytest.raises(UsageError, match="has ended; give the one that serves now"):
        source.read()


@pytest.fixture
def master_and_worker():
    """Pids of a process and of one that it has started; both wait."""
    worker = "import sys; print('ready', flush=True); sys.stdin.read()"
    master = (
        "import subprocess, sys\n"
        f"worker = subprocess.Popen([sys.executable, '-c', {worker!r}], stdin=0, stdout=subprocess.PIPE)\n"
        "worker.stdout.readline()\n"
        "print(worker.pid, flush=True)\n"
        "worker.wait()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", master], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process.pid, int(process.stdout.readline())
    process.communicate(b"")


def test_a_worker_that_is_named_beside_its_master_is_counted_once(master_and_worker):
    master, worker = master_and_worker
    family, both = Processes([master]).read(), Processes([master, worker, master]).read()
    assert both.processes_s.keys() == family.processes_s.keys() == {master, worker}
    assert both.memory_bytes == pytest.approx(family.memory_bytes, rel=0.1)


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ("", 404, "answered with HTTP 404; correct the address"),
        ("<html>hello</html>", 200, "has none of process_cpu_seconds_total, process_resident_memory_bytes, "),
        (b"\xff\x00" * 1000, 200, "has none of process_cpu_seconds_total"),
        ("process_cpu_seconds_total {{{", 200, "is no page for Prometheus; give the address that Prometheus scrapes"),
        ("process_cpu_seconds_total", 200, "is no page for Prometheus; give the address that Prometheus scrapes"),
    ],
)
def test_an_endpoint_that_tells_nothing_is_refused_in_one_line_without_its_query(endpoint, body, status, complaint):
    with pytest.raises(UsageError) as refused:
        endpoint(body, status).read()
    told = str(refused.value)
    assert told.startswith("--server-metrics: http://127.0.0.1:")
    assert complaint in told
    assert "secret" not in told
    assert "\n" not in told


def test_nobody_listening_is_refused():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    with pytest.raises(UsageError, match=r"cannot be read: .*refused.*; start it, or correct the address"):
        Endpoint(f"http://127.0.0.1:{port}/").read()


def test_a_sample_is_what_happened_between_two_readings():
    before = Reading({7: 10.0}, {(7, "a"): 4.0, (7, "b"): 6.0}, 100, None, 5, 1024)
    after = Reading({7: 11.5}, {(7, "a"): 4.9, (7, "b"): 6.4, (7, "c"): 0.2}, 200, None, 6, 1024)
    sample = sample_of("pid 1", 0, before, S, after)
    assert (sample.cpu_ns, sample.busiest_ns, sample.interval_ns) == (1_500_000_000, 900_000_000, S)
    assert (sample.memory_bytes, sample.open_files, sample.files_limit) == (200, 6, 1024)


@pytest.mark.parametrize(
    ("cores", "quota", "limit_s"), [(None, None, None), (2, None, 2.0), (None, 0.5, 0.5), (1, 1.5, 1.0), (2, 1.5, 1.5)]
)
def test_a_sample_has_what_its_container_or_its_cores_allow(cores, quota, limit_s):
    reading = Reading({}, {}, *[None] * 4, cores=cores, cpu=Cpu(quota))
    limit_ns = None if limit_s is None else round(limit_s * 2 * S)
    assert sample_of("pid 1", 0, reading, 2 * S, reading).cpu_limit_ns == limit_ns


def test_a_sample_has_how_long_its_container_held_it_back_and_was_charged():
    group, period = Path("/group"), 100_000_000
    before = Reading({}, {}, *[None] * 4, cpu=Cpu(1.0, {group: Throttling(3, 100, period)}))
    after = Reading({}, {}, *[None] * 4, cpu=Cpu(1.0, {group: Throttling(5, 700, period)}), charged=Memory(5, 9))
    sample = sample_of("pid 1", 0, before, S, after)
    assert (sample.throttled_ns, sample.charged_bytes, sample.charged_limit) == (600, 5, 9)


@pytest.mark.skipif((os.cpu_count() or 1) < 2 or not hasattr(os, "sched_setaffinity"), reason="no cores to choose from")
def test_a_process_that_is_pinned_may_use_no_more_cores():
    code = (
        "import os, sys\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nprint(flush=True)\nsys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        assert Processes([process.pid]).read().cores == 1
    finally:
        process.communicate(b"")


def test_open_files_of_another_user_are_not_known_and_all_else_is(monkeypatch):
    def refuse(_process):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "num_fds", refuse)
    reading = Processes([os.getpid()]).read()
    assert (reading.open_files, reading.files_limit) == (None, None)
    assert reading.memory_bytes > 10**6


def test_a_server_that_was_started_anew_has_no_cpu_time_of_that_interval():
    sample = sample_of("pid 1", 0, Reading({1: 10.0}, None, *[None] * 4), S, Reading({1: 0.5}, None, *[None] * 4))
    assert (sample.cpu_ns, sample.busiest_ns, sample.memory_bytes) == (None, None, None)


def test_a_child_that_is_found_late_is_not_charged_its_whole_life_at_once():
    before = Reading({7: 10.0}, {(7, "a"): 10.0}, *[None] * 4)
    after = Reading({7: 10.3, 8: 25.0}, {(7, "a"): 10.3, (8, "a"): 25.0}, *[None] * 4)
    sample = sample_of("pid 7", 0, before, S, after)
    assert (sample.cpu_ns, sample.busiest_ns) == (300_000_000, 300_000_000)


def test_a_child_that_ends_takes_nothing_from_the_others():
    sample = sample_of("pid 7", 0, Reading({7: 10.0, 8: 25.0}, {}, *[None] * 4), S, Reading({7: 10.4}, {}, *[None] * 4))
    assert sample.cpu_ns == 400_000_000


# --- a run with a shape, and a look at the server ---------------------------------------------------------------------
SHAPED = """
from loadtest.load import ChatUser, Steps

class Chatting(ChatUser):
    pass

class Stepping(Steps):
    users = (2, 5)
    hold_s = 2
    spawn_rate = 10
"""


def test_a_run_keeps_its_steps_and_what_it_saw_of_the_server(tmp_path, reference_server):
    locustfile = tmp_path / "shaped.py"
    locustfile.write_text(SHAPED)
    options = ("--headless", "--only-summary", "--server-pid", str(reference_server.pid), "--message-rate", "10/10s")
    run = LocustRun(reference_server, tmp_path / "results", *options, "--rate-limit", "none", locustfile=locustfile)
    try:
        run.end_as_its_verdict_says()
    finally:
        run.kill()
    with closing(RunReader(tmp_path / "results" / "latest")) as reader:
        steps, samples = reader.steps(), reader.server()
    assert [(step.number, step.users) for step in steps] == [(1, 2), (2, 5)]
    assert all(2 * S <= step.ended_ns - step.began_ns < 8 * S for step in steps)
    assert steps[0].ended_ns <= steps[1].began_ns
    assert len(samples) >= 3
    assert all(0 <= sample.busiest_ns <= 2 * sample.interval_ns for sample in samples)
    server = run.summary["server"]
    assert server["source"] == f"pid {reference_server.pid}"
    assert server["memory_bytes"] > 10**6
    assert f"server, pid {reference_server.pid}: " in run.output
    assert {process["process"] for process in run.summary["generator"]["processes"]} == {"local"}
