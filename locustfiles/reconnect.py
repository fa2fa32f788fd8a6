"""Connections that are lost, in every way, and users who come back by the guide's schedule.

    locust -f locustfiles/reconnect.py --host ws://127.0.0.1:5000/ws --loss-every 30s
    locust -f locustfiles/reconnect.py --host ... --outage-command './restart-backend' --outage-at 60s SteadyUser

Name a class behind the options for one cause alone. What the server cuts, or a restart, falls on all of them;
`SteadyUser` loses nothing of its own accord. The schedule and the queue are options: `--reconnect-base`,
`--reconnect-max`, `--reconnect-attempts`, `--reconnect-jitter`, `--offline-queue`, `--start-anew`.
"""

from loadtest.load import ChatUser, FallingSilent, Leaving, Roaming


class SteadyUser(ChatUser):
    """Loses its connection to the server alone."""

    weight = 5


class ResetUser(Roaming):
    """Tears its connection down without a close frame, and comes back."""

    weight = 2


class SilentUser(FallingSilent):
    """Loses its network and notices late (--silence): the server keeps half of a connection, a ghost."""

    weight = 2


class LeavingUser(Leaving):
    """Closes with 1000, stays away (--away), and connects again: no outage; what it says meanwhile is queued."""

    weight = 1
