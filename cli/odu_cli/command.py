"""How a command is declared: common options, the connection, errors and exit codes in one place."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from odu_cli import PROGRAM, exit_codes
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import EXPECTED, refusal
from odu_cli.output import Output
from odu_cli.storage import CONTENT_VARIABLES, QUEUES_VARIABLES, StorageOptions
from odu_cli.target_options import DEFAULT_SCOPE, DEFAULT_STATE, TargetOptions
from odu_cli.tokens import TOKEN_VARIABLE

if TYPE_CHECKING:
    from odu_cli.rest import Rest

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
AzureOption = Annotated[
    bool,
    typer.Option(
        "--azure",
        metavar="",
        help="A service in Azure, with your own identity; else the local stack.",
        rich_help_panel=_WHERE,
    ),
]
ContentOption = Annotated[
    str,
    typer.Option(
        "--content",
        metavar="URL",
        envvar=CONTENT_VARIABLES,
        help="Blob endpoint of its content account; needed with --azure.",
        rich_help_panel=_WHERE,
    ),
]
QueuesOption = Annotated[
    str,
    typer.Option(
        "--queues",
        metavar="URL",
        envvar=QUEUES_VARIABLES,
        help="Queue endpoint of its state account; needed with --azure.",
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


class Needs(Enum):
    """What a command talks to, and so which options say where it is."""

    SERVICE = auto()
    """The REST API."""
    STORAGE = auto()
    """The storage accounts of a service."""
    NOTHING = auto()


@dataclass(slots=True)
class Session:
    """One run of a command: where the service is, how results are printed, and the client."""

    output: Output
    target: TargetOptions = field(default_factory=TargetOptions)
    storage: StorageOptions = field(default_factory=StorageOptions)
    _rest: Rest | None = None

    @property
    def rest(self) -> Rest:
        """The client; connected while the coroutine of a command that needs the service runs."""
        assert self._rest is not None
        return self._rest

    async def run(self, work: CommandCoroutine, needs: Needs) -> None:
        """Run something, with the client connected if it needs the service."""
        try:
            if needs is Needs.SERVICE:
                from odu_cli.rest import Rest

                async with Rest(self.target.resolve(), patience=_PATIENCE) as self._rest:
                    await work
            else:
                await work
        finally:
            work.close()  # it may not have begun

    def check_askable(self, *, is_confirmed: bool) -> None:
        """Let a command go on that will ask, where somebody can answer or has done so.

        Raises:
            typer.BadParameter: Nobody is there to answer.
        """
        import sys

        if not is_confirmed and (self.output.is_json or not sys.stdin.isatty()):
            raise typer.BadParameter("nobody can be asked here; confirm with --yes")

    def confirm(self, question: str, *, is_confirmed: bool) -> None:
        """Ask before something is lost.

        Raises:
            typer.Exit: The answer is no.
            typer.BadParameter: Nobody is there to answer.
        """
        self.check_askable(is_confirmed=is_confirmed)
        if not is_confirmed and not typer.confirm(question, err=True):
            raise typer.Exit(ExitCode.ERROR)


P = ParamSpec("P")
CommandCoroutine = Coroutine[Any, Any, None]
CommandFunction = Callable[Concatenate[Session, P], CommandCoroutine | None]


def command_group(help_text: str, *examples: str) -> typer.Typer:
    """Return the application for one noun.

    Args:
        help_text: What it is about.
        examples: Command lines, without the name of the program; one that goes on is indented.
    """
    lines = (f"  {line}" if line.startswith(" ") else f"  {PROGRAM} {line}" for line in examples)
    epilog = "\n".join(("Examples:", *lines))
    codes = f"Exit codes:\n{exit_codes.table()}"
    tokens = (
        f"The local stack makes its own tokens; {TOKEN_VARIABLE} replaces them, and those of Azure."
    )
    return typer.Typer(
        help=help_text,
        epilog=f"{epilog}\n\n{codes}\n\n{tokens}",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def command(
    app: typer.Typer, name: str, *, needs: Needs = Needs.SERVICE
) -> Callable[[CommandFunction[P]], CommandFunction[P]]:
    """Declare a subcommand: a function that takes the session and its own options.

    In a coroutine function, `Session.rest` is connected. One that has work to do before that does
    it and returns a coroutine for the rest. Expected errors become a sentence and an exit code.
    A parameter that is a dataclass stands for an option of each of its fields: so commands share
    sets of options.

    Args:
        app: The noun that it belongs to.
        name: Its name.
        needs: What it talks to.
    """

    # a command may have options of its own by these names, if it needs nothing
    common = [each.name for each in _common(needs)]

    def declare(work: CommandFunction[P]) -> CommandFunction[P]:
        signature = inspect.signature(work, eval_str=True)
        own = list(signature.parameters.values())[1:]
        sets: dict[str, type[Any]] = {
            each.name: each.annotation
            for each in own
            if isinstance(each.annotation, type) and is_dataclass(each.annotation)
        }

        @functools.wraps(work)
        def run(**given: Any) -> None:
            session = _session({name: given.pop(name) for name in common})
            for name, kind in sets.items():
                given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            _run(session, functools.partial(work, session, **given), needs)

        single = [each for each in own if each.name not in sets]
        shared = [each for kind in sets.values() for each in _options_of(kind)]
        parameters = [*single, *shared, *_common(needs)]
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters, return_annotation=None
        )
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(run)
        return work

    return declare


def _options_of(kind: type) -> list[inspect.Parameter]:
    """The options that a dataclass stands for; they have its defaults."""
    return list(inspect.signature(kind, eval_str=True).parameters.values())


def _session(given: dict[str, Any]) -> Session:
    """What is common to all commands."""
    state = given.pop("state", DEFAULT_STATE)
    return Session(
        Output(is_json=given.pop("as_json")),
        TargetOptions(
            state=state,
            endpoint=given.pop("endpoint", None),
            instance=given.pop("instance", None),
            scope=given.pop("scope", DEFAULT_SCOPE),
        ),
        StorageOptions(
            state=state,
            is_azure=given.pop("azure", False),
            content_url=given.pop("content_url", ""),
            queues_url=given.pop("queues_url", ""),
        ),
    )


def _run(session: Session, work: Callable[[], CommandCoroutine | None], needs: Needs) -> None:
    try:
        rest = work()
        if rest is not None:
            asyncio.run(session.run(rest, needs))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        raise
    except EXPECTED as error:
        refused = refusal(error, session.target.token_hint)
        session.output.refused(refused)
        raise typer.Exit(refused.code) from None


def _common(needs: Needs) -> list[inspect.Parameter]:
    """The options that every command of a kind has."""
    where: dict[Needs, list[tuple[str, Any, object]]] = {
        Needs.SERVICE: [
            ("state", StateOption, DEFAULT_STATE),
            ("endpoint", EndpointOption, None),
            ("instance", InstanceOption, None),
            ("scope", ScopeOption, DEFAULT_SCOPE),
        ],
        Needs.STORAGE: [
            ("state", StateOption, DEFAULT_STATE),
            ("azure", AzureOption, False),
            ("content_url", ContentOption, ""),
            ("queues_url", QueuesOption, ""),
        ],
        Needs.NOTHING: [],
    }
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, annotation, default in [("as_json", JsonOption, False), *where[needs]]
    ]
