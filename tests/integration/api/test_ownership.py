"""A child's id under another parent is 404, on every route that names both, and nothing is written (A12)."""

from typing import Any

import pytest

from app import app
from chalicelib.api.routes import Route
from chalicelib.request_context import RequestContext
from chalicelib.sessions.service import open_session
from chalicelib.staff import service as staff
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderRunItem
from tests.aws import TABLE, client
from tests.integration.api.gateway import send
from tests.integration.api.test_routes import for_keys

NESTED = [route for route in app.json_api.all_routes() if len(route.parameters) > 1]
ENTITY = {
    "name": "Acme",
    "colour": "#123456",
    "sender_email": "billing@acme.example",
    "locale": "en",
    "time_zone": "Europe/Berlin",
}
PERSON = {"first_name": "Ann", "last_name": "Example", "email": "ann@example.com", "roles": ["invoicing"]}
SUBSCRIPTION = {"name": "Telephony", "status": "active"}
INVOICE = {
    "bill_group_id": "group-one",
    "number": "2026-001",
    "issue_date": "2026-01-15",
    "currency": "EUR",
    "lines": [{"description": "Telephony", "net_amount": 10000}],
    "total": 10000,
}

PAYMENT = {"amount": 5000, "currency": "EUR", "received_on": "2026-01-15"}
SPREAD = [{"invoice_id": "invoice-settled", "amount": 1000}]

TEMPLATE = {"texts": {"en": {"subject": "Invoice {invoice}", "opening": "{amount} is due."}}}

RUN = "2026-01-31T09"

# A PUT by the vendor's id makes the child where there is none, so it cannot meet another parent's.
CREATING = {
    ("PUT", "/v1/bill-groups/{bill_group_id}/subscriptions/{subscription_id}"),
    ("PUT", "/v1/accounts/{account_id}/payments/{payment_id}"),
}
BODIES: dict[str, dict[str, Any]] = {
    "ContactWrite": {"job_title": "Clerk"},
    "ErasureBody": {"confirm": True},
    "AllocationsBody": {"allocations": SPREAD},
    "ReversalBody": {"reason": "Returned."},
    "AccessBody": {"bill_groups": {}},
    "PreferencesBody": {"general": True},
    "ReminderTemplateBody": TEMPLATE,
    "CredentialsBody": {"user_name": "ann.example"},
    "TemporaryPasswordBody": {},
}
# What these need beyond their parents.
NEEDS_USER_NAME = ("/credentials", "/password-reset")


def make(method: str, url: str, token: str, body: Any) -> Any:
    answer = send(method, url, token=token, body=body)
    assert answer.status in {200, 201}, answer.text
    return answer.json


def admin(context: RequestContext) -> str:
    """Make an admin of the staff and return the token of a session of theirs."""
    email = "kim@vendor.example"
    staff.add_staff_member(context, email, "Kim", "admin")
    transaction = store.Transaction(context)
    _, token = open_session(transaction, context, kind="staff", email=email, bill_groups=(), origin="link")
    transaction.commit()
    return token


@pytest.fixture
def own(context: RequestContext, token: str) -> dict[str, str]:
    """Two accounts, each with a bill group; the ids of the first one's parents and children."""
    make("PUT", "/v1/entities/acme", token, ENTITY)
    for name in ("one", "two"):
        account = {"entity_id": "acme", "name": name, "currency": "EUR"}
        make("PUT", f"/v1/accounts/account-{name}", token, account)
        group = {"account_id": f"account-{name}", "entity_id": "acme", "name": name}
        make("PUT", f"/v1/bill-groups/group-{name}", token, group)
    make("PUT", "/v1/bill-groups/group-one/subscriptions/sub", token, SUBSCRIPTION)
    contact = make("POST", "/v1/accounts/account-one/contacts", token, PERSON)
    emails = send("GET", "/v1/accounts/account-one/emails", token=token).json["items"]
    rule = make("POST", "/v1/bill-groups/group-one/access-rules", token, {"value": "bo@example.com"})
    make("PUT", "/v1/invoices/invoice-one", token, INVOICE)
    make("PUT", "/v1/invoices/invoice-settled", token, {**INVOICE, "number": "2026-002"})
    make("PUT", "/v1/invoices/credit-one", token, {**INVOICE, "number": "2026-003", "kind": "credit_note"})
    make("POST", "/v1/invoices/credit-one/applications", token, {"applications": SPREAD})
    make("PUT", "/v1/accounts/account-one/payments/payment-one", token, {**PAYMENT, "allocations": SPREAD})
    statement = send("POST", "/v1/accounts/account-one/statements", token=token, body={}).json
    make("PUT", "/v1/reminder-templates/acme/template-one", token, TEMPLATE)
    run = keys.reminder_run("acme", RUN)
    held = {"entity_id": "acme", "run_hour": RUN, "started": context.now, "accounts": 9, "limit": 5}
    store.create_item(ReminderRunItem(run.pk, run.sk, status="waiting", **held))
    return {
        "admin": admin(context),
        "entity_id": "acme",
        "run_hour": RUN,
        "template_id": "template-one",
        "statement_id": statement["statement_id"],
        "invoice_id": "invoice-one",
        "payment_id": "payment-one",
        "settled_invoice_id": "invoice-settled",
        "rule_id": rule["rule_id"],
        "staff_email": "bo@vendor.example",
        "account_id": "account-one",
        "bill_group_id": "group-one",
        "subscription_id": "sub",
        "contact_id": contact["contact_id"],
        "email_id": emails[0]["email_id"],
    }


def ids_for(route: Route, ids: dict[str, str]) -> dict[str, str]:
    """Return the ids that a route wants: what is applied is a credit note, though an invoice to the path."""
    return {**ids, "invoice_id": "credit-one"} if "/applications" in route.path else ids


def ask(route: Route, token: str, ids: dict[str, str]) -> Any:
    body = BODIES.get(route.body.__name__, {}) if route.body else None
    asking = token if for_keys(route) else ids["admin"]
    return send(route.method, route.path.format(**ids), token=asking, body=body, headers={"If-Match": '"1"'})


@pytest.mark.parametrize("route", NESTED, ids=lambda route: f"{route.method} {route.path}")
def test_a_child_under_another_parent_is_404(own: dict[str, str], token: str, route: Route) -> None:
    if (route.method, route.path) in CREATING:
        pytest.skip("makes a child of its own")
    if route.path.endswith(NEEDS_USER_NAME) and route.method != "PUT":
        address = f"/v1/accounts/account-one/contacts/{own['contact_id']}/credentials"
        make("PUT", address, own["admin"], BODIES["CredentialsBody"])
    own = ids_for(route, own)
    foreign = {**own, "account_id": "account-two", "bill_group_id": "group-two", "invoice_id": "invoice-one"}
    foreign["entity_id"] = "another"
    ask(route, token, foreign)
    before = client("dynamodb").scan(TableName=TABLE)["Items"]
    answer = ask(route, token, foreign)
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert client("dynamodb").scan(TableName=TABLE)["Items"] == before
    assert ask(route, token, own).status != 404
