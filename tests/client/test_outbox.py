"""What waits to be sent, on real sockets."""

import socket
import struct
from contextlib import closing

import gevent

from loadtest.client.outbox import Outbox


class Watched:
    """A socket that counts the tries to send."""

    def __init__(self, near):
        self._near = near
        self.tries = 0

    def fileno(self):
        return self._near.fileno()

    def send(self, data):
        self.tries += 1
        return self._near.send(data)


def test_what_waits_for_a_connection_that_is_gone_is_not_tried_for_ever():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    near.setblocking(False)
    watched = Watched(near)
    outbox = Outbox()
    outbox.open(watched)
    outbox.put(bytes(50_000_000))
    outbox.flush()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()  # a reset: from now on the socket is always writable
    gevent.sleep(0.05)
    tries = watched.tries
    gevent.sleep(0.05)
    assert watched.tries == tries <= 4
    outbox.close()
    near.close()
