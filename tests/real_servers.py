"""Servers on real sockets of this machine, each in threads of its own: WebSocket, raw TCP, TLS and proxies."""

import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress

from websockets.sync.server import serve


@contextmanager
def behaving(handler, **options):
    """The threaded server of `websockets`; yields its port."""
    with serve(handler, **{"host": "127.0.0.1", "port": 0, "compression": None} | options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw(script):
    """A TCP server that runs `script(connection)` for the one connection that it takes; yields its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve_one():
            connection, _ = listener.accept()
            with connection:
                script(connection)

        thread = threading.Thread(target=serve_one)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def server_context(authority, *names, **dates):
    """TLS for a server, with a certificate for some names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",)), **dates).configure_cert(context)
    return context


def unused_port():
    """A port that nobody listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


@contextmanager
def proxying(port, heads):
    """An HTTP proxy that connects every tunnel to one port of this machine; yields its own.

    Args:
        heads: gets the head of each CONNECT.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve_all():
            with suppress(OSError):  # the listener is closed: over
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=join, args=(client,)).start()

        def join(client):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65_536)
            heads.append(head.decode())
            backend = socket.create_connection(("127.0.0.1", port))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other_way = threading.Thread(target=pump, args=(backend, client))
            other_way.start()
            pump(client, backend)
            other_way.join()
            client.close()
            backend.close()

        threading.Thread(target=serve_all).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def pump(source, sink):
    """Pass bytes on in one direction, to the end."""
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
