"""Tokens that we sign: claims, life, and keys of each kind."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from loadtest.client.tokens import MintedTokens, SigningKey, read_key
from loadtest.settings import json_template

SECRET = "a secret of at least thirty-two bytes"


def pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_minted_token_names_its_user_and_lives_a_quarter_of_an_hour():
    claims = jwt.decode(MintedTokens(SECRET).token(7), SECRET, algorithms=["HS256"])
    assert (claims["userId"], claims["email"]) == ("load-7", "load-7@example.com")
    assert claims["exp"] - claims["iat"] == 900


def test_claims_come_from_a_template_and_the_user_is_who_they_say():
    template = json_template('{"sub": "u{n}", "roles": ["load", "n{n}"], "org": {"id": 7}}')
    tokens = MintedTokens(SECRET, 60, template)
    claims = jwt.decode(tokens.token(3), SECRET, algorithms=["HS256"])
    assert {name: claims[name] for name in ("sub", "roles", "org")} == {
        "sub": "u3",
        "roles": ["load", "n3"],
        "org": {"id": 7},
    }
    assert claims["exp"] - claims["iat"] == 60
    assert tokens.user_id(3) == "u3"


def test_claims_may_set_their_own_expiry():
    tokens = MintedTokens(SECRET, 60, json_template('{"sub": "u{n}", "exp": 4000000000}'))
    assert jwt.decode(tokens.token(0), SECRET, algorithms=["HS256"])["exp"] == 4_000_000_000


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(65_537, 2_048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_private_key_signs_with_the_algorithm_that_it_is_made_for(tmp_path, key, algorithm):
    path = tmp_path / "key.pem"
    path.write_bytes(pem(key))
    token = MintedTokens(read_key(path, "key-1")).token(0)
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "JWT", "kid": "key-1"}
    assert jwt.decode(token, public_pem(key), algorithms=[algorithm])["userId"] == "load-0"


EC = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a shared secret", "holds no private key; give a PEM file with an RSA or EC private key"),
        (public_pem(EC), "holds a public key"),
        (pem(EC, BestAvailableEncryption(b"secret")), "is encrypted; give one without a passphrase"),
        (pem(dsa.generate_private_key(1_024)), "is of a kind that signs no tokens"),
        (None, "cannot be read"),
    ],
    ids=["no key", "public", "encrypted", "DSA", "absent"],
)
def test_a_file_without_a_key_is_refused_and_not_shown(tmp_path, content, complaint):
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=complaint) as caught:
        read_key(path)
    assert "a shared secret" not in str(caught.value)


def test_a_key_without_an_id_leaves_it_out():
    token = MintedTokens(SigningKey(SECRET)).token(0)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
