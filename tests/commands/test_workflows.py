"""The scripts of `examples/github`, as a runner calls them, with programs of known exit codes in the place of ours."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

PULL_REQUEST = Path(__file__).parents[2] / "examples" / "github" / "pull-request.yml"
COMPARED = "compare baseline/20261124T020000Z-chat/ --against results --across-machines --html comparison.html"


def step(name):
    """The script of a step."""
    rest = PULL_REQUEST.read_text().split(f"- name: {name}\n")[1]
    (script,) = re.findall(r"^ +run: \|\n((?: {10}.*\n)+)", rest.split("\n      - ")[0] + "\n", re.MULTILINE)
    return textwrap.dedent(script).replace("${{ github.sha }}", "9f3c1")


@pytest.fixture
def call(tmp_path):
    """Calls a script; gives its exit code, what it said, and the words that `loadtest` was called with."""

    def call(script, **programs):
        bin_ = tmp_path / "bin"
        bin_.mkdir()
        for name, does in programs.items():
            (bin_ / name).write_text(f"#!/bin/sh\n{does}\n")
            (bin_ / name).chmod(0o755)
        path = f"{bin_}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        called = tmp_path / "called"
        return done.returncode, done.stdout, called.read_text().splitlines() if called.exists() else []

    return call


@pytest.mark.parametrize(("code", "runs", "ended"), [(0, 3, 0), (1, 3, 0), (3, 3, 0), (2, 1, 1)])
def test_all_runs_are_made_whatever_their_verdict_but_not_where_nothing_works(call, code, runs, ended):
    found, _, called = call(step("three runs"), loadtest=f"echo $@ >> called; exit {code}")
    assert (found, len(called)) == (ended, runs)


@pytest.mark.parametrize(("code", "ended"), [(0, 0), (1, 1), (2, 1), (3, 0)])
def test_a_regression_fails_the_job_and_an_invalid_run_does_not(call, code, ended):
    gh = 'case "$2" in list) echo 7;; *) mkdir -p baseline/20261124T020000Z-chat;; esac'
    found, _, called = call(
        step("against the last five nights"), gh=gh, jq="echo valid", loadtest=f"echo $@ >> called; exit {code}"
    )
    assert (found, called) == (ended, [COMPARED])


def test_results_that_have_expired_are_told_and_fail_no_job(call):
    gh = 'case "$2" in list) echo 7;; *) exit 1;; esac'
    code, out, called = call(step("against the last five nights"), gh=gh, jq="exit 1", loadtest="echo $@ >> called")
    assert (code, called) == (0, [])
    assert out.count("::warning::") == 2
