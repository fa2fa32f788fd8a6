"""What a run says of its rooms, as lines of the summary and as rows of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from loadtest.analysis.rooms.values import Found, Rooms, Starts, Typing
from loadtest.analysis.values import Summary
from loadtest.report.units import DASH, milliseconds, number

_FAULTS: Final = ("doubled", "altered", "misnamed")


def notes(summary: Summary) -> Iterable[str]:
    """Lines on rooms, and on leaks in any run."""
    rooms = summary.rooms
    if rooms is not None:
        yield f"rooms: {_ledger(rooms)}"
        faults = (f"{_both(getattr(rooms, name))} {name}" for name in _FAULTS)
        yield f"broadcasts: {', '.join(faults)}, {rooms.reordered:,} messages in different orders"
        if rooms.typing is not None:
            yield f"typing: {_typing(rooms.typing)}"
            if rooms.typing.ledger is not None:
                yield f"typing:start sent: {_sent(rooms.typing.ledger)}"
    if rooms is not None or summary.counts.get("leaks"):
        found = summary.seen.get("leak", {})
        kinds = f" ({', '.join(f'{count:,} x {kind}' for kind, count in found.items())})" if found else ""
        yield f"leaks: {number(summary.counts.get('leaks', 0))} events seen by who is not in their conversation{kinds}"


def rows(summary: Summary) -> Sequence[tuple[str, str, str]]:
    """What was looked for, in messages and in receipts; empty for a run without rooms."""
    rooms = summary.rooms
    if rooms is None:
        return ()
    found = [
        ("expected at the other members", number(rooms.messages), number(rooms.expected)),
        ("seen of these", DASH, number(rooms.seen)),
        ("missing", *_numbers(rooms.missing)),
        ("cannot be told: joined or gone meanwhile", DASH, number(rooms.ambiguous)),
        *((name, *_numbers(getattr(rooms, name))) for name in _FAULTS),
        ("received in different orders", number(rooms.reordered), DASH),
        ("leaks: events seen by who is not in their conversation", DASH, number(summary.counts.get("leaks"))),
    ]
    typing = rooms.typing
    if typing is not None:
        found += [
            ("typing:start expected at the others", number(typing.starts), number(typing.expected)),
            ("seen of these", DASH, number(typing.seen)),
            *_beside(typing.ledger),
            ("typing:stop expected at the others", DASH, number(typing.stops_expected)),
            ("seen of these", DASH, number(typing.stops_seen)),
            (f"stopped by the server{_after(typing)}", number(typing.automatic), DASH),
            ("typing events that came back to who typed", DASH, number(typing.echoes)),
        ]
    isolation = summary.typing_isolation
    if isolation is not None and isolation.ratio is not None and isolation.ci95 is not None:
        low, high = isolation.ci95
        found.append(("ack delivered p50 while others type", f"x{isolation.ratio:.2f} [{low:.2f}, {high:.2f}]", DASH))
    return found


def withheld(summary: Summary) -> str:
    """Why the page has dashes there; empty where it has none."""
    return summary.rooms.withheld if summary.rooms is not None else ""


def _ledger(rooms: Rooms) -> str:
    if rooms.withheld:
        return f"{rooms.rooms:,}; who should have received what is withheld: {rooms.withheld}"
    missing = 0 if rooms.missing is None else rooms.missing.receipts
    of = f", of {rooms.missing.messages:,} messages" if rooms.missing is not None and missing else ""
    return (
        f"{rooms.rooms:,}, {number(rooms.messages)} messages expected at others {number(rooms.expected)} times = "
        f"{number(rooms.seen)} seen + {missing:,} missing{of}; {number(rooms.ambiguous)} more cannot be told"
    )


def _typing(typing: Typing) -> str:
    parts = [
        f"{typing.starts:,} starts told to others {_of(typing.seen, typing.expected)} times",
        f"stops {_of(typing.stops_seen, typing.stops_expected)}",
    ]
    if typing.automatic:
        parts.append(f"{typing.automatic:,} by the server{_after(typing)}")
    return f"{', '.join(parts)}, {typing.echoes:,} came back to who typed"


def _beside(starts: Starts | None) -> Iterable[tuple[str, str, str]]:
    """Rows of the starts that nobody was to be told of."""
    if starts is not None:
        yield "typing:start beyond one a second, to be ignored", number(starts.surplus), number(_surplus(starts))
        yield "passed on of these", DASH, number(starts.surplus_passed_on)
        yield "typing:start that cannot be told", number(starts.ambiguous), DASH


def _sent(starts: Starts) -> str:
    passed_on = f", passed on {_of(starts.surplus_passed_on, _surplus(starts))} times" if starts.surplus else ""
    return (
        f"{starts.sent:,} = {starts.told:,} told to others + {starts.surplus:,} beyond one a second{passed_on} + "
        f"{starts.ambiguous:,} that cannot be told"
    )


def _surplus(starts: Starts) -> int:
    return starts.surplus_ignored + starts.surplus_passed_on


def _after(typing: Typing) -> str:
    if typing.automatic_ms is None:
        return ""
    shortest, longest = typing.automatic_ms
    return f" after {milliseconds(shortest)} to {milliseconds(longest)}"


def _of(seen: int, expected: int) -> str:
    return f"{seen:,} of {expected:,}"


def _both(found: Found) -> str:
    return f"{found.receipts:,}" + (f" (of {found.messages:,} messages)" if found.receipts else "")


def _numbers(found: Found | None) -> tuple[str, str]:
    return (DASH, DASH) if found is None else (number(found.messages), number(found.receipts))
