"""`beurs admin`: the commands of the venue's staff, over a server's REST interface.

Every command is made of a body of `beurs.admin.schemas`: its fields are the command's arguments and options, their
descriptions its help. COMMANDS says what a command is called, which fields are arguments, and what its name says.
"""

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from itertools import groupby
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin
from urllib.parse import quote

import msgspec
import typer

from beurs.admin.schemas import CHANGES
from beurs.cli import output
from beurs.cli.client import Client
from beurs.cli.options import HELP, LOCAL, Json, StaffKey, Url

__all__ = ["app"]

PREFIX: Final = "/v1/admin"
_BODIES: Final = {route.path: route.body for route in CHANGES}
_SINGULAR: Final = {"weekdays": "--weekday", "features": "--feature"}

app = typer.Typer(
    help="Administer a running exchange, with a key of staff.", no_args_is_help=True, context_settings=HELP
)


class Command(NamedTuple):
    """One command.

    Attributes:
        path: Where it is sent to.
        arguments: Which fields are arguments, in their order. The others are options.
        fixed: Fields that the command's name says.
        without: Fields that it does not have.
        help: What it does, if not just what the body says.
    """

    path: str
    arguments: tuple[str, ...] = ()
    fixed: Mapping[str, object] = {}
    without: tuple[str, ...] = ()
    help: str | None = None


COMMANDS: Final = {
    "add-asset": Command("/assets", ("code", "scale")),
    "list-instrument": Command("/instruments", ("symbol",)),
    "open-account": Command("/accounts", ("code",)),
    "deposit": Command("/deposits", ("account", "asset", "amount")),
    "withdraw": Command("/withdrawals", ("account", "asset", "amount")),
    "status": Command(
        *("/trading-status", ("symbol", "status"), {}, ("instrument_group_id", "all")),
        help="Say what an instrument accepts.",
    ),
    "status-group": Command(
        *("/trading-status", ("instrument_group_id", "status"), {}, ("symbol", "all")),
        help="Say what the instruments of a group accept.",
    ),
    "status-all": Command(
        *("/trading-status", ("status",), {"all": True}, ("symbol", "instrument_group_id")),
        help="Say what all instruments accept.",
    ),
    "instrument-group": Command("/instrument-group", ("symbol", "instrument_group_id")),
    "schedule": Command("/schedule", ("symbol", "slot", "status", "time_of_day")),
    "random-seed": Command("/random-seed"),
    "mark-price": Command("/mark-price", ("symbol", "price")),
    "bands": Command("/price-bands", ("symbol",)),
    "matching": Command("/matching", ("symbol", "algorithm")),
    "lead-market-maker": Command("/lead-market-makers", ("symbol", "account", "share")),
    "features": Command("/features", ("symbol",)),
    "limits": Command("/risk-limits"),
    "account-mode": Command("/account-mode", ("account", "mode")),
    "account-group": Command("/account-group", ("account", "group_id")),
    "trade-group": Command("/trade-group", ("account", "trade_group_id")),
    "fees": Command("/fees", ("symbol",)),
    "fee-tier": Command("/fee-tiers", ("symbol", "tier", "min_volume")),
    "fee-promotion": Command("/fee-promotions", ("symbol", "from_time", "until_time")),
    "fee-cap": Command("/fee-caps", ("symbol",)),
    "mass-cancel": Command("/mass-cancel"),
    "bust": Command("/trade-busts", ("trade_id",)),
    "adjust": Command("/trade-adjustments", ("trade_id", "new_price")),
}

_SCOPE: Final = ("all", "symbol", "group_id", "account", "key_id")
SCOPES: Final = {
    "all": ((), "everything"),
    "symbol": (("symbol",), "an instrument"),
    "group": (("group_id",), "the accounts of a group"),
    "account": (("account",), "an account"),
    "key": (("account", "key_id"), "a key of an account"),
}
"""What a kill switch is for: `beurs admin kill account alice`, `beurs admin release all`."""


def _function(command: Command) -> Callable[..., None]:
    """What Typer makes a command of: a function whose signature is made of the body's fields."""
    body = _BODIES[command.path]
    fields = {field.name: field for field in msgspec.structs.fields(body)}
    options = [name for name in fields if name not in (*command.arguments, *command.fixed, *command.without, "reason")]
    parameters = [_parameter(fields[name], name in command.arguments) for name in (*command.arguments, *options)]
    parameters.append(_parameter(fields["reason"], False))
    for name, annotation, default in (("url", Url, LOCAL), ("api_key", StaffKey, None), ("json", Json, False)):
        parameters.append(_keyword(name, annotation, default))

    def run(*, url: str, api_key: str | None, json: bool, **given: Any) -> None:
        said = {name: value for name, value in given.items() if value is not None and value is not False}
        with Client(url, api_key) as client:
            answer = client.post(PREFIX + command.path, {**command.fixed, **said})
        output.document(answer) if json else _show(answer)

    run.__doc__ = command.help or inspect.cleandoc(body.__doc__ or "")
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # Typer asks for it
    return run


def _parameter(field: msgspec.structs.FieldInfo, argument: bool) -> inspect.Parameter:
    """A field as an argument, which is required, or as an option. What is not given is left to the server."""
    kind, said = _kind(field.type)
    option = typer.Option(_SINGULAR.get(field.name, f"--{field.name.replace('_', '-')}"), help=said)
    if get_origin(kind) is list:
        return _keyword(field.name, Annotated[list[str], option], [])
    if kind is bool:
        return _keyword(field.name, Annotated[bool, option], False)
    if argument:
        return _keyword(field.name, Annotated[kind, typer.Argument(help=said)], inspect.Parameter.empty)
    if field.required:
        return _keyword(field.name, Annotated[kind, option], inspect.Parameter.empty)
    return _keyword(field.name, Annotated[kind | None, option], None)


def _kind(hint: Any) -> tuple[Any, str]:
    """The type of a field and its description, of `Annotated[type, Meta]`, perhaps in a union with UnsetType."""
    for one in (hint, *get_args(hint)):
        if get_origin(one) is Annotated:
            kind, meta = get_args(one)
            return kind, meta.description or ""
        if isinstance(one, type) and issubclass(one, Enum):
            return one, f"{', '.join(word.value for word in one)}."
    raise AssertionError(f"a field of the type {hint} cannot be an option")


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


for _name, _command in COMMANDS.items():
    app.command(_name)(_function(_command))
for _verb, _engaged, _help in (
    ("kill", True, "Cancel all orders of {} and refuse new ones."),
    ("release", False, "Allow orders of {} again."),
):
    _scopes = typer.Typer(help=_help.format("a scope"), no_args_is_help=True, context_settings=HELP)
    app.add_typer(_scopes, name=_verb)
    for _name, (_arguments, _whose) in SCOPES.items():
        _fixed = {"engaged": _engaged} | ({"all": True} if _name == "all" else {})
        _without = tuple(name for name in _SCOPE if name not in (*_arguments, *_fixed))
        _scopes.command(_name)(_function(Command("/kill-switches", _arguments, _fixed, _without, _help.format(_whose))))


@app.command("changes")
def changes(
    actor: Annotated[str | None, typer.Option(help="Only those of this member of staff.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    cursor: Annotated[str | None, typer.Option(help="Where to read on: the next cursor of the page before.")] = None,
    url: Url = LOCAL,
    api_key: StaffKey = None,
    json: Json = False,
) -> None:
    """List what staff has changed, and who, when and why, the newest first."""
    with Client(url, api_key) as client:
        answer = client.get(f"{PREFIX}/changes", actor=actor, limit=limit, cursor=cursor)
    if json:
        output.document(answer)
        return
    rows = [
        change | {"what": _summary(change["events"]), "value": _value(change["value"])} for change in answer["changes"]
    ]
    output.rows("changes", rows, ("sequence", "timestamp", "actor", "reason", "what", "value"))
    if answer["next_cursor"] is not None:
        print(f"next cursor: {answer['next_cursor']}")


@app.command("settings")
def settings(
    symbol: Annotated[str, typer.Argument(help="The instrument.")],
    url: Url = LOCAL,
    api_key: StaffKey = None,
    json: Json = False,
) -> None:
    """Show what is set for an instrument: status, bands, features, matching, schedule."""
    with Client(url, api_key) as client:
        answer = client.get(f"{PREFIX}/instruments/{quote(symbol, safe='')}/settings")
    if json:
        output.document(answer)
        return
    bands, matching = answer.pop("price_bands"), answer.pop("matching")
    output.fields(answer)
    output.rows("price bands", [] if bands is None else [bands], list(bands or ()))
    output.rows("matching", [matching], [name for name in matching if matching[name] is not None])
    if answer["lead_market_makers"]:
        output.rows("lead market makers", answer["lead_market_makers"], ("account", "share"))
    entries = [entry | {"weekdays": " ".join(entry["weekdays"])} for entry in answer["schedule"]]
    output.rows("schedule", entries, ("slot", "weekdays", "time_of_day", "random_ns", "status", "next_time"))


def _summary(events: list[dict[str, Any]]) -> str:
    """The last event in one line: those before it led to it."""
    if not events:
        return "-"
    words = [str(value) for value in events[-1].values() if value is not None]
    more = f" and {len(events) - 1} more" if len(events) > 1 else ""
    return " ".join(words) + more


def _value(value: dict[str, Any] | None) -> str | None:
    """What was set in one line, or None if it is not told."""
    if value is None:
        return None
    given = {name: each for name, each in value.items() if each is not None}
    return " ".join(
        f"{name}={','.join(each) if isinstance(each, list) else str(each).lower() if isinstance(each, bool) else each}"
        for name, each in given.items()
    )


def _show(answer: dict[str, Any]) -> None:
    output.fields(answer)
    for kind, events in groupby(answer["events"], key=lambda event: event["event"]):
        told = list(events)
        columns = [name for name in told[0] if name != "event" and any(event[name] is not None for event in told)]
        output.rows(kind.replace("_", " "), told, columns) if columns else print(kind.replace("_", " "))
