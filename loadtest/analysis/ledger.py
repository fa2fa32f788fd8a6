"""The ledger: every message in exactly one outcome, every delivered message's stream in exactly one state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadtest.analysis.limits.run import Limits
from loadtest.analysis.records import Records
from loadtest.analysis.values import Counts, Ending
from loadtest.model import BROKEN_OFF, Connect, Login, Outcome, Population, StreamState, WorkerEnd
from loadtest.protocol import AUTH_REFUSALS
from loadtest.runs.columns import MISSING, Bools, Messages


def message_counts(messages: Messages, part: Bools) -> Counts:
    """Some of the messages by outcome, and delivered ones by the state of their stream."""
    outcomes = messages.outcome[part].counts()
    states = messages.stream_state[part & messages.outcome.is_in(Outcome.DELIVERED)].counts()
    return {
        "sent": int(part.sum()),
        "sent_on_wire": int((part & (messages.sent_ns != MISSING)).sum()),
        **{str(outcome): outcomes.get(outcome, 0) for outcome in Outcome},
        "streams_started": int((part & (messages.chunks > 0)).sum()),
        **{f"streams_{state}": states.get(state, 0) for state in StreamState},
    }


def count(records: Records, limits: Limits | None = None) -> Counts:
    """All counts of a run.

    Connects with tokens that are bad on purpose are counted apart, as `intruders`.

    `unaccounted` is what the schedule handed to clients less what came back as a record: 0 in a sound run. In one that
    was cut off it is None: what was open then has no record, and never will. Where a worker was lost, what it had
    open at its last report is `lost_with_workers`. Bytes are those of payloads: `on_wire` as they travelled, compressed
    or not.
    """
    messages = records.messages
    return {
        **message_counts(messages, np.ones(len(messages), np.bool_)),
        **_offered(records),
        "rejected_within_limit": _rejected_within_limit(messages, records.info.limit_window_s),
        "duplicates": records.count("duplicate_ack"),
        "stream_violations": records.count("stream_violation"),
        **_traffic(records),
        **_connects(records.connects),
        **_intruders(records.intruders),
        **_invalid(messages),
        "limit_leaks": limits.leaks if limits else 0,
        "false_rejections": limits.false_rejections if limits else 0,
        "limit_ambiguous": limits.ambiguous if limits else 0,
        **_logins(records.logins),
        **_losses(records),
        "unknown_events": records.count("unknown_event"),
    }


def _offered(records: Records) -> Counts:
    offered = records.count("messages_offered")
    left_open = offered - len(records.messages)
    with_workers = max(left_open, 0) if any(w.ended is WorkerEnd.LOST for w in records.info.workers) else 0
    return {
        "offered": offered,
        "lost_with_workers": with_workers,
        "unaccounted": left_open - with_workers if records.complete else None,
    }


def _traffic(records: Records) -> Counts:
    received, sent = records.count("bytes_received"), records.count("bytes_sent")
    return {
        "frames_received": records.count("frames_received"),
        "bytes_received": received,
        "bytes_received_on_wire": received - records.count("deflate_saved_received"),
        "bytes_sent": sent,
        "bytes_sent_on_wire": sent - records.count("deflate_saved_sent"),
    }


def _connects(connects: Sequence[Connect]) -> Counts:
    return {
        "connects": sum(connect.authenticated_ns is not None for connect in connects),
        "connect_failures": sum(connect.authenticated_ns is None for connect in connects),
        "auth_failures": sum(connect.outcome in AUTH_REFUSALS for connect in connects),
        "auth_recoveries": _auth_recoveries(connects),
    }


def _intruders(attempts: Sequence[Connect]) -> Counts:
    return {
        "intruders": len(attempts),
        "intruders_admitted": sum(connect.authenticated_ns is not None for connect in attempts),
        "intruders_refused": sum(connect.outcome in AUTH_REFUSALS for connect in attempts),
    }


def _invalid(messages: Messages) -> Counts:
    invalid = messages.population.is_in(Population.INVALID)
    return {
        "invalid": int(invalid.sum()),
        "invalid_refused": int((invalid & messages.outcome.is_in(Outcome.ERROR)).sum()),
        "invalid_admitted": int((invalid & messages.outcome.is_in(Outcome.DELIVERED)).sum()),
    }


def _logins(logins: Sequence[Login]) -> Counts:
    return {
        "logins": sum(login.outcome == "ok" for login in logins),
        "login_failures": sum(login.outcome not in ("ok", BROKEN_OFF) for login in logins),
        "logins_broken_off": sum(login.outcome == BROKEN_OFF for login in logins),
    }


def _losses(records: Records) -> Counts:
    outages = records.outages
    return {
        "disconnects": len(records.disconnects),
        "reconnects": sum(each.reconnect and each.authenticated_ns is not None for each in records.connects),
        "outages": len(outages),
        "outages_on_purpose": sum(outage.on_purpose for outage in outages),
        "outages_unrecovered": sum(outage.authenticated_ns is None for outage in outages),
    }


def _rejected_within_limit(messages: Messages, window_s: float | None) -> int:
    """Rejected messages of users who keep to the limit.

    Not those in one window with a queue that their user flushed: the two together may be more than the limit admits,
    and whether they were is for `judge_limits` to say.
    """
    rejected = messages.population.is_in(Population.HEADLINE) & messages.outcome.is_in(Outcome.REJECTED)
    flushed = messages.population.is_in(Population.QUEUED) & (messages.sent_ns != MISSING)
    rows = np.flatnonzero(rejected | flushed)
    rows = rows[np.lexsort((messages.sent_ns[rows], messages.user.codes[rows]))]
    if not flushed.any() or not window_s:
        return int(rejected.sum())
    before = rows[np.maximum.accumulate(np.where(flushed[rows], np.arange(len(rows)), 0))]  # the flushed one before
    near = messages.sent_ns[rows] - messages.sent_ns[before] < window_s * 1e9
    excused = flushed[before] & (messages.user.codes[before] == messages.user.codes[rows]) & near
    return int((rejected[rows] & ~excused).sum())


def _auth_recoveries(connects: Sequence[Connect]) -> int:
    """Connects that were refused, and then succeeded with a fresh token."""
    refused: set[str] = set()
    recovered = 0
    for connect in connects:
        if connect.outcome in AUTH_REFUSALS:
            refused.add(connect.user)
        elif connect.authenticated_ns is not None:
            recovered += connect.user in refused
            refused.discard(connect.user)
    return recovered


def reasons(messages: Messages, outcome: Outcome, *, invalid: bool = False) -> dict[str, int]:
    """Messages of one outcome by reason, most frequent first.

    Args:
        invalid: of those that are invalid on purpose; else of the others.
    """
    meant = messages.population.is_in(Population.INVALID)
    found = messages.reason[messages.outcome.is_in(outcome) & (meant if invalid else ~meant)].counts()
    return _by_frequency({name or "no reason given": number for name, number in found.items()})


def connect_failures(records: Records) -> dict[str, int]:
    """Failed attempts to connect by outcome, most frequent first."""
    found: dict[str, int] = {}
    for connect in records.connects:
        if connect.authenticated_ns is None:
            found[connect.outcome] = found.get(connect.outcome, 0) + 1
    return _by_frequency(found)


def intruders(records: Records) -> dict[str, int]:
    """Connects with bad tokens by flaw and outcome, as in `expired: AUTH_FAILED`, most frequent first."""
    found: dict[str, int] = {}
    for connect in records.intruders:
        came_of_it = connect.outcome if connect.authenticated_ns is None else "LET IN"
        name = f"{connect.bad_token}: {came_of_it}"
        found[name] = found.get(name, 0) + 1
    return _by_frequency(found)


def login_failures(records: Records) -> dict[str, int]:
    """Failed logins by outcome, most frequent first."""
    found: dict[str, int] = {}
    for login in records.logins:
        if login.outcome not in ("ok", BROKEN_OFF):
            found[login.outcome] = found.get(login.outcome, 0) + 1
    return _by_frequency(found)


def endings(records: Records) -> list[Ending]:
    """Ends of authenticated connections by code, reason and who ended it, most frequent first."""
    found: dict[tuple[int, str, str], int] = {}
    for end in records.disconnects:
        key = (end.code, end.reason, end.by)
        found[key] = found.get(key, 0) + 1
    return [Ending(*key, number) for key, number in sorted(found.items(), key=lambda item: (-item[1], item[0]))]


def _by_frequency(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
