"""How a client shows its token, and what it does once the token is refused: with each source, against a real server."""

import json
import random
import threading
import time
from contextlib import closing, contextmanager
from urllib.parse import parse_qs, urlsplit

import gevent
import jwt
import pytest
from login_server import SECRET, login_server, token
from real_servers import behaving
from websockets.sync.server import serve

from loadtest.client.client import ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.endpoint import Endpoint
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.state import State
from loadtest.client.tokens import (
    AnswerPaths,
    FileTokens,
    HttpLogin,
    LoginEndpoint,
    LoginTokens,
    MintedTokens,
    Pace,
    Tokens,
    UsersFile,
)
from loadtest.load.recorder import Recorder
from loadtest.model import Population
from loadtest.settings import Backoff, json_template, token_place


class NoTable:
    """Stands for Locust's `events.request`."""

    def fire(self, **_):
        pass


class Backend:
    """Authenticates whoever shows a good token, wherever it is, and remembers the requests.

    Attributes:
        close_code: what it refuses by, without a word; None for the guide's way.
    """

    def __init__(self):
        self.requests = []
        self.shown = []
        self.revoked = set()
        self.close_code = None
        self.take = lambda request: parse_qs(urlsplit(request.path).query)["token"][0]

    def serve_one(self, connection):
        self.requests.append(connection.request)
        shown = self.take(connection.request)
        self.shown.append(shown)
        try:
            jwt.decode(shown, SECRET, algorithms=["HS256"])
            good = shown not in self.revoked
        except jwt.InvalidTokenError:
            good = False
        if good:
            connection.send(json.dumps({"type": "connection:authenticated"}))
            for _ in connection:
                pass
        elif self.close_code is not None:
            connection.close(self.close_code)
        else:
            connection.send(json.dumps({"type": "connection:error", "code": "AUTH_FAILED", "message": "no"}))
            connection.close(1008)


@contextmanager
def backend(**options):
    running = Backend()
    with serve(running.serve_one, "127.0.0.1", 0, compression=None, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


def client_of(url, tokens, place="query:token", attempts=5):
    recorder = Recorder("test", NoTable())
    endpoint = Endpoint(url=url, connect_timeout_s=5.0, max_frame_size=2**20)
    config = ClientConfig(endpoint, 5.0, Backoff(base_s=0.01, attempts=attempts), token_place(place))
    identity = Identity("ann", "A", Population.HEADLINE)
    return ChatClient(identity, 0, config, tokens, Expectation(False), recorder, random.Random(1)), recorder


def until(happened):
    with gevent.Timeout(5):
        while not happened():
            gevent.sleep(0.005)


@pytest.mark.parametrize(
    ("place", "take", "options"),
    [
        ("query:jwt", lambda request: parse_qs(urlsplit(request.path).query)["jwt"][0], {}),
        ("header:Authorization", lambda request: request.headers["Authorization"].removeprefix("Bearer "), {}),
        ("header:X-Token", lambda request: request.headers["X-Token"], {}),
        ("cookie:session", lambda request: request.headers["Cookie"].removeprefix("session="), {}),
        (
            "subprotocol:access_token",
            lambda request: request.headers["Sec-WebSocket-Protocol"].removeprefix("access_token, "),
            {"subprotocols": ["access_token"]},
        ),
    ],
)
def test_the_token_is_where_the_backend_looks_for_it_and_nowhere_else(place, take, options):
    with backend(**options) as server:
        server.take = take
        client, _ = client_of(server.url, MintedTokens(SECRET), place)
        assert client.connect()
        client.disconnect()
    (request,), (shown,) = server.requests, server.shown
    assert (shown in request.path) + sum(shown in value for _, value in request.headers.raw_items()) == 1
    assert ("?" in request.path) == place.startswith("query:")


class Minted:
    def tokens(self, _tmp_path):
        return MintedTokens(SECRET)

    def before_reconnect(self):
        time.sleep(1.1)  # a minted token is the same within a second

    def end(self):
        pass


class Read(Minted):
    def tokens(self, tmp_path):
        self.path = tmp_path / "tokens"
        self.path.write_text(token("ann", 100))
        return FileTokens(self.path)

    def before_reconnect(self):
        self.path.write_text(token("ann", 200))


class LoggedIn(Minted):
    def tokens(self, tmp_path):
        path = tmp_path / "users.csv"
        path.write_text("email,password\nann@x,b\n")
        users = UsersFile(path, ("email", "password"))
        self._serving = login_server()
        server = self._serving.__enter__()
        endpoint = LoginEndpoint(f"{server.url}/login", json_template('{"email": "{email}"}'))
        exchange = HttpLogin(users, endpoint, None, AnswerPaths("data.tokens.access"), 5.0)
        self.source = LoginTokens(exchange, Pace(1000.0, 1), 1, False, users)
        self.source.begin(lambda _login: None)
        return self.source

    def before_reconnect(self):
        pass

    def end(self):
        self.source.end()
        self._serving.__exit__(None, None, None)


@pytest.mark.parametrize("source", [Minted(), Read(), LoggedIn()], ids=["minted", "file", "login"])
def test_a_token_that_is_refused_on_return_is_replaced_by_a_fresh_one(tmp_path, source):
    with closing(_Ending(source)), backend() as server:
        client, recorder = client_of(server.url, source.tokens(tmp_path))
        assert client.connect()
        server.revoked.add(server.shown[0])
        source.before_reconnect()
        client.reset()
        until(lambda: client.state is State.AUTHENTICATED and len(server.shown) > 1)
        client.disconnect()
    assert server.shown[-1] not in server.revoked
    outcomes = [connect.outcome for connect in recorder.take().connects]
    assert (outcomes[0], outcomes[-1]) == ("ok", "ok")
    assert set(outcomes[1:-1]) <= {"AUTH_FAILED"}


def test_a_token_that_expires_before_its_endpoint_said_is_replaced_on_return(tmp_path):
    """It is to live for 15 minutes, and does for a second at most."""
    lives = iter([0.3])
    users = tmp_path / "users.csv"
    users.write_text("email,password\nann@x,b\n")
    accounts = UsersFile(users, ("email", "password"))
    with login_server() as login, backend() as server:
        login.answer = lambda *_: (200, {}, json.dumps({"token": token("ann", next(lives, 900)), "expiresIn": 900}))
        endpoint = LoginEndpoint(f"{login.url}/login", json_template('{"email": "{email}"}'))
        exchange = HttpLogin(accounts, endpoint, None, AnswerPaths("token", life="expiresIn"), 5.0)
        source = LoginTokens(exchange, Pace(1000.0, 1), 1, False, accounts)
        client, recorder = client_of(server.url, source)
        assert client.connect()
        expiry = jwt.decode(server.shown[0], options={"verify_signature": False})["exp"]
        gevent.sleep(expiry - time.time())
        client.reset()
        until(lambda: client.state is State.AUTHENTICATED and len(server.shown) == 3)
        client.disconnect()
        assert login.count("/login") == 2
    assert server.shown[0] == server.shown[1] != server.shown[2]
    assert [connect.outcome for connect in recorder.take().connects] == ["ok", "AUTH_FAILED", "ok"]


@pytest.mark.parametrize("code", [1008, 4001, 4401, 4403])
def test_a_close_code_alone_refuses_a_token_too(code):
    with backend() as server:
        server.close_code = code
        client, recorder = client_of(server.url, MintedTokens("another secret, as long as it has to be"))
        assert not client.connect()
    outcomes = [(connect.outcome, connect.detail) for connect in recorder.take().connects]
    assert set(outcomes) == {("AUTH_FAILED", f"close {code}")}
    assert len(outcomes) == 2  # the second with a fresh token


def test_a_server_that_only_goes_away_has_refused_nobody():
    with backend() as server:
        server.close_code = 1013
        client, recorder = client_of(server.url, MintedTokens("another secret, as long as it has to be"))
        assert not client.connect()
    assert {connect.outcome for connect in recorder.take().connects} == {"closed"}


class _Ending:
    def __init__(self, source):
        self.close = source.end


def test_a_file_without_a_fresh_token_ends_it_after_one_refusal(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(token("ann", secret="another secret, as long as it has to be"))
    with backend() as server:
        client, recorder = client_of(server.url, FileTokens(path))
        assert not client.connect()
    assert len(server.shown) == 1
    assert [connect.outcome for connect in recorder.take().connects] == ["AUTH_FAILED"]


# --- servers that tell the token
OPAQUE = "0paque-sess10n-0f-ann"


class OpaqueTokens(Tokens):
    def token(self, _number):
        return OPAQUE


def test_a_server_that_tells_the_token_puts_it_into_no_record():
    def tell(connection):
        connection.send(json.dumps({"type": "connection:authenticated"}))
        message = json.loads(connection.recv())
        error = f"{OPAQUE} may not write here"
        ack = {"type": "message:ack", "messageId": message["messageId"], "status": "error", "error": error}
        connection.send(json.dumps(ack | {"timestamp": ""}))
        connection.close(1008, f"token {OPAQUE[:12]} revoked")

    def refuse(connection):
        connection.send(json.dumps({"type": "connection:error", "code": OPAQUE, "message": f"who is {OPAQUE}?"}))
        connection.close(1008)

    with behaving(tell) as port:
        client, recorder = client_of(f"ws://127.0.0.1:{port}/ws", OpaqueTokens(), attempts=0)
        assert client.connect()
        client.send("c", "hi")
        until(lambda: client.losses)
        client.disconnect()
    heard = recorder.take()
    with behaving(refuse) as port:
        client, recorder = client_of(f"ws://127.0.0.1:{port}/ws", OpaqueTokens(), attempts=0)
        assert not client.connect()
    refused = recorder.take()
    assert [message.reason for message in heard.messages] == ["<token> may not write here"]
    assert [lost.reason for lost in heard.disconnects] == ["token <token> revoked"]
    assert [(connect.outcome, connect.detail) for connect in refused.connects] == [("<token>", "who is <token>?")]
    assert OPAQUE[:8] not in f"{heard}{refused}"
