"""Tokens of users who log in: fetched when first needed, kept, renewed in time, fetched anew once refused."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import Final

import gevent
import gevent.event
import gevent.pool
from msgspec import Struct

from loadtest.client.tokens.pace import Pace
from loadtest.client.tokens.source import NoToken, OnLogin, Tokens, claims_of, life_s
from loadtest.client.tokens.users_file import UsersFile
from loadtest.model import BROKEN_OFF, Login

MARGIN: Final = 0.2
MOST_MARGIN_S: Final = 60.0
"""A token is renewed when this share of its life is left, at most so long before its end."""
RETRY_S: Final = 0.1
"""A renewal that failed is tried once more after half of what is left of the token's life, if that is longer."""
IDLE_S: Final = 3600.0


class Grant(Struct, frozen=True):
    """What a login gives.

    Attributes:
        token: the access token.
        refresh_token: to renew it with, where there is such a thing.
        life_s: seconds until the token expires; None where only the token itself may say.
    """

    token: str
    refresh_token: str | None = None
    life_s: float | None = None


class LoginFailed(Exception):
    """No grant.

    Attributes:
        outcome: a few words, the same for every failure of the same kind, without any secret.
        for_good: whether the same login will fail again.
        retry_after_s: how long the endpoint asks to be left alone.
    """

    def __init__(self, outcome: str, for_good: bool = False, retry_after_s: float = 0.0) -> None:
        self.outcome = outcome
        self.for_good = for_good
        self.retry_after_s = retry_after_s
        super().__init__(outcome)


Exchange = Callable[[int, str | None], Grant]
"""Logs a user in, by number, or renews by the refresh token where one is given. Blocks; raises LoginFailed."""


class _Kept(Struct, frozen=True):
    """A grant and its times, monotonic seconds."""

    grant: Grant
    renew_s: float
    expires_s: float


class LoginTokens(Tokens):
    """Keeps a token for each user.

    Args:
        exchange: talks to the endpoint.
        pace: for all logins and renewals of this process.
        at_once: renewals at the same time.
        refreshes: whether the exchange can renew by a refresh token.
        users: the accounts; None where users know themselves who they are.
        option: the option that it comes from.
    """

    def __init__(
        self,
        exchange: Exchange,
        pace: Pace,
        at_once: int,
        refreshes: bool,
        users: UsersFile | None = None,
        option: str = "--login-url",
    ) -> None:
        self.option = option
        self._exchange = exchange
        self._pace = pace
        self._refreshes = refreshes
        self._users = users
        self._kept: dict[int, _Kept] = {}
        self._busy: dict[int, gevent.event.Event] = {}
        self._here: set[int] = set()
        self._on_login: OnLogin = lambda _login: None
        self._due: list[tuple[float, int]] = []
        self._sooner = gevent.event.Event()
        self._renewals = gevent.pool.Pool(at_once)
        self._renewer: gevent.Greenlet | None = None

    # --- what clients ask ---------------------------------------------------------------------------------------------
    @property
    def capacity(self) -> int | None:
        return None if self._users is None else len(self._users)

    def user_id(self, number: int) -> str:
        return (self._users and self._users.user_id(number)) or super().user_id(number)

    def fields(self, number: int) -> dict[str, str]:
        return super().fields(number) | (self._users.row(number) if self._users else {})

    def token(self, number: int) -> str:
        self._here.add(number)
        while (kept := self._kept.get(number)) is None or kept.expires_s <= time.monotonic():
            if number in self._busy:
                self._busy[number].wait()
            else:
                self._renew(number)
        return kept.grant.token

    def refused(self, number: int) -> bool:
        self._kept.pop(number, None)
        return True

    def release(self, number: int) -> None:
        self._here.discard(number)  # its token stays: the next user of this number need not log in

    # --- a run --------------------------------------------------------------------------------------------------------
    def begin(self, on_login: OnLogin) -> None:
        self._on_login = on_login
        self._renewer = gevent.spawn(self._renew_on)

    def end(self) -> None:
        if self._renewer is not None:
            self._renewer.kill()
            self._renewer = None
        self._renewals.kill()

    def _renew_on(self) -> None:
        """Renew in the background, so that whoever comes back after an outage has a token at hand."""
        while True:
            wait = self._due[0][0] - time.monotonic() if self._due else IDLE_S
            if wait > 0:
                self._sooner.wait(wait)
                self._sooner.clear()
                continue
            due, number = heapq.heappop(self._due)
            kept = self._kept.get(number)
            if kept is not None and kept.renew_s == due and number in self._here and number not in self._busy:
                self._renewals.spawn(self._renew_quietly, number)

    def _renew_quietly(self, number: int) -> None:
        try:
            self._renew(number)
        except NoToken:  # counted
            kept = self._kept.get(number)
            left = kept.expires_s - time.monotonic() if kept is not None else 0.0
            if kept is not None and left > RETRY_S:
                self._schedule(number, kept, time.monotonic() + left / 2.0)

    # --- one login ----------------------------------------------------------------------------------------------------
    def _renew(self, number: int) -> None:
        done = self._busy[number] = gevent.event.Event()
        try:
            self._keep(number, self._obtain(number))
        except LoginFailed as failed:
            raise NoToken(failed.outcome, failed.for_good) from None
        finally:
            del self._busy[number]
            done.set()

    def _obtain(self, number: int) -> Grant:
        kept = self._kept.get(number)
        refresh_token = kept.grant.refresh_token if kept is not None and self._refreshes else None
        if refresh_token is not None:
            try:
                grant = self._measured(number, refresh_token)
            except LoginFailed as failed:
                if not failed.for_good:
                    raise
                self._kept.pop(number, None)  # the refresh token has had its day: log in as at first
            else:
                # an endpoint that rotates refresh tokens sends a new one, others send none
                return grant if grant.refresh_token else Grant(grant.token, refresh_token, grant.life_s)
        return self._measured(number, None)

    def _measured(self, number: int, refresh_token: str | None) -> Grant:
        asked = time.monotonic_ns()
        with self._pace.turn():
            began = time.monotonic_ns()
            outcome = BROKEN_OFF
            try:
                grant = self._exchange(number, refresh_token)
                outcome = "ok"
            except LoginFailed as failed:
                outcome = failed.outcome
                self._pace.pause(failed.retry_after_s)
                raise
            finally:
                self._on_login(
                    Login(
                        user=self.user_id(number),
                        began_ns=began,
                        ended_ns=time.monotonic_ns(),
                        outcome=outcome,
                        refresh=refresh_token is not None,
                        waited_ns=began - asked,
                    )
                )
        return grant

    def _keep(self, number: int, grant: Grant) -> None:
        now = time.monotonic()
        life = grant.life_s if grant.life_s is not None else life_s(claims_of(grant.token))
        if life is None:
            self._kept[number] = _Kept(grant, float("inf"), float("inf"))
            return
        margin = min(MARGIN * life, MOST_MARGIN_S)
        self._schedule(number, _Kept(grant, 0.0, now + life - margin / 4.0), now + life - margin)

    def _schedule(self, number: int, kept: _Kept, renew_s: float) -> None:
        self._kept[number] = _Kept(kept.grant, renew_s, kept.expires_s)
        heapq.heappush(self._due, (renew_s, number))
        self._sooner.set()
