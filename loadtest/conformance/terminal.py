"""One user at the terminal: what is typed is sent, and every frame is shown.

    python -m loadtest.conformance.terminal JSON

JSON is a `Chat`; secrets are in the environment. A process of its own, since its event loop is gevent's.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

import gevent
import gevent.event
import jwt
import msgspec
from msgspec import Struct

from loadtest.client.config import ClientConfig
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.state import State
from loadtest.client.tokens import NoToken
from loadtest.conformance.asked import check_user, read_options
from loadtest.conformance.meanings import interval, is_good, remedy
from loadtest.conformance.narrator import Narrator
from loadtest.conformance.onlooker import Onlooker, WatchedClient
from loadtest.errors import BROKEN, INTERRUPTED, LoadtestError, UsageError
from loadtest.load.hooks import Hooks, read_hooks
from loadtest.load.login_refusal import explained_login
from loadtest.load.options import check_host
from loadtest.load.people import People
from loadtest.load.reach import read_endpoint, remarks
from loadtest.load.refusal import explained
from loadtest.model import BROKEN_OFF, Connect, Login, Message, Outcome, Population
from loadtest.protocol import AUTH_FAILED
from loadtest.settings import Settings

USER_CLASS: Final = "chat"
SWEEP_S: Final = 0.1
"""How often messages are looked at: has one been silent for too long, is everything answered?"""
FAILED: Final = 1
"""Exit code: a message did not get all that it was to get."""


class Chat(Struct, frozen=True):
    """What `loadtest chat` was asked for.

    Attributes:
        options: option attribute to its text, or texts where it was given several times; no secrets.
        user: number of the user to be.
        locustfile: path of one whose dialect and hooks it takes; None for the guide's.
        typing: whether to send typing:start and typing:stop before each message.
        trace: whether to show frames as they are on the wire.
    """

    host: str
    options: dict[str, str | list[str]] = {}
    user: int = 0
    locustfile: str | None = None
    typing: bool = False
    trace: bool = False


class Terminal:
    """One chat, from the connection to the summary.

    Args:
        chat: as asked for.
        chosen: the options, parsed.
        hooks: what a locustfile brings.

    Raises:
        UsageError: there is no such user.
    """

    def __init__(self, chat: Chat, chosen: Settings, hooks: Hooks) -> None:
        self._chat = chat
        self._chosen = chosen
        self._hooks = hooks
        self._people = People(chosen, all_log_in=hooks.log_in is not None)
        tokens = self._people.tokens(chat.user, hooks.log_in)
        check_user(tokens, chat.user)
        self._conversation = ""
        self._endpoint = read_endpoint(chat.host, chosen)
        self._tokens = tokens
        self._expected = chosen.expect_stream.certain
        self._interactive = sys.stdin is not None and sys.stdin.isatty()
        self._first: gevent.event.AsyncResult = gevent.event.AsyncResult()
        self._leave = gevent.event.Event()
        self._mistake: Exception | None = None
        """What ended a part of the work that was to go on."""
        self._signalled = False
        self._broken_off = False
        """Whether the person left before the answers were there."""
        self._narrator = Narrator(self._say, chat.trace, hooks.dialect)
        self._onlooker = Onlooker(self._narrator, self._hint, self._on_connect)
        self._user = tokens.user_id(chat.user)
        self._client = WatchedClient(
            self._narrator,
            self._onlooker,
            identity=Identity(self._user, USER_CLASS, Population.HEADLINE),
            number=chat.user,
            config=ClientConfig(
                endpoint=self._endpoint,
                reply_timeout_s=chosen.reply_timeout,
                token_in=chosen.token_in,
            ),
            tokens=tokens,
            expectation=Expectation(self._expected),
            rng=random.Random(),
            dialect=hooks.dialect,
        )

    def run(self) -> int:
        """Connect, chat, leave.

        Returns:
            0, or 1 where a message did not get all that it was to get.

        Raises:
            UsageError: no authenticated connection came about, or no conversation.
            Exception: a mistake, ours or of the locustfile's dialect.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self._on_signal)
        for remark in remarks(self._endpoint, self._chosen):
            print(remark, file=sys.stderr, flush=True)
        self._connect()
        self._conversation = self._find_conversation()
        if self._interactive:
            self._say("type a line to send it; Ctrl-D waits for open answers and leaves, Ctrl-C leaves")
        work = [gevent.spawn(self._do, part) for part in (self._send_lines, self._sweep)]
        self._leave.wait()
        gevent.killall(work, block=False)
        self._own_up()
        return self._end()

    def _do(self, part: Callable[[], object]) -> None:
        """A part of the work, in a greenlet of its own; if it fails, whoever waits for the end learns of it."""
        try:
            part()
        except Exception as mistake:  # noqa: BLE001 - whatever it is, `run` raises it
            self._mistake = mistake
            self._leave.set()

    def _own_up(self) -> None:
        if self._mistake is not None:
            raise self._mistake

    # --- the connection -----------------------------------------------------------------------------------------------
    def _connect(self) -> None:
        dialling = gevent.spawn(self._do, self._client.connect)
        leaving = gevent.spawn(self._leave.wait)
        self._people.begin(self._on_login)
        gevent.wait([self._first, leaving, dialling], count=1)
        leaving.kill()
        if not self._first.ready():
            dialling.kill()
            self._own_up()
            sys.exit(INTERRUPTED)
        first: Connect = self._first.get()
        if first.authenticated_ns is None:
            dialling.kill()
            told = explained(self._endpoint, self._chosen, self._tokens.option, first.outcome, first.detail or "")
            raise UsageError(f"{told}{self._claims() if first.outcome == AUTH_FAILED else ''}")

    def _on_connect(self, connect: Connect) -> None:
        first = not self._first.ready()
        if connect.authenticated_ns is not None or not first:
            self._narrator.connected(connect, self._user)
        if first:
            self._first.set(connect)

    def _on_login(self, login: Login) -> None:
        if login.outcome in ("ok", BROKEN_OFF):
            return
        if not self._first.ready():  # as before a run: whoever waits for the next try is told nothing meanwhile
            self._first.set_exception(UsageError(explained_login(self._tokens.option, self._chosen, login.outcome)))
        else:
            self._narrator.not_logged_in(login)

    def _claims(self) -> str:
        """What the refused token says of itself, without what it claims."""
        try:
            token = self._tokens.token(self._chat.user)
            claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
            algorithm = jwt.get_unverified_header(token).get("alg")
        except (jwt.InvalidTokenError, NoToken):
            return ""
        return f"; it is signed with {algorithm} and claims {', '.join(claims)}: does the server expect others?"

    def _find_conversation(self) -> str:
        self._hooks.meet(self._client)
        created = self._people.own_conversations.tried(self._hooks.create_conversation)
        participants = self._chosen.participants or self._hooks.participants
        return created or self._people.conversation(self._chat.user, participants, self._tokens)

    def _say(self, line: str) -> None:
        try:
            print(line, flush=True)
        except OSError:  # whoever read this has gone, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            self._leave.set()

    def _on_signal(self) -> None:
        if self._leave.is_set():
            os._exit(INTERRUPTED)  # the second Ctrl-C waits for nothing
        self._signalled = True
        self._leave.set()

    # --- what is typed ------------------------------------------------------------------------------------------------
    def _send_lines(self) -> None:
        for line in _lines(0) if sys.stdin is not None else ():
            if not line.strip():
                continue
            if not self._interactive:
                self._say(f"> {line}")
            self._send(line)
            while not self._interactive and self._awaiting():  # a script's next line comes after the answer
                gevent.sleep(SWEEP_S / 2)
            if self._client.state is State.ERROR:
                break
        while self._awaiting():
            gevent.sleep(SWEEP_S / 2)
        self._leave.set()

    def _send(self, line: str) -> None:
        if self._chat.typing:
            self._client.typing_start(self._conversation)
            self._client.typing_stop(self._conversation)
        connected = self._client.state is State.AUTHENTICATED
        message_id = self._client.send(self._conversation, line)
        if not connected:
            self._narrator.queued(message_id)

    def _awaiting(self) -> bool:
        if self._client.state in (State.AUTHENTICATED, State.ERROR):
            return self._client.awaiting(time.monotonic_ns())
        return self._client.open > 0  # what waits in the queue is sent once it is back

    def _sweep(self) -> None:
        while True:
            gevent.sleep(SWEEP_S)
            self._client.expire(time.monotonic_ns())
            self._onlooker.tell_ended()
            if self._client.state is State.ERROR:
                self._leave.set()

    # --- the end ------------------------------------------------------------------------------------------------------
    def _end(self) -> int:
        messages = self._onlooker.messages
        answered = len(messages)
        self._client.finish()
        self._broken_off = self._interactive and self._signalled
        self._onlooker.tell_ended()
        gave_up = self._client.state is State.ERROR
        self._client.disconnect()
        self._say(self._summary(messages))
        judged = messages[:answered] if self._broken_off else messages
        return FAILED if gave_up or not all(is_good(message, self._expected) for message in judged) else 0

    def _summary(self, messages: list[Message]) -> str:
        delivered = sum(message.outcome is Outcome.DELIVERED for message in messages)
        answered = sum(message.completed_ns is not None for message in messages)
        tally, ends = self._onlooker.tally, self._onlooker.disconnects
        parts = [
            f"{len(messages)} message{'s' if len(messages) != 1 else ''}: {delivered} delivered, {answered} answered"
        ]
        parts.append(f"{tally.frames_received:,} frames, {tally.bytes_received:,} bytes received")
        if ends and ends[-1].by == "client" and ends[-1].close_ns is not None:
            parts.append(f"closing took {interval(ends[-1].close_ns)}")
        return "; ".join(parts)

    def _hint(self, message: Message) -> str | None:
        if self._broken_off:
            return None
        return remedy(message, self._narrator.strange, self._expected)


def _lines(descriptor: int) -> Iterator[str]:
    """Lines of a file, pipe or terminal as they come; reads on a thread, since files cannot be waited for otherwise."""
    rest = b""
    while True:
        data: bytes = gevent.get_hub().threadpool.apply(_read, (descriptor,))
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode("utf-8", "replace").rstrip("\r") for line in whole)
        if not data:
            break
    if rest:
        yield rest.decode("utf-8", "replace")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # nothing to read from is nothing to send
        return b""


def main() -> NoReturn:
    """Chat as the first argument says; exit codes are those of the README."""
    try:
        chat = msgspec.json.decode(sys.argv[1], type=Chat)
        check_host(chat.host)
        chosen = read_options(chat.options)
        hooks = read_hooks(chat.locustfile, chat.user, chosen) if chat.locustfile else Hooks()
        code = Terminal(chat, chosen, hooks).run()
    except LoadtestError as error:
        print(f"loadtest: error: {error}", file=sys.stderr, flush=True)
        code = error.exit_code
    except Exception:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        code = BROKEN
    sys.exit(code)


if __name__ == "__main__":
    main()
