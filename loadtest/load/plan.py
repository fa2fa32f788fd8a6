"""What a run is going to do, said before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from locust import User
from msgspec import Struct

from loadtest.load.people import People
from loadtest.load.users import ChatUser, chat_classes
from loadtest.model import Population
from loadtest.settings import ExpectStream, Settings


class Plan(Struct, frozen=True):
    """Expected size of a run; None where it depends on when it is stopped.

    Attributes:
        rejections: messages meant to go beyond the declared limit.
        streams: answers expected, at most one for each admitted message.
    """

    users: int
    run_time_s: float | None
    per_second: float
    messages: int | None
    rejections: int | None
    streams: int | None

    def __str__(self) -> str:
        time = "until stopped" if self.run_time_s is None else f"{self.run_time_s:g} s"
        if self.messages is None:
            return f"plan: {self.users} users, {time}, {self.per_second:.1f} messages/s once all are there"
        parts = [f"plan: {self.users} users, {time}, about {self.messages:,} messages"]
        if self.rejections:
            parts.append(f"of them about {self.rejections:,} beyond the rate limit on purpose")
        parts.append("no AI streams" if self.streams == 0 else f"up to {self.streams:,} AI streams")
        return ", ".join(parts)


def plan(
    user_classes: Sequence[type[User]], users: int, spawn_rate: float, run_time_s: float | None, settings: Settings
) -> Plan:
    """Add up what users of these classes mean to send.

    Args:
        user_classes: Locust's, with their weights.
        spawn_rate: users a second.
    """
    present = settings.present_share
    chat = [cls for cls in user_classes if issubclass(cls, ChatUser)]
    weight = sum(cls.weight for cls in user_classes) or 1.0
    sent = admitted = 0.0
    for cls in chat:
        share = present * users * cls.weight / weight
        pace = cls.pace(settings).per_second if cls.pace(settings).messages else 0.0
        limit = settings.rate_limit
        capped = min(pace, limit.per_second) if limit and cls.population is Population.LIMIT else pace
        sent, admitted = sent + share * pace, admitted + share * capped
    if run_time_s is None:
        return Plan(users, None, sent, None, None, None)
    ramp = min(users / spawn_rate, run_time_s)
    seconds = run_time_s - ramp / 2.0
    streams = 0 if settings.expect_stream is ExpectStream.NO else round(admitted * seconds)
    return Plan(users, run_time_s, sent, round(sent * seconds), round((sent - admitted) * seconds), streams)


def announcement(environment: Any, users: int | None, settings: Settings, people: People) -> str:
    """The plan, and behind it what may not be expected, a line each.

    Args:
        users: asked for; None where a shape decides.
    """
    options = environment.parsed_options
    spawn_rate = float(options.spawn_rate or 1)
    run_time_s = float(options.run_time) if options.run_time else None
    if environment.shape_class is None:
        line = str(plan(environment.user_classes, users or 1, spawn_rate, run_time_s, settings))
    else:
        line = f"plan: users as the shape {type(environment.shape_class).__name__} decides"
    participants = [
        cls.room(settings) * settings.connections_per_user for cls in chat_classes(environment.user_classes)
    ]
    return "\n".join([line, *people.notes(users, spawn_rate, run_time_s, participants)])
