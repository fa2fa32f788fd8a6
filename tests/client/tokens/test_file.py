"""Tokens from a file, and what is said when they cannot come from it."""

import time

import jwt
import pytest

from loadtest.client.tokens import FileTokens

SECRET = "a secret of at least thirty-two bytes"


def token(user="ann", life=900):
    return jwt.encode({"userId": user, "exp": int(time.time()) + life}, SECRET, algorithm="HS256")


def test_tokens_are_read_a_line_each_and_name_their_users(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{token('ann')}\n\n{token('ben')}\n")
    tokens = FileTokens(path)
    assert len(tokens) == 2
    assert [tokens.user_id(0), tokens.user_id(1)] == ["ann", "ben"]
    assert jwt.decode(tokens.token(1), SECRET, algorithms=["HS256"])["userId"] == "ben"


def test_a_token_need_be_no_jwt(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("s3ss10n-one\ns3ss10n/two+=\n")
    tokens = FileTokens(path)
    assert [tokens.token(0), tokens.token(1)] == ["s3ss10n-one", "s3ss10n/two+="]
    assert tokens.user_id(1) == "user-1"
    assert tokens.shortest_life_s == float("inf")


def test_a_byte_order_mark_is_no_part_of_the_first_token(tmp_path):
    path, first = tmp_path / "tokens", token("ann")
    path.write_text(f"{first}\r\n{token('ben')}\r\n", encoding="utf-8-sig")
    assert FileTokens(path).token(0) == first


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no token"),
        ("Bearer abc\n", "line 1 of .* is no token; put one on each line, and nothing else"),
        ("geheim-süß\n", "line 1 of .* is no token"),
        (token(life=-100) + "\n", r"the token on line 1 of .* expired \d\d\d s ago"),
    ],
    ids=["none", "a scheme before it", "other letters", "expired"],
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


# --- a file that is rewritten while the run goes on
def test_fresh_tokens_are_read_once_the_old_ones_are_refused(tmp_path):
    path = tmp_path / "tokens"
    first, second = token("ann", 900), token("ann", 901)
    path.write_text(first)
    tokens = FileTokens(path)
    assert not tokens.refused(0), "the file is as it was: asking again is of no use"
    path.write_text(second)
    assert tokens.token(0) == first, "a token that is still good is kept"
    assert tokens.refused(0)
    assert tokens.token(0) == second


def test_fresh_tokens_are_read_once_the_old_ones_expire(tmp_path):
    path = tmp_path / "tokens"
    about_to_expire, fresh = token("ann", 2), token("ann", 900)
    path.write_text(about_to_expire)
    tokens = FileTokens(path)
    assert 0 < tokens.shortest_life_s <= 2
    assert tokens.token(0) == about_to_expire
    path.write_text(fresh)
    assert tokens.token(0) == fresh


@pytest.mark.parametrize("content", ["", "no JWT\n", None], ids=["empty", "no token", "gone"])
def test_a_file_that_is_no_good_any_more_changes_nothing(tmp_path, content):
    path = tmp_path / "tokens"
    path.write_text(token("ann"))
    tokens = FileTokens(path)
    before = tokens.token(0)
    path.unlink() if content is None else path.write_text(content)
    assert not tokens.refused(0)
    assert tokens.token(0) == before
