"""`loadtest selftest`: a short real one, its files, and how it is broken off."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from in_process import assert_one_line, loadtest

SELFTEST = [sys.executable, "-m", "loadtest", "selftest"]


def started(*words):
    """At a terminal: where the tests run under `nohup`, SIGHUP would stay ignored in what they start."""
    return subprocess.Popen(
        [*SELFTEST, *map(str, words)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509 - nothing else runs there
    )  # fmt: skip


def ended(process, timeout):
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    return process.returncode, out, err


@pytest.mark.slow
def test_a_short_selftest_knows_the_truth_of_every_message_and_catches_the_disturbed_generator(tmp_path):
    results = tmp_path / "results"
    process = started("-u", "200", "-t", "5s", "--results", results, "--format", "json")
    code, out, err = ended(process, 100)
    found = json.loads(out)
    (folder,) = results.iterdir()
    assert folder.name.startswith("selftest-")
    assert {"selftest.json", "selftest.png", "selftest.svg"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / "selftest.json").read_text()) == found
    assert err.splitlines() == ["200 users ...", "200 users, the generator stopped for 100 ms twice a second ..."]

    calm, disturbed = found["levels"][0], found["disturbed"][0]
    assert calm["accuracy"]["unknown"] == 0
    for metric in calm["accuracy"]["metrics"].values():
        assert (metric["count"] >= 368, metric["one_sided"]) == (True, 0)
        # the kernel had it after the server wrote it, and at most half of the messages were held up
        assert 0 <= metric["percentiles"]["p50"]["error_ms"] < 1
    assert calm["cpu_us_per_frame"] > 0
    assert disturbed["accuracy"]["metrics"]["ttft"]["percentiles"]["p99"]["error_ms"] > 10
    assert (disturbed["verdict"]["status"], disturbed["judgement"]) == ("invalid", "caught")
    assert code == {"ok": 0, "BROKEN": 1}.get(calm["judgement"], 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_broken_off_it_leaves_no_process_and_no_traceback(tmp_path, number):
    process = started("-u", "20", "-t", "60s", "--results", tmp_path)
    assert process.stderr.readline() == "20 users ...\n"
    own = psutil.Process(process.pid)
    while len(children := own.children(recursive=True)) < 2 and process.poll() is None:  # server and generator
        psutil.wait_procs(children, timeout=0.05)
    os.kill(process.pid, number)
    code, out, err = ended(process, 30)
    assert (code, out, err.strip()) == (130, "", "")
    assert psutil.wait_procs(children, timeout=5)[1] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-u", "ten"), "'ten' is not a whole number above 0"),
        (("-u", "100,0"), "'0' is not a whole number above 0"),
        (("-t", "0"), "'0' is not above 0"),
        (("-t", "1h"), "longer than 10 min"),
        (("--format", "xml"), "none of text, json, markdown"),
        (("--results", "/proc/nowhere"), "--results: cannot write to /proc/nowhere"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(words, said):
    assert_one_line(loadtest("selftest", *words), 2, said)
