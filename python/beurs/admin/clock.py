"""The venue's clock, where it is a manual one: for those who test what time does, over REST."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter
from msgspec import Meta, Struct
from starlette.responses import Response

from beurs.deps import JsonBody, Operator, Services, answer
from beurs.errors import InputError
from beurs.timestamps import parse_timestamp, timestamp
from beurs.web.bodies import decode, refuse_repeated_keys
from beurs.web.openapi import body_of, errors, json_of
from beurs.web.problems import Problem

router: Final = APIRouter(prefix="/v1/admin/clock", tags=["administration"])


class SetClock(Struct, forbid_unknown_fields=True, frozen=True):
    """Where the clock is to stand: not before where it stands."""

    time: Annotated[str, Meta(description="UTC, as in 2025-01-31T09:30:00Z.")]


class Clock(Struct, frozen=True):
    """Where the clock stands, and the sequence after what was due by then."""

    time: str
    sequence: int


_SET_CLOCK: Final = msgspec.json.Decoder(SetClock)


@router.post(
    "",
    response_class=Response,
    responses=json_of(Clock, 200, "It stands there.") | errors(400, 401, 409, 413, 415, 422, 503),
    openapi_extra=body_of(SetClock),
)
async def set_clock(_operator: Operator, services: Services, content: JsonBody) -> Response:
    """Move the clock of a server that was started with `--clock manual`, and do what is due by then.

    No command moves with it, so there is no reason to give and it is not among the changes.
    """
    body = decode(_SET_CLOCK, content)
    refuse_repeated_keys(content)
    if services.settings.clock != "manual":
        raise Problem("clock_not_manual")
    try:
        time_ns = parse_timestamp(body.time)
        await services.read(services.node.set_time, time_ns)
    except InputError as error:
        raise Problem("invalid_value", f"The time {error.rule}.", "time") from None
    except (ValueError, OverflowError) as error:
        why = error if isinstance(error, ValueError) else "must be before 2262"
        raise Problem("invalid_value", f"The time {why}.", "time") from None
    return answer(Clock(timestamp(time_ns), services.node.sequence))
