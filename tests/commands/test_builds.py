"""`compare`, `trend` and their pictures on run folders; `ab` on builds that do not start."""

import json
import re
import sys
from datetime import UTC, datetime

import pytest
from commands_of_builds import acks, dead, night, side
from in_process import assert_one_line, loadtest
from msgspec.structs import replace
from staged_run import batch, stage
from staged_samples import pairs

from loadtest.analysis.compare import Terms, compare
from loadtest.commands.ab_lines import floor_line
from loadtest.errors import RunFolderError
from loadtest.experiment.ab import Build, Done, Plan, Side, State, restore, save
from loadtest.experiment.noise import Floor, keep, recall
from loadtest.runs.folder import LATEST


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Three pairs: the candidate's acks take a fifth longer."""
    folder = tmp_path_factory.mktemp("results")
    for pair in (1, 2, 3):
        side(folder / "base", pair, 1.0 + pair / 100)
        side(folder / "candidate", pair, 1.21 + pair / 100)
    return folder


BUILD = Build("ws://127.0.0.1:5000/ws")
PLAN = Plan(BUILD, BUILD, False, [True] * 3, 1, 1.0, 3, 1.0, 60.0, 0, "chat", [], [], 60.0)


def experiment(folder, pairs, **asked):
    """The state of an experiment whose runs lie in `folder`, as `ab` leaves it."""
    names = {of: sorted(run.name for run in (folder / of).iterdir() if run.name != LATEST) for of in Side}
    plan = replace(PLAN, base_first=[True] * pairs)
    done = [Done(pair, *(names[of][pair - 1] for of in Side), valid=True) for pair in range(1, pairs + 1)]
    save(folder, State(1, plan, done, **asked))


def test_a_regression_exits_with_1_and_json_is_alone_on_stdout(results):
    code, out, err = loadtest("compare", results / "base", "--against", results / "candidate", "--format", "json")
    assert (code, err) == (1, "")
    content = json.loads(out)
    assert (content["schema"], content["verdict"]) == (1, "regressed")
    ack = content["metrics"]["ack_delivered.p95"]
    assert (ack["verdict"], ack["pairs"]) == ("regressed", 3)
    assert ack["ci95"][0] < ack["ratio"] < ack["ci95"][1]


def test_the_page_of_a_job_is_told(results, tmp_path, monkeypatch):
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    loadtest("compare", results / "base", "--against", results / "candidate")
    loadtest("trend", results / "base", "--force", "--csv", tmp_path / "trend.csv")
    compared, _, trended = page.read_text().partition("\n\n**trend, ")
    assert compared.startswith("**REGRESSED**: ")
    assert trended.startswith("3 runs: too few to find a shift in")


def test_runs_can_be_named_one_by_one_on_either_side(results):
    base, candidate = (
        sorted(run for run in (results / name).iterdir() if run.name != LATEST) for name in ("base", "candidate")
    )
    code, out, _ = loadtest("compare", *base, "--against", *candidate, "--margin", "40%", "--detect", "50%")
    assert code == 0
    assert out.startswith("3 pairs of runs, candidate to base; margin 40 %\nverdict equivalent")


def test_a_build_against_itself_of_the_same_runs_is_refused(results):
    result = loadtest("compare", results / "base", "--against", results / "base")
    assert_one_line(result, 2, "--against", "on both sides")


def test_the_comparison_as_a_picture_and_as_a_page_that_answers_first(results, tmp_path):
    picture, file = tmp_path / "shift.svg", tmp_path / "report.html"
    sides = (results / "base", "--against", results / "candidate")
    assert loadtest("compare", *sides, "-o", picture, "--html", file)[0] == 1
    drawn, page = picture.read_text(encoding="utf-8"), file.read_text(encoding="utf-8")
    for words in ("REGRESSED: ack delivered p95", "time to first token", "grey dots: pairs", "percentile"):
        assert words in drawn
        assert words in page
    found = re.findall(r'<h3>(.*?)</h3><p class="said">(.*?)</p>', page)
    assert found[0] == ("Is the candidate worse?", "yes")
    assert found[-1] == ("Were the generators sound?", "yes")
    rows = re.findall(r'<tr><th scope="row">(\d)</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>', page)
    assert [(place, change) for place, _, _, change in rows[:3]] == [
        ("1", "+20.8 %"),
        ("2", "+20.6 %"),
        ("3", "+20.4 %"),
    ]
    assert re.search(r"ack delivered p50</th><td>\+20\.\d %", page)  # behind the picture
    assert not re.search(r'(src|href)="(?!#)', page)


def test_a_page_that_cannot_be_written_is_one_line_beside_the_verdict(results, tmp_path):
    words = ("compare", results / "base", "--against", results / "candidate", "--html", tmp_path / "nowhere" / "x.html")
    code, out, err = loadtest(*words)
    assert_one_line((code, out, err), 2, "--html", "cannot write")
    assert "verdict REGRESSED" in out


def test_a_candidate_that_delivers_nothing_is_drawn_and_comes_back_from_its_record(results, tmp_path):
    for pair in (1, 2, 3):
        dead(tmp_path / "candidate", pair)
    (tmp_path / "base").symlink_to(results / "base")
    files = ("-o", tmp_path / "shift.svg", "--html", tmp_path / "x.html", "--margin", "30%", "--detect", "40%")
    words = ("compare", tmp_path / "base", "--against", tmp_path / "candidate", *files)
    code, out, err = loadtest(*words, "--format", "json")
    assert (code, err) == (1, "")
    assert json.loads(out)["metrics"]["delivered_ratio"]["ci95"] == [0.0, None]
    assert "REGRESSED" in (tmp_path / "shift.svg").read_text(encoding="utf-8")
    experiment(tmp_path, pairs=3)
    (tmp_path / "comparison.json").write_text(out)
    assert loadtest("report", tmp_path)[0] == 0
    assert "margin 30 %" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_experiment_is_reported_as_it_was_concluded(results, tmp_path):
    for of in Side:
        (tmp_path / of).symlink_to(results / of)
    experiment(tmp_path, pairs=3)
    asked = ("compare", results / "base", "--against", results / "candidate", "--margin", "30%", "--detect", "40%")
    (tmp_path / "comparison.json").write_text(loadtest(*asked, "--format", "json")[1])
    assert loadtest("report", tmp_path) == (0, f"{tmp_path / 'report.html'}\n", "")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "3 pairs of runs, candidate to base; margin 30 %" in page


def test_what_an_experiment_lacks_of_its_plan_is_told(results, tmp_path):
    names = {of: sorted(run.name for run in (results / of).iterdir() if run.name != LATEST) for of in Side}
    for of in Side:
        (tmp_path / of).symlink_to(results / of)
    build = Build("ws://127.0.0.1:5000/ws")
    plan = Plan(build, build, False, [True] * 8, 1, 1.0, 3, 1.0, 60.0, 0, "chat", [], [], 60.0)
    done = [Done(pair, *(names[of][pair - 1] for of in Side), valid=True) for pair in (1, 2)]
    done.append(Done(3, *(names[of][2] for of in Side), valid=False, reason="base is invalid: sent late"))
    save(tmp_path, State(1, plan, done))
    notes = json.loads(loadtest("compare", tmp_path, "--format", "json")[1])["notes"]
    assert notes[0].startswith("2 of 8 planned pairs; 1 left out: base is invalid: sent late; 5 not run: ")
    assert notes[0].endswith(f"loadtest ab --resume {tmp_path}")


def test_an_experiment_keeps_the_terms_that_it_was_asked_for_by(tmp_path):
    words = ("--base-command", "/nowhere/a", "--candidate-command", "/nowhere/b", "--results", tmp_path)
    terms = ("--gate", "ttft.p50", "--margin", "20%", "--detect", "30%", "--live-provider", "--force")
    assert loadtest("ab", *words, *terms)[0] == 2
    (folder,) = tmp_path.iterdir()
    state = restore(folder)
    assert (state.terms, state.force) == (Terms(0.2, 0.3, ("ttft.p50",), live_provider=True), True)
    assert loadtest("ab", "--resume", folder, "--margin", "25%")[0] == 2
    assert restore(folder).terms == Terms(0.25, 0.3, ("ttft.p50",), live_provider=True)
    assert_one_line(loadtest("ab", "--resume", folder, "--margin", "40%"), 2, "30 % is within --margin 40 %")


def test_an_experiment_takes_the_file_of_a_run(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('margins = "8%"')
    words = ("ab", "--same", "--base-command", "/nowhere/a", "--results", tmp_path / "results", "--config", file)
    assert_one_line(loadtest(*words), 2, "--config", "there is no option", "did you mean margin?")
    file.write_text('users = 7\nclasses = ["WithinLimitUser"]\nreply-timeout = "5s"\nmargin = "8%"')
    assert loadtest(*words)[0] == 2
    (folder,) = (tmp_path / "results").iterdir()
    state = restore(folder)
    assert (state.plan.users, state.plan.classes, state.plan.reply_timeout_s) == (7, ["WithinLimitUser"], 5.0)
    assert state.terms.margin == pytest.approx(0.08)


def test_an_experiment_is_judged_by_its_own_terms_until_others_are_given(results, tmp_path):
    for of in Side:
        (tmp_path / of).symlink_to(results / of)
    experiment(tmp_path, pairs=3, terms=Terms(0.3, 0.4, ("ack_delivered.p50",)))
    concluded = json.loads(loadtest("compare", tmp_path, "--format", "json")[1])
    assert (concluded["margin"], concluded["detect"]) == (0.3, 0.4)
    assert [key for key, change in concluded["metrics"].items() if change["gated"]] == ["ack_delivered.p50"]
    anew = json.loads(loadtest("compare", tmp_path, "--gate", "ttft.p50", "--format", "json")[1])
    assert [key for key, change in anew["metrics"].items() if change["gated"]] == ["ttft.p50"]
    assert loadtest("report", tmp_path)[0] == 0
    assert "candidate to base; margin 30 %" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_verdict_is_told_and_kept_though_its_picture_cannot_be_written(results, tmp_path, monkeypatch):
    for of in Side:
        (tmp_path / of).symlink_to(results / of)
    experiment(tmp_path, pairs=3)
    (tmp_path / "shift.png").mkdir()
    monkeypatch.setenv("LOADTEST_JWT_SECRET", "s" * 32)
    code, out, err = loadtest("ab", "--resume", tmp_path, "--format", "json")
    assert (code, json.loads(out)["verdict"]) == (2, "regressed")
    assert f"cannot write {tmp_path / 'shift.png'}: Is a directory" in err
    assert json.loads((tmp_path / "comparison.json").read_text()) == json.loads(out)


def test_an_experiment_that_takes_invalid_runs_is_concluded_with_them(tmp_path):
    for of in Side:
        for pair in (1, 2):
            side(tmp_path / of, pair, 1.0, missing_processes=["worker-1"] if pair == 1 else [])
    experiment(tmp_path, pairs=2)
    assert_one_line(loadtest("compare", tmp_path), 3, "is invalid")
    experiment(tmp_path, pairs=2, force=True)
    assert loadtest("compare", tmp_path)[0] == 0


def test_an_empty_baseline_folder(tmp_path, results):
    (tmp_path / "nothing").mkdir()
    result = loadtest("compare", tmp_path / "nothing", "--against", results / "candidate")
    assert_one_line(result, 2, "BASE", "holds no run")


def test_a_half_written_run(tmp_path, results):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.db").write_bytes(b"SQLite format 3\0 and no more")
    assert_one_line(loadtest("compare", broken, "--against", results / "candidate"), 2, "broken", "cannot read run.db")


def test_unlike_runs_are_refused_with_the_difference_and_compared_by_force(tmp_path, results):
    side(tmp_path / "other", 1, 1.0, users=9)
    words = ("compare", results / "base", "--against", tmp_path / "other")
    assert_one_line(loadtest(*words), 2, "users 3 and 9", "--force")
    code, out, _ = loadtest(*words, "--force", "--format", "json")
    assert code == 0
    assert "compared by force: users 3 and 9" in json.loads(out)["notes"][1]


def test_the_server_watched_is_no_part_of_the_load_and_an_option_of_a_later_version_was_at_its_default(tmp_path):
    facts = {"reply_timeout": 30.0, "server_pid": "4711", "server_metrics": None}
    side(tmp_path / "old", 1, 1.0, options=facts)
    side(tmp_path / "new", 1, 1.0, options=facts | {"server_pid": "4712", "offline_queue": 100})
    side(tmp_path / "other", 1, 1.0, options=facts | {"offline_queue": 7})
    assert loadtest("compare", tmp_path / "old", "--against", tmp_path / "new")[0] == 0
    result = loadtest("compare", tmp_path / "old", "--against", tmp_path / "other")
    assert_one_line(result, 2, "--offline-queue 100 and 7")


def test_machines_of_one_kind_are_compared_where_that_is_asked_for(tmp_path):
    machine = {"cores": 4, "node": "runner-1", "system": "Linux 6.8", "python": "3.12.7", "numpy": "2.4.6"}
    side(tmp_path / "night", 1, 1.0, generator=machine)
    newer = {"node": "runner-2", "system": "Linux 6.11", "python": "3.12.8", "numpy": "2.5.0"}
    side(tmp_path / "build", 1, 1.0, generator=machine | newer)
    side(tmp_path / "larger", 1, 1.0, generator=machine | {"cores": 8})
    words = ("compare", tmp_path / "night", "--against")
    assert_one_line(loadtest(*words, tmp_path / "build"), 2, "node runner-1 and runner-2", "--across-machines")
    code, out, _ = loadtest(*words, tmp_path / "build", "--across-machines", "--format", "json")
    assert code == 0
    assert json.loads(out)["notes"][0].startswith("runs of several machines")
    assert_one_line(loadtest(*words, tmp_path / "larger", "--across-machines"), 2, "cores 4 and 8", "--force")


def test_an_invalid_run_is_refused_with_3(tmp_path, results):
    side(tmp_path / "other", 1, 1.0, missing_processes=["worker-1"])
    assert_one_line(loadtest("compare", results / "base", "--against", tmp_path / "other"), 3, "is invalid", "--force")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "a"], ["--against: missing"]),
        (["compare", "a", "--against", "b", "--gate", "ack_deliverd.p95"], ["did you mean ack_delivered.p95?"]),
        (["compare", "a", "--against", "b", "--margin", "five"], ["'five' is no share"]),
        (["compare", "a", "--against", "b", "--margin", "20%"], ["--detect: 10 % is within --margin 20 %"]),
        (["trend", ".", "--fail-on-shift", "0"], ["--fail-on-shift"]),
        (["trend", "/nowhere"], ["FOLDER: /nowhere: no such run folder"]),
        (["ab"], ["--base: missing"]),
        (["ab", "--base", "ws://127.0.0.1:1/ws", "--same", "--pairs", "1"], ["--pairs: one pair shows no spread"]),
        (["ab", "--base", "ws://127.0.0.1:1/ws"], ["--candidate: missing"]),
        (["ab", "--base", "ws://127.0.0.1:1/ws", "--same", "--candidate", "ws://127.0.0.1:2/ws"], ["--same"]),
        (["ab", "--base", "ws://127.0.0.1:1/ws", "--candidate", "ws://127.0.0.1:1/ws"], ["is the base"]),
        (["ab", "--base", "ws://127.0.0.1:1/ws", "--candidate", "ws://127.0.0.1:2/ws"], ["--jwt-secret"]),
        (["ab", "--resume", ".", "--pairs", "3"], ["--resume", "leave out --pairs"]),
        (["ab", "--resume", "."], ["holds no ab.json"]),
    ],
)
def test_bad_input_is_one_line(words, said, tmp_path):
    assert_one_line(loadtest(*words, cwd=tmp_path), 2, *said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{sys.executable} -c exit(7)", ["ended with 7 before it listened"]),
        ("/nowhere/build", ["cannot be started", "No such file"]),
        (f"{sys.executable} -c 'import time; time.sleep(60)'", ["did not listen at ws://127.0.0.1:1/ws within 1 s"]),
    ],
)
def test_a_build_that_does_not_come_up_is_one_line(command, said, tmp_path):
    words = ["ab", "--same", "--base-command", command, "--host", "ws://127.0.0.1:1/ws", "--ready-timeout", "1s"]
    code, out, err = loadtest(*words, "-t", "2s", cwd=tmp_path)
    assert (code, out) == (2, "")
    plan, error = err.strip().splitlines()
    assert plan.startswith("plan: 16 runs x 2 s, one build against itself, interleaved")
    for part in ("loadtest: error: --base-command", *said):
        assert part in error


def test_an_experiment_that_ends_by_an_error_says_how_to_go_on(tmp_path):
    build = Build(command="/nowhere/build")
    plan = Plan(build, build, True, [True] * 3, 1, 0.0, 3, 1.0, 1.0, 0, "chat", [], [], 5.0)
    save(tmp_path, State(1, plan, [Done(1, "a", "b", valid=True)]))
    code, _, err = loadtest("ab", "--resume", tmp_path)
    assert code == 2
    _, hint, error = err.strip().splitlines()
    assert hint == f"broken off after 1 of 3 pairs; go on with: loadtest ab --resume {tmp_path}"
    assert "--base-command: '/nowhere/build' cannot be started" in error


def test_a_trend_of_which_nothing_can_be_read_says_why(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.db").write_bytes(b"SQLite format 3\0 and no more")
    assert_one_line(loadtest("trend", tmp_path), 2, f"{tmp_path / 'a'}: cannot read run.db", "and 1 more")
    night(tmp_path, 0, 1.0, missing_processes=["worker-1"])
    assert_one_line(loadtest("trend", tmp_path), 2, "is invalid", "--force", f"left out: {tmp_path / 'a'}: cannot read")


def test_an_experiment_is_no_side_and_no_night(tmp_path, results):
    build = Build("ws://127.0.0.1:5000/ws")
    folder = tmp_path / "results" / "ab-1"
    folder.mkdir(parents=True)
    save(folder, State(1, Plan(build, build, False, [True] * 3, 1, 1.0, 3, 1.0, 60.0, 0, "chat", [], [], 60.0)))
    assert_one_line(loadtest("compare", folder, "--against", results / "base"), 2, f"as in {folder / 'base'}")
    for place in range(2):
        night(tmp_path / "results", place, 1.0)
    code, out, err = loadtest("trend", *(tmp_path / "results").iterdir(), "--format", "json")
    assert (code, len(json.loads(out)["rows"])) == (0, 2)
    assert err.startswith(f"left out: FOLDER: {folder} is an experiment")


def test_nights_of_two_sites_that_began_in_the_same_second_are_told_apart(tmp_path):
    for site, facts in (("here", {}), ("there", {"missing_processes": ["worker-1"]})):
        stage(tmp_path / site, [batch(acks(1.0))], **facts)
    content = json.loads(loadtest("trend", tmp_path / "here", tmp_path / "there", "--format", "json")[1])
    assert len(content["rows"]) == 1
    (folder,) = content["left_out"]
    assert folder.startswith(str(tmp_path / "there"))


def test_the_noise_floor_does_not_promise_what_it_cannot(tmp_path):
    floor = Floor("", datetime(2026, 11, 24, 2, tzinfo=UTC), 8, {"ack_delivered.p95": 5.0, "ttft.p95": 0.01})
    assert floor_line(floor, 8, Terms()).endswith(
        "3 pairs find 10 % in all of them but ack delivered p95, which take more than 1,000"
    )


def test_a_metric_that_is_no_more_is_no_part_of_the_noise_floor():
    floor = Floor("", datetime(2026, 11, 24, 2, tzinfo=UTC), 8, {"gone.p95": 0.1, "ttft.p95": 0.01})
    assert floor_line(floor, 8, Terms()).startswith("A/A of 24 Nov (8 pairs): 8 pairs see 5.3 % at time to first token")


@pytest.mark.parametrize(
    "content", ["[{", '[{"setup": "other", "measured_utc": "yesterday", "pairs": 8, "sd": {"ttft.p95": 0.1}}]']
)
def test_a_damaged_noise_floor_is_refused_before_the_first_pair_and_left_as_it_is(content, tmp_path):
    file = tmp_path / "noise-floor.json"
    file.write_text(content)
    for words in (("--same",), ("--candidate-command", "/nowhere/b")):
        result = loadtest("ab", "--base-command", "/nowhere/a", *words, "--results", tmp_path)
        assert_one_line(result, 2, f"cannot read {file}", "move it away")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    with pytest.raises(RunFolderError):
        keep(tmp_path, PLAN, compare(pairs(), Terms(same=True)), datetime(2026, 11, 24, 2, tzinfo=UTC))
    assert file.read_text() == content


def test_a_noise_floor_comes_back_and_those_of_other_setups_stay(tmp_path):
    measured = datetime(2026, 11, 24, 2, tzinfo=UTC)
    result, larger = compare(pairs(), Terms(same=True)), replace(PLAN, users=9)
    first, second = keep(tmp_path, PLAN, result, measured), keep(tmp_path, larger, result, measured)
    assert (recall(tmp_path, PLAN), recall(tmp_path, larger)) == (first, second)
    assert first.sd["ack_delivered.p95"] == pytest.approx(0.01027, abs=1e-5)


def test_a_trend_leaves_a_picture_and_a_table(tmp_path):
    for place in range(12):
        night(tmp_path / "results", place, 1.0 if place < 7 else 1.4)
    code, out, err = loadtest("trend", tmp_path / "results")
    assert (code, err) == (0, "")
    assert "warn: ack delivered p95 +40.2 %" in out
    quick = ("trend", tmp_path / "results", "--csv", tmp_path / "x.csv", "--format", "json", "--fail-on-shift")
    assert [loadtest(*quick, newest)[0] for newest in (4, 5)] == [0, 1]
    assert "since build=b7 (5 runs)" in out
    assert (tmp_path / "results" / "trend.csv").read_text().count("\n") == 13
    assert (tmp_path / "results" / "trend.png").read_bytes().startswith(b"\x89PNG")
