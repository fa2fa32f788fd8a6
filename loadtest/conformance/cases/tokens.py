"""Tokens that must be refused."""

from __future__ import annotations

import base64
import json
import time
from typing import Final

import jwt

from loadtest.client.dial import DialError
from loadtest.client.endpoint import Credentials, credentials
from loadtest.client.tokens import NoToken
from loadtest.client.tokens.source import claims_of
from loadtest.conformance.bench import Bench, CannotTest
from loadtest.conformance.checklist import Findings
from loadtest.conformance.line import Line
from loadtest.conformance.meanings import interval
from loadtest.load.identity import signing_key
from loadtest.protocol import (
    AUTH_FAILED,
    AUTH_REQUIRED,
    CLOSE_POLICY,
    ConnectionAuthenticated,
    ConnectionError_,
    excerpt,
)

PLACE = 0
EXPIRED_S: Final = 3600
"""How long the expired token has been so: beyond any tolerance for clocks that differ."""


def check(bench: Bench, findings: Findings) -> None:
    """Knock with each."""
    try:
        token = bench.tokens.token(bench.user(PLACE))
    except NoToken:
        raise CannotTest("there is no token to spoil") from None
    place = bench.chosen.token_in
    ways: list[str] = []
    _knock(bench, findings, "missing-token", Credentials(), AUTH_REQUIRED, ways)
    _knock(bench, findings, "malformed-token", credentials("no.token.atall", place), AUTH_FAILED, ways)
    if token.count(".") == 2:
        _knock(bench, findings, "wrong-signature", credentials(altered(token), place), AUTH_FAILED, ways)
        _knock(bench, findings, "unsigned-token", credentials(unsigned(token), place), AUTH_FAILED, ways)
    else:
        findings.untested(("wrong-signature", "unsigned-token"), f"the token of {bench.tokens.option} is no JWT")
    key = signing_key(bench.chosen)
    if key is None:
        findings.untested(("expired-token",), f"{bench.tokens.option} brings no key to sign an expired token with")
    else:
        now = int(time.time())
        times = {"iat": now - 2 * EXPIRED_S, "exp": now - EXPIRED_S}
        expired = jwt.encode((claims_of(token) or {}) | times, key.key, key.algorithm, jwt.get_unverified_header(token))
        _knock(bench, findings, "expired-token", credentials(expired, place), AUTH_FAILED, ways)
    _tell_ways(findings, ways)


def altered(token: str) -> str:
    """The token with another signature of the same length."""
    head, _, signature = token.rpartition(".")
    # In its middle: the last character carries bits that decoders leave out.
    middle = len(signature) // 2
    other = "A" if signature[middle : middle + 1] != "A" else "B"
    return f"{head}.{signature[:middle]}{other}{signature[middle + 1 :]}"


def unsigned(token: str) -> str:
    """The claims of a token, signed by nobody (RFC 7519, section 6)."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def _knock(bench: Bench, findings: Findings, case: str, shown: Credentials, expected: str, ways: list[str]) -> None:
    """One attempt to get in.

    Args:
        expected: the code that the guide has for it.
        ways: how tokens have been refused so far; this one's is added.
    """
    line = Line(bench.endpoint, shown, bench.counts, bench.dialect)
    began = time.monotonic_ns()
    try:
        line.open()
    except DialError as error:
        took = interval(time.monotonic_ns() - began)
        if error.kind in ("http 401", "http 403"):
            ways.append(error.kind.upper())
            findings.conforms(case, f"{error.kind.upper()} at the upgrade after {took}")
        else:
            findings.fails(case, f"neither let in nor refused: {excerpt(str(error))}")
        return
    patience_s = min(bench.patience_s, bench.endpoint.connect_timeout_s)
    answer = line.admission(patience_s)
    welcome = answer is not None and isinstance(answer.event, ConnectionAuthenticated)
    if welcome or (answer is None and line.closed is None and not bench.dialect.greets):
        line.hang_up()
        findings.fails(case, "ALARM: it was LET IN; whoever sends such a token is taken for a user")
        return
    line.until(lambda _: False, line.mark(), 1.0 if answer is not None else patience_s)
    took = interval((answer.at_ns if answer is not None else time.monotonic_ns()) - began)
    code = answer.event.code if answer is not None and isinstance(answer.event, ConnectionError_) else None
    closed = line.closed
    if closed is None:
        line.hang_up()
        said = (
            f"connection:error {code}, but the connection stays open" if answer is not None else "no word and no close"
        )
        findings.fails(case, f"{said}, {patience_s:g} s after the upgrade" if answer is None else said)
        return
    ways.append(f"close {closed.code}")
    shown_code = excerpt(code or "no connection:error", 40)
    seen = f"{shown_code}, then close {closed.code}, after {took}"
    if code == expected:
        findings.conforms(case, seen)
    else:
        findings.fails(case, f"{seen}; the guide has {expected}")


def _tell_ways(findings: Findings, ways: list[str]) -> None:
    kinds = sorted(set(ways))
    if not kinds:
        findings.untested(("refusal",), "nothing was refused")
    elif kinds == [f"close {CLOSE_POLICY}"]:
        findings.conforms("refusal", f"after the upgrade, by close {CLOSE_POLICY}")
    else:
        findings.differs("refusal", f"by {', '.join(kinds)}")
