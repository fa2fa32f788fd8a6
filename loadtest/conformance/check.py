"""Goes through the guide's checklist on a server, and writes what it found to stdout as JSON.

    python -m loadtest.conformance.check JSON

JSON is an `Asked`; secrets are in the environment. A process of its own, since its event loop is gevent's.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

import gevent
import gevent.pool
import msgspec
from msgspec import Struct

from loadtest.analysis.conformance import Conformance
from loadtest.analysis.limits.limiter import FoundKind, Limiter
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.client.tokens import MintedTokens, Tokens
from loadtest.conformance.asked import check_user, read_options
from loadtest.conformance.bench import PLACES, Bench, CannotTest, Probe
from loadtest.conformance.cases import connection, errors, limiter, messages, reconnection, streams, tokens, typing
from loadtest.conformance.checklist import GROUPS, Findings, chosen
from loadtest.errors import BROKEN, INTERRUPTED, LoadtestError, UsageError
from loadtest.load.hooks import Hooks, read_hooks
from loadtest.load.login_refusal import explained_login
from loadtest.load.options import check_host
from loadtest.load.people import People
from loadtest.load.reach import read_endpoint, remarks
from loadtest.load.refusal import explained
from loadtest.model import Login
from loadtest.protocol import excerpt
from loadtest.settings import Backoff, Settings

QUICK_S: Final = 16.0
FULL_S: Final = 600.0
"""Longest time for a group of cases."""
UNUSED_USERS: Final = (100_000, 999_000)
"""Minted users are taken from here at random, so that a check finds no limit used up by the one before."""

Check = Callable[[Bench, Findings], None]
CHECKS: Final[dict[str, Check]] = {
    "connection": connection.check,
    "tokens": tokens.check,
    "messages": messages.check,
    "streams": streams.check,
    "typing": typing.check,
    "reconnection": reconnection.check,
    "errors": errors.check,
}


class Asked(Struct, frozen=True):
    """What `loadtest check` was asked for.

    Attributes:
        options: option attribute to its text, or texts where it was given several times; no secrets.
        user: number of the first user to take; None for any that nobody else takes.
        only: names of groups or cases; all where none is named.
        locustfile: path of one whose dialect the server speaks; None for the guide's.
    """

    host: str
    options: dict[str, str | list[str]] = {}
    user: int | None = None
    full: bool = False
    only: list[str] = []
    locustfile: str | None = None


class Checker:
    """One check of a server.

    Args:
        dialect: how it words the guide's events.
    """

    def __init__(self, asked: Asked, chosen_options: Settings, people: People, dialect: Dialect = GUIDE) -> None:
        self._asked = asked
        self._wanted = chosen(asked.only)
        self._chosen = chosen_options
        self._tokens = people.tokens(0, None)
        users = _users(asked, chosen_options, self._tokens)
        named = _conversation(chosen_options, people, users[0])
        self._anew = named is None
        """Whether conversations are new ones, so that each group of cases may have its own."""
        self._logins: list[Login] = []
        self._findings = Findings()
        self._limiter = Limiter(FoundKind.UNCLEAR)  # not looked at
        self._bench = Bench(
            read_endpoint(asked.host, chosen_options),
            chosen_options,
            self._tokens,
            users,
            named or f"check-{random.randrange(10**9):09}",
            asked.full,
            dialect,
        )

    def run(self) -> Conformance:
        """Check; takes under 20 s, unless windows are to be waited for.

        Raises:
            UsageError: nobody listens, or takes the token.
        """
        for remark in remarks(self._bench.endpoint, self._chosen):
            print(remark, file=sys.stderr, flush=True)
        began = time.monotonic()
        self._tokens.begin(self._logins.append)
        self._knock()
        groups = [name for name in (*CHECKS, "limiter") if self._wanted & set(GROUPS[name])]
        # What shares users or a conversation must not do so at the same time.
        apart = gevent.pool.Pool(len(groups) + 1 if self._anew and self._many_users else 1)
        for name in groups:
            apart.spawn(self._group, name)
        apart.join()
        self._findings.untested(GROUPS["page"], "a matter of the page, not of the server")
        self._unlisted()
        self._bench.close()
        cases = tuple(self._findings.cases(self._wanted))
        return Conformance(self._asked.host, cases, self._limiter, round(time.monotonic() - began, 1))

    def _knock(self) -> None:
        """See that there is a server that takes our token, before its faults are looked for."""
        first = Probe(self._bench, self._bench.user(0), Backoff(attempts=0))
        if first.connect():
            first.hang_up()
            return
        option, attempts = self._tokens.option, first.observer.connects
        if not attempts:
            outcome = self._logins[-1].outcome if self._logins else "no token"
            raise UsageError(explained_login(option, self._chosen, outcome))
        last = attempts[-1]
        raise UsageError(explained(self._bench.endpoint, self._chosen, option, last.outcome, last.detail or ""))

    def _group(self, name: str) -> None:
        longest_s = FULL_S if self._asked.full or name == "limiter" else QUICK_S
        try:
            with gevent.Timeout(longest_s):
                self._check(name)
        except CannotTest as reason:
            self._findings.untested(GROUPS[name], str(reason))
        except gevent.Timeout:
            more = "" if self._asked.full else "; --full gives it more"
            self._findings.untested(GROUPS[name], f"the cases before it took all of {longest_s:g} s{more}")
        except Exception as error:  # noqa: BLE001 - one group must not cost the others
            print(f"{name}: {type(error).__name__}: {excerpt(str(error))}", file=sys.stderr, flush=True)
            self._findings.untested(GROUPS[name], f"an error of ours: {type(error).__name__}; please report it")

    @property
    def _many_users(self) -> bool:
        return len(self._bench.users) >= PLACES

    def _check(self, name: str) -> None:
        bench = self._bench.of(name) if self._anew else self._bench
        if name == "limiter":
            alone = self._wanted <= set(GROUPS["limiter"])
            self._limiter = limiter.check(bench, self._findings, alone)
        else:
            CHECKS[name](bench, self._findings)

    def _unlisted(self) -> None:
        """What the guide does not list, of all that any connection got."""
        counts = self._bench.counts
        events, fields, broken = (counts.keys(name) for name in ("unknown_event", "unknown_field", "no_event"))
        told = [
            f"{what} {', '.join(names)}"
            for what, names in (("events", events), ("fields", fields), ("frames that cannot be read:", broken))
            if names
        ]
        if events or broken or fields:
            self._findings.differs("unlisted", "; ".join(told))
        else:
            self._findings.conforms("unlisted", "none")


def _users(asked: Asked, chosen_options: Settings, source: Tokens) -> range:
    first = asked.user
    if first is None:
        numbered = chosen_options.conversation is not None and bool(chosen_options.conversation.names)
        own_claims = chosen_options.jwt_claims is not None or not isinstance(source, MintedTokens)
        first = 0 if own_claims or numbered else random.randrange(*UNUSED_USERS)
    check_user(source, first)
    many = PLACES if source.capacity is None else min(PLACES, source.capacity - first)
    return range(first, first + many)


def _conversation(chosen_options: Settings, people: People, user: int) -> str | None:
    """The conversation that a run would have this user write to; None where the options name none."""
    if chosen_options.conversation is None and chosen_options.conversations_file is None:
        return None
    return people.conversation(user, 1, people.tokens(user, None))


def main() -> NoReturn:
    """Check as the first argument says; exit codes are those of the README, but for cases that fail."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whatever a greenlet is at
        gevent.signal_handler(number, os._exit, INTERRUPTED)
    try:
        asked = msgspec.json.decode(sys.argv[1], type=Asked)
        check_host(asked.host)
        chosen(asked.only)  # a wrong name is told before anything else
        read = read_options(asked.options)
        hooks = read_hooks(asked.locustfile, asked.user or 0, read) if asked.locustfile else Hooks()
        found = Checker(asked, read, People(read), hooks.dialect).run()
    except LoadtestError as error:
        print(f"loadtest: error: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    except Exception:  # noqa: BLE001  # whatever it is
        traceback.print_exc()
        sys.exit(BROKEN)
    sys.stdout.buffer.write(msgspec.json.encode(found))
    sys.exit(0)


if __name__ == "__main__":
    main()
