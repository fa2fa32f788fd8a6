"""Users who come with bad tokens, and must be refused."""

from __future__ import annotations

import random
from typing import Any, Final

from gevent import GreenletExit
from locust import User, task

from loadtest.load.process import Process
from loadtest.load.users import spoken

IDLE_S: Final = 3600.0


class Intruding(User):
    """Connects again and again, at `--message-rate`: without a token, with half a one, an expired and a forged one.

    Each attempt is in the row `refusal` and in no other number; whoever is let in is an alarm, and is gone at once.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._process: Process | None = getattr(environment, "loadtest_process", None)

    def on_start(self) -> None:
        """Take a number, which is the user's name and the seed of its times."""
        process = self._process
        if process is None or not process.sending:
            raise GreenletExit  # as in ChatUser
        self._number = process.intruder_numbers.take()
        self._tokens = process.people.bad_tokens()
        self._rng = random.Random(f"{process.settings.seed}/{type(self).__name__}/{self._number}")

    def on_stop(self) -> None:
        """Give the number back."""
        if self._process is not None and hasattr(self, "_number"):
            self._process.intruder_numbers.give_back(self._number)

    def wait_time(self) -> float:
        """Seconds to the next attempt."""
        process = self._process
        if process is None or not process.sending:
            return IDLE_S
        return self._rng.expovariate(process.settings.message_rate.per_second)

    @task
    def intrude(self) -> None:
        """Try once."""
        process = self._process
        if process is None or not process.sending:
            return
        dialect = spoken(self.environment.user_classes)
        client = process.new_intruder(self._number, type(self).__name__, self._tokens, dialect)
        try:
            client.connect()
        finally:
            client.disconnect()


def add_intruders(environment: Any, share: float) -> None:
    """Make a share of the users intruders: those that the locustfile has, or else an `IntruderUser`."""
    if not share:
        return
    classes = environment.user_classes
    intruders = [cls for cls in classes if issubclass(cls, Intruding)]
    if not intruders:
        intruders = [type("IntruderUser", (Intruding,), {"abstract": False, "__doc__": Intruding.__doc__})]
        classes.extend(intruders)
    weight = sum(cls.weight for cls in classes if cls not in intruders)
    for cls in intruders:
        cls.weight = weight * share / (1.0 - share) / len(intruders)
