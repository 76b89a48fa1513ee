"""The OpenAPI document: FastAPI's, with the schemas of the msgspec types that bodies really are."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from beurs.web.problems import ErrorBody

_SCHEMAS: Final[dict[str, Any]] = {}  # type name → type, of every type named in a route
_REF: Final = "#/components/schemas/{name}"


def _schema(kind: type) -> dict[str, str]:
    assert _SCHEMAS.setdefault(kind.__name__, kind) is kind, f"two types are called {kind.__name__}"
    return {"$ref": _REF.format(name=kind.__name__)}


def json_of(kind: type, status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers with a type."""
    return {status: {"description": description, "content": {"application/json": {"schema": _schema(kind)}}}}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers with these errors. See the table of codes in docs/reference/rest.md.

    A route that needs a key answers 401 without one, and 403 if it is of the wrong kind.
    """
    content = {"application/json": {"schema": _schema(ErrorBody)}}
    all_of_them = sorted({*statuses, 403} if 401 in statuses else statuses)
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in all_of_them}


def body_of(kind: type) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a type."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema(kind)}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole document. Made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, components = msgspec.json.schema_components(list(_SCHEMAS.values()), ref_template=_REF)
        document.setdefault("components", {}).setdefault("schemas", {}).update(components)
        for path in document["paths"].values():
            for operation in path.values():
                # FastAPI documents its own validation error; ours replaces it.
                if operation["responses"].get("422", {}).get("description") == "Validation Error":
                    del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema
