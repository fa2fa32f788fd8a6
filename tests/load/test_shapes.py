"""The load shapes: what each holds, and that a run of each holds it, in one process and under a master."""

import csv
import json
import re
import subprocess
import sys
from contextlib import ExitStack

import msgspec
import pytest
from locust_command import LocustRun
from real_servers import unused_port

from loadtest.load.stages import Progress, Stage
from loadtest.model import Step

S = 1_000_000_000
SHAPES = """
import json
import msgspec
from loadtest.load import Ramp, Soak, Spike, Steps

class Rising(Ramp):
    users, ramp_s, hold_s = 300, 60.0, 30.0

class Stepping(Steps):
    users, hold_s, spawn_rate = (10, 20, 40), 5.0, 2.0

class Spiking(Spike):
    users, spike_users, before_s, spike_s, after_s, spawn_rate = 10, 50, 20.0, 5.0, 30.0, 100.0

class Soaking(Soak):
    users, hold_s, spawn_rate = 20, 7_200.0, 5.0

found = {}
for shape in (Ramp(), Soak(), Spike(), Steps(), Rising(), Stepping(), Spiking(), Soaking()):
    shape.check()
    assert shape.most_users == max(stage.users for stage in shape.stages())
    found[type(shape).__name__] = msgspec.to_builtins(shape.stages())
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def stages():
    """The stages of each shape, told by a process of its own: Locust patches the one that imports it."""
    told = subprocess.run([sys.executable, "-c", SHAPES], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return msgspec.convert(json.loads(told.stdout), dict[str, list[Stage]])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("Rising", [Stage(300, 5.0, 30.0)]),
        ("Stepping", [Stage(10, 2.0, 5.0), Stage(20, 2.0, 5.0), Stage(40, 2.0, 5.0)]),
        ("Spiking", [Stage(10, 100.0, 20.0), Stage(50, 100.0, 5.0), Stage(10, 100.0, 30.0)]),
        ("Soaking", [Stage(20, 5.0, 7_200.0)]),
    ],
)
def test_what_each_shape_holds(shape, expected, stages):
    assert stages[shape] == expected


@pytest.mark.parametrize(("shape", "number"), [("Ramp", 1), ("Steps", 4), ("Spike", 3), ("Soak", 1)])
def test_each_shape_makes_a_load_with_nothing_set(shape, number, stages):
    assert len(stages[shape]) == number


def ticks(stages, spawning_s):
    """Users of each second until the end, and the steps that were told; spawning takes so long after each change."""
    told, seen, changed = [], [], 0
    progress = Progress(stages, told.append)
    for second in range(100_000):
        spawned = seen[-1] if seen and second - changed >= spawning_s else None
        stage = progress.at(second * S, spawned)
        if stage is None:
            return seen, told
        if not seen or stage.users != seen[-1]:
            changed = second
        seen.append(stage.users)
    raise AssertionError("never ends")


def test_a_spike_goes_up_and_back_and_each_part_is_held_from_its_spawning_on(stages):
    seen, told = ticks(stages["Spiking"], 3)
    assert seen == [10] * 23 + [50] * 8 + [10] * 33
    assert told == [Step(1, 10, 3 * S, 23 * S), Step(2, 50, 26 * S, 31 * S), Step(3, 10, 34 * S, 64 * S)]


def test_steps_go_up_by_one_after_the_other(stages):
    seen, told = ticks(stages["Stepping"], 2)
    assert seen == [10] * 7 + [20] * 7 + [40] * 7
    assert [(step.number, step.users) for step in told] == [(1, 10), (2, 20), (3, 40)]


def test_a_ramp_that_the_server_slows_down_is_held_as_long_as_ever(stages):
    assert ticks(stages["Rising"], 60)[1] == [Step(1, 300, 60 * S, 90 * S)]
    assert ticks(stages["Rising"], 200)[1] == [Step(1, 300, 200 * S, 230 * S)]


def test_a_soak_is_one_step(stages):
    seen, told = ticks(stages["Soaking"], 4)
    assert seen == [20] * 7_204
    assert told == [Step(1, 20, 4 * S, 7_204 * S)]


# --- for real ---------------------------------------------------------------------------------------------------------
SHAPED = """
from loadtest.load import ChatUser, {base}

class Chatting(ChatUser):
    pass

class Shape({base}):
    {attributes}
"""
SPIKE = ("Spike", "users, spike_users, before_s, spike_s, after_s, spawn_rate = 2, 8, 2.0, 2.0, 2.0, 4.0")
RUNS = {
    "ramp": (("Ramp", "users, ramp_s, hold_s = 8, 2.0, 3.0"), 0),
    "spike": (SPIKE, 0),
    "soak": (("Soak", "users, hold_s, spawn_rate = 4, 3.0, 4.0"), 0),
    "spike by two workers": (SPIKE, 2),
}
"""Name to shape and worker processes."""
HELD = {
    "ramp": [(1, 8, 3.0)],
    "spike": [(1, 2, 2.0), (2, 8, 2.0), (3, 2, 2.0)],
    "soak": [(1, 4, 3.0)],
    "spike by two workers": [(1, 2, 2.0), (2, 8, 2.0), (3, 2, 2.0)],
}
"""Name to number, users and seconds of each step."""
LATE_S = 4.0
"""Locust looks once a second, and on a busy machine later."""


class ShapedRuns:
    """A run of each shape, all at a time."""

    def __init__(self, folder, start_server, stack):
        self._servers = {}
        self._runs = {name: self._start(folder / name, start_server, stack, *RUNS[name]) for name in RUNS}

    def _start(self, folder, start_server, stack, shape, processes):
        folder.mkdir()
        (locustfile := folder / "shaped.py").write_text(SHAPED.format(base=shape[0], attributes=shape[1]))
        server = self._servers[folder.name] = start_server(folder)
        stack.callback(server.kill)
        words = ["--headless", "--only-summary", "--message-rate", "4/1s", "--rate-limit", "none"]
        if processes:
            port = str(unused_port())
            words += ["--processes", str(processes), "--master-bind-port", port, "--master-port", port]
        run = LocustRun(server, folder / "results", *words, locustfile=locustfile)
        stack.callback(run.kill)
        return run

    def over(self, name):
        """The run of that name, once it has ended, and what its server counted."""
        run = self._runs[name]
        if run.process.returncode is None:
            run.end()
        return run, self._servers[name].stop()


@pytest.fixture(scope="module")
def shaped(tmp_path_factory, reference_server_of):
    options = ("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    with ExitStack() as stack:
        yield ShapedRuns(tmp_path_factory.mktemp("shaped"), lambda folder: reference_server_of(folder, options), stack)


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_a_run_holds_what_its_shape_says_and_tells_the_step_of_each_record(name, shaped, tmp_path):
    run, _ = shaped.over(name)
    assert run.sealed(), run.output
    summary = run.summary
    assert (summary["run"]["ended_by"], summary["run"]["processes"]) == ("shape", RUNS[name][1] or 1), run.output
    assert "Traceback" not in run.output
    by_step = summary["by_step"]
    assert [(step["number"], step["users"]) for step in by_step] == [held[:2] for held in HELD[name]]
    for step, (*_, held_s) in zip(by_step, HELD[name], strict=True):
        assert held_s <= step["stop_s"] - step["start_s"] < held_s + LATE_S
        assert step["counts"]["sent"] > 0
    export = [sys.executable, "-m", "loadtest", "export", str(run.results / "latest"), "-o", str(tmp_path)]
    subprocess.run(export, check=True, capture_output=True)
    with (tmp_path / "messages.csv").open(newline="") as file:
        steps = [row["step"] for row in csv.DictReader(file)]
    sent = {str(step["number"]): step["counts"]["sent"] for step in by_step}
    assert {step: steps.count(step) for step in sent} == sent
    assert set(steps) <= {"", *sent}
    printed = re.findall(r"step (\d+), (\d+) users", run.output)
    assert printed == [(str(number), str(users)) for number, users, _ in HELD[name]]


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_users_who_come_and_go_with_a_shape_lose_nothing(name, shaped):
    run, truth = shaped.over(name)
    counts = run.summary["counts"]
    assert (counts["sent_on_wire"], counts["unaccounted"], counts["lost"]) == (truth["messages"], 0, 0)
