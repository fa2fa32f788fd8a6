"""What can be checked before anything starts."""

from __future__ import annotations

from typing import Any

from loadtest.errors import UsageError
from loadtest.load.options import check_host, read_settings
from loadtest.load.outage_command import check_moments
from loadtest.load.people import People
from loadtest.load.plugin.user_classes import most_users, people_of, set_weights
from loadtest.load.shapes import Staged
from loadtest.load.sockets import check_files, check_ports, check_sources, local_ports
from loadtest.settings import Settings


def checked(environment: Any) -> tuple[Settings, People]:
    """Options, user classes and shape as they are given, in every process; whether or not a run begins at once.

    Raises:
        UsageError: they make no run.
    """
    settings = read_settings(environment.parsed_options)
    set_weights(environment, settings)
    if isinstance(environment.shape_class, Staged):
        environment.shape_class.check()
    return settings, people_of(environment, settings)


def check_run(environment: Any, settings: Settings, people: People) -> str:
    """The run that begins at once: its address, users and times; returns the address.

    Raises:
        UsageError: one is no good, or two do not go together.
    """
    options = environment.parsed_options
    url = check_host(environment.host)
    if options.num_users is not None and options.num_users < 1:
        raise UsageError(f"--users: {options.num_users} is no number of users; give 1 or more")
    people.check_users(settings.accounts(most_users(environment)))
    if options.run_time and settings.warmup and settings.warmup >= options.run_time:
        raise UsageError(
            f"--warmup: {settings.warmup:g} s leaves nothing of --run-time {options.run_time:g} s; "
            "shorten the one or lengthen the other"
        )
    check_moments(settings, options.run_time)
    return url


def check_sockets(environment: Any, settings: Settings, files: int) -> None:
    """The sockets of this machine's users.

    Args:
        files: that a process may open.

    Raises:
        UsageError: they are too few.
    """
    options, users = environment.parsed_options, most_users(environment)
    check_sources(settings.source_addresses)
    if users is None or (options.master and not options.processes):
        return  # what the machines of its workers have, a master cannot know: they look for themselves
    check_files(users, options.processes or 1, files)
    check_ports(users, settings.source_addresses, local_ports())
