"""`loadtest check`, the command: formats, exit codes, and input that cannot work."""

import json
import os
import signal
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import jwt
import pytest
from real_servers import behaving

SECRET = "a secret of the tests, long enough for HS256"
CHECK = [sys.executable, "-m", "loadtest", "check"]


def environment(**more):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LOADTEST_", "GITHUB_"))}
    return clean | {"LOADTEST_JWT_SECRET": SECRET} | more


def check(*options, timeout=60, **more):
    return subprocess.run(
        [*CHECK, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(**more),
        timeout=timeout, check=False,
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


def test_the_full_set_waits_for_a_window_beside_other_cases(start_reference_server):
    """One of 2 s, of which the server says 7: more than the quick set has time for."""
    server = start_reference_server("--rate-limit", "10/2s", "--fault", "limit-mistime:+5s")
    done = check(
        *("--host", server.url, "--full", "--only", "limiter", "--only", "valid-token", "--format", "json"),
        *("--rate-limit", "10/2s"),
    )
    assert (done.returncode, done.stderr) == (1, "the rate limit is watched for about 8 s\n")
    found = json.loads(done.stdout)
    assert (found["limiter"]["kind"], found["limiter"]["window_s"]) == ("fixed", 2.0)
    assert {case["id"] for case in found["cases"] if case["verdict"] == "fails"} == {"limit-promise"}


@pytest.mark.long
def test_the_full_set_on_the_guides_own_limit(reference_server):
    done = check("--host", reference_server.url, "--full", "--format", "json", timeout=110)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    told = {case["id"]: case["verdict"] for case in found["cases"] if case["verdict"] != "conforms"}
    assert told == {"auto-scroll": "cannot be tested", "internal-error": "cannot be tested"}
    assert {"kind": "fixed", "limit": 10, "window_s": 60.0, "scope": "user"}.items() <= found["limiter"].items()
    assert 60 < found["took_s"] < 100


def test_it_is_the_user_and_writes_to_the_conversation_that_are_asked_for():
    users, conversations = [], set()

    def welcome(connection):
        token = parse_qs(urlsplit(connection.request.path).query)["token"][0]
        users.append(jwt.decode(token, SECRET, algorithms=["HS256"])["userId"])
        connection.send(json.dumps({"type": "connection:authenticated"}))
        conversations.update(json.loads(raw).get("conversationId") for raw in connection)

    with behaving(welcome) as port:
        done = check(
            *("--host", f"ws://127.0.0.1:{port}/ws", "--only", "early-message", "--reply-timeout", "100ms"),
            *("--user", "40", "--conversation", "room of {userId}"),
        )
    assert done.returncode == 0, done.stderr
    assert users[0] == "load-40"
    assert conversations == {"room of load-40", None}, "but for a message without one"


def test_a_locustfile_brings_its_dialect(tmp_path):
    path = tmp_path / "support.py"
    path.write_text(
        "from loadtest.client.dialect import Renamed\nfrom loadtest.load import ChatUser\n"
        "class Support(ChatUser):\n    dialect = Renamed(events={'message:ack': 'heard'}, greets=False)\n"
    )

    def acknowledge(connection):
        for raw in connection:
            for status in ("received", "delivered"):
                ack = {"type": "heard", "messageId": json.loads(raw)["messageId"], "status": status}
                connection.send(json.dumps(ack))

    with behaving(acknowledge) as port:
        done = check(
            *("--host", f"ws://127.0.0.1:{port}/ws", "-f", str(path), "--only", "acks", "--format", "json"),
            *("--reply-timeout", "500ms", "--expect-stream", "no"),
        )
    assert (done.returncode, done.stderr) == (0, "")
    (case,) = json.loads(done.stdout)["cases"]
    assert (case["verdict"], case["seen"]) == ("conforms", "received, delivered")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--host", "ws://127.0.0.1:1/ws", "-f", "nothing.py"), "--locustfile: there is no "),
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


def test_a_mistake_of_ours_is_no_case_that_fails():
    """The process that checks is given an order that nobody could have written."""
    command = [sys.executable, "-m", "loadtest.conformance.check", "{}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.endswith("ValidationError: Object missing required field `host`\n")


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
