"""`loadtest capacity`: what it refuses, and what it leaves and says of levels that are only pretended."""

import json
import os

import pytest
from click.testing import CliRunner
from staged_levels import ACK, asked, summary

from loadtest.analysis.capacity import level
from loadtest.commands.capacity import capacity
from loadtest.commands.run import processes_of
from loadtest.errors import LoadtestError, UsageError
from loadtest.experiment import capacity as experiment

HOST = ("--host", "ws://127.0.0.1:9/ws")
SLO = ("--slo", ACK)


def invoke(*words):
    """Exit code, stdout and stderr; what the command line would print of our own errors is in the last one."""
    done = CliRunner().invoke(capacity, [*map(str, words)], standalone_mode=False)
    if isinstance(done.exception, LoadtestError):
        return done.exception.exit_code, done.stdout, f"{done.stderr}{done.exception}"
    if done.exception is not None:
        return getattr(done.exception, "exit_code", 130), done.stdout, f"{done.stderr}{done.exception}"
    return done.return_value, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "--slo: missing; say what has to hold, as in --slo 'ack_delivered.p99 < 250ms'"),
        ((*SLO, "--message-rate", "12/60s"), "--message-rate: 12/60s is above --rate-limit 10/60s"),
        ((*SLO, "AboveLimitUser"), "AboveLimitUser: sends beyond the rate limit, so the search"),
        ((*SLO, "--weights", "AboveLimitUser=1"), "AboveLimitUser: sends beyond the rate limit"),
        ((*SLO, "--start-users", 200, "--max-users", 100), "--start-users: 200 is above --max-users 100; lower"),
        ((*SLO, "--max-time", "30s"), "--max-time: 30 s is too short for the first level, which may take 91 s; allow"),
        ((*SLO, "--warmup", "5s"), "--warmup: each level has its own; say how long it settles with --settle"),
        ((*SLO, "--abort-on", "lost > 0"), "--abort-on: a level ends once an objective of --slo has failed"),
        (("--slo", "leaks > 5", "--slo", "leaks == 0"), "--slo: no run can meet both 'leaks > 5' and 'leaks == 0'; "),
        ((*SLO, "--spawn-rate", 0), "--spawn-rate: 0 is not above 0"),
        ((*SLO, "--server-pid", 1, "--server-metrics", "http://a/"), "--server-metrics: --server-pid says where"),
        (("--slo", "ack_delivered < 250ms"), "'ack_delivered' is a metric: say which percentile of it"),
        (("--resume", "nowhere"), "--resume: goes on with the plan as it was; leave out --host"),
        ((*SLO, "-f", "nothing"), "--locustfile: there is no nothing"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_anything_runs(words, complaint, tmp_path):
    code, out, err = invoke(*HOST, *words, "--results", tmp_path)
    assert (code, out) == (2, "")
    assert complaint in err
    assert list(tmp_path.iterdir()) == []


def test_what_is_of_the_environment_is_refused_as_if_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.setenv("LOADTEST_WARMUP", "5s")
    code, _, err = invoke(*HOST, *SLO, "--results", tmp_path)
    assert code == 2
    assert "--warmup: each level has its own; say how long it settles with --settle; leave it out" in err


@pytest.fixture
def pretend(monkeypatch):
    """Levels of a server that holds 300 users; `pretend.word` decides by users, `pretend.fate` may raise."""

    class Pretend:
        fate = staticmethod(lambda _users: None)
        holds = 300

    pretend = Pretend()
    pretend.changes = {}

    def run(_plan, step, _levels, _folder, _url, secrets):
        users = step.users
        pretend.fate(users)
        pretend.secrets = secrets
        good = users <= pretend.holds
        result = asked(
            ACK, 20.0 if good else 900.0, "pass" if good else "fail", (18.0, 23.0) if good else (800.0, 990.0)
        )
        return level(summary(users, [result], **pretend.changes), users, f"run-{users}")

    monkeypatch.setattr(experiment, "_level", run)
    return pretend


@pytest.mark.parametrize(
    ("words", "users"),
    [
        ((), 692),  # 8 messages a minute for 60 s, of which p99.9 takes 5,531
        (("--message-rate", "4/60s"), 1_383),
        (("--think-time", "30s"), 2_766),
        (("--connections-per-user", 2), 1_383),
        (("--session-length", "5m", "--away-time", "15m"), 2_766),
    ],
)
def test_the_first_level_has_users_for_what_they_send(words, users, tmp_path, pretend):
    invoke(*HOST, "--slo", "ack_delivered.p99.9 < 250ms", "--results", tmp_path, "--max-users", 5_000, *words)
    assert json.loads((the_search(tmp_path) / "capacity.json").read_text())["plan"]["start"] == users


@pytest.mark.parametrize(("words", "rest_s"), [((), 60.0), (("--rate-limit", "none"), 0.0)])
def test_levels_have_the_same_users_where_a_file_names_them_with_a_limit_and_without(words, rest_s, tmp_path, pretend):
    (tokens := tmp_path / "tokens.txt").write_text("token\n" * 400)
    results = tmp_path / "results"
    invoke(*HOST, *SLO, "--results", results, "--tokens-file", tokens, "--first-user", 7, "--max-time", "20m", *words)
    plan = json.loads((the_search(results) / "capacity.json").read_text())["plan"]
    assert (plan["same_users"], plan["first_user"], plan["rest_s"]) == (True, 7, rest_s)


def test_what_a_file_says_of_runs_and_means_nothing_to_a_search_is_left_out_and_told(tmp_path, pretend):
    config, slo, results = tmp_path / "run.toml", tmp_path / "slo.toml", tmp_path / "results"
    slo.write_text(f'objectives = ["{ACK}"]\nabort_on = ["connect_failures > 9"]\n')
    config.write_text(
        f'warmup = "90s"\nabort-on = ["lost > 100"]\nslo = ["{slo}"]\nmessage-rate = "4/60s"\nusers = 7\n'
    )
    code, _, err = invoke(*HOST, "--config", config, "--results", results, "--max-time", "20m")
    assert code == 0
    assert err.splitlines()[:3] == [
        "loadtest: notice: --config: warmup is left out: each level has its own; say how long it settles with --settle",
        "loadtest: notice: --config: abort-on is left out: a level ends once an objective of --slo has failed",
        "loadtest: notice: --slo: its file's abort_on is left out: a level ends once an objective of --slo has failed",
    ]
    plan = json.loads((the_search(results) / "capacity.json").read_text())["plan"]
    assert (plan["objectives"], plan["options"]) == ([ACK], ["--message-rate=4/60s"])


@pytest.mark.parametrize("processes", [-1, 2])
def test_one_process_a_core_is_understood_as_run_does(processes, tmp_path, pretend):
    invoke(*HOST, *SLO, "--results", tmp_path, "--processes", processes)
    kept = json.loads((the_search(tmp_path) / "capacity.json").read_text())["plan"]["processes"]
    assert kept == (processes_of("-1") if processes == -1 else processes)
    assert 1 <= processes_of("-1") <= os.cpu_count()


def test_a_search_without_a_level_is_not_resumed_with_too_little_time(tmp_path, pretend):
    def dead(_users):
        raise UsageError("--host: nobody listens at ws://127.0.0.1:9/ws; start the backend")

    pretend.fate = dead
    invoke(*HOST, *SLO, "--results", tmp_path)
    code, out, err = invoke("--resume", the_search(tmp_path), "--max-time", "30s")
    assert (code, out) == (2, "")
    assert "--max-time: 30 s is too short for the first level, which may take 91 s; allow for more" in err


def the_search(results):
    (folder,) = results.iterdir()
    return folder


def test_a_search_leaves_its_file_and_picture_and_json_is_alone_on_stdout(tmp_path, pretend):
    code, out, err = invoke(*HOST, *SLO, "--results", tmp_path, "--format", "json")
    assert code == 0
    content = json.loads(out)
    assert (content["schema"], content["max_users"], content["fails_at_users"]) == (1, 300, 320)
    assert content["max_messages_per_s"] == 40.0
    assert content["limited_by"] == f"objective: {ACK}"
    lines = err.splitlines()
    assert lines[0].startswith(
        "plan: levels from 100 users on, doubling, each 10 s settle + 20 s (41 s at first); 8 min"
    )
    assert lines[1] == "100 users: about 1 min 1 s"
    assert lines[2].startswith("100 users: 13 messages/s, ack p99 20.0 [18.0, 23.0] ms; pass")
    assert len(lines) == 1 + 2 * len(content["levels"])
    assert {file.name for file in the_search(tmp_path).iterdir()} == {"capacity.json", "capacity.png", "capacity.svg"}


def test_an_objective_that_no_number_of_users_meets_exits_with_1(tmp_path, pretend):
    pretend.holds = 0
    code, out, _ = invoke(*HOST, *SLO, "--results", tmp_path)
    assert code == 1
    told = " ".join(out.split())
    assert f"fails with 25 users, and no level passed. --slo: {ACK} with 25 already; loosen it" in told


def test_where_few_users_send_too_little_to_tell_nothing_is_missed(tmp_path, pretend):
    """A server that holds 80 users: 100 fail, and below that there is no time for enough messages."""
    pretend.holds = 80
    code, out, _ = invoke(*HOST, *SLO, "--results", tmp_path, "--max-time", "120s")
    assert code == 0
    assert "fails with 100 users, and with fewer it is not known. Limited by: objective: " in out


def test_where_the_generator_is_the_limit_it_says_so_and_exits_with_3(tmp_path, pretend):
    pretend.changes = {"verdict": {"status": "invalid", "reasons": ["the load generator sent late"]}}
    code, out, _ = invoke(*HOST, *SLO, "--results", tmp_path)
    assert code == 3
    assert "the load generator is the limit, so the capacity is not known: nothing is known" in out
    assert json.loads((the_search(tmp_path) / "capacity.json").read_text())["max_users"] is None


def test_a_server_that_dies_leaves_what_was_found_and_how_to_go_on(tmp_path, pretend):
    def dead(users):
        if users == 200:
            raise UsageError("--host: nobody listens at ws://127.0.0.1:9/ws; start the backend")

    pretend.fate = dead
    code, out, err = invoke(*HOST, *SLO, "--results", tmp_path)
    folder = the_search(tmp_path)
    assert code == 2
    assert "BROKEN OFF: holds 100 users or more" in out
    assert "broken off, so there is no more than this: level of 200 users: --host: nobody listens" in out
    assert err.splitlines()[-1] == (
        "level of 200 users: --host: nobody listens at ws://127.0.0.1:9/ws; start the backend; what was found until "
        f"then is kept, and loadtest capacity --resume {folder} goes on"
    )
    pretend.fate = lambda _users: None
    code, out, _ = invoke("--resume", folder)
    assert code == 0
    assert "holds 300 users, 40 messages/s (fails at 320)" in out


def test_a_key_in_an_address_is_kept_nowhere_and_asked_for_again(tmp_path, pretend):
    address = "http://127.0.0.1:9/metrics?key=S3CRET"
    invoke(*HOST, *SLO, "--results", tmp_path, "--server-metrics", address)
    folder = the_search(tmp_path)
    assert pretend.secrets.items() >= {"LOADTEST_SERVER_METRICS": address}.items()
    assert "S3CRET" not in (folder / "capacity.json").read_text()
    code, _, err = invoke("--resume", folder)
    assert code == 2
    assert "--resume: --server-metrics may be secret, so its value was not kept; give it again, by LOADTEST_SER" in err
    assert invoke("--resume", folder, "--server-metrics", address)[0] == 0


def test_an_address_that_the_plan_has_is_not_taken_again(tmp_path, pretend):
    invoke(*HOST, *SLO, "--results", tmp_path, "--server-metrics", "http://127.0.0.1:9/metrics")
    code, _, err = invoke("--resume", the_search(tmp_path), "--server-metrics", "http://127.0.0.1:8/metrics")
    assert code == 2
    assert "--resume: goes on with the plan as it was; leave out --server-metrics" in err


def test_a_search_that_was_broken_off_goes_on_with_its_plan(tmp_path, pretend):
    def interrupt(users):
        if users == 400:
            raise KeyboardInterrupt

    pretend.fate = interrupt
    code, out, err = invoke(*HOST, *SLO, "--results", tmp_path)
    folder = the_search(tmp_path)
    assert code == 130
    assert "BROKEN OFF: holds 200 users or more" in out
    assert json.loads((folder / "capacity.json").read_text())["stopped"] == "interrupted"
    assert (folder / "capacity.png").is_file()
    assert f"broken off after 2 levels; go on with: loadtest capacity --resume {folder}" in err
    pretend.fate = lambda _users: None
    code, _, err = invoke("--resume", folder, "-t", "60s")
    assert code == 2
    assert "--resume: goes on with the plan as it was; leave out --run-time" in err
    code, out, _ = invoke("--resume", folder, "--max-time", "20m")
    assert code == 0
    assert any(line.startswith("holds 300 users") for line in out.splitlines())
    assert "broken off" not in out.lower()
