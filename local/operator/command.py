"""How a command is declared: common options, the connection, errors and exit codes in one place."""

from __future__ import annotations

import asyncio
import functools
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate

import typer

from local.operator import exit_codes
from local.operator.access import DEFAULT_SCOPE, TOKEN_VARIABLE, Place
from local.operator.exit_codes import ExitCode
from local.operator.failures import EXPECTED, refusal
from local.operator.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from local.rest import Rest

_PATIENCE = 3
_WHERE = "Where"

JsonOption = Annotated[
    bool,
    typer.Option("--json", metavar="", help="Print one JSON document to stdout, nothing else."),
]
StateOption = Annotated[
    Path,
    typer.Option(
        "--state", metavar="DIR", help="State of the local stack.", rich_help_panel=_WHERE
    ),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="ODU_ENDPOINT",
        help="Service in Azure, instead of the local stack.",
        rich_help_panel=_WHERE,
    ),
]
InstanceOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        envvar="ODU_INSTANCE",
        help="Instance of the service.",
        rich_help_panel=_WHERE,
    ),
]
ScopeOption = Annotated[
    str,
    typer.Option(
        metavar="SCOPE",
        envvar="ODU_SCOPE",
        help="Scope of the token to ask Entra ID for.",
        rich_help_panel=_WHERE,
    ),
]
WatchOption = Annotated[
    bool, typer.Option("--watch", "-w", metavar="", help="Follow it until it has ended.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")]
GroupOption = Annotated[
    str, typer.Option("--group", "-g", metavar="GROUP", help="The group of the deployment.")
]


@dataclass(slots=True)
class Session:
    """One run of a command: where the service is, how results are printed, and the client."""

    place: Place
    output: Output
    _rest: Rest | None = None

    @property
    def rest(self) -> Rest:
        """The client; connected while the coroutine of a command runs."""
        assert self._rest is not None
        return self._rest

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something with the client connected."""
        from local.rest import Rest

        try:
            async with Rest(self.place.access(), patience=_PATIENCE) as self._rest:
                await work
        finally:
            work.close()  # it may not have begun

    def confirm(self, question: str, *, is_confirmed: bool) -> None:
        """Ask before something is lost.

        Raises:
            typer.Exit: The answer is no.
            typer.BadParameter: Nobody is there to answer.
        """
        import sys

        if is_confirmed:
            return
        if self.output.is_json or not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here; confirm with --yes")
        if not typer.confirm(question, err=True):
            raise typer.Exit(ExitCode.ERROR)


type Later = Coroutine[Any, Any, None]
type Work[**P] = Callable[Concatenate[Session, P], Later | None]


def command_group(help_text: str, *examples: str) -> typer.Typer:
    """Return the application for one command of `./odu`.

    Args:
        help_text: What it is about.
        examples: Command lines.
    """
    epilog = "\n".join(("Examples:", *(f"  {line}" for line in examples)))
    codes = f"Exit codes:\n{exit_codes.table()}"
    tokens = (
        f"The local stack makes its own tokens; {TOKEN_VARIABLE} replaces them, and those of Azure."
    )
    return typer.Typer(
        help=help_text,
        epilog=f"{epilog}\n\n{codes}\n\n{tokens}",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def command[**P](
    app: typer.Typer, name: str, *, needs_service: bool = True
) -> Callable[[Work[P]], Work[P]]:
    """Declare a subcommand: a function that takes the session and its own options.

    In a coroutine function, `Session.rest` is connected. One that has work to do before that does
    it and returns a coroutine for the rest. Expected errors become a sentence and an exit code.

    Args:
        app: The command that it belongs to.
        name: Its name.
        needs_service: Whether it takes the options that say where the service is.
    """

    def declare(work: Work[P]) -> Work[P]:
        @functools.wraps(work)
        def run(**given: Any) -> None:
            place = Place(
                given.pop("state", Path()),
                given.pop("endpoint", None),
                given.pop("instance", None),
                given.pop("scope", DEFAULT_SCOPE),
            )
            session = Session(place, Output(is_json=given.pop("as_json")))
            _run(session, functools.partial(work, session, **given))

        signature = inspect.signature(work, eval_str=True)
        own = list(signature.parameters.values())[1:]
        parameters = [*own, *_common(needs_service=needs_service)]
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters, return_annotation=None
        )
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(run)
        return work

    return declare


def main_of(app: typer.Typer, name: str) -> Callable[[list[str]], int]:
    """Return the `main` of a module of `commands`."""

    def main(arguments: list[str]) -> int:
        """Run the command; return its exit code."""
        try:
            app(arguments, prog_name=f"./odu {name}")
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return main


def _run(session: Session, work: Callable[[], Later | None]) -> None:
    try:
        rest = work()
        if rest is not None:
            asyncio.run(session.run(rest))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        raise
    except EXPECTED as error:
        refused = refusal(error, session.place.token_hint)
        session.output.refused(refused)
        raise typer.Exit(refused.code) from None


def _common(*, needs_service: bool) -> list[inspect.Parameter]:
    """The options that every command has."""
    where: list[tuple[str, Any, object]] = [
        ("state", StateOption, Path(".odu")),
        ("endpoint", EndpointOption, None),
        ("instance", InstanceOption, None),
        ("scope", ScopeOption, DEFAULT_SCOPE),
    ]
    chosen = [("as_json", JsonOption, False), *(where if needs_service else [])]
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, annotation, default in chosen
    ]
