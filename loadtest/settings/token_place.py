"""Where in the upgrade request a backend looks for the token."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

from loadtest.settings.parsers import of_the_handshake

TOKEN: Final = "{token}"
_HTTP_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2: names of headers and cookies, and subprotocols."""


class Carrier(StrEnum):
    """What of the request carries the token."""

    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    SUBPROTOCOL = "subprotocol"


class TokenPlace(Struct, frozen=True):
    """Where the token goes.

    Attributes:
        carrier: part of the request.
        name: of the parameter, header or cookie; the subprotocol that is offered before the token's own.
        form: what is written there, with `{token}` for the token.
    """

    carrier: Carrier = Carrier.QUERY
    name: str = "token"
    form: str = TOKEN

    def written(self, token: str) -> str:
        """A token as it is written there."""
        return self.form.replace(TOKEN, token)

    def __str__(self) -> str:
        default = _default_form(self.carrier, self.name)
        return f"{self.carrier}:{self.name}" + ("" if self.form == default else f"={self.form}")


def token_place(text: str) -> TokenPlace:
    """`header:Authorization`, or with the form written out, `header:Authorization=Token {token}`."""
    carrier, _, rest = text.strip().partition(":")
    name, equals, form = rest.partition("=")
    if carrier not in tuple(Carrier) or not name:
        raise ValueError(
            f"{text!r} is no place for a token: give query:NAME, header:NAME, cookie:NAME or subprotocol:NAME, as in "
            "header:Authorization"
        )
    if carrier != Carrier.QUERY and not _HTTP_TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a {carrier}: leave out blanks and separators")
    if carrier == Carrier.HEADER and of_the_handshake(name):
        raise ValueError(f"{name} cannot carry it, since it is a header of the upgrade's own; give another")
    if equals and (TOKEN not in form or not form.isprintable()):
        raise ValueError(f"{text!r} does not say where the token goes: write {TOKEN} behind the =")
    place = Carrier(carrier)
    return TokenPlace(place, name, form if equals else _default_form(place, name))


def _default_form(carrier: Carrier, name: str) -> str:
    """RFC 6750 for the header that it is about; the bare token elsewhere."""
    bearer = carrier is Carrier.HEADER and name.lower() == "authorization"
    return f"Bearer {TOKEN}" if bearer else TOKEN
