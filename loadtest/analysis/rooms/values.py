"""What `summary.json` says of rooms."""

from __future__ import annotations

from msgspec import Struct


class Found(Struct, frozen=True):
    """Something wrong, counted both ways.

    Attributes:
        messages: with at least one.
        receipts: one message at one client each.
    """

    messages: int
    receipts: int


class Starts(Struct, frozen=True):
    """Every `typing:start` that was sent: told, surplus or ambiguous.

    Attributes:
        told: those that other members were to be told of.
        surplus: those beyond one a second, which the server was to ignore.
        ambiguous: those of which nobody can tell: about a second after another, into a connection that was half open by
            then, by who had yet to join, by two tabs at once, or with nobody else there for as long as it took.
        surplus_ignored: `surplus` at members, who were not told.
        surplus_passed_on: and who were.
    """

    sent: int
    told: int
    surplus: int
    ambiguous: int
    surplus_ignored: int
    surplus_passed_on: int


class Typing(Struct, frozen=True):
    """Typing events.

    Attributes:
        starts: `typing:start` sent that the members were to be told of.
        expected: at members, of these.
        seen: of those.
        stops_expected: `typing:stop` at members, for those starts: the client's, the server's own after five seconds
            without one, or for a connection that is gone.
        stops_seen: of those.
        automatic: starts that nobody stopped for five seconds.
        automatic_ms: shortest and longest time from such a start to the stop at a member; null where none came.
        echoes: events that came back to their own user.
        ledger: all starts; null in files of older versions.
    """

    starts: int
    expected: int
    seen: int
    stops_expected: int
    stops_seen: int
    automatic: int
    automatic_ms: tuple[float, float] | None
    echoes: int
    ledger: Starts | None = None


class Rooms(Struct, frozen=True):
    """Whether the members of rooms received what they should have.

    Attributes:
        rooms: conversations that somebody joined.
        messages: delivered ones that were expected at another member; null where withheld.
        expected: receipts: one of a message at a member each; null where withheld.
        seen: of those.
        ambiguous: receipts of which nobody can tell whether they were due: joined or gone meanwhile.
        missing: expected and not seen.
        doubled: received more than once by the same client.
        altered: with another content than was sent.
        misnamed: with another `userId` than the sender's.
        reordered: messages that two members received in different orders.
        withheld: why there are nulls; empty where there are none.
        typing: null where nobody typed, or withheld.
    """

    rooms: int
    messages: int | None
    expected: int | None
    seen: int | None
    ambiguous: int | None
    missing: Found | None
    doubled: Found
    altered: Found
    misnamed: Found
    reordered: int
    withheld: str = ""
    typing: Typing | None = None
