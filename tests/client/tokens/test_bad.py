"""Tokens that a backend must refuse: the reference server refuses each, and would take a good one."""

import pytest

from loadtest.client.tokens import BadTokens, MintedTokens, SigningKey
from loadtest.client.tokens.minted import GUIDE_CLAIMS
from loadtest.protocol import AUTH_FAILED, AUTH_REQUIRED
from loadtest.server.auth import authenticate
from loadtest.settings import Template

SECRET = "a secret of the tests, long enough for HS256"


def minted(claims=GUIDE_CLAIMS):
    return MintedTokens(SigningKey(SECRET), 900.0, claims)


def test_a_good_token_is_taken():
    assert authenticate(f"/ws?token={minted().token(0)}", SECRET) == "load-0"


@pytest.mark.parametrize("claims", [GUIDE_CLAIMS, Template({"userId": "load-{n}", "exp": 4_000_000_000})])
def test_each_flaw_has_its_turn_and_is_refused(claims):
    tokens = BadTokens(minted(claims))
    seen = []
    for _ in range(8):
        refusal = authenticate(f"/ws?token={tokens.token(0)}", SECRET)
        seen.append((tokens.flaw(0), refusal.code))
    assert seen == 2 * [
        ("missing", AUTH_REQUIRED), ("malformed", AUTH_FAILED), ("expired", AUTH_FAILED), ("forged", AUTH_FAILED),
    ]  # fmt: skip


def test_without_the_backends_key_nothing_expired_can_be_made():
    tokens = BadTokens()
    flaws = {tokens.token(0) and tokens.flaw(0) for _ in range(6)} - {""}
    assert flaws == {"malformed", "forged"}


def test_nobody_tries_again_with_a_bad_token():
    assert BadTokens().refused(0) is False
