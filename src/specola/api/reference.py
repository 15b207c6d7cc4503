"""The readable reference of the API, made from its own OpenAPI description."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.responses import HTMLResponse, Response

from specola.api.problems import STATUS
from specola.domain import errors
from specola.domain.errors import SpecolaError

__all__ = ["router"]

router = APIRouter()
FOLDER = Path(__file__).parent / "reference_page"
# Read when the module is imported: later, the process may not be allowed to look there.
TEMPLATES = Environment(
    loader=DictLoader({"reference.html": (FOLDER / "reference.html").read_text(encoding="utf-8")}),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
STYLE = (FOLDER / "reference.css").read_text(encoding="utf-8")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/docs", include_in_schema=False)
async def reference(request: Request) -> HTMLResponse:
    """Show every operation, every value and every problem on one page."""
    description = request.app.openapi()
    page = TEMPLATES.get_template("reference.html").render(
        api=description, groups=_groups(description), problems=_problems(), kind=_kind, anchor=_anchor
    )
    return HTMLResponse(page, headers=HEADERS)


@router.get("/docs/reference.css", include_in_schema=False)
async def style() -> Response:
    """Return the reference's style."""
    return Response(STYLE, media_type="text/css", headers=HEADERS)


def _groups(description: Mapping[str, Any]) -> Mapping[str, list[Mapping[str, Any]]]:
    """Return the operations by tag, in the order in which they were declared."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            entry = {"path": path, "method": method.upper(), "operation": operation, "scopes": _scopes(operation)}
            groups.setdefault(operation["tags"][0], []).append(entry)
    return groups


def _scopes(operation: Mapping[str, Any]) -> str:
    if "security" not in operation:
        return "no sign-in needed"
    scopes = {scope for scheme in operation["security"] for names in scheme.values() for scope in names}
    return "scope " + ", ".join(sorted(scopes)) if scopes else "any scope"


def _kind(schema: Mapping[str, Any]) -> str:
    """Say in a word or two what a value is."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    return str(schema.get("format") or schema.get("type") or "any")


def _anchor(schema: Mapping[str, Any]) -> str:
    """Return the name of the described value that a schema leads to, if it leads to one."""
    for one in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        if "$ref" in one:
            return str(one["$ref"]).rpartition("/")[2]
    return ""


def _problems() -> list[tuple[str, int, str]]:
    """Return code, status and meaning of every failure that a person can meet."""
    found = {one.code: (int(STATUS[one.kind]), (one.__doc__ or "").splitlines()[0]) for one in _classes(SpecolaError)}
    return [(code, *rest) for code, rest in sorted(found.items())]


def _classes(base: type[SpecolaError]) -> Iterator[type[SpecolaError]]:
    for one in base.__subclasses__():
        if one.__module__.startswith(f"{errors.__name__}."):
            yield one
            yield from _classes(one)
