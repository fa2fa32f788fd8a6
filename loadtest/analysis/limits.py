"""How a server keeps its rate limit: leaks, false rejections, and promises of when to try again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.limiters import JUDGES, NONE, Fate, Findings, Try
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.model import Outcome
from loadtest.runs.columns import MISSING, Ints, Messages
from loadtest.settings import LimitKind

NS: Final = 1_000_000_000


class Limits(Struct, frozen=True):
    """What a run says of the declared limit, taken as one for each user.

    Attributes:
        kind: of the limiter that it is held against: `fixed`, `sliding` or `bucket`.
        told: whether the run tells the kind: every other would be contradicted more often.
        users: who were rejected, or sent more than a window's worth within one; the others can show nothing.
        leaks: admitted, though the limit was used up.
        false_rejections: rejected, though it was not.
        ambiguous: where it depends on when between sent and ack the server decided.
    """

    kind: str
    told: bool
    users: int
    leaks: int
    false_rejections: int
    ambiguous: int


def judge_limits(records: Records) -> Limits | None:
    """Leaks and false rejections; None without a declared limit, or where nobody came near it."""
    info, messages = records.info, records.messages
    if not info.limit_messages or not info.limit_window_s:
        return None
    limit, window_ns = info.limit_messages, round(info.limit_window_s * NS)
    users = [_tries(messages, rows) for rows in _rows_by_user(messages) if _near(messages, rows, limit, window_ns)]
    if not users:
        return None
    wanted = str(info.options.get("limiter") or LimitKind.AUTO)
    kinds = list(JUDGES) if wanted == LimitKind.AUTO else [LimitKind(wanted)]
    found = {kind: _all(kind, users, limit, window_ns) for kind in kinds}
    rejected = any(attempt.fate is Fate.REJECTED for tries in users for attempt in tries)
    # where nothing is rejected there is no limiter to tell the kind of: it is held against the guide's
    kind = min(kinds, key=lambda each: found[each].contradictions) if rejected else kinds[0]
    best = found[kind]
    told = wanted != LimitKind.AUTO or all(
        found[each].contradictions > best.contradictions for each in kinds if each is not kind and rejected
    )
    return Limits(str(kind), told and rejected, len(users), best.leaks, best.false_rejections, best.ambiguous)


def _all(kind: LimitKind, users: list[list[Try]], limit: int, window_ns: int) -> Findings:
    total = NONE
    for tries in users:
        total = total.plus(JUDGES[kind](tries, limit, window_ns))
    return total


def _rows_by_user(messages: Messages) -> Iterator[Ints]:
    """Places of each user's messages on the wire, in the order of sending."""
    rows = np.flatnonzero(messages.sent_ns != MISSING)
    rows = rows[np.lexsort((messages.sent_ns[rows], messages.user.codes[rows]))]
    cuts = np.flatnonzero(np.diff(messages.user.codes[rows])) + 1
    return iter(np.split(rows, cuts)) if len(rows) else iter(())


def _near(messages: Messages, rows: Ints, limit: int, window_ns: int) -> bool:
    """Whether a user was rejected, or sent more than a window's worth within one."""
    sent = messages.sent_ns[rows]
    crowded = len(sent) > limit and bool((sent[limit:] - sent[:-limit] < window_ns).any())
    return crowded or bool((messages.outcome.is_in(Outcome.REJECTED)[rows]).any())


def _tries(messages: Messages, rows: Ints) -> list[Try]:
    rejected = messages.outcome.is_in(Outcome.REJECTED)[rows].tolist()
    sent = messages.sent_ns[rows].tolist()
    columns = zip(
        messages.received_ns[rows].tolist(),
        messages.delivered_ns[rows].tolist(),
        messages.refused_ns[rows].tolist(),
        strict=True,
    )
    tries = []
    for began, refused, (received_ns, delivered_ns, refused_ns) in zip(sent, rejected, columns, strict=True):
        answers = [at for at in (received_ns, delivered_ns, refused_ns) if at != MISSING]
        admitted = delivered_ns != MISSING
        fate = Fate.REJECTED if refused else Fate.ADMITTED if admitted else Fate.UNKNOWN
        tries.append(Try(began, max(began, min(answers, default=began)), fate))
    return tries


def retry_after_errors(messages: Messages) -> Floats:
    """Promised less real wait, ns, at the first of a user's rejections in a row; NaN at every other message. Shape n.

    The real wait ends when the next message that is admitted was sent: how precisely that is known depends on how often
    the user tries. A promise is in whole seconds, so up to one second too much is no error of the server.
    """
    values = np.full(len(messages), np.nan)
    rejected = messages.outcome.is_in(Outcome.REJECTED)
    if not rejected.any():
        return values
    for rows in _rows_by_user(messages):
        if not rejected[rows].any():
            continue
        first = None
        for row in rows.tolist():
            if rejected[row]:
                first = row if first is None else first
            elif first is not None and messages.delivered_ns[row] != MISSING:
                promised_s, refused_ns = int(messages.retry_after_s[first]), int(messages.refused_ns[first])
                if MISSING not in (promised_s, refused_ns):
                    values[first] = refused_ns + promised_s * NS - int(messages.sent_ns[row])
                first = None
    return values
