"""Users who log in by code: for a backend whose login no option describes.

    APP=https://staging.example.com locust -f locustfiles/own_login.py --host wss://staging.example.com/ws

A login is paced, measured, bounded and repeated in time as one by `--login-url` is.
"""

import os

import requests

from loadtest.load import ChatUser

APP = os.environ.get("APP", "http://127.0.0.1:8000")


class OwnLoginUser(ChatUser):
    """Logs in with a form, and writes to a conversation that it creates."""

    def log_in(self):
        form = {"username": f"load-{self.number}@example.com", "password": os.environ["LOAD_PASSWORD"]}
        return self._post("/login", data=form)["token"]

    def create_conversation(self):
        headers = {"Authorization": f"Bearer {self.token()}"}
        return self._post("/conversations", json={"title": "load test"}, headers=headers)["id"]

    def _post(self, path, **request):
        trusted = self.settings.ca_file or True  # as by --ca-file
        answer = requests.post(f"{APP}{path}", timeout=10, verify=trusted, **request)
        answer.raise_for_status()
        return answer.json()
