"""Held connections that say nothing: heartbeats are answered, and deaths are noticed.

    ulimit -n 65000
    locust -f locustfiles/idle.py --host ws://127.0.0.1:5000/ws -u 20000 -r 400 --processes 2 -t 1h --ping-timeout 60s

A connection takes about 21 KB. `pings of the server` below the table counts the heartbeats that were answered;
`--ping-timeout` (or `--read-timeout`, longer than the server's ping interval) finds connections that died without a
word, and each is an outage with its cause. One address of this machine has some 28,000 ports towards one server.
"""

from loadtest.load import Listening


class IdleUser(Listening):
    """Connects, and answers heartbeats."""
