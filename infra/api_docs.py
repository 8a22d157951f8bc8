"""docs/api.md, from what the routes declare. ``python -m infra.api_docs`` writes it."""

from pathlib import Path
from typing import Any

from chalicelib.permissions import OPERATION_REQUIREMENTS

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
HEAD = """# API

Written by `python -m infra.api_docs` from the routes' own declarations; the whole truth, with bodies and errors, is
served as OpenAPI 3.1 at `GET /v1/openapi.json`.

Every request carries `Authorization: Bearer …`. Errors are `application/problem+json` with a stable `code`, and
`errors: [{field, code, message}]` where fields are at fault. Writes take `Idempotency-Key`, unless it says otherwise;
PATCH needs `If-Match` with the version that `ETag` told. Lists take `limit` and `cursor`.

| route | what it does | API key's scope | staff | portal user's permission |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page: a row for each route, in the order of their paths."""
    from app import app

    rows = []
    routes: list[Any] = app.handler.all_routes()
    for route in sorted(routes, key=lambda one: (one.path, one.method)):
        needs = OPERATION_REQUIREMENTS.get(route.may) if route.may else None
        who = (
            " | ".join(_told(part) for part in (needs.scope, needs.staff, needs.portal))
            if needs
            else "anybody | anybody | anybody"
        )
        summary = (route.view.__doc__ or "").strip().split("\n")[0]
        rows.append(f"| `{route.method} {route.path}` | {summary} | {who} |")
    return HEAD + "\n".join(rows) + "\n"


def _told(need: str | None) -> str:
    return {None: "–", "": "any", "any": "any who is signed in"}.get(need, need or "")


if __name__ == "__main__":
    PAGE.write_text(page())
