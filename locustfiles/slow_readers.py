"""Clients that stop reading for a while, beside some that do not: what does the server do about them?

    locust -f locustfiles/slow_readers.py --host ws://127.0.0.1:5000/ws --read-pause 10s --read-pause-every 30s

What a slow reader is sent piles up in the buffers on the way, and then in the server. `read pauses` below the table
says how often it kept the connection and how often it closed it; the others' latencies say whether they pay for it.
"""

from loadtest.load import ChatUser, SlowReading


class PromptUser(ChatUser):
    """Reads at once; its latencies are the headline."""

    weight = 3


class SlowUser(SlowReading):
    """Reads nothing for --read-pause, every --read-pause-every; a row of its own (`outage`)."""

    weight = 1
