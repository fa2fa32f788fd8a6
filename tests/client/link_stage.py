"""A transport on a stage: who listens to it, and servers that speak to it frame by frame."""

from collections import Counter

import gevent
from gevent.event import Event
from websockets.server import ServerProtocol

from loadtest.client.endpoint import Credentials, Endpoint
from loadtest.client.transport import Transport

TOKEN = Credentials(query="token=SECRET")


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self):
        self.frames, self.pongs, self.closed = [], [], None
        self.arrived, self.gone = Event(), Event()

    def on_frame(self, data, text, at_ns, bound_ns, lag_ns):
        self.frames.append((data, text, at_ns, bound_ns, lag_ns))
        self.arrived.set()

    def on_pong(self, rtt_ns):
        self.pongs.append(rtt_ns)
        self.arrived.set()

    def on_closed(self, closed):
        self.closed = closed
        self.gone.set()

    def wait_for(self, count):
        with gevent.Timeout(5):
            while len(self.frames) + len(self.pongs) < count:
                self.arrived.clear()
                self.arrived.wait()

    def texts(self):
        return [frame[0] for frame in self.frames]


class Counts(Counter):
    def add(self, name, key="", value=1):
        self[name, key] += value


def upgraded(connection, **options):
    """Shake hands; returns the protocol, which frames can be made with."""
    protocol = ServerProtocol(**options)
    while not (requests := protocol.events_received()):
        protocol.receive_data(connection.recv(65_536))
    protocol.send_response(protocol.accept(requests[0]))
    connection.sendall(b"".join(protocol.data_to_send()))
    return protocol


def frames(protocol, *texts):
    for text in texts:
        protocol.send_text(text)
    return b"".join(protocol.data_to_send())


def dial(port, ear, counts=None, scheme="ws", timeout=5.0, shown=TOKEN, **options):
    """Connect to a port of this machine; returns the transport, and how long the parts took."""
    facts = {"url": f"{scheme}://127.0.0.1:{port}/ws", "connect_timeout_s": timeout, "max_frame_size": 2**20}
    endpoint = Endpoint(**facts | {"compression": False} | options)
    link = Transport(endpoint, shown, ear, Counts() if counts is None else counts)
    return link, link.dial(timeout)


def echo(connection):
    for message in connection:
        connection.send(message)
