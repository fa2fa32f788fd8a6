"""A connection that is lost in the moment in which it is authenticated: welcome and goodbye come in one read."""

import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress

import gevent
import trustme
from chat_stage import Stage, until
from real_servers import server_context
from websockets.server import ServerProtocol

from loadtest.client.state import State
from loadtest.settings import Backoff

AUTHORITY = trustme.CA()
WAIT_S = 0.3
ONCE_LATER = Backoff(base_s=WAIT_S, max_s=WAIT_S, jitter=0.0)


class TlsEnd:
    """A server's side of TLS on a socket; what it says leaves when it is told to, in one piece."""

    def __init__(self, connection, context):
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._when_heard(self._tls.do_handshake)

    def hear(self):
        return self._when_heard(lambda: self._tls.read(65_536))

    def say(self, data):
        self._tls.write(data)

    def say_goodbye(self):
        with suppress(ssl.SSLWantReadError):  # for the client's own goodbye, which nobody waits for
            self._tls.unwrap()

    def leave(self):
        self._connection.sendall(self._outgoing.read())

    def _when_heard(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.leave()
                data = self._connection.recv(65_536)
                if not data:
                    raise ConnectionError("the client is gone") from None
                self._incoming.write(data)


class Fickle:
    """A chat server that welcomes everybody.

    Attributes:
        connections: that it has taken.
        brief: so many of the first end together with their welcome.
    """

    def __init__(self, listener, brief):
        self.connections, self.brief = 0, brief
        self._listener, self._context = listener, server_context(AUTHORITY)

    def serve(self):
        with suppress(OSError):  # the listener is closed: over
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                brief = self.connections <= self.brief
                threading.Thread(target=self._serve_one, args=(connection, brief), daemon=True).start()

    def _serve_one(self, connection, brief):
        with closing(connection), suppress(OSError):
            end, protocol = TlsEnd(connection, self._context), ServerProtocol()
            while not (requests := protocol.events_received()):
                protocol.receive_data(end.hear())
            protocol.send_response(protocol.accept(requests[0]))
            end.say(b"".join(protocol.data_to_send()))
            end.leave()
            protocol.send_text(b'{"type": "connection:authenticated"}')
            end.say(b"".join(protocol.data_to_send()))
            if brief:
                end.say_goodbye()
            end.leave()
            while end.hear():
                pass


@contextmanager
def fickle(brief):
    """Yields the server, and what a client of it needs."""
    trust = ssl.create_default_context()
    AUTHORITY.configure_trust(trust)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = Fickle(listener, brief)
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server, {"url": f"wss://127.0.0.1:{listener.getsockname()[1]}/ws", "tls": trust}
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_client_that_was_lost_as_soon_as_it_was_back_is_back_by_its_schedule():
    with fickle(brief=3) as (server, to):
        stage = Stage(**to, backoff=Backoff(base_s=0.01, max_s=0.01))
        assert stage.client.connect()
        until(lambda: stage.client.losses == 3 and stage.client.state is State.AUTHENTICATED)
        batch, counts = stage.end()
    assert server.connections == 4
    assert [connect.outcome for connect in batch.connects] == ["ok"] * 4
    assert not [name for name, _ in counts if name == "listener_error"]


def test_who_leaves_after_that_has_nobody_left_who_dials():
    """Whoever comes again at once must not have a second connection beside the one that it makes."""
    with fickle(brief=2) as (server, to):
        stage = Stage(**to, backoff=ONCE_LATER)
        assert stage.client.connect()
        until(lambda: stage.client.losses == 2)
        stage.client.disconnect()
        assert stage.client.connect()
        assert server.connections == 3
        gevent.sleep(1.5 * WAIT_S)  # the schedule of the loss before is over by now
        assert (server.connections, stage.client.losses) == (3, 2)
        stage.client.disconnect()
