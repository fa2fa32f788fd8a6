"""A backend's HTTP side for tests: logins, renewals and conversations, on its own port and with faults to order."""

import json
import math
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import jwt

SECRET = "a secret of the tests, long enough for HS256"


def token(user, life_s=900, secret=SECRET):
    return jwt.encode(
        {"userId": user, "exp": math.ceil(time.time() + life_s), "at": time.monotonic_ns()}, secret, "HS256"
    )


class LoginServer:
    """What it has seen, and what it is to answer.

    Attributes:
        requests: (path, body, headers) of each, in the order of arrival.
        busiest: most requests that were there at the same time.
        answer: from a request to (status, headers, body); replace it to make it answer otherwise.
        delay: an event that each answer waits for.
    """

    def __init__(self, life_s=900):
        self.requests = []
        self.busiest = self._here = 0
        self.answer = self.log_in
        self.life_s = life_s
        self.delay = None
        self.url = ""
        self._lock = threading.Lock()

    def log_in(self, path, body, headers):
        """By path: /login knows everybody, /refresh whoever has a refresh token, /conversations whoever has a token."""
        if path == "/login":
            user = (body.get("email") or body["username"]).partition("@")[0]
        elif path == "/refresh":
            user = body["refreshToken"].removeprefix("refresh-")
        else:
            claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), SECRET, algorithms=["HS256"])
            return 201, {}, json.dumps({"id": f"room-of-{claims['userId']}"})
        tokens = {"access": token(user, self.life_s), "refresh": f"refresh-{user}"}
        return 200, {}, json.dumps({"token": tokens["access"], "data": {"tokens": tokens}, "expiresIn": self.life_s})

    def handle(self, path, body, headers):
        with self._lock:
            self.requests.append((path, body, headers))
            self._here += 1
            self.busiest = max(self.busiest, self._here)
        if self.delay is not None:
            self.delay.wait(10)
        try:
            return self.answer(path, body, headers)
        finally:
            with self._lock:
                self._here -= 1

    def count(self, path):
        return sum(seen == path for seen, _, _ in self.requests)


@contextmanager
def login_server(tls=None, **options):
    """A `LoginServer` that answers on a port of its own.

    Args:
        tls: its context, for https://.
    """
    server = LoginServer(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            is_json = self.headers["Content-Type"] == "application/json"
            body = json.loads(sent) if is_json else dict(parse_qsl(sent))
            status, headers, answer = server.handle(self.path, body, self.headers)
            data = answer.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # clients that gave up

    with Quiet(("127.0.0.1", 0), Handler) as http:
        if tls is not None:  # shakes hands when it first reads, in the thread of the connection
            http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            if server.delay is not None:
                server.delay.set()
            http.shutdown()
            thread.join()
