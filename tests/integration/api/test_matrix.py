"""Every route × every kind of principal × own and foreign ids, generated from the route table (A12).

What must come of it is told by ``docs/permissions.md``, which is written from the table of permissions with
``UPDATE_MATRIX=1``; each cell is then asked of the service itself. Routes that come later join by themselves.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import app
from chalicelib.access import api_keys
from chalicelib.api.routes import Route
from chalicelib.entities.service import clear_entity_cache
from chalicelib.permissions import (
    ANY_SIGNED_IN,
    OPERATION_REQUIREMENTS,
    PORTAL_PERMISSIONS,
    SCOPES,
    STAFF_ROLES,
    OperationRequirement,
)
from tests.integration.api.gateway import send
from tests.integration.api.test_routes import IDS
from tests.integration.invoices.invoices import body
from tests.integration.people import open_for, portal, staff
from tests.integration.service import Service

DOCUMENT = Path(__file__).parents[3] / "docs" / "permissions.md"
ROUTES = sorted(
    (route for route in app.handler.all_routes() if route.path.startswith("/v1/")),
    key=lambda route: (route.path, route.method),
)
GUARDED = [route for route in ROUTES if not route.public]
REACH = {"account_id", "bill_group_id", "invoice_id"}
NO, YES = "–", "yes"

HEAD = """# Who may call what

Written by `UPDATE_MATRIX=1 pytest tests/integration/api/test_matrix.py` from the declarations of the routes and the
table in `chalicelib/permissions.py`; the same test asks each cell of the service. Without a principal every route
but the public ones is 401.

- **API key**: the scope that it needs.
- **staff**: the least role; viewer < agent < admin.
- **portal user**: the permission that it needs, at a bill group within the request's reach: the one in the path, that
  of the invoice in the path, else any of the account in the path, else any. `signed in`: everybody who is. What
  belongs to others is 404, as is what does not exist; a permission that is missing is 403. What else a use case
  refuses (an account with cost-center billing, somebody's own access) stands in its own rules.
- **preview**: sees what the portal user would whose view it shows; every write is 403.

| route | operation | API key | staff | portal user | preview |
|---|---|---|---|---|---|
"""


def needs(route: Route) -> OperationRequirement:
    return OPERATION_REQUIREMENTS[route.may or ""]


def document() -> str:
    lines = []
    for route in ROUTES:
        name = f"| {route.method} {route.path.removeprefix('/v1')} "
        if route.public:
            lines.append(f"{name}| public | {YES} | {YES} | {YES} | {YES} |")
            continue
        wanted = needs(route)
        scope = NO if wanted.scope is None else wanted.scope or "any"
        user = "signed in" if wanted.portal == ANY_SIGNED_IN else wanted.portal or NO
        shown = user if wanted.reads else NO
        lines.append(f"{name}| {route.may} | {scope} | {wanted.staff or NO} | {user} | {shown} |")
    return HEAD + "\n".join(lines) + "\n"


def test_the_document_is_what_the_routes_declare() -> None:
    if os.environ.get("UPDATE_MATRIX") == "1":
        DOCUMENT.write_text(document(), encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == document()


@dataclass
class World:
    """Two customers, and callers of every kind."""

    service: Service
    own: dict[str, str]
    foreign: dict[str, str]

    def ask(self, route: Route, token: str | None, ids: dict[str, str]) -> tuple[int, str]:
        """Return status and code of a request with a body that nothing would come of."""
        body = {} if route.body is not None else None
        answer = send(route.method, route.path.format(**ids), token=token, body=body, headers={"If-Match": '"999"'})
        return answer.status, answer.json.get("code", "") if answer.text else ""


def invoice(service: Service, invoice_id: str, bill_group_id: str) -> None:
    service.put(f"/invoices/{invoice_id}", **body(f"{invoice_id}-of-{bill_group_id}", bill_group_id=bill_group_id))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for all cells: no request of the matrix is to change it."""
    from tests.aws import aws

    patch = pytest.MonkeyPatch()
    deployment = aws.__wrapped__(patch)  # type: ignore[attr-defined]
    next(deployment)
    clear_entity_cache()
    service = Service.start()
    service.entity()
    places = []
    for number in ("1", "2"):
        account = service.account(f"a{number}")
        service.bill_group(f"b{number}", account)
        service.put(f"/bill-groups/b{number}/subscriptions/s{number}", name="Telephony", status="active")
        contact = service.contact(account, f"Person{number}", "invoicing")
        email = service.get(f"{account}/emails")["items"][0]
        invoice(service, f"i{number}", f"b{number}")
        places.append(
            {
                **IDS,
                "account_id": f"a{number}",
                "bill_group_id": f"b{number}",
                "subscription_id": f"s{number}",
                "contact_id": contact["contact_id"],
                "email_id": email["email_id"],
                "invoice_id": f"i{number}",
                "entity_id": "acme",
                "run_hour": "2026-01-31T09",
                "staff_email": "nobody@vendor.example",
                "suppressed_email": "nobody@customer.example",
            }
        )
    service.bill_group("ungranted-group", "/accounts/a1", name="ungranted-group")
    invoice(service, "i3", "ungranted-group")
    yield World(service, places[0], places[1])
    clear_entity_cache()
    for _ in deployment:
        pass
    patch.undo()


every_route = pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
REFUSALS = {401, 403}
ENDS_ITSELF = ("DELETE", "/v1/sessions/current")


def ends_itself(route: Route) -> bool:
    return (route.method, route.path) == ENDS_ITSELF


@every_route
def test_nobody(world: World, route: Route) -> None:
    for token in (None, "cs_" + "a" * 43, "nonsense"):
        assert world.ask(route, token, world.own) == (401, "unauthenticated")


_KEYS: dict[str, str] = {}


def key(world: World, scopes: list[str]) -> str:
    given = ",".join(sorted(scopes))
    if given not in _KEYS:
        _KEYS[given] = api_keys.create(world.service.call, f"key {len(_KEYS)}", scopes)[1]
    return _KEYS[given]


@every_route
def test_api_keys(world: World, route: Route) -> None:
    scope = needs(route).scope
    if scope is None:
        assert world.ask(route, world.service.token, world.own) == (403, "forbidden")
        return
    if scope:
        others = [other for other in SCOPES if other != scope]
        assert world.ask(route, key(world, others), world.own) == (403, "forbidden")
        assert world.ask(route, key(world, [scope]), world.own)[0] not in REFUSALS
    else:
        assert world.ask(route, key(world, [SCOPES[0]]), world.own)[0] not in REFUSALS


_STAFF: dict[str, str] = {}


@every_route
@pytest.mark.parametrize("role", STAFF_ROLES)
def test_staff(world: World, route: Route, role: str) -> None:
    if role not in _STAFF:
        staff(world.service, f"{role}@vendor.example", role)
    token = _STAFF[role] = open_for(world.service, "staff", f"{role}@vendor.example")
    least = needs(route).staff
    status, code = world.ask(route, token, world.own)
    if least is None or STAFF_ROLES.index(role) < STAFF_ROLES.index(least):
        assert (status, code) == (403, "forbidden")
    else:
        assert status not in REFUSALS


def user(world: World, permissions: list[str], name: str) -> str:
    return portal(world.service, f"{name}@users.example", permissions)


@every_route
def test_portal_users(world: World, route: Route) -> None:
    wanted = needs(route).portal
    everything = user(world, list(PORTAL_PERMISSIONS), "all")
    status, code = world.ask(route, everything, world.own)
    if wanted is None:
        assert (status, code) == (403, "forbidden")
        return
    assert code not in {"forbidden", "unauthenticated"}, (status, code)
    if wanted != ANY_SIGNED_IN:
        lacking = user(world, [one for one in PORTAL_PERMISSIONS if one != wanted], f"no-{wanted.replace('_', '-')}")
        assert world.ask(route, lacking, world.own) == (403, "forbidden")
        only = user(world, [wanted], f"only-{wanted.replace('_', '-')}")
        assert world.ask(route, only, world.own)[1] not in {"forbidden", "unauthenticated"}


@pytest.mark.parametrize(
    "route",
    [route for route in GUARDED if REACH & set(route.parameters)],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_what_is_somebody_else_s_is_404(world: World, route: Route) -> None:
    everything = user(world, list(PORTAL_PERMISSIONS), "all")
    missing = {**world.own, "account_id": "no-such-account", "bill_group_id": "no-such-group", "invoice_id": "none"}
    ungranted = {**world.own, "bill_group_id": "ungranted-group", "invoice_id": "i3"}
    before = world.service.clock.now
    for ids in (
        world.foreign,
        missing,
        *([ungranted] if {"bill_group_id", "invoice_id"} & {*route.parameters} else []),
    ):
        assert world.ask(route, everything, ids) == (404, "not_found")
    # What is within reach, but another's child, is as absent as what never was.
    inner = {name: world.foreign[name] for name in route.parameters if name not in REACH}
    if inner and needs(route).portal is not None and route.method != "PUT":
        status, code = world.ask(route, everything, {**world.own, **inner})
        assert status in {404, 422}, (status, code)
    assert world.service.clock.now == before


@every_route
def test_previews(world: World, route: Route) -> None:
    wanted = needs(route)
    viewer = staff_token(world)
    body = {"permissions": list(PORTAL_PERMISSIONS)}
    preview = world.service.ask("POST", "/bill-groups/b1/preview", body, viewer).json["token"]
    status, code = world.ask(route, preview, world.own)
    if wanted.portal is None or not wanted.reads:
        assert (status, code) == (403, "forbidden")
    else:
        assert code not in {"forbidden", "unauthenticated"}, (status, code)
    if REACH & set(route.parameters):
        assert world.ask(route, preview, world.foreign) == (404, "not_found")


def staff_token(world: World) -> str:
    if "previewer" not in _STAFF:
        _STAFF["previewer"] = staff(world.service, "previewer@vendor.example", "viewer")
    return _STAFF["previewer"]


READS = [route for route in GUARDED if route.method == "GET" and needs(route).portal is not None]


@pytest.mark.parametrize("route", READS, ids=lambda route: route.path)
def test_a_read_shows_nothing_of_others_nor_of_bill_groups_that_are_not_granted(world: World, route: Route) -> None:
    everything = user(world, list(PORTAL_PERMISSIONS), "all")
    answer = send("GET", route.path.format(**world.own), token=everything)
    hidden = [world.foreign["contact_id"], world.foreign["email_id"], "person2@example.com", "ungranted-group"]
    assert not [text for text in hidden if text in answer.text]
    assert not re.search(r"\"(a2|b2|s2|i2|i3)\"", answer.text)


def test_any(world: World) -> Any:
    """The world still stands: nothing of it was changed by whoever may not."""
    assert world.service.get("/accounts/a2")["version"] == 1
    assert world.service.get("/bill-groups/b2")["version"] == 1
    assert [world.service.get(f"/invoices/{one}")["version"] for one in ("i1", "i2", "i3")] == [1, 1, 1]
