"""The order, the state and the resuming of an experiment, with runs that are only pretended."""

import json
import socket
import sys
import time

import pytest
from real_servers import unused_port
from staged_run import batch, ordinary, stage

from loadtest.errors import RunFolderError, UsageError
from loadtest.experiment import ab, build
from loadtest.experiment.ab import Build, Plan, Side, State, carry_on, orders, restore, runs, save
from loadtest.experiment.build import listens, started


def plan(pairs=3, **changes):
    facts = {
        "base": Build("ws://a/ws"),
        "candidate": Build("ws://b/ws"),
        "same": False,
        "base_first": orders(pairs, 1),
        "seed": 5,
        "pause_s": 0.0,
        "users": 2,
        "spawn_rate": 1.0,
        "run_time_s": 1.0,
        "processes": 0,
        "locustfile": "chat",
        "classes": [],
        "options": [],
        "ready_timeout_s": 5.0,
    }
    return Plan(**facts | changes)


@pytest.fixture
def pretend(monkeypatch):
    """Runs that leave a folder and a verdict; `pretend.stop_at` breaks off, `pretend.invalid` spoils, by number."""

    class Pretend:
        stop_at, invalid, made = None, (), []

    pretend = Pretend()
    pretend.made = []

    def run(chosen, pair, side, folder, secrets):
        number = len(pretend.made) + 1
        if number == pretend.stop_at:
            raise KeyboardInterrupt
        pretend.made.append((pair, str(side)))
        made = folder / side / f"run-{number}"
        made.mkdir()
        (made / "run.db").touch()
        status = "invalid" if number in pretend.invalid else "valid"
        verdict = {"status": status, "reasons": ["sent late"]}
        (made / "summary.json").write_text(json.dumps({"verdict": verdict, "metrics": {"ack_delivered": {"p95": 5.0}}}))
        return made.name

    monkeypatch.setattr(ab, "_run", run)
    return pretend


def test_the_base_goes_first_in_half_of_the_pairs_at_random():
    assert sum(orders(8, 1)) == 4
    assert orders(8, 1) == orders(8, 1) != orders(8, 2)


def test_pairs_are_run_in_their_order_and_told(tmp_path, pretend):
    told = []
    state = carry_on(State(1, plan(base_first=[True, False])), tmp_path, {}, told.append, force=False)
    assert pretend.made == [(1, "base"), (1, "candidate"), (2, "candidate"), (2, "base")]
    assert [(each.pair, each.ack_p95) for each in told] == [(1, (5.0, 5.0)), (2, (5.0, 5.0))]
    assert restore(tmp_path) == state
    assert [run.name for run in runs(tmp_path, state)[Side.BASE]] == ["run-1", "run-4"]


def test_a_pair_that_was_broken_off_is_run_again_as_a_whole(tmp_path, pretend):
    state = State(1, plan(base_first=[True, True]))
    pretend.stop_at = 4  # the candidate of the second pair
    with pytest.raises(KeyboardInterrupt):
        carry_on(state, tmp_path, {}, lambda _told: None, force=False)
    kept = restore(tmp_path)
    assert [done.pair for done in kept.done] == [1]
    pretend.stop_at = None
    state = carry_on(kept, tmp_path, {}, lambda _told: None, force=False)
    assert pretend.made[2:] == [(2, "base"), (2, "base"), (2, "candidate")]
    assert (tmp_path / "aside" / "base" / "run-3").is_dir()
    assert [run.name for run in runs(tmp_path, state)[Side.BASE]] == ["run-1", "run-4"]


def test_an_invalid_pair_is_run_again_once_and_then_left_out(tmp_path, pretend):
    pretend.invalid = (1, 3)
    told = []
    state = carry_on(State(1, plan(base_first=[True, True])), tmp_path, {}, told.append, force=False)
    assert [each.again.partition(":")[0] for each in told] == ["run again", "left out", ""]
    assert [done.valid for done in state.done] == [False, True]
    assert [run.name for run in runs(tmp_path, state)[Side.BASE]] == ["run-5"]


def test_by_force_invalid_runs_count(tmp_path, pretend):
    pretend.invalid = (1,)
    state = carry_on(State(1, plan(base_first=[True])), tmp_path, {}, lambda _told: None, force=True)
    assert len(runs(tmp_path, state)[Side.BASE]) == 1


def test_a_state_of_a_newer_version_is_refused(tmp_path):
    save(tmp_path, State(99, plan()))
    with pytest.raises(RunFolderError, match="newer loadtest"):
        restore(tmp_path)


def test_a_build_is_found_where_it_says_and_ended(tmp_path):
    script = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 0)); "
        "print(f'listening on ws://127.0.0.1:{s.getsockname()[1]}/ws', flush=True); time.sleep(60)"
    )
    with started("--base-command", f'{sys.executable} -c "{script}"', None, {}, tmp_path / "log", 20.0) as url:
        assert listens(url)
        with (
            pytest.raises(UsageError, match=r"something listens at .* already"),
            started("--base-command", "true", url, {}, tmp_path / "other", 1.0),
        ):
            pass
    assert not listens(url)


def test_a_build_behind_a_shell_has_the_time_that_it_needs_to_end(tmp_path):
    backend = tmp_path / "backend.py"
    backend.write_text(
        "import os, signal, socket, time\n"
        "shell = os.getppid()\n"
        "def leave(*_):\n"
        "    while os.getppid() == shell:\n"
        "        time.sleep(0.01)\n"
        "    time.sleep(0.2)\n"
        "    print('closed its connections', flush=True)\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "print(f'listening on ws://127.0.0.1:{s.getsockname()[1]}/ws', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = f"sh -c '{sys.executable} {backend} & wait'"
    with started("--base-command", command, None, {}, tmp_path / "log", 20.0):
        pass
    assert (tmp_path / "log").read_text().endswith("closed its connections\n")


def test_a_stranger_at_the_default_address_is_not_taken_for_a_build_that_starts_slowly(tmp_path, monkeypatch):
    script = (
        "import socket, sys, time; time.sleep(0.5); s = socket.create_server(('127.0.0.1', 0)); "
        "print(f'listening on ws://127.0.0.1:{s.getsockname()[1]}/ws', flush=True); time.sleep(60)"
    )
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = f"ws://127.0.0.1:{stranger.getsockname()[1]}/ws"
        monkeypatch.setattr(build, "DEFAULT_URL", taken)
        with started("--base-command", f'{sys.executable} -c "{script}"', None, {}, tmp_path / "log", 20.0) as url:
            assert url != taken
        silent = f"{sys.executable} -c 'import time; time.sleep(60)'"
        with (
            pytest.raises(UsageError, match=rf"--base-command: .*something else was at {taken} before .*--host"),
            started("--base-command", silent, None, {}, tmp_path / "other", 0.3),
        ):
            pass


def test_a_run_that_leaves_no_folder_is_not_taken_for_the_one_before_it(tmp_path):
    stage(tmp_path / "base", [batch(ordinary())])
    (tmp_path / "base" / "latest" / "summary.json").write_text("{}")
    (tmp_path / "logs").mkdir()
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no load today')")
    with pytest.raises(UsageError, match=r"^base: RuntimeError: no load today$"):
        ab._run(plan(locustfile=str(broken)), 2, Side.BASE, tmp_path, {})


def test_a_run_that_is_refused_is_told_by_its_own_words_and_its_side(tmp_path):
    (tmp_path / "logs").mkdir()
    url = f"ws://127.0.0.1:{unused_port()}/ws"
    with pytest.raises(UsageError) as refused:
        ab._run(plan(base=Build(url)), 1, Side.BASE, tmp_path, {"LOADTEST_JWT_SECRET": "a secret of these tests"})
    told = f"base: --host: nobody listens at {url}; start the server, or correct the address"
    assert str(refused.value) == told


def test_a_run_that_does_not_end_has_the_wait_for_its_replies_and_is_then_broken_off(tmp_path, monkeypatch):
    monkeypatch.setattr(ab, "_PATIENCE_S", 0.0)
    (tmp_path / "logs").mkdir()
    endless = tmp_path / "endless.py"
    endless.write_text("import time; time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(UsageError, match="base: a run did not end in time"):
        ab._run(plan(locustfile=str(endless), run_time_s=0.1, reply_timeout_s=0.5), 1, Side.BASE, tmp_path, {})
    assert 0.6 <= time.monotonic() - began < 30
