"""Conversations that the locustfile creates: paced and bounded as logins are, and tried again where that may help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import gevent

from loadtest.client.tokens import Pace
from loadtest.load.own_login import failed
from loadtest.settings import Settings

HOOK: Final = "create_conversation"
WAITS_S: Final = (1.0, 2.0, 4.0, 8.0)
"""Before each further attempt."""

Create = Callable[[], str | None]


class OwnConversations:
    """Turns of the users of one process at their `create_conversation`.

    Args:
        processes: how many share the rate of logins.
    """

    def __init__(self, settings: Settings, processes: int) -> None:
        # not the turns of the logins: a hook that asks for its token waits for one of those
        self._pace = Pace(settings.login_rate.per_second / processes, max(settings.login_concurrency // processes, 1))
        self._timeout_s = settings.login_timeout

    def create(self, hook: Create, on_retry: Callable[[str], None]) -> str | None:
        """What the hook returns; blocks.

        Args:
            on_retry: told why an attempt is not the last.

        Raises:
            Exception: what the hook raised, where it is of no use or has been of none to try again; TimeoutError where
                it took longer than `--login-timeout`.
        """
        for wait_s in WAITS_S:
            try:
                return self.attempt(hook)
            except OSError as error:  # as those of `requests` and of sockets are
                failure = failed(error, HOOK)
                if failure.for_good:
                    raise
            on_retry(failure.outcome)
            self._pace.pause(failure.retry_after_s)
            gevent.sleep(wait_s)
        return self.attempt(hook)

    def attempt(self, hook: Create) -> str | None:
        """What the hook returns, tried once; raises what it raises, or TimeoutError."""
        with self._pace.turn(), gevent.Timeout(self._timeout_s, TimeoutError()):
            return hook()
