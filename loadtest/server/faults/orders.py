"""Orders of faults as text: `NAME[:VALUE][,KEY=VALUE...]`, as in `stream-freeze:3s,every=5`. Pure."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct

from loadtest.settings import duration, positive_duration, positive_int, whole

from .kinds import Fault, Per

BOTH_ACKS: Final = ("received", "delivered")


class Order(Struct, frozen=True):
    """A fault, and which of its occasions it is ordered for; all of them by default.

    Attributes:
        text: how it was ordered.
        fault: what is to go wrong.
        value: how much: seconds, readers or a close code, as its kind says; 0 where it takes none.
        first: first occasion, from 1.
        last: last occasion; None for no end.
        every: of these, every so-manieth, the first of them after that many.
        share: of these, each with this probability; at a moment, the share of the connections, rounded to a number.
        acks: the acks meant, for a fault of acks.
        at_s: the moment, seconds from the order or the server's start; for faults at a moment.
        again_s: seconds to the next moment and all that follow; None for one alone.
        seed: of the draws for `share`.
    """

    text: str
    fault: Fault
    value: float = 0.0
    first: int = 1
    last: int | None = None
    every: int = 1
    share: float = 1.0
    acks: tuple[str, ...] = BOTH_ACKS
    at_s: float = 0.0
    again_s: float | None = None
    seed: int = 1


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise ValueError(f"{text!r} is no share: give a number above 0 and up to 1")
    return value


def _acks(text: str) -> tuple[str, ...]:
    if text not in BOTH_ACKS:
        raise ValueError(f"{text!r} is neither received nor delivered; leave it out for both")
    return (text,)


_COUNTED: Final[dict[str, tuple[str, Any]]] = {
    "every": ("every", positive_int),
    "from": ("first", positive_int),
    "to": ("last", positive_int),
    "share": ("share", _share),
    "seed": ("seed", whole),
}
_TIMED: Final[dict[str, tuple[str, Any]]] = {
    "at": ("at_s", duration),
    "every": ("again_s", positive_duration),
    "share": ("share", _share),
    "seed": ("seed", whole),
}
_OF_ACKS: Final[dict[str, tuple[str, Any]]] = {"ack": ("acks", _acks)}


def order(text: str) -> Order:
    """An order from its text.

    Raises:
        ValueError: with what was wrong and what to do, one line.
    """
    head, *settings = [part.strip() for part in text.strip().split(",")]
    name, _, rest = head.partition(":")
    fault = _fault(name.strip())
    values = [rest.strip()] if rest.strip() else []
    if values and "=" in values[0]:  # `ack-drop:every=10`: a key in the place of the value
        settings.insert(0, values.pop())
    fields: dict[str, Any] = {"value": _value(fault, values)}
    for setting in settings:
        field, value = _setting(fault, setting)
        fields[field] = value
    made = Order(text.strip(), fault, **fields)
    if made.last is not None and made.last < made.first:
        raise ValueError(f"{text!r}: to={made.last} lies before from={made.first}")
    return made


def _fault(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        near = get_close_matches(name, list(Fault), 1, cutoff=0.4)
        hint = f"did you mean {str(near[0])!r}? " if near else ""
        raise ValueError(f"{name!r} is no fault; {hint}`loadtest serve --list-faults` shows them all") from None


def _value(fault: Fault, texts: list[str]) -> float:
    value = fault.kind.value
    if value is None:
        if texts:
            raise ValueError(f"{fault} takes no value: leave {texts[0]!r} out")
        return 0.0
    if texts:
        try:
            return value.parse(texts[0])
        except ValueError as error:
            raise ValueError(f"{fault}: {error}") from None
    if value.default is None:
        raise ValueError(f"{fault} needs a value: give {fault}:{value.metavar}")
    return value.default


def _setting(fault: Fault, text: str) -> tuple[str, Any]:
    keys = _TIMED if fault.kind.per is Per.MOMENT else _COUNTED | (_OF_ACKS if fault.is_of_acks else {})
    key, equals, value = text.partition("=")
    if key.strip() not in keys or not equals:
        raise ValueError(f"{fault}: {text!r} is none of its settings; give {'=, '.join(keys)}=")
    field, parse = keys[key.strip()]
    try:
        return field, parse(value.strip())
    except ValueError as error:
        raise ValueError(f"{fault}: {key.strip()}: {error}") from None
