"""The routes of the proof of liabilities: the newest root document for everybody, the newest proof for its account."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from beurs.deps import RunningExchange, Services, Trader
from beurs.liabilities.archive import ROOT_FILE, Archive
from beurs.liabilities.documents import LiabilityProof, LiabilityRoot
from beurs.web.bodies import JSON
from beurs.web.openapi import errors, json_of
from beurs.web.problems import Problem

router: Final = APIRouter(prefix="/v1", tags=["liabilities"])


@router.get(
    "/liabilities",
    response_class=Response,
    responses=json_of(LiabilityRoot, 200, "The root document, in its canonical form.") | errors(404, 422),
)
async def liabilities(services: Services) -> Response:
    """The newest root document: what the venue owed its customers after one command. Nobody needs a key to see it."""
    return _document(await services.read(_root, services))


@router.get(
    "/account/liability-proof",
    response_class=Response,
    responses=json_of(LiabilityProof, 200, "The proof, in its canonical form.") | errors(401, 404, 422),
)
async def liability_proof(trader: Trader, services: Services) -> Response:
    """The proof that what the own account had is in the newest root document.

    Keep it to yourself. `scripts/verify_liabilities.py` checks the two, byte for byte as they were sent.
    """
    return _document(await services.read(_proof, services, trader.account))


def _root(services: RunningExchange) -> bytes:
    folder = Archive(services.settings.data_directory).newest()
    if folder is None:
        raise Problem("no_liabilities")
    return (folder / ROOT_FILE).read_bytes()


def _proof(services: RunningExchange, account: str) -> bytes:
    archive = Archive(services.settings.data_directory)
    folder = archive.newest()
    if folder is None:
        raise Problem("no_liabilities")
    return archive.proof(folder, account)


def _document(data: bytes) -> Response:
    return Response(data, media_type=JSON.decode())
