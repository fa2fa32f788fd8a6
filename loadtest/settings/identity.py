"""Options on who the users are, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SOURCES: Final = ("jwt_secret", "jwt_key", "tokens_file", "users_file")
"""Options of which each is a source of tokens."""
_MINTED: Final = frozenset({"jwt_claims", "jwt_ttl"})
_LOGIN: Final = ("url", "body", "token_path", "life_path", "refresh_path", "rate", "concurrency", "timeout")
ALTERNATIVES: Final[tuple[Mapping[str, frozenset[str]], ...]] = (
    {
        "jwt_secret": _MINTED,
        "jwt_key": _MINTED | {"jwt_key_id"},
        "tokens_file": frozenset(),
        "users_file": frozenset({"refresh_url", "refresh_body", *(f"login_{name}" for name in _LOGIN)}),
    },
    {"conversation": frozenset(), "conversations_file": frozenset()},
    {"insecure": frozenset(), "ca_file": frozenset()},
)
"""Options that exclude each other, each with those that are about it alone or about some of them."""
_NEEDS: Final = (
    # option, what it is of no use without
    ("users_file", "login_url", "give the address that its users log in at, or --tokens-file for a file of tokens"),
    ("login_url", "users_file", "give a CSV file of accounts"),
    ("refresh_url", "login_refresh_path", "say where in the login's answer the refresh token is"),
    ("refresh_url", "login_url", "give the address that users log in at first"),
    ("login_refresh_path", "refresh_url", "give the address that takes the refresh token"),
    ("jwt_key_id", "jwt_key", "it goes into tokens that are minted with a key"),
)


def check_identity(parsed: Mapping[str, Any]) -> None:
    """Check that the options name one source of tokens, and all that it takes.

    Raises:
        ValueError: `--option: what was wrong`.
    """
    named = [name for name in SOURCES if parsed[name]]
    if len(named) > 1:
        raise ValueError(
            f"{_option(named[1])}: cannot be combined with {_option(named[0])}; give one of the two (the environment "
            "counts, too)"
        )
    for name, other, remedy in _NEEDS:
        if parsed[name] and not parsed[other]:
            raise ValueError(f"{_option(name)}: is of no use without {_option(other)}; {remedy}")
    if parsed["jwt_claims"] and not (parsed["jwt_secret"] or parsed["jwt_key"]):
        raise ValueError("--jwt-claims: are of tokens that are minted; give --jwt-secret or --jwt-key, too")
    unknown = parsed["jwt_claims"].names - {"n"} if parsed["jwt_claims"] else None
    if unknown:
        raise ValueError(f"--jwt-claims: {{{min(unknown)}}} stands for nothing there; {{n}} is the number of the user")
    if parsed["conversation"] and parsed["conversations_file"]:
        raise ValueError("--conversations-file: cannot be combined with --conversation; give one of the two")


def _option(attribute: str) -> str:
    return "--" + attribute.replace("_", "-")
