"""Where the token goes: what is accepted, and what it makes of a token."""

import pytest

from loadtest.client.endpoint import Credentials, credentials
from loadtest.settings import Header, TokenPlace, token_place


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("query:token", Credentials(query="token=a.b%2Bc")),
        ("query:access token", Credentials(query="access%20token=a.b%2Bc")),
        ("header:Authorization", Credentials(headers=(Header("Authorization", "Bearer a.b+c"),))),
        ("header:authorization=Token {token}", Credentials(headers=(Header("authorization", "Token a.b+c"),))),
        ("header:X-Auth", Credentials(headers=(Header("X-Auth", "a.b+c"),))),
        ("cookie:sid", Credentials(headers=(Header("Cookie", "sid=a.b+c"),))),
        ("subprotocol:access_token", Credentials(subprotocols=("access_token", "a.b+c"))),
        ("subprotocol:chat.v1=bearer.{token}", Credentials(subprotocols=("chat.v1", "bearer.a.b+c"))),
    ],
)
def test_places(text, shown):
    place = token_place(text)
    assert credentials("a.b+c", place) == shown
    assert str(place) == text


def test_the_guide_s_place_is_the_default():
    assert token_place("query:token") == TokenPlace()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("token", "is no place for a token: give query:NAME, header:NAME, cookie:NAME or subprotocol:NAME"),
        ("body:token", "is no place for a token"),
        ("header:", "is no place for a token"),
        ("header:My Token", "'My Token' is no name of a header: leave out blanks"),
        ("header:Host", "Host cannot carry it, since it is a header of the upgrade's own; give another"),
        ("header:Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol cannot carry it"),
        ("cookie:a;b", "is no name of a cookie"),
        ("header:Authorization=Token", "does not say where the token goes: write {token} behind the ="),
    ],
)
def test_bad_places_say_what_to_give(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        token_place(text)
