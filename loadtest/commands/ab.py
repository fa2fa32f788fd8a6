"""`loadtest ab`: runs two builds in pairs, and says which is slower."""

from __future__ import annotations

import secrets
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from loadtest.errors import LoadtestError, RunFolderError
from loadtest.settings import OPTIONS, SOURCES, duration, one_of, positive_duration, positive_int, ws_url

from .config import config_option, without_overridden
from .interrupt import one_interrupt
from .options import Parsed, by_environment, options_of, withheld
from .resume import ADDRESSES, GIVEN_AGAIN, attributes, check_given_again, refuse_plan_options
from .run import SPAWN_S, check_run, passed_on, processes_of, run_command
from .summarize import Format
from .terms import asked, terms_options

if TYPE_CHECKING:
    from loadtest.commands.builds import Builds
    from loadtest.experiment.ab import Build, Plan, State, Told
    from loadtest.experiment.noise import Floor

FILES: Final = ("report.html", "comparison.json", "shift.png", "shift.svg")
RESUMABLE: Final = GIVEN_AGAIN | {"config", "force", "margin", "detect", "gates", "live_provider"}
"""What may be given with --resume: all else is in the plan."""


@click.command("ab")
@click.option("--base", type=Parsed(ws_url, "URL"), help="Address of the base build.")
@click.option("--candidate", type=Parsed(ws_url, "URL"), help="Address of the candidate.")
@click.option("--base-command", metavar="COMMAND",
              help="Starts the base for each of its runs, with LOADTEST_JWT_SECRET in its environment.")  # fmt: skip
@click.option("--candidate-command", metavar="COMMAND", help="Starts the candidate for each of its runs.")
@click.option("--host", type=Parsed(ws_url, "URL"), envvar="LOADTEST_HOST",
              help="Address at which commands listen [default: the first ws:// that they print, or "
              "ws://127.0.0.1:5000/ws].")  # fmt: skip
@click.option(
    "--same", is_flag=True, help="Run the base against itself (A/A) and keep what that finds: the noise floor."
)
@click.option("--pairs", type=Parsed(positive_int, "NUMBER"), default="8", show_default=True, help="Pairs of runs.")
@click.option("--pause", type=Parsed(duration, "TIME"), default="5s", show_default=True, help="Rest after each run.")
@click.option("--ready-timeout", type=Parsed(positive_duration, "TIME"), default="60s", show_default=True,
              help="Longest wait until a build that was started listens.")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Go on with an experiment that was broken off.")  # fmt: skip
@click.option("-u", "--users", type=Parsed(positive_int, "NUMBER"), default="10", show_default=True,
              help="Virtual users.")  # fmt: skip
@click.option("-r", "--spawn-rate", type=float, help="Users started a second [default: all within 5 s].")
@click.option("-t", "--run-time", type=Parsed(positive_duration, "TIME"), default="60s", show_default=True,
              help="Time of each run.")  # fmt: skip
@click.option("--processes", type=Parsed(processes_of, "NUMBER"), default="0", show_default=True,
              help="Worker processes; 0 for one process that does all, -1 for one a core.")  # fmt: skip
@click.option("-f", "--locustfile", default="chat", show_default=True, help="Path, or the name of one of ours.")
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json or markdown.")  # fmt: skip
@click.argument("classes", nargs=-1, metavar="[CLASS]...")
@terms_options
@options_of(OPTIONS)
@config_option(lambda: run_command)
@click.pass_context
def ab(
    context: click.Context,
    /,
    resume: Path | None,
    force: bool,
    kind: Format,
    **given: Any,
) -> int:
    """Run two builds in pairs, one after the other in random order, and compare them.

    Either side is an address, or a command that starts a build for each of its runs. Leaves results/ab-<stamp>/ with
    all runs, report.html, comparison.json and shift.png. Ctrl-C breaks off; --resume goes on. Exits with 1 where a gate
    regressed.
    """
    from msgspec.structs import replace  # noqa: PLC0415

    from loadtest.analysis.compare import Terms  # noqa: PLC0415  # numpy, only now
    from loadtest.experiment import ab as experiment  # noqa: PLC0415
    from loadtest.experiment.noise import recall  # noqa: PLC0415
    from loadtest.runs.folder import create_apart  # noqa: PLC0415

    given = without_overridden(context, given)
    if resume is None:
        terms = asked(context, Terms())
        results, state = Path(given["results"] or "results"), experiment.State(experiment.SCHEMA, _plan(given))
    else:
        refuse_plan_options(context, RESUMABLE | ADDRESSES)
        results, state = resume.parent, experiment.restore(resume)
        refuse_plan_options(context, RESUMABLE | attributes(state.plan.withheld))
        check_given_again(given, state.plan.withheld)
        terms = asked(context, state.terms)
    state = replace(state, terms=terms, force=force or state.force)
    environment = _environment(given, state.plan)
    floor = recall(results, state.plan)
    folder = resume or create_apart(results, "ab", datetime.now(UTC))
    experiment.save(folder, state)
    _announce(state, floor)
    try:
        with one_interrupt():
            state = experiment.carry_on(state, folder, environment, _tell, force=state.force)
    except (KeyboardInterrupt, LoadtestError) as ended:
        done = len(experiment.restore(folder).done)
        if done or isinstance(ended, KeyboardInterrupt):
            click.echo(
                f"broken off after {done} of {state.plan.pairs} pairs; go on with: "
                f"loadtest ab --resume {shlex.quote(str(folder))}",
                err=True,
            )
        raise
    return _conclude(state, folder, kind)


def _plan(given: dict[str, Any]) -> Plan:
    from loadtest.experiment.ab import Plan, orders  # noqa: PLC0415
    from loadtest.experiment.run import locustfile  # noqa: PLC0415

    if given["spawn_rate"] is not None and not 0 < given["spawn_rate"] < float("inf"):
        raise click.UsageError(f"--spawn-rate: {given['spawn_rate']:g} is not above 0")
    run_given = {option.attribute: given[option.attribute] for option in OPTIONS}
    if given["pairs"] < 2:
        raise click.UsageError("--pairs: one pair shows no spread, so that nothing could be said; give at least 2")
    chosen = check_run(run_given, given["run_time"])
    locustfile(given["locustfile"])
    base, candidate = _builds(given)
    seed = int(given["seed"] or 1)
    kept = {name: value for name, value in run_given.items() if name not in ("results", "seed")}
    return Plan(
        base=base,
        candidate=candidate,
        same=given["same"],
        base_first=orders(given["pairs"], seed),
        seed=seed,
        pause_s=given["pause"],
        users=given["users"],
        spawn_rate=given["spawn_rate"] or max(given["users"] / SPAWN_S, 1.0),
        run_time_s=given["run_time"],
        processes=given["processes"],
        locustfile=given["locustfile"],
        classes=list(given["classes"]),
        options=passed_on(kept),
        ready_timeout_s=given["ready_timeout"],
        withheld=[option.name for option in OPTIONS if option.env in withheld(run_given)],
        reply_timeout_s=chosen.reply_timeout,
    )


def _builds(given: dict[str, Any]) -> tuple[Build, Build]:
    """Both builds, checked before anything starts."""
    from loadtest.experiment.build import words  # noqa: PLC0415

    base = _build("base", given)
    if given["same"]:
        if given["candidate"] or given["candidate_command"]:
            raise click.UsageError(
                "--same: runs the base against itself; leave out --candidate and --candidate-command"
            )
        return base, base
    candidate = _build("candidate", given)
    if base == candidate:
        raise click.UsageError("--candidate: is the base; give another build, or --same to measure the noise floor")
    for side, build in (("base", base), ("candidate", candidate)):
        if build.command is not None:
            words(f"--{side}-command", build.command)
    return base, candidate


def _build(side: str, given: dict[str, Any]) -> Build:
    from loadtest.experiment.ab import Build  # noqa: PLC0415

    url, command = given[side], given[f"{side}_command"]
    if url is None and command is None:
        raise click.UsageError(f"--{side}: missing; give the address of that build, or --{side}-command to start it")
    return Build(url or (given["host"] if command is not None else None), command)


def _environment(given: dict[str, Any], plan: Plan) -> dict[str, str]:
    """Secrets for the runs and for builds that are started; those get a fresh one where none is given."""
    found = by_environment(given)
    sources = tuple(f"--{name.replace('_', '-')}" for name in SOURCES)
    tokens = any(given.get(name) for name in SOURCES) or any(word.startswith(sources) for word in plan.options)
    if not tokens:
        if plan.base.command is None or plan.candidate.command is None:
            raise click.UsageError(
                "--jwt-secret: users need tokens; set LOADTEST_JWT_SECRET, or give --tokens-file FILE"
            )
        found["LOADTEST_JWT_SECRET"] = secrets.token_urlsafe(32)
    return found


def _announce(state: State, floor: Floor | None) -> None:
    from .ab_lines import floor_line, plan_line  # noqa: PLC0415

    click.echo(plan_line(state), err=True)
    if floor is not None and not state.plan.same:
        click.echo(floor_line(floor, state.plan.pairs, state.terms), err=True)


def _tell(told: Told) -> None:
    from .ab_lines import pair_line  # noqa: PLC0415

    click.echo(pair_line(told), err=True)


def _conclude(state: State, folder: Path, kind: Format) -> int:
    from loadtest.experiment.noise import keep  # noqa: PLC0415

    from .builds import compare_builds, open_samples, sides_of  # noqa: PLC0415
    from .compare import exit_code, shown, tell  # noqa: PLC0415

    found = sides_of(folder, state)
    first, second = open_samples(found.base), open_samples(found.candidate)
    builds = compare_builds(first, second, found.terms, found.notes, force=found.force)
    click.echo(shown(builds.result, kind, f"{folder}: {', '.join(FILES)}"), nl=False)  # before what may fail
    _record(builds, folder)
    if state.plan.same and len(found.base) > 1:
        keep(folder.parent, state.plan, builds.result, datetime.now(UTC).replace(microsecond=0))
    tell(builds.result)
    _draw(builds, folder)
    return exit_code(builds.result)


def _record(builds: Builds, folder: Path) -> None:
    from loadtest.report.comparison_table import as_json  # noqa: PLC0415

    _, record, *_ = (folder / name for name in FILES)
    try:
        record.write_text(as_json(builds.result) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write {record}: {error.strerror}") from None


def _draw(builds: Builds, folder: Path) -> None:
    from .build_pictures import draw_comparison  # noqa: PLC0415  # matplotlib, only now
    from .comparison_page import write_comparison_page  # noqa: PLC0415

    page, _, *pictures = (folder / name for name in FILES)
    draw_comparison(builds, pictures)
    write_comparison_page(builds, page, "--results")
