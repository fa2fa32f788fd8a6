"""Going on with an experiment of several runs: what its plan has kept, and what has to be given again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import click
from click.core import ParameterSource

from loadtest.settings import OPTIONS

SECRETS: Final = frozenset(option.attribute for option in OPTIONS if option.secret)
ADDRESSES: Final = frozenset({"login_url", "refresh_url", "server_metrics"})
"""Options whose value may hold a secret: in its query."""
GIVEN_AGAIN: Final = SECRETS | {"resume", "kind", "results", "tokens_file"}
"""What any experiment takes with --resume."""
_BY_NAME: Final = {option.name: option for option in OPTIONS}


def refuse_plan_options(context: click.Context, allowed: Collection[str]) -> None:
    """Refuse options that the plan has decided on already.

    Args:
        allowed: names of parameters.

    Raises:
        click.UsageError: names the first of them.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in allowed and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--resume: goes on with the plan as it was; leave out {parameter.opts[-1]}")


def attributes(names: Collection[str]) -> frozenset[str]:
    """Of options by their names."""
    return frozenset(_BY_NAME[name].attribute for name in names)


def check_given_again(given: Mapping[str, Any], withheld: Collection[str]) -> None:
    """Refuse to go on without what no plan keeps: the runs that follow would differ from those that were made.

    Args:
        withheld: names of options, as the plan has them.

    Raises:
        click.UsageError: names the first that is missing.
    """
    for option in (_BY_NAME[name] for name in withheld):
        if not given.get(option.attribute):
            raise click.UsageError(
                f"--resume: --{option.name} may be secret, so its value was not kept; give it again, by {option.env}"
            )
