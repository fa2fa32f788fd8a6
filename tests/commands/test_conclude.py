"""`summarize`, `plot` and `finish` on run folders."""

import json
from xml.etree import ElementTree

import pytest
from in_process import assert_one_line, loadtest
from staged_run import batch, ordinary, stage

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(tmp_path):
    return stage(tmp_path / "results", [batch(ordinary())])


@pytest.fixture
def empty_run(tmp_path):
    return stage(tmp_path / "results", [batch([], connects=[], outages=[], disconnects=[])])


def test_json_is_alone_on_stdout(run):
    code, out, err = loadtest("summarize", run, "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["counts"]["delivered"] == 103


@pytest.mark.parametrize(
    ("kind", "beginning"), [("text", "3 users, 1 min 20 s, 104 messages"), ("markdown", "**run valid**")]
)
def test_formats_for_people(run, kind, beginning):
    code, out, err = loadtest("summarize", run.parent / "latest", "--format", kind)
    assert (code, err) == (0, "")
    assert out.startswith(beginning)


def test_finish_leaves_summary_and_pictures(run):
    code, out, err = loadtest("finish", run)
    assert (code, err) == (0, "")
    assert "percentiles.png" in out
    assert json.loads((run / "summary.json").read_text())["schema"] == 1
    for name in ("percentiles", "timeline"):
        assert (run / f"{name}.png").read_bytes().startswith(PNG)
        assert ElementTree.parse(run / f"{name}.svg").getroot().tag.endswith("svg")


def test_finish_of_an_invalid_run_exits_with_3(tmp_path):
    folder = stage(tmp_path, [batch(ordinary())], missing_processes=["worker-1"])
    code, out, _ = loadtest("finish", folder)
    assert code == 3
    assert "run INVALID" in out
    assert (folder / "percentiles.png").exists()


def test_plot_draws_the_metrics_asked_for(run):
    code, out, _ = loadtest("plot", run, "--metric", "ttft", "--metric", "longest_stall", "-o", run / "x.svg")
    assert (code, out.strip()) == (0, str(run / "x.svg"))
    text = (run / "x.svg").read_text()
    assert "time to first token, n = 100" in text
    assert "longest stall, n = 100" in text
    assert "ack delivered" not in text


def test_several_runs_lie_on_top_of_each_other_told_apart_by_their_labels(run):
    other = stage(run.parent, [batch(ordinary())], labels={"build": "def456"})
    assert loadtest("plot", run, other, "-o", run / "both.svg")[0] == 0
    text = (run / "both.svg").read_text()
    assert "abc123: ack delivered" in text
    assert "def456: ack delivered" in text


def test_what_cannot_be_read_is_told_in_one_line(run, tmp_path):
    assert_one_line(loadtest("summarize", tmp_path / "nowhere"), 2, "no such run folder", "results/latest")
    assert_one_line(loadtest("summarize", tmp_path), 2, "run.db")
    (run / "run.db").write_bytes(b"no database" * 100)
    assert_one_line(loadtest("summarize", run), 2, "run.db")


def test_options_that_cannot_work_are_told_in_one_line(run):
    assert_one_line(loadtest("plot", run, "--metric", "latency"), 2, "--metric", "'latency'", "ack_delivered")
    assert_one_line(loadtest("plot", run, "--metric", "ttft", "--metric", "stream_rate"), 2, "--metric", "chars/s")
    assert_one_line(loadtest("plot", run, "--kind", "trend", "--metric", "ttft"), 2, "--metric", "--kind percentiles")
    assert_one_line(loadtest("plot", run, "-o", run / "x.gif"), 2, ".png")
    assert_one_line(loadtest("summarize", run, "--format", "xml"), 2, "--format")


@pytest.mark.parametrize("command", ["summarize", "plot", "finish"])
def test_an_empty_run_concludes_nothing(empty_run, command):
    assert_one_line(loadtest(command, empty_run), 3, "nothing was measured")


def test_the_page_of_a_job_is_told_of_an_empty_run(empty_run, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert loadtest("finish", empty_run)[0] == 3
    assert (tmp_path / "summary.md").read_text().startswith("**run invalid**")


def test_a_metric_without_samples_cannot_be_drawn(run):
    assert_one_line(loadtest("plot", run, "--metric", "fanout"), 3, "no samples of fanout")
