"""The Locust side: import `ChatUser` from here in a locustfile, and our options, records and run folders come with it.

`import locust` patches the standard library's sockets, so it happens here first and nowhere else in the package.
"""

import locust

from loadtest.load.plugin import Plugin
from loadtest.load.users import Action, AboveLimit, AtLimit, ChatUser, Listening, Roaming, Typing
from loadtest.settings import Rate

__all__ = ["AboveLimit", "Action", "AtLimit", "ChatUser", "Listening", "Rate", "Roaming", "Typing"]

Plugin().register(locust.events)
