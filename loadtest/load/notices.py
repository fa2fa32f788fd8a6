"""Notices the classic mistakes while a run goes on: a wrong secret, other names of events, one account for all users.

Each rule is a function of counts that returns what to say, with the remedy, or None. It takes several cases to make a
rule speak, so that a sound run hears nothing, and each speaks once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from loadtest.load.sightings import Sightings
from loadtest.model import NO_FILE, NO_PORT, Batch, Outcome
from loadtest.protocol import AUTH_FAILED, AUTH_REQUIRED

ENOUGH: Final = 5
"""Cases that make a rule speak; for connections fewer where the run has fewer users."""
UNHEARD: Final = 10
"""Messages that somebody else was to hear, and that make up for a participant who had left."""
UNHEARD_NS: Final = 5_000_000_000
"""Time from the first to the last of them: workers report every 3 s, and what one sent another counts."""
ALIKE_S: Final = 1.0
"""Lives of connections that a timer ended are alike to this and a fiftieth of them."""
SHORTEST_TIMER_S: Final = 5.0
"""What closes earlier is a failing server rather than a timeout that somebody configured."""


class Facts(Struct, frozen=True):
    """What a rule must know of the run.

    Attributes:
        host: address of the backend.
        users: asked for; None where a shape decides.
        streams: whether answers may be expected.
        reply_timeout_s: as in the options.
        connections_per_user: as in the options.
    """

    host: str
    users: int | None
    streams: bool
    reply_timeout_s: float
    connections_per_user: int = 1

    @property
    def enough_users(self) -> int:
        return max(2, min(ENOUGH, self.users or ENOUGH))

    @property
    def chat(self) -> str:
        return f"`loadtest chat --host {self.host}` shows every frame"


class Notices:
    """The rules of one run, and which of them have spoken."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._sightings = Sightings()
        self._rules = list(RULES)

    def see(self, batch: Batch) -> list[str]:
        """Count a batch in; returns what there is to say now, a line each."""
        self._sightings.see(batch)
        spoken = {rule: text for rule in self._rules if (text := rule(self._sightings, self._facts))}
        if spoken:
            self._rules = [rule for rule in self._rules if rule not in spoken]
        return list(spoken.values())


def nobody_connects(seen: Sightings, run: Facts) -> str | None:
    """Every attempt to connect failed, though the one before the run did not."""
    failed = seen.failed_connects.total()
    if seen.first_connects or failed < run.enough_users:
        return None
    outcome, number = seen.failed_connects.most_common(1)[0]
    what = f"no user is connected, {number} of {failed} attempts ended with {outcome}"
    if outcome == AUTH_FAILED:
        return (
            f"{what}: a wrong secret, or other claims than the server expects? Check --jwt-secret and the claims, or "
            f"give fresh tokens by --tokens-file; {run.chat}"
        )
    if outcome == AUTH_REQUIRED:
        return f"{what}: does the server expect the token elsewhere than in the query? {run.chat}"
    return f"{what}; {run.chat}"


def nothing_delivered(seen: Sightings, run: Facts) -> str | None:
    """Every message was rejected, refused, timed out or lost."""
    messages = seen.outcomes.total()
    if seen.outcomes[Outcome.DELIVERED] or messages < ENOUGH:
        return None
    outcome, number = seen.outcomes.most_common(1)[0]
    what = f"none of {messages} messages was delivered, {number}"
    match outcome:
        case Outcome.REJECTED:
            return (
                f"{what} were rejected by the rate limit: has an earlier run used up the window, or do users share one "
                "account? Wait for the window to pass, or give each user a token of its own"
            )
        case Outcome.ERROR:
            reason, _ = seen.errors.most_common(1)[0]
            return f"{what} were refused ({reason}): must conversations exist, or users be in them? {run.chat}"
        case Outcome.TIMEOUT:
            return (
                f"{what} had no final ack within {run.reply_timeout_s:g} s: are acks called otherwise, or do they name "
                f"other ids?{_unread(seen)} {run.chat}"
            )
        case _:
            return f"{what} were lost with their connection; {run.chat}"


def no_streams(seen: Sightings, run: Facts) -> str | None:
    """Messages are delivered, and none is answered."""
    if not run.streams or seen.answered or seen.unanswered < ENOUGH:
        return None
    return (
        f"acks, but no streams: none of {seen.unanswered} delivered messages was answered: is the AI switched off, or "
        f"are its events called otherwise?{_unread(seen)} --expect-stream no if none is meant to come; {run.chat}"
    )


def no_broadcasts(seen: Sightings, run: Facts) -> str | None:
    """Several users share a conversation, and none hears of another."""
    if seen.heard or seen.messages_to_be_heard < UNHEARD or seen.to_be_heard is None:
        return None
    first, last = seen.to_be_heard
    if last - first < UNHEARD_NS:
        return None
    return (
        f"no broadcasts: {seen.messages_to_be_heard} messages went to conversations of several users, and nobody got a "
        f"message:receive of another's: are the users participants of them on the server?{_unread(seen)} {run.chat}"
    )


def one_account(seen: Sightings, run: Facts) -> str | None:
    """Users connect with each other's user id."""
    accounts = len(seen.accounts)
    connections = min(seen.first_connects, seen.most_connections)
    users = connections // run.connections_per_user  # an account that is used again, later, is not shared
    if not accounts or users < 2 * accounts or users < run.enough_users:
        return None
    return (
        f"{users} users share {accounts} account{'s' if accounts > 1 else ''}, and with it the rate limit: give each "
        "user a token with a user id of its own"
    )


def cut_off_alike(seen: Sightings, run: Facts) -> str | None:
    """Connections are closed from outside, each at the same age or after the same silence."""
    if len(seen.lives) < run.enough_users or len(seen.accounts) < run.enough_users:
        return None
    lengths, silences, ends = (sorted(column) for column in zip(*seen.lives, strict=True))
    cut = f"{len(ends)} connections were closed from outside, each"
    over_s = (ends[-1] - ends[0]) / 1e9
    if (age_s := _alike_s(lengths, over_s)) is not None:
        return (
            f"{cut} at an age of {age_s:.0f} s: has a proxy or load balancer in between a timeout of as long? Raise it "
            "(nginx: proxy_read_timeout), or ping more often"
        )
    if (quiet_s := _alike_s(silences, over_s)) is not None:
        return (
            f"{cut} after {quiet_s:.0f} s without a frame: has a proxy or load balancer in between an idle timeout of "
            "as long? Raise it (nginx: proxy_read_timeout), or have the backend ping more often"
        )
    return None


def _alike_s(times: list[int], over_s: float) -> float | None:
    """What a timer of each connection made of these times (ns, ascending): their median, seconds; None if none did.

    Args:
        over_s: how far the ends lie apart: a server that stops ends them all at one instant, a timer each at its own.
    """
    aside = len(times) // 10
    spread_s = (times[-1 - aside] - times[aside]) / 1e9
    median_s = times[len(times) // 2] / 1e9
    alike = median_s >= SHORTEST_TIMER_S and spread_s <= ALIKE_S + median_s / 50.0
    return median_s if alike and over_s > 2.0 * spread_s else None


def no_sockets(seen: Sightings, _run: Facts) -> str | None:
    """This machine has no port left to connect from, or the process no file."""
    ports, files = seen.failed_connects[NO_PORT], seen.failed_connects[NO_FILE]
    if ports:
        return (
            f"{ports} connects found no free port on a machine of the generator: give several of its addresses by "
            "--source-addresses, widen net.ipv4.ip_local_port_range, or add machines as workers"
        )
    if files:
        return f"{files} connects were one file too many for a process: raise its limit (ulimit -n), or use --processes"
    return None


def intruder_let_in(seen: Sightings, _run: Facts) -> str | None:
    """A token that is bad on purpose was accepted: once is enough to say so."""
    if not seen.let_in:
        return None
    kinds = ", ".join(sorted(seen.let_in))
    return (
        f"ALARM: the server let in {seen.let_in.total()} with a bad token ({kinds}): does it check the signature and "
        "the expiry of every token?"
    )


RULES: Final[tuple[Callable[[Sightings, Facts], str | None], ...]] = (
    no_sockets,
    nobody_connects,
    nothing_delivered,
    no_streams,
    no_broadcasts,
    one_account,
    cut_off_alike,
    intruder_let_in,
)


def _unread(seen: Sightings) -> str:
    types = [type_ for type_, _ in seen.unread.most_common(3)]
    return f" Not understood: {', '.join(types)}." if types else ""
