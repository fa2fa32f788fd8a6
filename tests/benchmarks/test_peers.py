"""The arithmetic and the checks of benchmarks/peers; what it measures is shown by running it."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from benchmarks.peers.backend import Counts
from benchmarks.peers.figures import Pair, Spread, cpu_rows, memory_rows
from benchmarks.peers.measure import Held, Load, Report, errors_of
from benchmarks.peers.others import Others
from benchmarks.peers.process import Pinned
from benchmarks.peers.table import spread, table
from benchmarks.peers.targets import targets
from benchmarks.peers.work import CLOSED, PACED

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pins to cores, which takes Linux")
CORE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
ROOT = Path(__file__).parents[2]


def peers(*words, env=None):
    command = [sys.executable, "-m", "benchmarks.peers", *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def counts(**changes):
    zero = Counts(
        connections=100,
        authenticated=100,
        open=0,
        messages=5000,
        completed=5000,
        frames=120_200,
        pings=0,
        load_s=4.0,
        load_cpu_s=3.0,
        cpu_s=3.2,
    )
    return msgspec.structs.replace(zero, **changes)


def load(tool, cpu_s, frames, **changes):
    plain = Load(
        tool=tool,
        work="closed",
        messages=50,
        cpu_s=cpu_s,
        user_s=cpu_s,
        system_s=0.0,
        wall_s=4.5,
        peak_rss=0,
        others_share=0.0,
        report=Report(frames=frames),
        server=counts(),
        errors=[],
    )
    return msgspec.structs.replace(plain, **changes)


def pair(tool, number, full_s, fewer_s, **changes):
    return Pair(number, load(tool, full_s, 120_200, **changes), load(tool, fewer_s, 12_200))


def held(tool, connections, rss, errors=()):
    return Held(tool, connections, open_s=2.0, idle_share=None, rss=rss, errors=list(errors))


def test_a_message_of_either_work_has_the_frames_of_the_anchors():
    assert CLOSED.frames_a_message == 24
    assert PACED.frames_a_message == 44


def test_what_start_and_end_cost_is_taken_off():
    assert pair("k6", 1, full_s=5.0, fewer_s=1.76).us_a_frame == pytest.approx(30.0)


def test_children_are_told_apart_and_added_only_where_asked_for():
    with_plots = Pair(
        1,
        load("loadtest", 3.0, 120_200, report=Report(frames=120_200, children_cpu_s=2.08)),
        load("loadtest", 0.84, 12_200, report=Report(frames=12_200, children_cpu_s=1.0)),
    )
    assert with_plots.us_a_frame == pytest.approx(20.0)
    assert with_plots.us_a_frame_with_children == pytest.approx(30.0)


def test_ratios_are_to_the_same_round_however_slow_the_machine_was_in_it():
    rows = cpu_rows(
        [
            pair("loadtest", 1, 2.08, 1.0),  # 10 us a frame
            pair("floor", 1, 1.54, 1.0),  # 5
            pair("floor", 2, 3.16, 1.0),  # 20
            pair("loadtest", 2, 5.32, 1.0),  # 40
        ]
    )
    assert [row.tool for row in rows] == ["floor", "loadtest"]
    assert rows[1].to_floor == Spread(pytest.approx(2.0), pytest.approx(2.0), pytest.approx(2.0))
    assert rows[1].to_k6 is None
    assert rows[1].us_a_frame == Spread(pytest.approx(25.0), pytest.approx(10.0), pytest.approx(40.0))


def test_a_round_with_lost_frames_is_in_no_figure_and_is_named():
    rows = cpu_rows([pair("k6", 1, 4.24, 1.0), pair("k6", 2, 9.9, 1.0, errors=["7 of 8 frames received"])])
    assert rows[0].rounds == 1
    assert rows[0].us_a_frame.median == pytest.approx(30.0)
    assert rows[0].errors == ["round 2: 7 of 8 frames received"]


def test_a_client_without_a_good_round_has_dashes():
    row = cpu_rows([pair("k6", 1, 4.24, 1.0, errors=["exit code 1"])])[0]
    assert spread(row.us_a_frame) == "–"


def test_memory_is_that_of_one_more_connection():
    rows = memory_rows(
        [
            (held("k6", 100, 80_000_000), held("k6", 2000, 840_000_000)),
            (held("loadtest", 100, 60_000_000), held("loadtest", 2000, 98_000_000)),
        ]
    )
    assert [row.kb_a_connection.median for row in rows] == [400.0, 20.0]
    assert rows[1].to_k6.median == pytest.approx(0.05)


def test_targets_compare_medians_with_their_bounds():
    cpu = cpu_rows([pair("floor", 1, 1.54, 1.0), pair("k6", 1, 3.16, 1.0), pair("loadtest", 1, 2.62, 1.0)])
    memory = memory_rows([(held("loadtest", 100, 60_000_000), held("loadtest", 2000, 117_000_000))])
    assert [str(target) for target in targets(cpu, memory, [])] == [
        "MISSED CPU a frame, closed, x k6: 0.75, at most 0.5",
        "met    CPU a frame, closed, x floor: 3, at most 3",
        "MISSED KB a held connection: 30, at most 24",
    ]


def test_the_same_work_done_has_no_errors():
    assert errors_of(CLOSED, counts(), Report(frames=120_200, completed=5000)) == []


def test_a_preflight_connection_more_is_no_error():
    seen = counts(connections=101, authenticated=101, frames=120_202)
    assert errors_of(CLOSED, seen, Report(frames=120_202, completed=5000)) == []


def test_less_work_than_asked_for_is_an_error_each():
    seen = counts(messages=4999, frames=120_176)
    assert errors_of(CLOSED, seen, Report(frames=120_175, completed=4999)) == [
        "4999 of 5000 messages at the server",
        "120176 of 120200 frames sent by the server",
        "120175 of 120176 frames received",
        "4999 of 5000 answers completed",
    ]


def test_the_cost_of_a_process_includes_its_threads_and_its_children(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    both = (
        f"import subprocess, sys, threading, time\nsubprocess.run([sys.executable, '-c', {burn!r}])\n"
        f"thread = threading.Thread(target=exec, args=({burn!r},))\nthread.start()\nthread.join()\n"
    )
    cost = Pinned([sys.executable, "-c", both], CORE, tmp_path).wait(60.0)
    assert cost.exit_code == 0
    assert cost.cpu_s >= 0.4


def test_a_process_that_hangs_is_killed_and_tells_so_by_its_exit_code(tmp_path):
    assert Pinned(["sleep", "60"], CORE, tmp_path).wait(0.05).exit_code == -9


def test_a_process_ends_with_the_benchmark_even_if_that_is_killed(tmp_path):
    script = (
        "import pathlib, time\nfrom benchmarks.peers.process import Pinned\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        f"print(Pinned(['sleep', '60'], {CORE}, folder).child.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(timeout=10.0)


def test_a_process_runs_outside_of_the_checkout(tmp_path):
    process = Pinned([sys.executable, "-c", "import os; print(os.getcwd())"], CORE, tmp_path)
    assert process.wait(60.0).exit_code == 0
    assert process.complaint() == str(tmp_path)


def test_work_of_others_is_seen():
    others = Others()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert others.share(known_s=0.0) > others.share(known_s=0.4) > 0.0


def test_a_table_aligns_words_to_the_left_and_figures_to_the_right():
    assert table(["client", "us"], [["k6", "40.2"], ["floor", "6.8"]]) == "client    us\nk6      40.2\nfloor    6.8"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rounds", "0"], "'0' is not a whole number above 0"),
        (["--only", "speed"], "invalid choice: 'speed'"),
        (["--python", "no-such-python", "--only", "cpu", "--tools", "loadtest"], "no-such-python"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, complaint):
    done = peers(*words)
    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_without_node_one_line_says_what_to_install():
    done = peers("--tools", "loadtest", env={"PATH": "/nowhere"})
    assert done.returncode == 2
    assert done.stderr == "peers: error: node: not found; the server is Node's, install Node 18 or newer with npm\n"
