"""The user classes of a run: which of them there will be users of, how many, and who these are."""

from __future__ import annotations

from typing import Any

from locust.runners import WorkerRunner

from loadtest.errors import UsageError
from loadtest.load.intruders import add_intruders
from loadtest.load.people import People
from loadtest.load.shapes import Staged
from loadtest.load.users import ChatUser, chat_classes, logs_in
from loadtest.settings import Settings


def set_weights(environment: Any, settings: Settings) -> None:
    """Weigh the classes as the options say, and leave out those that nobody is of.

    Raises:
        UsageError: there is no such class, or there would be no user.
    """
    by_name = {cls.__name__: cls for cls in environment.user_classes}
    for name, weight in settings.weights.items():
        if name not in by_name:
            raise UsageError(f"--weights: no user class {name}; there are {', '.join(sorted(by_name))}")
        by_name[name].weight = weight
    add_intruders(environment, settings.bad_tokens)
    kept = [cls for cls in environment.user_classes if cls.weight > 0 or cls.fixed_count > 0]
    if not kept:
        raise UsageError("--weights: all are 0, so there would be no user; give one a weight above 0")
    if not isinstance(environment.runner, WorkerRunner):
        environment.user_classes = kept


def classes_used(environment: Any) -> list[type[ChatUser]]:
    """Those of chat users that there will be users of."""
    return [cls for cls in chat_classes(environment.user_classes) if cls.weight > 0 or cls.fixed_count > 0]


def most_users(environment: Any) -> int | None:
    """Users that a run comes to at most; None where a shape decides that says nothing of it."""
    shape = environment.shape_class
    if shape is not None:
        return shape.most_users if isinstance(shape, Staged) else None
    return environment.runner.target_user_count or environment.parsed_options.num_users or 1


def people_of(environment: Any, settings: Settings, processes: int = 1) -> People:
    """The users as the backend knows them.

    Raises:
        UsageError: the options name no source of tokens that will do.
    """
    classes = classes_used(environment)
    return People(settings, processes, bool(classes) and all(logs_in(cls) for cls in classes))
