"""Rooms of twenty who write, type and read along: does each of them get what the others write, and how soon?

    locust -f locustfiles/rooms.py --host ws://127.0.0.1:5000/ws -u 200

`--participants 5` makes smaller rooms, `--connections-per-user 2` gives each user a second tab. Who is in a room has
sent a message there (backend.md): all join by one within two seconds, and it costs one of the rate limit. With
`--typing-period 10s` they type in every other ten seconds only: `isolation from typing` is what that does to the acks.
"""

from loadtest.load import InRoom, Typing


class RoomUser(InRoom):
    """Joins, and writes at --message-rate."""

    participants = 20
    weight = 11


class RoomTypingUser(InRoom, Typing):
    """Types before it writes, one time in four hesitates first, and says when it stops."""

    participants = 20
    hesitates = 0.25
    weight = 5


class RoomForgetfulUser(InRoom, Typing):
    """Types and never says that it has stopped: the server is to notice after five seconds."""

    participants = 20
    says_stop = False
    weight = 1


class RoomHastyUser(InRoom, Typing):
    """Says that it types four times a second: the server is to tell the others once a second."""

    participants = 20
    repeats_s = 0.25
    weight = 1


class RoomReadingUser(InRoom):
    """Joins, and then only reads along."""

    participants = 20
    reads_only = True
    weight = 2
