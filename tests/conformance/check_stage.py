"""A check of a reference server, without a process for either."""

from reference_server import SECRET, served

from loadtest.conformance.check import Asked, Checker
from loadtest.load.people import People
from loadtest.server import AnswerStyle
from loadtest.settings import Rate, settings

RATE = Rate(10, 2.0)
QUICK = AnswerStyle(ttft_s=0.02, gap_s=0.005, chunks=6)


def serving(**options):
    """A reference server for a check, with options of its own."""
    return served(**{"rate_limit": RATE, "answers": QUICK} | options)


def checked(url, *only, full=False, user=None, **options):
    """What a check of a server found."""
    values = {"jwt_secret": SECRET, "rate_limit": "10/2s", "reply_timeout": "1s"} | options
    asked = Asked(host=url, only=list(only), full=full, user=user, options={})
    chosen = settings(values)
    return Checker(asked, chosen, People(chosen)).run()


def verdicts(found):
    """Case to verdict."""
    return {case.id: str(case.verdict) for case in found.cases}


def seen(found):
    """Case to what was seen."""
    return {case.id: case.seen for case in found.cases}
