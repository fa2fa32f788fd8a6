"""`gate` and `export` on run folders, and what `finish` makes of objectives."""

import csv
import json
import sqlite3
from contextlib import closing
from xml.etree import ElementTree

import pytest
from in_process import assert_one_line, loadtest
from staged_run import SECOND, START, answered, batch, ordinary, stage

from loadtest.commands import pictures
from loadtest.model import SHAPE, Batch, Outage, Step
from loadtest.runs.schema import RECORDS

MET, MISSED = "ack_delivered.p95 < 250ms", "ack_delivered.p50 < 20ms"


@pytest.fixture
def run(tmp_path):
    return stage(tmp_path / "results", [batch(ordinary())])


@pytest.fixture
def invalid(tmp_path):
    return stage(tmp_path / "results", [batch(ordinary())], missing_processes=["worker-1"], objectives=[MISSED])


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("slo", "code", "verdict"),
    [(MET, 0, "pass: 1 met"), ("ttft.p99 < 9s", 0, "inconclusive: 1 inconclusive"), (MISSED, 1, "FAIL: 1 missed")],
)
def test_the_exit_code_is_the_verdict_and_the_run_stays_as_it_was(run, slo, code, verdict):
    before = contents(run)
    done = loadtest("gate", run.parent / "latest", "--slo", slo)
    assert (done[0], done[2]) == (code, "")
    assert done[1].splitlines()[-1] == f"objectives: {verdict}"
    assert contents(run) == before


def test_objectives_come_from_the_run_a_file_or_the_environment(tmp_path, run, monkeypatch):
    kept = stage(tmp_path / "results", [batch(ordinary())], objectives=[MISSED])
    assert "FAIL: 1 missed" in loadtest("gate", kept)[1]
    file = tmp_path / "slo.toml"
    file.write_text(f'objectives = ["{MET}", "lost == 0"]')
    assert "pass: 2 met" in loadtest("gate", kept, "--slo", file)[1]
    monkeypatch.setenv("LOADTEST_SLO", f"{MET}, {MISSED}")
    assert "FAIL: 1 missed, 1 met" in loadtest("gate", run)[1]


def test_for_ci(run, tmp_path, monkeypatch):
    page, xml = tmp_path / "summary.md", tmp_path / "junit.xml"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    code, out, err = loadtest("gate", run, "--slo", MISSED, "--junit", xml, "--format", "json")
    assert (code, err) == (1, "")
    assert json.loads(out)["verdict"] == "fail"
    assert page.read_text().startswith("before\n**objectives: FAIL: 1 missed**\n")
    assert ElementTree.parse(xml).find("testsuite").get("failures") == "1"
    assert loadtest("gate", run, "--slo", MISSED, "--format", "markdown")[1].startswith("**objectives: FAIL")


def test_a_job_summary_that_cannot_be_written_changes_no_verdict(run, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "nowhere" / "summary.md"))
    code, _, err = loadtest("gate", run, "--slo", MET)
    assert code == 0
    assert "GITHUB_STEP_SUMMARY" in err


def test_an_invalid_run_is_refused_unless_forced_and_ci_is_told_either_way(invalid, tmp_path, monkeypatch):
    page, xml = tmp_path / "summary.md", tmp_path / "junit.xml"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert_one_line(loadtest("gate", invalid, "--junit", xml), 3, "the run is invalid", "worker-1", "--force")
    assert page.read_text().startswith("**objectives: FAIL: 1 missed (of an invalid run)**\n")
    assert ElementTree.parse(xml).find("testsuite").get("tests") == "2"
    code, out, _ = loadtest("gate", invalid, "--force")
    assert code == 1
    assert out.splitlines()[-1] == "objectives: FAIL: 1 missed (of an invalid run)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("--slo: missing", "ack_delivered.p99 < 250ms")),
        (("--slo", "ack_deliverd.p99 < 250ms"), ("--slo", "did you mean ack_delivered?")),
        (("--slo", "ack_delivered.p99 < 250"), ("--slo", "has no unit", "250ms")),
        (("--slo", "nowhere.toml"), ("--slo", "nowhere.toml: no such file")),
        (("--slo", "fanout.p95 < 1s", "--slo", "leaks == 0"), ("--slo: fanout.p95, leaks", "measured nothing of them")),
        (("--slo", MET, "--format", "xml"), ("--format",)),
        (("--slo", MET, "--junit", "nowhere/junit.xml"), ("--junit", "cannot write")),
    ],
)
def test_what_cannot_work_is_told_in_one_line_and_nothing_is_written(run, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    junit = () if "--junit" in options else ("--junit", tmp_path / "junit.xml")
    before = contents(run)
    assert_one_line(loadtest("gate", run, *options, *junit), 2, *words)
    assert contents(run) == before
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_run_of_another_schema_and_one_half_written(run):
    with closing(sqlite3.connect(run / "run.db")) as database:
        database.execute("PRAGMA user_version = 99")
    assert_one_line(loadtest("gate", run, "--slo", MET), 2, "written by a newer loadtest (schema 99)")
    with closing(sqlite3.connect(run / "run.db")) as database:
        database.executescript("PRAGMA user_version = 1; DELETE FROM run;")
    assert_one_line(loadtest("gate", run, "--slo", MET), 2, "killed before its first record")
    (run / "run.db").write_bytes((run / "run.db").read_bytes()[:5_000])
    assert_one_line(loadtest("gate", run, "--slo", MET), 2, "cannot read run.db")


# --- the end of a run -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"objectives": [MET]}, 0),
        ({"objectives": [MET, MISSED]}, 1),
        ({"aborted": "lost > 5: 6 by then, 14 s after the start"}, 1),
        ({"objectives": [MISSED], "missing_processes": ["worker-1"]}, 3),
    ],
)
def test_the_end_of_a_run_has_the_same_exit_codes(tmp_path, monkeypatch, facts, code):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setattr(
        pictures, "draw_run", lambda _run, _into: None
    )  # they take most of the time, and no part in this
    folder = stage(tmp_path / "results", [batch(ordinary())], **facts)
    done = loadtest("finish", folder)
    assert (done[0], done[2]) == (code, "")
    told = json.loads((folder / "summary.json").read_text())["objectives"]
    assert told["aborted"] == facts.get("aborted", "")
    assert told["verdict"] == ("pass" if not code else "fail")
    assert "junit.xml" in done[1].splitlines()[-1]
    assert "**objectives: " in (tmp_path / "summary.md").read_text()


def test_a_run_that_was_asked_in_vain_keeps_its_numbers_and_ends_with_2(tmp_path):
    folder = stage(tmp_path / "results", [batch(ordinary())], objectives=["fanout.p95 < 1s"])
    done = loadtest("finish", folder)
    assert_one_line(done, 2, "--slo: fanout.p95")
    assert "nothing of it in this run" in done[1]
    assert (folder / "percentiles.png").exists()


# --- export -----------------------------------------------------------------------------------------------------------
def test_export_writes_a_file_for_each_table(run, tmp_path):
    code, out, err = loadtest("export", run, "-o", tmp_path / "csv")
    assert (code, err) == (0, "")
    assert sorted(out.split()) == sorted(str(path) for path in (tmp_path / "csv").iterdir())
    with (tmp_path / "csv" / "messages.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 104
    assert rows[0]["utc"] == "2026-11-24T02:00:20.000Z"
    assert (rows[0]["message_id"], rows[0]["class"], rows[0]["intended_ns"]) == (
        "msg-0",
        "WithinLimitUser",
        "1020000000000",
    )
    assert rows[101]["delivered_ns"] == ""
    with (tmp_path / "csv" / "outages.csv").open(newline="") as file:
        (outage,) = csv.DictReader(file)
    assert (outage["user"], outage["on_purpose"], outage["recovered_ns"]) == ("user-2", "0", "")


def test_every_table_is_exported_but_those_that_hold_arrays(run, tmp_path):
    assert loadtest("export", run, "-o", tmp_path / "csv")[0] == 0
    files = {path.stem for path in (tmp_path / "csv").iterdir()}
    assert files == {*RECORDS, "counters"} - {"histograms", "receipts"}
    heads = {name: (tmp_path / "csv" / f"{name}.csv").read_text().split(",")[0] for name in files}
    assert [name for name, head in heads.items() if head != "utc"] == ["counters"]


def test_export_tells_the_step_of_each_record(tmp_path):
    steps = [Step(1, 5, START + 10 * SECOND, START + 20 * SECOND), Step(2, 9, START + 30 * SECOND, START + 40 * SECOND)]
    sent = [answered(1, 10, 5), answered(2, 20, 5), answered(3, 39, 5)]
    lost = [Outage("ann", "User", START + at_s * SECOND, 1006, "", False, 1) for at_s in (5, 35)]
    folder = stage(tmp_path, [batch(sent, outages=lost), Batch(SHAPE, 0, steps=steps)])
    assert loadtest("export", folder, "-o", tmp_path / "csv")[0] == 0
    assert column(tmp_path / "csv" / "messages.csv", "step") == ["1", "", "2"]
    assert column(tmp_path / "csv" / "outages.csv", "step") == ["", "2"]
    assert column(tmp_path / "csv" / "steps.csv", "number") == ["1", "2"]


def column(file, name):
    with file.open(newline="") as lines:
        return [row[name] for row in csv.DictReader(lines)]


def test_export_as_parquet_has_the_same_rows(run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert loadtest("export", run, "--format", "parquet", "-o", tmp_path)[0] == 0
    table = parquet.read_table(tmp_path / "messages.parquet")
    assert table.num_rows == 104
    assert table.column("intended_ns")[0].as_py() == 1_020_000_000_000
    assert table.column("delivered_ns")[101].as_py() is None


def test_what_cannot_be_exported_is_told_in_one_line(run, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert_one_line(loadtest("export", run, "-o", blocked / "x"), 2, "--output", "cannot write")
    assert_one_line(loadtest("export", run, "--format", "xls"), 2, "--format", "csv, parquet")
    assert_one_line(loadtest("export", tmp_path), 2, "run.db")
