"""Runs whose users log in: by options, and by the locustfile's own code."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from locust_command import LocustRun, locust
from login_server import login_server, token

from loadtest.runs.reader import RunReader

OWN_LOGIN = Path(__file__).parents[2] / "locustfiles" / "own_login.py"
OPTIONS = ("--headless", "-u", "6", "-r", "6", "--rate-limit", "none", "--message-rate", "2/1s")


@pytest.fixture
def server(start_reference_server):
    return start_reference_server("--ttft", "10ms", "--gap", "1ms", "--chunks", "3", "--rate-limit", "none")


def nothing_holds(secret, folder):
    return not any(secret.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_users_of_a_file_log_in_stay_fresh_and_come_back_and_nothing_of_it_is_shown(server, tmp_path):
    """Tokens of two seconds in a run of five, users who lose their connection every second, a login that falters."""
    users, results = tmp_path / "users.csv", tmp_path / "results"
    users.write_text("email,password,room\n" + "".join(f"user{n}@x,HUSH{n},room-{n}\n" for n in range(6)))
    with login_server(life_s=2.0) as login:
        faltering = iter([True])

        def answer(path, *request):
            if path == "/refresh" and next(faltering, False):
                return 503, {}, "HUSH"
            return login.log_in(path, *request)

        login.answer = answer
        done = locust(
            *OPTIONS, "--host", server.url, "-t", "5s", "--loss-every", "1s", "--results", str(results),
            "--csv", str(tmp_path / "locust"), "--users-file", str(users), "--login-url", f"{login.url}/login",
            "--login-token-path", "data.tokens.access", "--login-life-path", "expiresIn",
            "--login-refresh-path", "data.tokens.refresh", "--refresh-url", f"{login.url}/refresh",
            "--conversation", "{room}", "RoamingUser", "--loglevel", "DEBUG",
        )  # fmt: skip
        passwords = {body["password"] for path, body, _ in login.requests if path == "/login"}
        seen = (login.count("/login"), login.count("/refresh"))
    run = results / "latest"
    summary = json.loads((run / "summary.json").read_text())
    counts = summary["counts"]
    assert passwords == {f"HUSH{n}" for n in range(6)}
    assert seen[0] == 6 + 1, "one each, and the preflight"
    assert seen[1] >= 6, "each is renewed within its two seconds"
    # The end may overtake a renewal, before or after the endpoint saw it.
    assert counts["logins"] <= sum(seen) - 1 <= counts["logins"] + counts["logins_broken_off"]
    assert counts["login_failures"] == 1
    assert summary["login_failures"] == {"http 503": 1}
    assert summary["metrics"]["login"]["count"] == counts["logins"]
    assert counts["reconnects"] > 6
    assert counts["auth_failures"] == 0
    assert "failed logins: 1 x http 503" in done.stdout
    rows = [line.split(",") for line in (tmp_path / "locust_stats.csv").read_text().splitlines()]
    assert [row[3] for row in rows if row[1] == "login"] == ["1"], "its failures are in Locust's table"
    with closing(sqlite3.connect(run / "run.db")) as db:
        assert {room for (room,) in db.execute("SELECT DISTINCT conversation FROM messages")} == {
            f"room-{n}" for n in range(6)
        }
    for secret in ("HUSH", "refresh-user", "eyJ"):
        assert secret not in done.stdout
        assert nothing_holds(secret, results)


@pytest.mark.long
def test_tokens_that_expire_in_the_middle_of_a_run_cost_a_refusal_each_and_nothing_else(server, tmp_path):
    """Their endpoint says 15 minutes, and they live for two seconds at most: whoever comes back has an old one."""
    users, results = tmp_path / "users.csv", tmp_path / "results"
    users.write_text("email,password\n" + "".join(f"user{n}@x,HUSH{n}\n" for n in range(6)))
    with login_server() as login:

        def answer(_path, body, _headers):
            return 200, {}, json.dumps({"token": token(body["email"].partition("@")[0], 1), "expiresIn": 900})

        login.answer = answer
        done = locust(
            *OPTIONS, "--host", server.url, "-t", "7s", "--loss-every", "2500ms", "--reconnect-base", "100ms",
            "--results", str(results), "--users-file", str(users), "--login-url", f"{login.url}/login",
            "--login-life-path", "expiresIn", "RoamingUser",
        )  # fmt: skip
        logins = login.count("/login")
    counts = json.loads((results / "latest" / "summary.json").read_text())["counts"]
    # a run may end between a user's refusal and its fresh token
    assert counts["auth_failures"] - 6 <= counts["auth_recoveries"] <= counts["auth_failures"], done.stdout
    assert counts["auth_recoveries"] > 3
    assert 6 + counts["auth_recoveries"] <= logins - 1 <= 6 + counts["auth_failures"]
    assert f"refused, then let in with a fresh token: {counts['auth_recoveries']}" in done.stdout
    assert (counts["unaccounted"], counts["login_failures"]) == (0, 0)
    with closing(sqlite3.connect(results / "latest" / "run.db")) as db:
        endings = {ended for (ended,) in db.execute("SELECT ended FROM outages")}
    assert endings <= {"recovered", "run ended"}
    assert server.stop()["auth_failed"] == counts["auth_failures"]


@pytest.fixture
def start(server, tmp_path):
    runs = []

    def run(*options, locustfile):
        runs.append(LocustRun(server, tmp_path / "results", *OPTIONS, *options, locustfile=locustfile))
        return runs[-1]

    yield run
    for each in runs:
        each.kill()


def test_a_locustfile_with_its_own_login_and_conversations_of_its_own_making(start, monkeypatch):
    with login_server() as login:
        monkeypatch.setenv("APP", login.url)
        monkeypatch.setenv("LOAD_PASSWORD", "HUSH")
        monkeypatch.setenv("LOADTEST_JWT_SECRET", "")
        run = start("-t", "4s", "--processes", "2", "--first-user", "3", locustfile=OWN_LOGIN)
        run.end()
        logins, rooms = login.count("/login"), login.count("/conversations")
        accounts = {body["username"] for path, body, _ in login.requests if path == "/login"}
    numbers = range(3, 9)  # the preflight's is the first of them
    counts = run.summary["counts"]
    assert (logins, rooms) == (7, 7), run.output  # one each, and the preflight
    assert (counts["logins"], counts["login_failures"], counts["connects"]) == (7, 0, 7)
    assert counts["delivered"] == counts["sent"] >= 6
    with RunReader(run.results / "latest") as reader:
        assert {login.user for login in reader.logins()} == {f"user-{number}" for number in numbers}
    assert accounts == {f"load-{number}@example.com" for number in numbers}
    with closing(sqlite3.connect(run.results / "latest" / "run.db")) as db:
        conversations = {room for (room,) in db.execute("SELECT DISTINCT conversation FROM messages")}
    assert conversations == {f"room-of-load-{number}" for number in numbers}
    assert nothing_holds("HUSH", run.results)
    assert "HUSH" not in run.output


BROKEN = """
from loadtest.load import ChatUser

class NoRoomUser(ChatUser):
    def create_conversation(self):
        if self.number == 1:
            raise RuntimeError("no room")
        return f"room-{self.number}"
"""


def test_a_user_whose_conversation_cannot_be_created_is_told_and_the_others_go_on(start, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(BROKEN)
    run = start("-t", "3s", locustfile=path)
    run.end()
    assert run.summary["seen"]["hook_error"] == {"RuntimeError": 1}
    assert run.verdict["status"] != "valid"
    assert "1 errors in hooks of the locustfile" in "\n".join(run.verdict["reasons"])
    with closing(sqlite3.connect(run.results / "latest" / "run.db")) as db:
        conversations = {room for (room,) in db.execute("SELECT DISTINCT conversation FROM messages")}
    assert conversations == {f"room-{number}" for number in (0, 2, 3, 4, 5)}


def test_a_login_that_cannot_work_ends_it_with_2_and_one_line(server, tmp_path):
    users = tmp_path / "users.csv"
    users.write_text("email,password\nann@x,HUSH\n")
    with login_server() as login:
        login.answer = lambda *_: (500, {}, "HUSH")
        done = locust(
            *OPTIONS, "--host", server.url, "-t", "3s", "-u", "1", "--results", str(tmp_path / "results"),
            "--users-file", str(users), "--login-url", f"{login.url}/login",
        )  # fmt: skip
    assert done.returncode == 2
    lines = [line for line in done.stdout.splitlines() if "/INFO/" not in line]
    assert lines == [f"loadtest: error: --login-url: {login.url}/login answered HTTP 500; look at its log"]
