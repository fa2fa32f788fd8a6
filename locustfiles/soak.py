"""Hours at a steady, everyday load: what creeps?

    locust -f locustfiles/soak.py --host wss://staging.example.com/ws -u 200 -r 10 -t 8h --loss-every 600s

The page and `timeline.png` show percentiles by interval, the verdict whether they drift, and the table of the
generator whether this tool's own memory stays flat.
"""

from loadtest.load import ChatUser, Listening, Roaming, Typing


class SteadyUser(ChatUser):
    """Within the limit."""

    weight = 6


class TypingUser(Typing):
    """Within the limit, and types before each message."""

    weight = 2


class WanderingUser(Roaming):
    """Loses its connection now and then: --loss-every, better 600s than 20s here."""

    weight = 1


class ListeningUser(Listening):
    """Only holds a connection."""

    weight = 1
