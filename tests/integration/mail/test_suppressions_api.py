"""Suppressed addresses and mail health over HTTP and from the console."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.access import api_keys as access
from chalicelib.access import rules
from chalicelib.entities.service import clear_entity_cache
from chalicelib.functions.suppressions import clear_suppression
from chalicelib.table import keys, store
from chalicelib.table.items import MailHealthItem, SuppressionItem
from tests.integration.api.gateway import send
from tests.integration.mail.conftest import Provider, Time, context, enqueue, report, tasks, work
from tests.integration.service import code, faults

ANA = "ana@acme.example"


@pytest.fixture
def token(deployment: None) -> str:
    clear_entity_cache()
    return access.create(context(), "billing", list(rules.SCOPES))[1]


def suppress(address: str) -> None:
    key, listed = keys.suppression(address), keys.suppression_listed(address)
    store.create_item(
        SuppressionItem(
            key.pk,
            key.sk,
            gsi1_pk=listed.pk,
            gsi1_sk=listed.sk,
            email=address,
            reason="permanent_bounce",
            since=context().now,
            email_id="eml_01JAAAAAAAAAAAAAAAAAAAAAAA",
            detail="Permanent General",
        )
    )


SHOWN = {
    "email": ANA,
    "reason": "permanent_bounce",
    "since": "2026-03-02T09:00:00Z",
    "email_id": "eml_01JAAAAAAAAAAAAAAAAAAAAAAA",
    "detail": "Permanent General",
}


def test_suppressed_addresses_are_listed_in_order(token: str) -> None:
    for name in ("eve", "ana", "bob"):
        suppress(f"{name}@acme.example")
    first = send("GET", "/v1/suppressions?limit=2", token=token).json
    assert [one["email"] for one in first["items"]] == [ANA, "bob@acme.example"]
    rest = send("GET", f"/v1/suppressions?limit=2&cursor={first['next_cursor']}", token=token).json
    assert [one["email"] for one in rest["items"]] == ["eve@acme.example"]
    assert first["items"][0] == SHOWN


def test_a_suppression_is_read_and_cleared_by_its_address(token: str) -> None:
    suppress(ANA)
    assert send("GET", "/v1/suppressions/Ana@acme.example", token=token).json == SHOWN
    assert send("DELETE", f"/v1/suppressions/{ANA}", token=token).status == 204
    assert [one.subject for one in tasks("coverage")] == [ANA]
    for method in ("GET", "DELETE"):
        assert code(send(method, f"/v1/suppressions/{ANA}", token=token)) == (404, "not_found")
    events = store.query_items("DEPLOYMENT", "AUDIT#", limit=9).items
    assert [one.resource_id for one in events if one.action == "suppression.cleared"] == [ANA]


def test_scopes_are_needed(token: str) -> None:
    suppress(ANA)
    _, reader = access.create(context(), "reader", ["emails:read"])
    assert send("GET", "/v1/suppressions", token=reader).status == 200
    assert send("DELETE", f"/v1/suppressions/{ANA}", token=reader).status == 403


@pytest.mark.parametrize(
    "event",
    [{}, {"email": ANA, "confirm": "yes"}, {"email": "nobody"}, {"email": ANA, "force": True}, {"email": None}],
)
def test_the_console_function_takes_nothing_but_what_it_knows(deployment: None, event: dict[str, Any]) -> None:
    suppress(ANA)
    assert "refused" in clear_suppression(event, None)
    assert store.get_item(SuppressionItem, keys.suppression(ANA)) is not None


def test_the_console_function_clears_only_when_it_is_confirmed(deployment: None) -> None:
    suppress(ANA)
    shown = {**SHOWN, "since": "2026-03-02T09:00:00+00:00"}
    dry = clear_suppression({"email": "Ana@Acme.example"}, None)
    assert (dry["dry_run"], dry["would_clear"]) == (True, shown)
    assert store.get_item(SuppressionItem, keys.suppression(ANA)) is not None
    assert clear_suppression({"email": ANA, "confirm": True}, None) == {"ok": True, "cleared": shown}
    assert store.get_item(SuppressionItem, keys.suppression(ANA)) is None
    for confirm in (False, True):
        assert clear_suppression({"email": ANA, "confirm": confirm}, None)["refused"]["code"] == "not_found"


def health(token: str, query: str) -> Any:
    return send("GET", f"/v1/mail-health?{query}", token=token)


def test_mail_health_tells_each_day_and_the_whole(token: str, provider: Provider, time: Time) -> None:
    for _ in range(2):
        email_id = enqueue(to=(ANA, "bob@acme.example"))
        work()
        report(email_id, "Delivery", delivery={"recipients": [ANA]})
        report(email_id, "Bounce", bounce={"bounceType": "Permanent", "bouncedRecipients": ["bob@acme.example"]})
        time.passes(days=1)
    answer = health(token, "entity_id=nordlicht").json
    assert (answer["since"], answer["until"]) == ("2026-02-03", "2026-03-04")
    # The second mail goes to the one address that has not bounced.
    first = {"mails": 1, "sent": 2, "delivered": 1, "bounced": 1, "bounced_for_now": 0, "complained": 0, "rejected": 0}
    assert answer["days"][0] == {"day": "2026-03-02", **first}
    assert answer["days"][1]["sent"] == 1
    assert [one["day"] for one in answer["days"]] == ["2026-03-02", "2026-03-03"]
    assert (answer["total"]["mails"], answer["total"]["sent"], answer["total"]["delivered"]) == (2, 3, 2)
    last = health(token, "entity_id=nordlicht&since=2026-03-03&until=2026-03-03").json
    assert [one["day"] for one in last["days"]] == ["2026-03-03"]
    assert health(token, "entity_id=nordlicht&since=2026-03-04&until=2026-03-09").json["days"] == []


def test_all_shards_are_added_up(token: str, time: Time) -> None:
    day = datetime(2026, 3, 2, tzinfo=UTC).date()
    for shard in range(16):
        for amount in (3, -1):
            transaction = store.Transaction(context())
            transaction.add(MailHealthItem, keys.mail_health("nordlicht", day, shard), {"sent": amount})
            transaction.commit()
    assert health(token, "entity_id=nordlicht").json["total"]["sent"] == 32


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "entity_id"),
        ("entity_id=unknown", "entity_id"),
        ("entity_id=nordlicht&since=2026-03-02&until=2026-03-01", "since"),
        ("entity_id=nordlicht&since=2025-03-02&until=2026-03-01", "since"),
        ("entity_id=nordlicht&since=yesterday", "since"),
    ],
)
def test_bad_questions_about_mail_health_are_refused(token: str, query: str, field: str) -> None:
    answer = health(token, query)
    assert answer.status == 422
    assert [name for name, _ in faults(answer)] == [field]
