"""Lines of a chat that no short one comes to."""

from loadtest.conformance.narrator import Narrator
from loadtest.model import Connect, Login

MS = 1_000_000


def told(tell):
    lines = []
    tell(Narrator(lines.append, trace=False))
    (line,) = lines
    return line[11:]


def test_the_time_of_a_proxy_is_a_part_of_the_connect():
    connect = Connect("ann", "chat", 0, "ok", tcp_ns=2 * MS, proxy_ns=30 * MS, tls_ns=40 * MS, upgrade_ns=3 * MS,
                      auth_ns=1 * MS, authenticated_ns=76 * MS)  # fmt: skip
    assert told(lambda narrator: narrator.connected(connect, "ann")) == (
        '= connected as "ann" in 76.0 ms: tcp 2.00 ms, proxy 30.0 ms, tls 40.0 ms, upgrade 3.00 ms, auth 1.00 ms'
    )


def test_a_renewal_that_fails_is_told():
    login = Login("ann", 0, 5 * MS, "http 503", refresh=True)
    assert told(lambda narrator: narrator.not_logged_in(login)) == "× not logged in: http 503"
