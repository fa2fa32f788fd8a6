"""Where tokens come from, and what is said when they cannot."""

import time

import jwt
import pytest

from loadtest.client.tokens import FileTokens, MintedTokens

SECRET = "a secret of at least thirty-two bytes"


def token(user="ann", life=900):
    return jwt.encode({"userId": user, "exp": int(time.time()) + life}, SECRET, algorithm="HS256")


def test_a_minted_token_names_its_user_and_lives_a_quarter_of_an_hour():
    claims = jwt.decode(MintedTokens(SECRET).token(7), SECRET, algorithms=["HS256"])
    assert (claims["userId"], claims["email"]) == ("load-7", "load-7@example.com")
    assert claims["exp"] - claims["iat"] == 900


def test_tokens_are_read_a_line_each_and_name_their_users(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{token('ann')}\n\n{token('ben')}\n")
    tokens = FileTokens(path)
    assert len(tokens) == 2
    assert [tokens.user_id(0), tokens.user_id(1)] == ["ann", "ben"]
    assert jwt.decode(tokens.token(1), SECRET, algorithms=["HS256"])["userId"] == "ben"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no token"),
        ("not-a-jwt\n", "line 1 of .* is no JWT"),
        (token(life=-100) + "\n", r"the token on line 1 of .* expired 1\d\d s ago"),
    ],
)
def test_a_bad_file_is_refused_by_its_line_and_without_the_token(tmp_path, content, complaint):
    path = tmp_path / "tokens"
    path.write_text(content)
    with pytest.raises(ValueError, match=complaint) as caught:
        FileTokens(path)
    assert not content.strip() or content.strip() not in str(caught.value)


def test_users_that_would_share_a_token_are_refused(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{token('ann')}\n{token('ben')}\n{token('ann')}\n")
    with pytest.raises(ValueError, match=r"line 3 of .* repeats line 1"):
        FileTokens(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="absent' cannot be read"):
        FileTokens(tmp_path / "absent")
