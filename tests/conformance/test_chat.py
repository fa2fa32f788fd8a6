"""`loadtest chat`: what one user at the terminal sees, and what a script gets."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from login_server import login_server, token
from websockets.sync.server import serve

SECRET = "a secret of the tests, long enough for HS256"
CHAT = [sys.executable, "-m", "loadtest", "chat"]
QUICK = ("--reply-timeout", "500ms")


def environment(**more):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
    return clean | {"LOADTEST_JWT_SECRET": SECRET} | more


def chat(address, typed, *options, **more):
    """The finished process of a chat by pipe."""
    return subprocess.run(
        [*CHAT, "--host", address, *options],
        input=typed, capture_output=True, text=True, env=environment(**more), timeout=30, check=False,
    )  # fmt: skip


def event(type_, **fields):
    return json.dumps({"type": type_, **fields})


@contextmanager
def answering(answer, greeting="connection:authenticated"):
    """A server that authenticates everybody and answers each frame by `answer(connection, its JSON)`."""

    def handle(connection):
        connection.send(event(greeting))
        for raw in connection:
            answer(connection, json.loads(raw))

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        finally:
            server.shutdown()
            thread.join()


def acked(connection, message):
    for status in ("received", "delivered"):
        connection.send(event("message:ack", messageId=message["messageId"], status=status))


def parts(line):
    """Time, sign and text of a line."""
    return line[:10].strip(), line[11:12], line[13:]


def first_words(done, signs):
    return [text.split()[0] for _, sign, text in map(parts, done.stdout.splitlines()) if sign in signs]


# --- by pipe --------------------------------------------------------------------------------------------------------
def test_a_line_is_sent_every_frame_is_told_and_the_answer_waited_for(reference_server):
    done = chat(reference_server.url, "hi\n", "--typing")
    assert (done.returncode, done.stderr) == (0, "")
    assert first_words(done, {"←", "→"}) == [
        "connection:established",
        "connection:authenticated",
        "typing:start",
        "typing:stop",
        "message:send",
        "message:ack",
        "message:receive",
        "message:ack",
        *["message:stream"] * 6,
    ]
    assert "1 message: 1 delivered, 1 answered" in done.stdout.splitlines()[-1]
    assert " ! " not in done.stdout
    assert reference_server.stop()["messages"] == 1


def test_times_count_from_sent(start_reference_server):
    server = start_reference_server("--ttft", "300ms", "--chunks", "1")
    lines = [parts(line) for line in chat(server.url, "hi").stdout.splitlines()]
    (first,) = (when for when, _, text in lines if "first content" in text)
    assert 300 <= float(first.removeprefix("+").removesuffix(" ms")) < 900
    assert [when for when, _, text in lines if text.startswith("message:send")] == ["0 ms"]


def test_each_line_of_a_script_waits_for_the_answer_before(reference_server):
    done = chat(reference_server.url, "one\n\ntwo\n")
    assert done.returncode == 0
    order = first_words(done, {"→", "="})
    ids = [word for word in order if word.startswith("msg-")]
    assert order == ["connected", "message:send", ids[0], "message:send", ids[1]]
    assert "2 messages: 2 delivered, 2 answered" in done.stdout


def test_nobody_listens():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"
    done = chat(address, "hi")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"loadtest: error: --host: nobody listens at {address}; start the server, or correct the address\n"
    )


def test_a_refused_token_is_one_line_that_says_what_the_token_claims(reference_server):
    wrong = "a wrong secret, which is nobody else's business"
    done = chat(reference_server.url, "hi", "--trace", LOADTEST_JWT_SECRET=wrong)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "refused the token with AUTH_FAILED" in line
    assert "signed with HS256 and claims iat, exp, userId, email" in line
    assert wrong not in done.stdout + done.stderr


@pytest.fixture
def accounts(tmp_path):
    """A login server, and the options of one account at it."""
    path = tmp_path / "users.csv"
    path.write_text("email,password\nann@x,HUSH\n")
    with login_server() as login:
        yield login, ("--users-file", str(path), "--login-url", f"{login.url}/login")


@pytest.fixture
def tokens_file(tmp_path):
    """Options of two tokens."""
    path = tmp_path / "tokens.txt"
    path.write_text(f"{token('ann')}\n{token('ben')}\n")
    return "--tokens-file", str(path)


def test_a_user_of_an_accounts_file_logs_in(reference_server, accounts):
    login, options = accounts
    done = chat(reference_server.url, "hi", *options, LOADTEST_JWT_SECRET="")
    assert (done.returncode, done.stderr) == (0, "")
    assert login.count("/login") == 1
    assert "HUSH" not in done.stdout


def test_a_user_of_a_tokens_file_is_who_its_token_says(reference_server, tokens_file):
    done = chat(reference_server.url, "hi", *tokens_file, "--user", "1", LOADTEST_JWT_SECRET="")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'connected as "ben"' in done.stdout


def test_the_number_of_a_user_whom_the_file_does_not_have(reference_server, tokens_file):
    done = chat(reference_server.url, "hi", *tokens_file, "--user", "7", LOADTEST_JWT_SECRET="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "loadtest: error: --user: 7 is beyond the 2 users of the file, counted from 0; give a lower number\n"
    )


def test_a_login_that_fails_ends_it_at_once(reference_server, accounts):
    login, options = accounts
    login.answer = lambda *_: (500, {}, "HUSH")
    done = chat(reference_server.url, "hi", *options, LOADTEST_JWT_SECRET="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"loadtest: error: --login-url: {login.url}/login answered HTTP 500; look at its log\n")
    assert login.count("/login") == 1


# --- conversations
def conversation_of(done):
    """The conversation of the first frame that was sent, by --trace."""
    return re.search(r'"conversationId":"([^"]*)"', done.stdout)[1]


@pytest.mark.parametrize(
    ("options", "conversation"),
    [
        ((), "conv-3"),
        (("--conversation", "lobby"), "lobby"),
        (("--conversation", "of-{userId}-{n}"), "of-load-3-3"),
        (("--participants", "2"), "conv-1"),
    ],
)
def test_a_user_writes_where_it_would_in_a_run(reference_server, options, conversation):
    done = chat(reference_server.url, "hi", "--user", "3", "--trace", *options)
    assert done.returncode == 0
    assert conversation_of(done) == conversation


def test_conversations_of_a_file_that_is_named_in_a_config(reference_server, tmp_path):
    (tmp_path / "ids.txt").write_text("first\nsecond\n")
    (tmp_path / "run.toml").write_text(f"conversations-file = '{tmp_path / 'ids.txt'}'\nmessage-rate = '6/60s'\n")
    done = chat(reference_server.url, "hi", "--user", "1", "--trace", "--config", str(tmp_path / "run.toml"))
    assert (done.returncode, done.stderr) == (0, "")
    assert conversation_of(done) == "second"


# --- a locustfile's dialect and hooks
LOCUSTFILE = """
from loadtest.client.dialect import Content, Renamed
from loadtest.load import ChatUser

class Support(ChatUser):
    dialect = Renamed(
        events={"message:send": "say", "message:ack": "heard", "message:stream": "delta"},
        fields={"content": "text"},
        content=Content.DELTAS,
        stream_prefix="reply/",
    )

    def log_in(self):
        return f"opaque-token-of-{self.number}"

    def create_conversation(self):
        return f"made-with-{self.token()}"
"""


@pytest.fixture
def locustfile(tmp_path):
    path = tmp_path / "support.py"
    path.write_text(LOCUSTFILE)
    return str(path)


def test_a_locustfile_brings_its_dialect_its_login_and_its_conversation(locustfile):
    heard = []

    def answer(connection, message):
        heard.append((connection.request.path, message))
        id_ = message["messageId"]
        connection.send(event("heard", messageId=id_, status="delivered"))
        for text, last in (("Yes", False), (", we do", False), ("", True)):
            connection.send(event("delta", messageId=f"reply/{id_}", text=text, isComplete=last))

    with answering(answer) as address:
        done = chat(address, "hi", "-f", locustfile, "--user", "5", LOADTEST_JWT_SECRET="")
    assert (done.returncode, done.stderr) == (0, "")
    ((path, message),) = heard
    assert path == "/ws?token=opaque-token-of-5"
    assert (message["type"], message["text"]) == ("say", "hi")
    assert message["conversationId"] == "made-with-opaque-token-of-5"
    assert '+", we do"' in done.stdout
    assert 'complete: "Yes, we do", 10 characters' in done.stdout
    assert "by order" not in done.stdout
    assert " ! " not in done.stdout


def test_a_frame_that_the_dialect_does_not_know_or_fails_at_is_told(tmp_path):
    path = tmp_path / "failing.py"
    path.write_text(
        "from loadtest.client.dialect import Dialect\nfrom loadtest.load import ChatUser\n"
        "class Failing(Dialect):\n    def decode(self, data):\n        if b'beat' in data:\n            return None\n"
        "        if b'odd' in data:\n            raise KeyError('odd')\n        return super().decode(data)\n"
        "class One(ChatUser):\n    dialect = Failing()\n"
    )

    def answer(connection, message):
        connection.send(event("beat"))
        connection.send(event("odd"))
        acked(connection, message)

    with answering(answer) as address:
        done = chat(address, "hi", "-f", str(path), "--expect-stream", "no")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'of no interest: "{"type": "beat"}"' in done.stdout
    assert 'the dialect fails with KeyError: "{"type": "odd"}"' in done.stdout
    assert "! dialect error (KeyError): the locustfile's dialect cannot read it" in done.stdout


SPEECHLESS = """
from loadtest.client.dialect import Dialect
from loadtest.load import ChatUser

class Speechless(Dialect):
    def encode(self, event):
        raise ZeroDivisionError("by nothing")

class One(ChatUser):
    dialect = Speechless()
"""
BLIND = """
from loadtest.conformance.onlooker import WatchedClient
from loadtest.load import ChatUser

def expire(self, now_ns):
    raise ZeroDivisionError("by nothing")

class One(ChatUser):
    WatchedClient.expire = expire
"""
ASTRAY = """
from loadtest.conformance.onlooker import WatchedClient
from loadtest.load import ChatUser

def connect(self):
    raise ZeroDivisionError("by nothing")

class One(ChatUser):
    WatchedClient.connect = connect
"""


@pytest.mark.parametrize(
    "content", [SPEECHLESS, BLIND, ASTRAY], ids=["what sends", "what looks after messages", "what connects"]
)
def test_a_mistake_is_told_at_once_and_is_no_message_that_was_not_answered(tmp_path, content):
    """Each of three greenlets breaks once: whoever waits for it must not wait for ever."""
    path = tmp_path / "broken.py"
    path.write_text(content)
    with answering(lambda *_: None) as address:
        done = chat(address, "hi", "-f", str(path))
    assert done.returncode == 70
    assert done.stderr.count("Traceback (most recent call last):") == 1
    assert done.stderr.endswith("ZeroDivisionError: by nothing\n")


def test_an_order_that_nobody_could_have_written_is_a_mistake_of_ours():
    command = [sys.executable, "-m", "loadtest.conformance.terminal", "{}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.endswith("ValidationError: Object missing required field `host`\n")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "--locustfile: there is no "),
        ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError: No module named "),
        ("from locust import User", "has no user class of ChatUser; name one that has"),
        (
            "from loadtest.load import ChatUser\n\nclass One(ChatUser):\n"
            "    def create_conversation(self):\n        raise KeyError('HUSH')\n",
            "create_conversation: the locustfile's own hook failed: KeyError in line 5 of create_conversation; try it",
        ),
    ],
    ids=["missing", "broken", "empty", "raising"],
)
def test_a_locustfile_that_will_not_do_is_one_line(reference_server, tmp_path, content, complaint):
    path = tmp_path / "one.py"
    if content is not None:
        path.write_text(content)
    done = chat(reference_server.url, "hi", "-f", str(path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert complaint in line
    assert "HUSH" not in line + done.stdout


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--expect-stream", "no"), 0)], ids=["auto", "no"])
def test_acks_without_a_stream(start_reference_server, options, code):
    done = chat(start_reference_server("--no-ai").url, "hi", *QUICK, *options)
    assert done.returncode == code
    assert ("acks, but no stream: is the AI switched off" in done.stdout) == (code == 1)
    assert "1 message: 1 delivered, 0 answered" in done.stdout


def test_events_of_other_names_are_named_as_the_likely_reason():
    def other_names(connection, message):
        connection.send(event("chat.ack", id=message["messageId"]))

    with answering(other_names) as address:
        done = chat(address, "hi", *QUICK)
    assert done.returncode == 1
    assert 'unknown event "chat.ack"' in done.stdout
    assert "Not understood: chat.ack." in done.stdout
    assert "timeout: no ack" in done.stdout


def test_a_stream_that_belongs_to_nothing():
    def stray(connection, message):
        connection.send(event("message:stream", messageId="x-1", content="a", isComplete=False))
        acked(connection, message)

    with answering(stray) as address:
        done = chat(address, "hi", *QUICK)
    assert done.returncode == 1
    assert "unmatched stream: belongs to no message of yours" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "← message:stream" in line)
    assert parts(line)[0].startswith("@"), "it has no time since a message"


def test_a_stream_of_a_new_id_is_yours_by_order():
    def by_order(connection, message):
        acked(connection, message)
        connection.send(event("message:stream", messageId="answer-1", content="yes", isComplete=True))

    with answering(by_order) as address:
        done = chat(address, "hi")
    assert done.returncode == 0
    assert '(id "answer-1": yours by order)' in done.stdout


def test_broken_frames_are_shown_and_explained():
    def broken(connection, message):
        connection.send("{malformed")
        connection.send(b"\x00binary")
        connection.send(event("message:ack", messageId=message["messageId"]))
        connection.send(event("message:ack", messageId="nobody's", status="delivered"))
        acked(connection, message)
        for content, last in (("ab", False), ("a", False), ("abc\x1b[31m", True)):
            id_ = f"ai-{message['messageId']}"
            connection.send(event("message:stream", messageId=id_, content=content, isComplete=last))

    with answering(broken) as address:
        done = chat(address, "hi", "--trace")
    assert done.returncode == 0
    for told in (
        "malformed frame (",
        "binary, 7 bytes",
        "invalid message:ack: ",
        "unmatched ack (delivered): ",
        "stream violation (shrunk): ",
    ):
        assert told in done.stdout
    assert "\x1b" not in done.stdout


def test_a_server_that_goes_away_is_told_with_its_code():
    def going(connection, message):
        connection.close(1011, "out of memory")

    with answering(going) as address:
        done = chat(address, "hi")
    assert done.returncode == 1
    assert 'closed 1011 "out of memory" by the backend after' in done.stdout
    assert "lost: closed 1011" in done.stdout


def test_a_connection_that_was_given_up_for_its_silence_was_not_closed_by_the_backend():
    with answering(acked) as address:
        done = chat(address, "hi", "--read-timeout", "300ms", "--reply-timeout", "700ms")
    assert 'closed 1006 "nothing received for 0.3 s" by you (--read-timeout) after ' in done.stdout
    assert "by the backend" not in done.stdout


def test_no_token_is_shown_even_where_the_server_tells_it():
    def echoing(connection, message):
        acked(connection, message)
        path = connection.request.path
        connection.send(event(path))
        id_ = message["messageId"]
        connection.send(event("message:stream", messageId=f"ai-{id_}", content=path, isComplete=True))

    with answering(echoing) as address:
        done = chat(address, "hi", "--trace")
    assert done.returncode == 0
    assert "eyJ" not in done.stdout + done.stderr
    assert "<token>" in done.stdout


def test_a_token_that_is_no_jwt_is_not_shown_either(locustfile):
    def echoing(connection, message):
        id_ = message["messageId"]
        connection.send(event("heard", messageId=id_, status="delivered"))
        connection.send(event("delta", messageId=f"reply/{id_}", text=connection.request.path, isComplete=True))

    with answering(echoing) as address:
        done = chat(address, "hi", "--trace", "-f", locustfile, LOADTEST_JWT_SECRET="")
    assert done.returncode == 0
    assert 'complete: "/ws?token=<token>"' in done.stdout
    assert "opaque-token" not in done.stdout + done.stderr


def test_a_reader_that_goes_away_ends_the_chat(reference_server):
    process = subprocess.Popen(
        [*CHAT, "--host", reference_server.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    )
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"hi\n")
    process.stdin.flush()
    process.wait(20)
    process.stdin.close()
    assert reference_server.stop()["connects"] == 1


def test_without_any_input_it_only_connects(reference_server):
    done = subprocess.run(
        f"exec {sys.executable} -m loadtest chat --host {reference_server.url} <&-",
        shell=True, capture_output=True, text=True, env=environment(), timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 messages" in done.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--host", "http://x"), "is no WebSocket address"),
        (("--host", "ws://127.0.0.1:1/ws", "--reply-timeout", "soon"), "--reply-timeout: 'soon' is no duration"),
        ((), "--host"),
    ],
)
def test_options_that_cannot_work_are_one_line(options, complaint):
    done = subprocess.run(
        [*CHAT, *options], input="", capture_output=True, text=True, env=environment(), timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_does_without_locust():
    code = "import sys, loadtest.conformance.terminal; sys.exit('locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- at a terminal ---------------------------------------------------------------------------------------------------
class AtTerminal:
    """A chat on a pseudo-terminal."""

    def __init__(self, address, *options):
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:  # the child; `exec` leaves nothing of pytest in it
            os.execve(sys.executable, [*CHAT, "--host", address, *options], environment())
        self.shown = ""

    def press(self, keys):
        os.write(self._terminal, keys)

    def until(self, text, within_s=20.0):
        deadline = time.monotonic() + within_s
        while text not in self.shown:
            ready, _, _ = select.select([self._terminal], [], [], max(deadline - time.monotonic(), 0.0))
            assert ready, f"no {text!r} in {self.shown}"
            self.shown += self._read()

    def _read(self):
        try:
            return os.read(self._terminal, 65_536).decode()
        except OSError:  # Linux says so at the end of a pseudo-terminal
            pytest.fail(f"the chat ended: {self.shown}")

    def end(self):
        """Its exit code, with everything shown."""
        try:
            while data := os.read(self._terminal, 65_536):
                self.shown += data.decode()
        except OSError:
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.parametrize("key", [b"\x04", b"\x03"], ids=["Ctrl-D", "Ctrl-C"])
def test_what_is_typed_is_sent_and_leaving_closes_cleanly(reference_server, key):
    terminal = AtTerminal(reference_server.url)
    terminal.until("type a line to send it")
    terminal.press(b"hello\n")
    terminal.until(" chunks, ")
    terminal.press(key)
    assert terminal.end() == 0
    assert "1 message: 1 delivered, 1 answered" in terminal.shown
    assert "closed 1000 by you" in terminal.shown
    assert "Traceback" not in terminal.shown


def test_ctrl_c_does_not_wait_for_an_answer(start_reference_server):
    terminal = AtTerminal(start_reference_server("--ttft", "20s").url)
    terminal.until("type a line to send it")
    terminal.press(b"hello\n")
    terminal.until("message:ack delivered")
    began = time.monotonic()
    terminal.press(b"\x03")
    assert terminal.end() == 0
    assert time.monotonic() - began < 10
    assert "not answered" in terminal.shown


def test_sigterm_leaves_as_ctrl_c_does(reference_server):
    terminal = AtTerminal(reference_server.url)
    terminal.until("type a line to send it")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 0
    assert "closed 1000 by you" in terminal.shown
