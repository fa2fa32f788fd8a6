"""Who the users are: what is said before a run about logins, tokens and conversations that will not do."""

import json
import socket
import threading
from contextlib import closing

import gevent
import pytest
import requests
import trustme
from login_server import SECRET, login_server, token
from real_servers import server_context
from websockets.sync.server import serve

from loadtest.errors import UsageError
from loadtest.load.people import People
from loadtest.load.preflight import preflight
from loadtest.load.reach import read_endpoint
from loadtest.settings import settings


@pytest.fixture(scope="module")
def login():
    with login_server() as server:
        yield server


@pytest.fixture
def server(login):
    login.answer, login.requests = login.log_in, []
    return login


def welcome(connection):
    connection.send(json.dumps({"type": "connection:authenticated"}))


def refuse(connection):
    connection.send(json.dumps({"type": "connection:error", "code": "AUTH_FAILED", "message": "bad audience"}))
    connection.close(1008)


@pytest.fixture(scope="module")
def chat():
    """Addresses of a backend that welcomes everybody, and of one that welcomes nobody."""
    with serve(welcome, "127.0.0.1", 0) as kind, serve(refuse, "127.0.0.1", 0) as strict:
        threads = [threading.Thread(target=each.serve_forever) for each in (kind, strict)]
        for thread in threads:
            thread.start()
        yield [f"ws://127.0.0.1:{each.socket.getsockname()[1]}/ws" for each in (kind, strict)]
        for each, thread in zip((kind, strict), threads, strict=True):
            each.shutdown()
            thread.join()


@pytest.fixture
def accounts(server, tmp_path):
    """Options of two accounts at the login server."""
    path = tmp_path / "users.csv"
    path.write_text("email,password,room\nann@x,HUSH1,lobby\nben@x,HUSH2,attic\n")
    return {
        "users_file": str(path),
        "login_url": f"{server.url}/login",
        "login_token_path": "data.tokens.access",
    }


def complaint(action):
    with pytest.raises(UsageError) as caught:
        action()
    (line,) = str(caught.value).splitlines()
    assert "HUSH" not in line
    assert caught.value.exit_code == 2
    return line


def refused_login(chat, accounts, **options):
    chosen = settings(accounts | options)
    return complaint(lambda: preflight(read_endpoint(chat[0], chosen), chosen, People(chosen)))


def answering(status, body, **headers):
    return lambda *_: (status, headers, body)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answering(500, "HUSH"), "--login-url: {url}/login answered HTTP 500; look at its log"),
        (
            answering(429, "", **{"Retry-After": "1"}),
            "--login-url: {url}/login answered HTTP 429, too many logins; wait, then lower --login-rate 20/1s",
        ),
        (
            answering(401, "HUSH"),
            "--users-file: {url}/login answered HTTP 401 to the first user; check its account, and --login-body",
        ),
        (answering(404, ""), "--login-url: {url}/login answered HTTP 404; correct the path"),
        (answering(302, "", Location="/HUSH"), "--login-url: {url}/login answered HTTP 302, a redirect; give the "),
        (
            answering(200, "<!doctype html>HUSH"),
            "--login-url: {url}/login answered with HTML, a page for people; give the address of the API",
        ),
        (
            answering(200, '{"access_token": "HUSH"}'),
            "--login-token-path: the answer of {url}/login has no token at data.tokens.access; say where it is, as in "
            "data.accessToken",
        ),
    ],
    ids=["500", "429", "401", "404", "redirect", "HTML", "elsewhere"],
)
def test_a_login_that_fails_names_its_option_and_its_remedy(chat, server, accounts, answer, words):
    server.answer = answer
    assert refused_login(chat, accounts).startswith(words.format(url=server.url))


def test_a_login_that_does_not_answer(chat, server, accounts):
    server.delay = threading.Event()
    try:
        line = refused_login(chat, accounts, login_timeout="100ms")
    finally:
        server.delay.set()
        server.delay = None
    assert line == (
        f"--login-url: {server.url}/login did not answer within --login-timeout 0.1 s; look at it, or allow for more"
    )


def test_a_login_where_nobody_listens(chat, accounts):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/login?key=HUSH"
    line = refused_login(chat, accounts, login_url=url)
    assert line == (f"--login-url: nobody listens at {url.partition('?')[0]}; start it, or correct the address")


def test_a_life_that_is_not_where_it_is_said_to_be(chat, accounts):
    line = refused_login(chat, accounts, login_life_path="data.life")
    assert line.startswith("--login-life-path: the answer of")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"jwt_secret": SECRET}, "--jwt-secret: {url} refused the token with AUTH_FAILED (bad audience); give the "),
        ("accounts", "--login-url: {url} refused the token with AUTH_FAILED (bad audience); the login is another "),
    ],
    ids=["minted", "login"],
)
def test_a_token_that_the_backend_refuses_names_the_source(chat, accounts, options, words):
    chosen = settings(accounts if options == "accounts" else options)
    line = complaint(lambda: preflight(read_endpoint(chat[1], chosen), chosen, People(chosen)))
    assert line.startswith(words.format(url=chat[1]))


def test_a_login_and_a_token_that_are_good_pass_and_are_recorded(chat, server, accounts):
    chosen = settings(accounts)
    batch = preflight(read_endpoint(chat[0], chosen), chosen, People(chosen))
    assert [(login.outcome, login.user) for login in batch.logins] == [("ok", "user-0")]
    assert [connect.outcome for connect in batch.connects] == ["ok"]


def test_a_run_with_numbers_of_its_own_is_tried_as_its_first_user_and_not_as_another_runs(chat, server, accounts):
    chosen = settings(accounts | {"first_user": "1"})
    batch = preflight(read_endpoint(chat[0], chosen), chosen, People(chosen))
    assert [body["email"] for _, body, _ in server.requests] == ["ben@x"]
    assert [login.user for login in batch.logins] == ["user-1"]


# --- files
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"users_file": "email,pw\nann@x,HUSH\n"}, "--users-file: '{users_file}' has no column password, which "),
        ({"jwt_key": "HUSH"}, "--jwt-key: '{jwt_key}' holds no private key; give a PEM file"),
        ({"tokens_file": "HUSH 1"}, "--tokens-file: line 1 of '{tokens_file}' is no token"),
        ({"jwt_secret": None, "conversations_file": "\n"}, "--conversations-file: '{conversations_file}' holds no "),
    ],
    ids=["a missing column", "no key", "no token", "no conversation"],
)
def test_a_file_that_will_not_do(tmp_path, server, files, words):
    given = {"jwt_secret": SECRET} if "conversations_file" in files else {}
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_text(content)
            given[name] = str(tmp_path / name)
    if "users_file" in given:
        given["login_url"] = f"{server.url}/login"
    assert complaint(lambda: People(settings(given))).startswith(words.format(**given))


def test_fewer_accounts_than_users(accounts):
    people = People(settings(accounts))
    people.check_users(2)
    assert complaint(lambda: people.check_users(3)) == (
        "--users-file: holds 2 accounts for 3 users; add accounts or lower --users to 2"
    )


def test_fewer_accounts_than_users_from_the_first_number_on(accounts):
    people = People(settings(accounts | {"first_user": "1"}))
    people.check_users(1)
    assert complaint(lambda: people.check_users(2)) == (
        "--users-file: holds 1 accounts for 2 users from number 1 on; add accounts or lower --users to 1"
    )


@pytest.mark.parametrize("users", [1, None], ids=["one user", "nobody knows how many"])
def test_a_first_number_beyond_the_accounts(accounts, users):
    people = People(settings(accounts | {"first_user": "2"}))
    assert complaint(lambda: people.check_users(users)) == (
        "--users-file: holds 2 accounts, and none from number 2 on; add accounts or lower --first-user"
    )


def test_a_renewal_that_takes_what_there_is_not(accounts, server):
    given = accounts | {
        "refresh_url": f"{server.url}/refresh",
        "login_refresh_path": "r",
        "refresh_body": '{"token": "{refresh_token}"}',
    }
    assert complaint(lambda: People(settings(given))) == (
        "--refresh-body: {refresh_token} stands for nothing there; {refreshToken} is the refresh token, and columns of "
        "--users-file may be used"
    )


def test_no_source_of_tokens_is_needed_where_all_users_log_in_by_themselves(chat):
    chosen = settings({})
    assert complaint(lambda: People(chosen)).startswith("--jwt-secret: users need tokens; set LOADTEST_JWT_SECRET")
    people = People(chosen, all_log_in=True)
    batch = preflight(read_endpoint(chat[0], chosen), chosen, people, lambda: token("ann"))
    assert [login.outcome for login in batch.logins] == ["ok"]


def raising():
    raise KeyError("HUSH")


@pytest.mark.parametrize(
    ("log_in", "outcome"),
    [
        (raising, f"KeyError in line {raising.__code__.co_firstlineno + 1} of log_in"),
        (str, "log_in returned no token"),
        (lambda: "HUSH\n", "log_in returned a token with a character that no header carries"),
    ],
)
def test_a_log_in_that_fails_is_told_by_kind_and_line_without_what_it_said(chat, log_in, outcome):
    chosen = settings({})
    line = complaint(lambda: preflight(read_endpoint(chat[0], chosen), chosen, People(chosen, all_log_in=True), log_in))
    assert line == f"log_in: the locustfile's own login failed: {outcome}; try it by itself"


def test_a_login_behind_tls_lets_others_go_on_meanwhile(chat, accounts, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "corp.pem")
    with login_server(tls=server_context(authority)) as login:
        login.delay = threading.Event()

        def let_it_answer():
            while not login.busiest:
                gevent.sleep(0.001)
            login.delay.set()

        other = gevent.spawn(let_it_answer)
        there = {"login_url": f"{login.url}/login", "ca_file": str(tmp_path / "corp.pem"), "login_timeout": "2s"}
        chosen = settings(accounts | there)
        batch = preflight(read_endpoint(chat[0], chosen), chosen, People(chosen))
        other.kill()
    assert [login.outcome for login in batch.logins] == ["ok"]


def test_an_own_login_that_trusts_nobody_is_told_of_the_ca_file(chat):
    chosen = settings({})
    with login_server(tls=server_context(trustme.CA())) as login:

        def log_in():
            return requests.post(f"{login.url}/login", data={"username": "ann@x"}, timeout=5).json()["token"]

        people = People(chosen, all_log_in=True)
        line = complaint(lambda: preflight(read_endpoint(chat[0], chosen), chosen, people, log_in))
    assert line.startswith("log_in: the locustfile's own login failed: SSLError in line ")
    assert line.endswith(
        "name its authority by --ca-file FILE, and have it trusted by verify=self.settings.ca_file or True"
    )


# --- conversations
def conversation(number, participants, **options):
    people = People(settings({"jwt_secret": SECRET} | options))
    return people.conversation(number, participants, people.tokens(number, None))


def test_conversations_are_numbered_by_the_users_who_share_them():
    assert [conversation(number, 2) for number in range(4)] == ["conv-0", "conv-0", "conv-1", "conv-1"]
    assert conversation(5, 1, conversation="room/{n}/{userId}") == "room/5/load-5"


def test_conversations_that_exist_are_used_in_turn(tmp_path):
    path = tmp_path / "conversations"
    path.write_text("lobby\n\nattic\n", encoding="utf-8-sig")
    ids = [conversation(number, 1, conversations_file=str(path)) for number in range(4)]
    assert ids == ["lobby", "attic", "lobby", "attic"]


def test_a_column_of_the_users_file_names_the_conversation_and_what_they_log_in_with_does_not(accounts):
    people = People(settings(accounts | {"conversation": "{room}"}))
    assert [people.conversation(number, 1, people.tokens(number, None)) for number in (0, 1)] == ["lobby", "attic"]
    line = complaint(lambda: People(settings(accounts | {"conversation": "{password}"})))
    assert line == "--conversation: {password} stands for nothing there; there are {n}, {room}, {userId}"


def notes(users, participants=1, spawn_rate=1.0, run_time_s=None, **options):
    return People(settings({"jwt_secret": SECRET} | options)).notes(users, spawn_rate, run_time_s, [participants])


def test_fewer_conversations_than_users_are_said(tmp_path):
    path = tmp_path / "conversations"
    path.write_text("lobby\nattic\n")
    assert notes(5, conversations_file=str(path)) == [
        "--conversations-file: 2 conversations for 5 users, who would take 5: up to 3 users share one"
    ]
    assert notes(4, participants=2, conversations_file=str(path)) == []
    assert notes(5, conversation="lobby") == ["all 5 users share the conversation lobby"]
    assert notes(5) == []


def test_logins_that_take_longer_than_spawning_are_said(accounts):
    given = accounts | {"jwt_secret": None}
    assert notes(1_000, spawn_rate=200.0, **given) == [
        "1,000 logins at --login-rate 20/1s take 50 s, longer than spawning: users wait for them before they connect"
    ]
    assert notes(1_000, spawn_rate=20.0, **given) == []


def test_tokens_that_end_before_the_run_are_said(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(token("ann", 100))
    (line,) = notes(1, run_time_s=300.0, jwt_secret=None, tokens_file=str(path))
    assert line.startswith("--tokens-file: a token expires in ")
    assert notes(1, run_time_s=10.0, jwt_secret=None, tokens_file=str(path)) == []
