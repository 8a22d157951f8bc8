"""Repeated requests under an Idempotency-Key (DESIGN §5)."""

from typing import Any

import pytest

from tests.integration.service import Service, code, rows

BODY = {"first_name": "Ann", "last_name": "Bee", "email": "ann@example.com", "roles": ["invoicing"]}


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


def create(service: Service, account: str, key: str = "k", token: str | None = None, **changed: Any) -> Any:
    return service.ask("POST", f"{account}/contacts", {**BODY, **changed}, token, idempotency_key=key)


def test_the_same_again_is_answered_alike_and_writes_nothing(service: Service, account: str) -> None:
    first = create(service, account)
    before = rows()
    service.clock.move(hours=23, minutes=59)
    service.ask("GET", account)  # The use of the API key is recorded once an hour.
    before = [row for row in rows() if row in before or row["cls"]["S"] == "api_key"]
    again = create(service, account)
    assert (first.status, again.status) == (201, 201)
    assert (again.json, again.headers["etag"]) == (first.json, first.headers["etag"])
    assert rows() == before
    assert len(service.all_of(f"{account}/contacts")) == 1


def test_another_body_is_refused(service: Service, account: str) -> None:
    create(service, account)
    service.account("a2")
    before = rows()
    assert code(create(service, account, first_name="Other")) == (422, "idempotency_key_reused")
    assert code(create(service, "/accounts/a2")) == (422, "idempotency_key_reused")
    assert rows() == before


def test_after_24_hours_the_key_is_usable_again(service: Service, account: str) -> None:
    first = create(service, account)
    service.clock.move(hours=24)
    other = create(service, account, email="other@example.com")
    assert (other.status, other.json["contact_id"] == first.json["contact_id"]) == (201, False)
    assert create(service, account, email="other@example.com").json == other.json
    assert len(service.all_of(f"{account}/contacts")) == 2


def test_keys_of_different_principals_are_independent(service: Service, account: str) -> None:
    other = service.another_key("crm")
    first = create(service, account)
    second = create(service, account, token=other, email="other@example.com")
    assert (second.status, second.json["contact_id"] == first.json["contact_id"]) == (201, False)
    assert create(service, account).json == first.json


def test_what_was_refused_may_be_tried_again_under_the_key(service: Service, account: str) -> None:
    taken = service.contact(account, "Ann")
    assert code(create(service, account)) == (409, "email_taken")
    service.ask("DELETE", f"{account}/contacts/{taken['contact_id']}")
    assert create(service, account).status == 201


def test_a_delete_and_a_restore(service: Service, account: str) -> None:
    path = f"{account}/contacts/{create(service, account).json['contact_id']}"
    assert service.ask("DELETE", path, if_match="1", idempotency_key="d").status == 204
    restored = service.ask("POST", f"{path}/restore", idempotency_key="r")
    assert restored.json["status"] == "active"
    before = rows()
    assert service.ask("DELETE", path, if_match="1", idempotency_key="d").status == 204
    assert service.ask("POST", f"{path}/restore", idempotency_key="r").json == restored.json
    assert rows() == before
    assert service.get(path)["status"] == "active"


def test_a_patch_is_not_stale_when_it_is_its_own_repetition(service: Service, account: str) -> None:
    path = f"{account}/contacts/{create(service, account).json['contact_id']}"
    first = service.ask("PATCH", path, {"job_title": "CFO"}, if_match="1", idempotency_key="p")
    again = service.ask("PATCH", path, {"job_title": "CFO"}, if_match="1", idempotency_key="p")
    assert (first.status, again.status, again.json) == (200, 200, first.json)
