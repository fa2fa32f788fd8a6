"""Logins over HTTP: what they bring, how they are spared, and how they fail. Against a real server."""

import json
import socket
import threading
import time
from contextlib import closing
from email.utils import formatdate

import gevent
import jwt
import pytest
from gevent.pool import Group
from login_server import SECRET, login_server

from loadtest.client.tokens import AnswerPaths, HttpLogin, LoginEndpoint, LoginTokens, NoToken, Pace, UsersFile
from loadtest.client.tokens.http_login import at_path, failed_status
from loadtest.client.tokens.source import life_s
from loadtest.model import BROKEN_OFF
from loadtest.settings import json_template

BODY = json_template('{"email": "{email}", "password": "{password}", "client": "load"}')
REFRESH = json_template('{"refreshToken": "{refreshToken}"}')
PATHS = AnswerPaths("data.tokens.access")


@pytest.fixture
def server():
    with login_server() as running:
        yield running


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("email,password\n" + "".join(f"user{n}@x,SECRET{n}\n" for n in range(40)))
    return UsersFile(path, ("email", "password"))


class Logins:
    """Sources of tokens that end with the test, and what was told of their logins."""

    def __init__(self, users):
        self._users = users
        self._running = []
        self.seen = []

    def __call__(self, server, *, paths=PATHS, refresh=False, rate=1000.0, at_once=10, timeout_s=5.0, url=None):
        exchange = HttpLogin(
            self._users,
            LoginEndpoint(url or f"{server.url}/login", BODY),
            LoginEndpoint(f"{server.url}/refresh", REFRESH) if refresh else None,
            paths,
            timeout_s,
        )
        tokens = LoginTokens(exchange, Pace(rate, at_once), at_once, refresh, self._users)
        tokens.begin(self.seen.append)
        self._running.append(tokens)
        return tokens

    def end(self):
        for tokens in self._running:
            tokens.end()


@pytest.fixture
def log_in(users):
    logins = Logins(users)
    yield logins
    logins.end()


@pytest.mark.parametrize(
    ("claims", "life"),
    [
        ({"iat": 1_000, "exp": 1_900}, 900.0),
        ({"exp": time.time() + 1e6}, 1e6),
        ({"exp": time.time() - 100}, None),
        ({}, None),
        (None, None),
    ],
    ids=["by the issuer's clock", "by ours", "over before it began: the clocks differ", "for ever", "no JWT"],
)
def test_the_life_of_a_token_is_in_its_claims(claims, life):
    assert life_s(claims) == (None if life is None else pytest.approx(life, rel=1e-3))


def user_of(token):
    return jwt.decode(token, SECRET, algorithms=["HS256"])["userId"]


def until(happened):
    with gevent.Timeout(5):
        while not happened():
            gevent.sleep(0.005)


# --- what a login brings
def test_a_user_logs_in_by_its_row_once_and_the_token_is_kept(server, log_in):
    tokens = log_in(server)
    first = tokens.token(3)
    assert user_of(first) == "user3"
    assert tokens.token(3) == first
    ((path, body, headers),) = server.requests
    assert (path, body) == ("/login", {"email": "user3@x", "password": "SECRET3", "client": "load"})
    assert headers["User-Agent"].startswith("chat-loadtest/")
    (login,) = log_in.seen
    assert (login.user, login.outcome, login.refresh) == ("user-3", "ok", False)
    assert 0 < login.ended_ns - login.began_ns < 5e9


def test_a_refused_token_is_fetched_anew(server, log_in):
    tokens = log_in(server)
    first = tokens.token(0)
    assert tokens.refused(0)
    assert tokens.token(0) != first
    assert server.count("/login") == 2


def test_those_who_ask_for_the_same_user_at_once_cause_one_login(server, log_in):
    server.delay = threading.Event()
    tokens = log_in(server)
    asking = Group()
    answers = [asking.spawn(tokens.token, 0) for _ in range(5)]
    until(lambda: server.requests)
    server.delay.set()
    assert asking.join(timeout=5)
    assert len({greenlet.value for greenlet in answers}) == 1
    assert server.count("/login") == 1


@pytest.mark.parametrize(
    ("path", "found"), [("a.b", 1), ("c.1.d", "x"), ("a", {"b": 1}), ("a.x", None), ("c.7", None), ("a.b.c", None)]
)
def test_paths_lead_through_names_and_places(path, found):
    assert at_path({"a": {"b": 1}, "c": [0, {"d": "x"}]}, path) == found


# --- sparing the endpoint
def test_logins_are_spaced_by_their_rate(server, log_in):
    tokens = log_in(server, rate=50.0)
    began = time.monotonic()
    asking = Group()
    for number in range(11):
        asking.spawn(tokens.token, number)
    assert asking.join(timeout=5)
    assert time.monotonic() - began >= 10 / 50
    starts = sorted(login.began_ns for login in log_in.seen)
    assert len(starts) == 11
    assert starts[-1] - starts[0] >= 10 / 50 * 1e9 * 0.99
    assert max(login.waited_ns for login in log_in.seen) >= 9 / 50 * 1e9


def test_no_more_logins_than_allowed_are_under_way_at_once(server, log_in):
    server.delay = threading.Event()
    tokens = log_in(server, at_once=3)
    asking = Group()
    for number in range(12):
        asking.spawn(tokens.token, number)
    until(lambda: len(server.requests) == 3)
    gevent.sleep(0.05)
    assert len(server.requests) == 3
    server.delay.set()
    assert asking.join(timeout=5)
    assert (server.busiest, len(server.requests)) == (3, 12)


# --- renewal
def test_a_token_is_renewed_before_it_expires_though_nobody_asks(server, log_in):
    server.life_s = 2.0
    tokens = log_in(server, refresh=True, paths=AnswerPaths("data.tokens.access", "data.tokens.refresh", "expiresIn"))
    first = tokens.token(0)
    until(lambda: server.count("/refresh") >= 1 and len(log_in.seen) >= 2)
    second = tokens.token(0)
    assert second != first
    assert user_of(second) == "user0"
    assert server.count("/login") == 1
    assert [login.refresh for login in log_in.seen[:2]] == [False, True]
    renewed_s = (log_in.seen[1].began_ns - log_in.seen[0].ended_ns) / 1e9
    assert 1.5 < renewed_s < 2.0


def test_a_renewal_that_the_end_overtakes_is_no_failure_of_the_endpoint(server, log_in):
    server.life_s = 0.5
    tokens = log_in(server, refresh=True, paths=AnswerPaths("data.tokens.access", "data.tokens.refresh", "expiresIn"))
    tokens.token(0)
    server.delay = threading.Event()
    until(lambda: server.count("/refresh") == 1)
    tokens.end()
    assert [login.outcome for login in log_in.seen] == ["ok", BROKEN_OFF]


def test_without_a_refresh_url_a_renewal_is_a_login(server, log_in):
    server.life_s = 1.0
    tokens = log_in(server, paths=AnswerPaths("data.tokens.access", None, "expiresIn"))
    tokens.token(0)
    until(lambda: server.count("/login") >= 2)


def test_the_token_of_a_user_who_has_left_is_not_renewed(server, log_in):
    server.life_s = 0.4
    tokens = log_in(server, paths=AnswerPaths("data.tokens.access", None, "expiresIn"))
    tokens.token(0)
    tokens.token(1)
    tokens.release(0)
    until(lambda: len(server.requests) >= 4)
    assert [body["email"] for _, body, _ in server.requests] == ["user0@x"] + ["user1@x"] * (len(server.requests) - 1)


def test_a_refresh_token_that_has_had_its_day_leads_to_a_login(server, log_in):
    server.life_s = 1.0
    server.answer = lambda path, *rest: (401, {}, "{}") if path == "/refresh" else server.log_in(path, *rest)
    tokens = log_in(server, refresh=True, paths=AnswerPaths("data.tokens.access", "data.tokens.refresh", "expiresIn"))
    first = tokens.token(0)
    until(lambda: server.count("/login") >= 2)
    until(lambda: tokens.token(0) != first)
    assert [(login.outcome, login.refresh) for login in log_in.seen[:3]] == [
        ("ok", False),
        ("http 401", True),
        ("ok", False),
    ]


# --- failures
def answering(status, body, **headers):
    return lambda *_: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("answer", "outcome", "for_good"),
    [
        (answering(500, "SECRET trace"), "http 500", False),
        (answering(401, '{"error": "SECRET"}'), "http 401", True),
        (answering(302, "", Location="/SECRET"), "http 302", True),
        (answering(429, ""), "http 429", False),
        (answering(200, "<html>SECRET</html>"), "html, not json", False),
        (answering(200, "SECRET"), "not json", False),
        (answering(200, '{"token": "SECRET"}'), "no token at data.tokens.access", False),
        (answering(200, '{"data": {"tokens": {"access": {"SECRET": 1}}}}'), "no token at data.tokens.access", False),
        (answering(200, json.dumps({"data": {"tokens": {"access": "SECRET\n"}}})), "no token at", False),
        (answering(200, " " * (1 << 20) + "{}"), "answer too large", False),
        (answering(200, "[" * 200_000), "not json", False),
    ],
    ids=[
        "500",
        "401",
        "redirect",
        "429",
        "HTML",
        "text",
        "elsewhere",
        "no text",
        "two lines",
        "endless",
        "without bottom",
    ],
)
def test_an_answer_without_a_token_is_told_by_its_kind_and_measured(server, log_in, answer, outcome, for_good):
    server.answer = answer
    with pytest.raises(NoToken, match=outcome) as caught:
        log_in(server).token(0)
    assert caught.value.for_good is for_good
    assert "SECRET" not in str(caught.value)
    (login,) = log_in.seen
    assert login.outcome == str(caught.value)


@pytest.mark.parametrize("life", ['"soon"', "-1", "true", "null", "1e999"])
def test_a_life_that_is_none_is_said(server, log_in, life):
    answer = f'{{"data": {{"tokens": {{"access": "abc"}}}}, "expiresIn": {life}}}'
    server.answer = answering(200, answer)
    with pytest.raises(NoToken, match="no life in seconds at expiresIn"):
        log_in(server, paths=AnswerPaths("data.tokens.access", None, "expiresIn")).token(0)


def test_an_endpoint_that_does_not_answer_is_given_up_in_time(server, log_in):
    server.delay = threading.Event()
    with pytest.raises(NoToken, match="timeout"):
        log_in(server, timeout_s=0.1).token(0)
    (login,) = log_in.seen
    assert 0.09e9 < login.ended_ns - login.began_ns < 5e9


def test_an_endpoint_that_trickles_is_given_up_in_time(log_in):
    """Each byte in time, and the whole never: what a timeout per read does not see."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def trickle():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    while True:
                        connection.sendall(b" ")
                        time.sleep(0.02)
                except OSError:
                    pass

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(NoToken, match="timeout"):
            log_in(None, url=f"http://127.0.0.1:{listener.getsockname()[1]}/login", timeout_s=0.3).token(0)
        thread.join(5)
        assert not thread.is_alive(), "the connection was left open"


@pytest.mark.parametrize(
    ("said", "outcome"), [(b"", "no http answer"), (b"SSH-2.0-OpenSSH\r\n", "no http answer")], ids=["nothing", "ssh"]
)
def test_what_is_no_http_server_is_told(log_in, said, outcome):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NoToken, match=outcome):
            log_in(None, url=f"http://127.0.0.1:{listener.getsockname()[1]}/login").token(0)
        thread.join()


def test_an_address_that_cannot_be_sent_is_told_without_its_query(server, log_in):
    with pytest.raises(NoToken) as caught:
        log_in(server, url=f"{server.url}//api/login?key=SECRET").token(0)
    assert "SECRET" not in str(caught.value)
    assert [login.outcome for login in log_in.seen] == ["no address to send to"]


def test_nobody_listening_is_told(log_in):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/login"
    with pytest.raises(NoToken, match="refused"):
        log_in(None, url=url).token(0)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        (lambda: formatdate(time.time() + 600, usegmt=True), 600.0),
        (lambda: formatdate(time.time() - 600, usegmt=True), 0.0),
        ("soon", 0.0),
        (None, 0.0),
    ],
    ids=["seconds", "a date", "a date gone by", "neither", "nothing"],
)
def test_a_429_may_ask_for_a_pause(asked, seconds):
    header = asked() if callable(asked) else asked
    assert failed_status(429, header).retry_after_s == pytest.approx(seconds, abs=60.0 if seconds > 60 else 0.0)


def test_logins_wait_for_as_long_as_a_429_asks(server, log_in):
    server.answer = answering(429, "", Retry_After="1")
    tokens = log_in(server)
    with pytest.raises(NoToken, match="http 429"):
        tokens.token(0)
    server.answer = server.log_in
    tokens.token(1)
    assert (log_in.seen[1].began_ns - log_in.seen[0].ended_ns) / 1e9 > 0.9


def test_a_renewal_that_failed_is_tried_once_more_in_time(server, log_in):
    server.life_s = 2.0
    answers = iter([server.log_in, answering(503, "")])

    def answer(*request):
        return next(answers, server.log_in)(*request)

    server.answer = answer
    tokens = log_in(server, paths=AnswerPaths("data.tokens.access", None, "expiresIn"))
    tokens.token(0)
    until(lambda: len(log_in.seen) >= 3)
    assert [login.outcome for login in log_in.seen[:3]] == ["ok", "http 503", "ok"]
    assert (log_in.seen[2].ended_ns - log_in.seen[0].began_ns) / 1e9 < 2.0


def test_a_failed_renewal_leaves_the_token_that_still_lives(server, log_in):
    server.life_s = 2.0
    tokens = log_in(server)
    first = tokens.token(0)
    server.answer = answering(500, "")
    until(lambda: len(log_in.seen) == 2)
    assert log_in.seen[1].outcome == "http 500"
    assert tokens.token(0) == first
