"""`loadtest check`, the command: formats, exit codes, and input that cannot work."""

import json
import os
import signal
import subprocess
import sys
from xml.etree import ElementTree

import pytest

SECRET = "a secret of the tests, long enough for HS256"
CHECK = [sys.executable, "-m", "loadtest", "check"]


def environment(**more):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LOADTEST_", "GITHUB_"))}
    return clean | {"LOADTEST_JWT_SECRET": SECRET} | more


def check(*options, **more):
    return subprocess.run(
        [*CHECK, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(**more),
        timeout=60, check=False,
    )  # fmt: skip


def test_json_has_the_cases_and_the_limiter_and_alone_is_on_stdout(reference_server, tmp_path):
    page = tmp_path / "summary.md"
    done = check(
        "--host", reference_server.url, "--only", "tokens", "--only", "valid-token", "--format", "json",
        GITHUB_STEP_SUMMARY=str(page),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["schema"] == 1
    assert [case["id"] for case in found["cases"]][:2] == ["valid-token", "missing-token"]
    assert {case["verdict"] for case in found["cases"]} == {"conforms"}
    assert {"kind": "unclear", "limit": None, "window_s": None, "scope": None}.items() <= found["limiter"].items()
    assert "| 2.5 | a token that has expired is refused with AUTH\\_FAILED | conforms |" in page.read_text()


def test_a_case_that_fails_ends_with_1(start_reference_server):
    server = start_reference_server("--fault", "auth-let-in")
    done = check("--host", server.url, "--only", "missing-token", "--format", "junit")
    assert (done.returncode, done.stderr) == (1, "")
    suite = ElementTree.fromstring(done.stdout)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite.find("testcase/failure").get("message").startswith("ALARM: it was LET IN")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--host", "ws://127.0.0.1:1/ws"), "--host: nobody listens at ws://127.0.0.1:1/ws"),
        (("--host", "ws://127.0.0.1:1/ws", "--only", "acs"), "--only: there is no case 'acs'"),
        (("--host", "ws://127.0.0.1:1/ws", "--format", "yaml"), "'yaml' is none of text, json, markdown, junit"),
        (("--host", "ws://127.0.0.1:1/ws", "--rate-limit", "ten"), "--rate-limit: 'ten' is no rate"),
    ],
)
def test_input_that_cannot_work_is_one_line(options, complaint):
    done = check(*options)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_breaks_off_in_silence(reference_server):
    process = subprocess.Popen(
        [*CHECK, "--host", reference_server.url, "--only", "limiter"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        start_new_session=True,
    )  # fmt: skip
    told = process.stderr.readline()
    assert told == "the rate limit is watched for about 69 s\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    written, complaints = process.communicate(timeout=20)
    assert (written, complaints.strip()) == ("", "")  # click ends the line
    assert process.returncode == 130
