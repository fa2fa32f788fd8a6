"""Who the users of a run are: the source of tokens that the options name, and whether it has enough for all."""

from __future__ import annotations

from pathlib import Path

from loadtest.client.tokens import (
    AnswerPaths,
    FileTokens,
    HttpLogin,
    LoginEndpoint,
    LoginTokens,
    MintedTokens,
    Pace,
    SigningKey,
    Tokens,
    UsersFile,
    read_key,
)
from loadtest.client.tokens.http_login import REFRESH_TOKEN
from loadtest.client.tokens.login import Exchange
from loadtest.client.tokens.minted import GUIDE_CLAIMS
from loadtest.errors import UsageError
from loadtest.load.reach import tls_context
from loadtest.settings import Settings, Template


def read_tokens(chosen: Settings, processes: int = 1) -> Tokens:
    """The source of tokens that the options name.

    Args:
        processes: how many share the rate of logins.

    Raises:
        UsageError: none is named, or what it names is no good.
    """
    if chosen.jwt_secret:
        return MintedTokens(SigningKey(chosen.jwt_secret), chosen.jwt_ttl, chosen.jwt_claims or GUIDE_CLAIMS)
    try:
        if chosen.jwt_key:
            option = "--jwt-key"
            key = read_key(Path(chosen.jwt_key), chosen.jwt_key_id)
            return MintedTokens(key, chosen.jwt_ttl, chosen.jwt_claims or GUIDE_CLAIMS, option)
        if chosen.tokens_file:
            option = "--tokens-file"
            return FileTokens(Path(chosen.tokens_file))
        if chosen.users_file:
            option = "--users-file"
            return _accounts(chosen, Path(chosen.users_file), processes)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    raise UsageError(
        "--jwt-secret: users need tokens; set LOADTEST_JWT_SECRET, or give --jwt-key, --tokens-file, or --users-file "
        "with --login-url"
    )


def signing_key(chosen: Settings) -> SigningKey | None:
    """What tokens are minted with; None where they come from elsewhere.

    Raises:
        ValueError: the file holds none.
    """
    if chosen.jwt_secret:
        return SigningKey(chosen.jwt_secret)
    return read_key(Path(chosen.jwt_key), chosen.jwt_key_id) if chosen.jwt_key else None


def login_tokens(
    chosen: Settings,
    exchange: Exchange,
    processes: int,
    users: UsersFile | None = None,
    option: str = "--login-url",
) -> LoginTokens:
    """Tokens by an exchange, at the rate that the options allow this process."""
    at_once = max(chosen.login_concurrency // processes, 1)
    pace = Pace(chosen.login_rate.per_second / processes, at_once)
    return LoginTokens(exchange, pace, at_once, chosen.refresh_url is not None, users, option)


def check_users(tokens: Tokens, users: int | None, first: int = 0) -> None:
    """Refuse fewer tokens than users.

    Args:
        users: None where nobody knows; there has to be one.
        first: number of the first user.

    Raises:
        UsageError: the file holds too few.
    """
    if tokens.capacity is None or tokens.capacity >= first + (users or 1):
        return
    option, what = ("--tokens-file", "tokens") if isinstance(tokens, FileTokens) else ("--users-file", "accounts")
    left = tokens.capacity - first
    if left <= 0:
        raise UsageError(
            f"{option}: holds {tokens.capacity} {what}, and none from number {first} on; add {what} or lower "
            "--first-user"
        )
    behind = f" from number {first} on" if first else ""
    raise UsageError(f"{option}: holds {left} {what} for {users} users{behind}; add {what} or lower --users to {left}")


def notes(
    chosen: Settings, tokens: Tokens, users: int | None, spawn_rate: float, run_time_s: float | None
) -> list[str]:
    """What can be known before the start of how tokens will shape the run, and whoever reads it may not expect."""
    found = []
    if isinstance(tokens, LoginTokens) and users and spawn_rate > chosen.login_rate.per_second:
        found.append(
            f"{users:,} logins at --login-rate {chosen.login_rate} take {users / chosen.login_rate.per_second:.0f} s, "
            f"longer than spawning: users wait for them before they connect"
        )
    if isinstance(tokens, FileTokens) and tokens.shortest_life_s < (run_time_s or 0.0):
        found.append(
            f"--tokens-file: a token expires in {tokens.shortest_life_s:.0f} s: whoever reconnects after that is "
            "refused, unless the file holds fresh tokens by then"
        )
    return found


def _accounts(chosen: Settings, path: Path, processes: int) -> LoginTokens:
    assert chosen.login_url is not None  # checked with the other options
    users = UsersFile(path, chosen.login_body.names - {"n"})
    _check_refresh_body(chosen.refresh_body, users)
    exchange = HttpLogin(
        users,
        LoginEndpoint(chosen.login_url, chosen.login_body),
        LoginEndpoint(chosen.refresh_url, chosen.refresh_body) if chosen.refresh_url else None,
        AnswerPaths(chosen.login_token_path, chosen.login_refresh_path, chosen.login_life_path),
        chosen.login_timeout,
        tls_context(chosen),
    )
    return login_tokens(chosen, exchange, processes, users)


def _check_refresh_body(body: Template, users: UsersFile) -> None:
    unknown = body.names - {"n", REFRESH_TOKEN, *users.columns}
    if unknown:
        raise UsageError(
            f"--refresh-body: {{{min(unknown)}}} stands for nothing there; {{{REFRESH_TOKEN}}} is the refresh token, "
            "and columns of --users-file may be used"
        )
