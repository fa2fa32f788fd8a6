"""The everyday mix: people who chat within the rate limit, at it and above it, who type, roam, or only listen.

    locust -f locustfiles/chat.py --host ws://127.0.0.1:5000/ws

Weights: `--weights AboveLimitUser=0,ListeningUser=4`. One behaviour alone: name its class behind the options.
"""

from loadtest.load import AboveLimit, AtLimit, ChatUser, Listening, Roaming, Typing


class WithinLimitUser(ChatUser):
    """Sends at --message-rate and is never rejected by a server that keeps its declared limit."""

    weight = 10


class TypingUser(Typing):
    """Within the limit, and types before each message."""

    weight = 3


class AtLimitUser(AtLimit):
    """Exactly at the limit."""

    weight = 1


class AboveLimitUser(AboveLimit):
    """Above the limit: its rejections are meant."""

    weight = 1


class RoamingUser(Roaming):
    """Loses its connection without a close frame and comes back."""

    weight = 2


class ListeningUser(Listening):
    """Only holds a connection."""

    weight = 3
