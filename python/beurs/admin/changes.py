"""The routes of the venue's staff under /v1/admin: one for everything in `beurs.admin.schemas.CHANGES`, made by one
function, and the list of what was changed.

A change goes this way: the key names the operator, the body is decoded strictly, its names and texts become those of
`beurs.administration`, a `Desk` executes the command in a worker thread, and its events are the answer.
"""

import asyncio
import json
import re
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from beurs import keys
from beurs.admin.desk import Desk
from beurs.admin.facts import Change, ChangeList, facts
from beurs.admin.schemas import CHANGES, ChangeBody, FieldMissing, Route
from beurs.admin.value import value_of
from beurs.catalogue import Catalogue
from beurs.deps import Cursor, JsonBody, Limit, Operator, RunningExchange, Services, answer
from beurs.errors import CommandInvalid, DecimalError, InputError, NotFound, Rejected
from beurs.reports import Translator
from beurs.store.models import Change as StoredChange
from beurs.timestamps import timestamp
from beurs.web.bodies import decode, refuse_repeated_keys
from beurs.web.openapi import body_of, errors, json_of
from beurs.web.problems import CODES, Problem, rejection

router: Final = APIRouter(prefix="/v1/admin", tags=["administration"])

_UNKNOWN: Final = {"account": "unknown_account", "symbol": "unknown_instrument", "asset": "unknown_asset"}
_FROM_STORE: Final = ("/trade-busts", "/trade-adjustments")
_LISTED: Final = ("/assets", "/instruments")


async def _execute(route: Route, body: ChangeBody, operator: keys.Operator, services: RunningExchange) -> Change:
    desk = Desk(services, operator, body.reason, asyncio.get_running_loop())
    try:
        arguments = body.arguments()
        if route.path in _FROM_STORE:
            await services.store_caught_up()
        await services.read(getattr(desk, route.method), **arguments)
    except (InputError, NotFound, Rejected) as error:
        raise _problem(error, body) from error
    if route.path in _LISTED:
        await services.read(services.instruments.refresh)
    assert desk.report is not None  # it has executed its command, or raised
    return desk.report


def _problem(error: InputError | NotFound | Rejected, body: ChangeBody) -> Exception:
    """What was wrong, with the names of the body."""
    match error:
        case CommandInvalid():
            return error
        case NotFound(field=kind, name=name):
            # An asset is named by `asset`, `base` or `quote`: the field that says this name.
            named = (field for field in body.__struct_fields__ if field != "reason" and getattr(body, field) == name)
            return Problem(_UNKNOWN[kind], field=next(named, None))
        case InputError(field=argument, rule=rule):
            code = error.code if isinstance(error, DecimalError) and error.code in CODES else "invalid_value"
            code = "missing_field" if isinstance(error, FieldMissing) else code
            field = body.field_of(argument)
            return Problem(code, f"The {field} {rule}.", field)
        case Rejected(code=refused):
            problem = rejection(refused)
            return problem if problem.detail.field in (None, *body.__struct_fields__) else Problem(refused)


def _add(route: Route) -> None:
    decoder = msgspec.json.Decoder(route.body)

    async def change(operator: Operator, services: Services, content: JsonBody) -> Response:
        body = decode(decoder, content)
        refuse_repeated_keys(content)
        return answer(await _execute(route, body, operator, services), route.status)

    change.__name__ = re.sub(r"(?<!^)([A-Z])", r"_\1", route.body.__name__).lower()
    change.__doc__ = route.body.__doc__
    router.post(
        route.path,
        status_code=route.status,
        response_class=Response,
        responses=json_of(Change, route.status, "It is done; what it did.")
        | errors(400, 401, 404, 409, 413, 415, 422, 503),
        openapi_extra=body_of(route.body),
    )(change)


for _route in CHANGES:
    _add(_route)


@router.get(
    "/changes", response_class=Response, responses=json_of(ChangeList, 200, "The changes.") | errors(401, 422, 503)
)
async def list_changes(
    _operator: Operator,
    services: Services,
    actor: Annotated[str | None, Query(description="Only those of this member of staff.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what staff has changed, to what, and who, when and why, the newest first. Everything that is done is in it.

    `value` is null for the random seed, which nobody gets to see, and for a change whose command the journal no longer
    had when the store was made: with `journal_retention` `drop` and then `beurs store rebuild`.
    """
    await services.store_caught_up()
    return answer(await services.read(_changes, services, actor, limit, cursor))


def _changes(services: RunningExchange, actor: str | None, limit: int, cursor: int | None) -> ChangeList:
    rows = services.repository.changes(actor=actor, before=cursor, limit=limit + 1)
    translator = Translator(services.instruments.catalogue)
    more = len(rows) > limit
    changes = [_change(row, translator, services.instruments.catalogue) for row in rows[:limit]]
    return ChangeList(changes, str(rows[limit - 1].sequence) if more else None)


def _change(row: StoredChange, translator: Translator, catalogue: Catalogue) -> Change:
    command = {"sequence": row.sequence, "event_time_ns": row.event_time_ns}
    events = [translator.event(fact | command) for fact in json.loads(row.facts)]
    value = None if row.command is None else value_of(row.command, catalogue)
    return Change(row.sequence, timestamp(row.event_time_ns), row.actor, row.reason, value, facts(events))
