"""How a server keeps its rate limit: leaks, false rejections, and promises of when to try again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.limits.judges import JUDGES, NONE, Attempt, Fate, Findings
from loadtest.analysis.limits.kept import Decisions, kept_windows
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.model import Outcome
from loadtest.runs.columns import MISSING, Bools, Ints, Messages
from loadtest.settings import LimitKind

NS: Final = 1_000_000_000
_NEVER: Final = np.iinfo(np.int64).max
_FATES: Final = np.array((Fate.UNKNOWN, Fate.ADMITTED, Fate.REJECTED), object)


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
    info = records.info
    if not info.limit_messages or not info.limit_window_s:
        return None
    limit, window_ns = info.limit_messages, round(info.limit_window_s * NS)
    made = _decisions(records.messages, round(info.reply_timeout_s * NS))
    users = np.flatnonzero(_near(made, limit, window_ns))
    if not len(users):
        return None
    wanted = str(info.options.get("limiter") or LimitKind.AUTO)
    # where nothing is rejected there is no limiter to tell the kind of: it is held against the guide's
    rejected = bool(made.rejected.any())
    kinds = [LimitKind(wanted)] if wanted != LimitKind.AUTO else list(JUDGES) if rejected else list(JUDGES)[:1]
    kind, best, alone = kinds[0], None, True
    for each in kinds:
        doubtful = users[~kept_windows(made, limit, window_ns)[users]] if each is LimitKind.FIXED else users
        found = _all(each, (_tries(made, user) for user in doubtful.tolist()), limit, window_ns, best)
        if found is None:
            continue
        alone = best is None or found.contradictions < best.contradictions
        if alone:
            kind, best = each, found
    assert best is not None, "the first has nothing to be worse than"
    return Limits(str(kind), alone and rejected, len(users), best.leaks, best.false_rejections, best.ambiguous)


def _all(
    kind: LimitKind, users: Iterable[Iterable[Attempt]], limit: int, window_ns: int, best: Findings | None
) -> Findings | None:
    """What all users say of a kind; None as soon as it is more often contradicted than the best of the others."""
    total = NONE
    for tries in users:
        total = total.plus(JUDGES[kind](tries, limit, window_ns))
        if best is not None and total.contradictions > best.contradictions:
            return None
    return total


def _decisions(messages: Messages, timeout_ns: int) -> Decisions:
    """Of the messages on the wire."""
    rows = _by_user(messages, messages.sent_ns != MISSING)
    sent, earliest = messages.sent_ns[rows], np.full(len(rows), _NEVER)
    for instants in (messages.received_ns, messages.delivered_ns, messages.refused_ns):
        answered = instants[rows]
        np.minimum(earliest, answered, out=earliest, where=answered != MISSING)
    rejected = messages.outcome.is_in(Outcome.REJECTED)[rows]
    starts = np.flatnonzero(np.diff(messages.user.codes[rows], prepend=-1))
    return Decisions(
        starts=starts,
        sent_ns=sent,
        known_ns=known_ns(starts, sent, np.where(earliest == _NEVER, MISSING, earliest), timeout_ns),
        admitted=(messages.delivered_ns != MISSING)[rows] & ~rejected,
        rejected=rejected,
    )


def known_ns(starts: Ints, sent_ns: Ints, answer_ns: Ints, timeout_ns: int) -> Ints:
    """When each message had been decided for certain: by its answer, or without one by when nobody waited any more.

    Or by the user's next answer, where that came later: a server that stalls for longer than the timeout decides what
    it had not read when it goes on, in the order of sending. Shape n.

    Args:
        starts, sent_ns: as in `kept.Decisions`.
        answer_ns: `MISSING` where there was none.
        timeout_ns: how long an answer was waited for.
    """
    rows = len(sent_ns)
    answered = answer_ns != MISSING
    known: Ints = np.where(answered, np.maximum(answer_ns, sent_ns), sent_ns + timeout_ns)
    # of each message the row of the next one that was answered; beyond the user's last where there is none
    following = np.minimum.accumulate(np.where(answered, np.arange(rows), rows)[::-1])[::-1]
    stops = np.append(starts, rows)[1:]
    late = ~answered & (following < np.repeat(stops, stops - starts))
    known[late] = np.maximum(known[late], known[following[late]])
    return known


def _near(made: Decisions, limit: int, window_ns: int) -> Bools:
    """Whether a user was rejected, or sent more than a window's worth within one. Shape u."""
    if not len(made.starts):
        return np.zeros(0, np.bool_)
    shows = made.rejected.copy()
    crowded = made.sent_ns[limit:] - made.sent_ns[:-limit] < window_ns
    user = np.repeat(np.arange(len(made.starts)), np.diff(made.starts, append=len(shows)))
    shows[limit:] |= crowded & (user[limit:] == user[:-limit])
    near: Bools = np.logical_or.reduceat(shows, made.starts)
    return near


def _tries(made: Decisions, user: int) -> Iterable[Attempt]:
    rows = slice(made.starts[user], made.starts[user + 1] if user + 1 < len(made.starts) else None)
    fates = _FATES[np.where(made.rejected[rows], 2, made.admitted[rows])]
    return zip(made.sent_ns[rows].tolist(), made.known_ns[rows].tolist(), fates, strict=True)


def _by_user(messages: Messages, part: Bools) -> Ints:
    """Rows of some messages that were on the wire, by user and then in the order of sending."""
    rows = np.flatnonzero(part)
    return rows[np.lexsort((messages.sent_ns[rows], messages.user.codes[rows]))]


def retry_after_errors(messages: Messages) -> Floats:
    """Promised less real wait, ns, at the first of a user's rejections in a row; NaN at every other message. Shape n.

    The real wait ends when the next message that is admitted was sent. Where that was the first one after the promised
    time, and more than a second after it, nobody knows whether an earlier one would have passed, and there is
    no sample. A promise is in whole seconds, so up to one second too much is no error of the server.
    """
    values = np.full(len(messages), np.nan)
    first, last, admitted = _series(messages)
    columns = (
        first, messages.retry_after_s[first], messages.refused_ns[first], messages.sent_ns[last],
        messages.sent_ns[admitted],
    )  # fmt: skip
    # in Python's integers: a server may promise more nanoseconds than 64 bits hold
    for row, promised_s, refused_ns, last_ns, sent_ns in zip(*(each.tolist() for each in columns), strict=True):
        promised_ns = refused_ns + promised_s * NS
        tried = last_ns > promised_ns or sent_ns <= promised_ns + NS
        if MISSING not in (promised_s, refused_ns) and tried:
            values[row] = promised_ns - sent_ns
    return values


def _series(messages: Messages) -> tuple[Ints, Ints, Ints]:
    """Each user's rejections in a row: the first one, the last one, and the message that was admitted after it."""
    rejected = messages.outcome.is_in(Outcome.REJECTED)
    if not rejected.any():
        return (np.zeros(0, np.int64),) * 3
    telling = rejected | (messages.delivered_ns != MISSING)
    rows = _by_user(messages, telling & (messages.sent_ns != MISSING))
    refused, users = rejected[rows], messages.user.codes[rows]
    goes_on = refused[:-1] & (users[1:] == users[:-1])  # the next one is of the same user as a rejection
    begins = np.flatnonzero(refused & ~np.append(False, goes_on))
    ends = np.flatnonzero(goes_on & ~refused[1:])
    return rows[begins[np.searchsorted(begins, ends, side="right") - 1]], rows[ends], rows[ends + 1]
