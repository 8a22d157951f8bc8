"""Whatever takes an Idempotency-Key answers a repeat as it answered first, and writes nothing again."""

import base64
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from app import app
from chalicelib import clock
from chalicelib.api.routes import WRITE_METHODS, Route
from chalicelib.entities.service import clear_entity_cache
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, InvoiceItem, SuppressionItem
from tests.aws import BUCKET, TABLE, client
from tests.integration.api.gateway import send
from tests.integration.api.test_ownership import (
    ENTITY,
    INVOICE,
    PAYMENT,
    PERSON,
    SPREAD,
    SUBSCRIPTION,
    TEMPLATE,
    ids_for,
    own,
)
from tests.integration.api.test_routes import for_keys
from tests.unit.logos.images import flat, written

__all__ = ["own"]

REPEATABLE = [
    route
    for route in app.json_api.all_routes()
    if route.method in WRITE_METHODS and route.repeatable and not route.path.startswith("/v1/imports")
]
PDF = b"%PDF-1.7 supplied"
# Each changes something: a write that changes nothing does not spend its key.
BODIES: dict[str, dict[str, Any]] = {
    "ApiKeyBody": {"name": "crm", "scopes": ["accounts:read"]},
    "EntityBody": {**ENTITY, "name": "Renamed"},
    "SubscriptionBody": {**SUBSCRIPTION, "name": "Renamed"},
    "ContactWrite": {"first_name": "Renamed"},
    "NewStaffBody": {"email": "al@vendor.example", "name": "Al", "role": "viewer"},
    "AccessRuleBody": {"value": "al@example.com"},
    "AccessBody": {"bill_groups": {"group-one": {}}},
    "PreferencesBody": {"general": True},
    "ErasureBody": {"confirm": True},
    "LogoBody": {"image": base64.b64encode(written(flat(), "PNG")).decode()},
    "StatementBody": {"currency": "EUR"},
    "InvoiceBody": {**INVOICE, "due_date": "2026-03-01"},
    "DueDateBody": {"due_date": "2026-03-01"},
    "ReasonBody": {"reason": "A mistake."},
    "DisputeBody": {"reason": "amount"},
    "PaymentBody": {**PAYMENT, "allocations": SPREAD},
    "PaymentDetails": PAYMENT,
    "AllocationsBody": {"allocations": SPREAD},
    "ApplicationsBody": {"applications": SPREAD},
    "ReversalBody": {"reason": "Returned."},
    "SendBody": {"cc": ["boss@example.com"]},
    "SuppliedPdfBody": {"sha256": sha256(PDF).hexdigest(), "size": len(PDF)},
    "EntityPolicyBody": {"run_limit": 9},
    "AccountPolicyBody": {"send_at": "10:00"},
    "StepsBody": {"promise_limit_days": 3},
    "ReleaseBody": {"accounts_a_day": 9},
    "PaymentsAsOfBody": {"as_of": "2026-01-31T09:00:00Z"},
    "ReminderTemplateBody": {"texts": {"de": {"subject": "Rechnung {invoice}", "opening": "{amount} ist offen."}}},
    "PauseBody": {"reason": "They wait for a credit."},
    "PromiseBody": {"on": (clock.utc_now().date() + timedelta(days=30)).isoformat()},
    "AutoPayFailureBody": {"failed_on": "2026-01-31"},
}
OTHERS: dict[str, dict[str, Any]] = {
    "ContactWrite": {"first_name": "Another"},
    "AccessRuleBody": {"value": "am@example.com"},
    "AccessBody": {"bill_groups": {}},
    "PreferencesBody": {"product": True},
    "PaymentBody": {"amount": 6000},
    "PaymentDetails": {"amount": 6000},
    "AllocationsBody": {"allocations": [{**SPREAD[0], "amount": 2000}]},
    "ApplicationsBody": {"applications": [{**SPREAD[0], "amount": 2000}]},
    "ReversalBody": {"reason": "A mistake."},
    "InvoiceBody": {"due_date": "2026-04-01"},
    "DueDateBody": {"due_date": "2026-04-01"},
    "StatementBody": {"currency": "USD"},
    "ReasonBody": {"reason": "Another."},
    "DisputeBody": {"reason": "tax"},
    "SendBody": {"cc": ["another@example.com"]},
    "SuppliedPdfBody": {"size": len(PDF) + 1},
    "LogoBody": {"image": base64.b64encode(written(flat(colour="blue"), "PNG")).decode()},
    "EntityPolicyBody": {"run_limit": 8},
    "AccountPolicyBody": {"send_at": "11:00"},
    "StepsBody": {"promise_limit_days": 4},
    "ReleaseBody": {"accounts_a_day": 8},
    "PaymentsAsOfBody": {"as_of": "2026-01-31T10:00:00Z"},
    "ReminderTemplateBody": TEMPLATE,
    "PauseBody": {"reason": "Another."},
    "PromiseBody": {"by": "Another."},
    "AutoPayFailureBody": {"failed_on": "2026-01-30"},
}
# A body that can say one thing only.
ONE_BODY = {"ErasureBody"}


def body_of(route: Route, ids: dict[str, str], change: str) -> dict[str, Any] | None:
    if route.body is None:
        return None
    if route.path.endswith("/contacts"):
        return {**PERSON, "email": f"{change}@example.com"}
    name = route.body.__name__
    if name == "OwnerBody":
        return {"contact_id": ids["contact_id"] if change == "first" else None}
    if name in ONE_BODY:
        return BODIES[name]
    first = BODIES.get(name, {"name": "Renamed"})
    return first if change == "first" else {**first, **OTHERS.get(name, {"name": "Another"})}


def ask(route: Route, token: str, ids: dict[str, str], change: str = "first") -> Any:
    token = token if for_keys(route) else ids["admin"]
    headers = {"Idempotency-Key": "once"}
    if route.method == "PATCH":
        address = route.path.format(**ids)
        headers["If-Match"] = ids.setdefault("etag", send("GET", address, token=token).headers["etag"])
    return send(route.method, route.path.format(**ids), token=token, body=body_of(route, ids, change), headers=headers)


def suppress(address: str) -> None:
    """Let an address get no mail."""
    key = keys.suppression(address)
    store.create_item(SuppressionItem(key.pk, key.sk, email=address, reason="complaint", since=clock.utc_now()))


def finish(email_id: str) -> None:
    """Let a mail be one that was sent."""
    item = store.get_item(EmailItem, keys.email(email_id))
    assert item is not None
    item.status = "sent"
    store.replace_item(item)


def let_send(invoice_id: str, token: str) -> None:
    """Let the invoice be one that can be sent: it has a PDF, and its entity's mail is live."""
    send("PUT", "/v1/entities/acme", token=token, body={"invoice_mail": {"mode": "live"}, "live_from": "2026-01-01"})
    clear_entity_cache()
    item = store.get_item(InvoiceItem, keys.invoice(invoice_id))
    assert item is not None
    item.pdf = {"key": "k", "sha256": "0", "size": 1, "source": "made"}
    store.replace_item(item)


def let_supply(token: str) -> str:
    """Issue an invoice whose PDF is supplied and uploaded, and return its id."""
    body = {**INVOICE, "number": "2026-009", "pdf": "supplied"}
    send("PUT", "/v1/invoices/invoice-supplied", token=token, body=body)
    key = f"uploads/invoices/invoice-supplied/{sha256(PDF).hexdigest()}.pdf"
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=PDF)
    return "invoice-supplied"


def begin_reminders(route: Route, token: str, ids: dict[str, str]) -> None:
    """Let there be what a route about reminders changes."""
    if route.path.endswith("/release"):
        live = {"reminder_mail": {"mode": "live"}, "live_from": "2026-01-01"}
        send("PUT", "/v1/entities/acme", token=token, body=live)
    if route.path.endswith("/reminder-skip"):
        address = route.path.removesuffix("/reminder-skip").format(**ids)
        etag = send("GET", address, token=token).headers["etag"]
        send("PATCH", address, token=token, body={"due_date": "2099-12-31"}, headers={"If-Match": etag})
    if route.method == "DELETE" and route.path.endswith(("-pause", "/promise", "-failure", "-policy")):
        (put,) = [one for one in REPEATABLE if (one.method, one.path) == ("PUT", route.path)]
        answer = send("PUT", route.path.format(**ids), token=token, body=body_of(put, ids, "first"))
        assert answer.status < 300, answer.text


@pytest.mark.parametrize("route", REPEATABLE, ids=lambda route: f"{route.method} {route.path}")
def test_a_repeat_is_answered_alike_and_writes_nothing(own: dict[str, str], token: str, route: Route) -> None:
    made = send("POST", "/v1/api-keys", token=token, body={"name": "old", "scopes": ["accounts:read"]}).json
    ids = {**ids_for(route, own), "entity_id": "acme", "key_id": made["key_id"]}
    if route.method == "PUT" and route.path.endswith("/payments/{payment_id}"):
        ids["payment_id"] = "payment-two"
    if route.path.startswith("/v1/staff/"):
        body = {"email": "bo@vendor.example", "name": "Bo", "role": "viewer"}
        send("POST", "/v1/staff", token=own["admin"], body=body)
    if route.path.endswith("/restore"):
        send("POST", "/v1/accounts/account-one/contacts", token=token, body={**PERSON, "email": "b@example.com"})
        send("DELETE", f"/v1/accounts/account-one/contacts/{ids['contact_id']}", token=token)
    if route.path.endswith("/contacts/{contact_id}") and route.method == "DELETE":
        send("POST", "/v1/accounts/account-one/contacts", token=token, body={**PERSON, "email": "b@example.com"})
    if route.method == "DELETE" and route.path.endswith(("/dispute", "/uncollectible")):
        method = "POST" if route.path.endswith("/uncollectible") else "PUT"
        send(method, route.path.format(**ids), token=token, body={"reason": "other"})
    if route.path.startswith("/v1/suppressions/"):
        suppress(ids.setdefault("suppressed_email", "ann@example.com"))
    if route.path.endswith("/emails/{email_id}/resend"):
        finish(ids["email_id"])
    if route.path.endswith("/send"):
        let_send(ids["invoice_id"], token)
    if route.path.endswith("/invoices/{invoice_id}/pdf"):
        ids["invoice_id"] = let_supply(token)
    begin_reminders(route, token, ids)
    first = ask(route, token, ids)
    assert first.status in route.returns, first.text
    before = client("dynamodb").scan(TableName=TABLE)["Items"]
    again = ask(route, token, ids)
    assert client("dynamodb").scan(TableName=TABLE)["Items"] == before
    assert again.status == first.status
    assert again.headers.get("etag") == first.headers.get("etag")
    if first.text:
        assert {**again.json, "api_key": None} == {**first.json, "api_key": None}
    if route.body is not None and route.body.__name__ not in ONE_BODY:
        other = ask(route, token, ids, "another")
        assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
        assert client("dynamodb").scan(TableName=TABLE)["Items"] == before
