"""Tokens that we sign ourselves, as the backend would."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from loadtest.client.tokens.source import Tokens, claimed_user
from loadtest.protocol import TOKEN_LIFE_S
from loadtest.settings import Template

GUIDE_CLAIMS: Final = Template({"userId": "load-{n}", "email": "load-{n}@example.com"})
"""The claims of the guide's tokens."""
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
"""RFC 7518, section 3.4."""


class SigningKey(Struct, frozen=True):
    """What tokens are signed with.

    Attributes:
        key: a shared secret, or a private key.
        algorithm: as in the token's header.
        key_id: `kid` of the token's header; None for none.
    """

    key: Any
    algorithm: str = "HS256"
    key_id: str | None = None


def read_key(path: Path, key_id: str | None = None) -> SigningKey:
    """A private key in a PEM file: RSA for RS256, EC for ES256 (or what its curve stands for), Ed25519 for EdDSA.

    Raises:
        ValueError: there is none in it.
    """
    where = repr(str(path))
    remedy = "give a PEM file with an RSA or EC private key"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{where} cannot be read ({error.strerror}); {remedy}") from None
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise ValueError(f"the key in {where} is encrypted; give one without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        what = "holds a public key" if b"PUBLIC KEY" in data else "holds no private key"
        raise ValueError(f"{where} {what}; {remedy}") from None
    algorithm = _algorithm(key)
    if algorithm is None:
        raise ValueError(f"the key in {where} is of a kind that signs no tokens; {remedy}")
    return SigningKey(key, algorithm, key_id)


def _algorithm(key: object) -> str | None:
    if isinstance(key, RSAPrivateKey):
        return "RS256"
    if isinstance(key, EllipticCurvePrivateKey):
        return _CURVES.get(key.curve.name)
    return "EdDSA" if isinstance(key, Ed25519PrivateKey) else None


class MintedTokens(Tokens):
    """A new token for each connection.

    Args:
        key: a key, or the text of a shared secret (HS256).
        life_s: seconds from minting to expiry.
        claims: by user; `{n}` is the user's number. `iat` and `exp` are added, unless they are there.
        option: the option that the key comes from.
    """

    def __init__(
        self,
        key: SigningKey | str,
        life_s: float = TOKEN_LIFE_S,
        claims: Template = GUIDE_CLAIMS,
        option: str = "--jwt-secret",
    ) -> None:
        self.option = option
        self._key = SigningKey(key) if isinstance(key, str) else key
        self._life_s = life_s
        self._claims = claims
        # The secret is the backend's: whether it is long enough is not ours to judge in the middle of a run's output.
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)

    def user_id(self, number: int) -> str:
        return claimed_user(self._claimed(number)) or super().user_id(number)

    def token(self, number: int) -> str:
        return self._signed(number, int(time.time()))

    def expired(self, number: int, ago_s: float) -> str:
        """A token that was good until so many seconds ago."""
        over = int(time.time() - ago_s)
        return self._signed(number, int(over - self._life_s), exp=over)

    def _signed(self, number: int, now: int, **whatever_is_claimed: int) -> str:
        own = self._claimed(number) | whatever_is_claimed
        claims = {"iat": now, "exp": now + max(int(self._life_s), 1)} | own
        headers = {"kid": self._key.key_id} if self._key.key_id else None
        return jwt.encode(claims, self._key.key, algorithm=self._key.algorithm, headers=headers)

    def _claimed(self, number: int) -> dict[str, Any]:
        claims: dict[str, Any] = self._claims.fill({"n": str(number)})
        return claims
