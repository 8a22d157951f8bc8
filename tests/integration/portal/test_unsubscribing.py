"""Stopping optional mail by the link in it (C7, RFC 8058)."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from app import app
from chalicelib.config import settings
from chalicelib.contacts import unsubscribe_links
from chalicelib.entities.service import get_entity
from tests.integration.portal.visitor import Visitor
from tests.integration.service import Service, rows

UNKNOWN = "This link no longer works"


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


def link(account: str, contact: Any, category: str = "invoices") -> str:
    whole = unsubscribe_links.build_unsubscribe_url(
        account.rsplit("/", 1)[1], contact["contact_id"], contact["email"], category
    )
    return urlsplit(whole).path


def chosen(service: Service, account: str, contact: Any) -> Any:
    return service.get(f"{account}/contacts/{contact['contact_id']}/preferences")


def choose(service: Service, account: str, contact: Any, **given: Any) -> None:
    service.put(f"{account}/contacts/{contact['contact_id']}/preferences", **given)


def test_looking_changes_nothing_and_the_button_stops_one_category(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    choose(service, account, contact, invoices=True, general=True)
    visitor, page = Visitor(), link(account, contact)
    before = rows()
    seen = visitor.go(page)
    assert (seen.status, seen.heading) == (200, "Stop these emails?")
    assert "ann@example.com" in seen.html
    assert "Copies of invoices" in seen.html
    assert visitor.go(page, "HEAD").status == 200
    assert rows() == before
    assert visitor.post(page).heading == "You will no longer get these emails"
    found = chosen(service, account, contact)
    assert (found["invoices"], found["general"]) == (False, True)
    events = [one for one in service.all_of(f"{account}/audit-events") if one["actor"]["id"] == "unsubscribe"]
    assert [one["action"] for one in events] == ["contact.preferences_changed"]
    before = rows()
    assert visitor.post(page).heading == "You will no longer get these emails"
    assert visitor.go(page).heading == "You will no longer get these emails"
    assert rows() == before


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"),
        (
            "multipart/form-data; boundary=b",
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--',
        ),
    ],
)
def test_the_mail_program_stops_them_with_one_click(service: Service, account: str, media_type: str, body: str) -> None:
    contact = service.contact(account, "Ann")
    choose(service, account, contact, product=True)
    token = link(account, contact, "product").rsplit("/", 1)[1]
    event = {
        "requestContext": {"httpMethod": "POST", "resourcePath": "/portal/{a}/{b}", "identity": {"sourceIp": "::1"}},
        "headers": {"Content-Type": media_type},
        "pathParameters": {"a": "unsubscribe", "b": token},
        "multiValueQueryStringParameters": None,
        "body": body,
    }
    assert app(event, None)["statusCode"] == 200
    assert chosen(service, account, contact)["product"] is False


def test_what_a_role_brings_goes_on(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    choose(service, account, contact, invoices=True)
    page = link(account, contact)
    service.patch(f"{account}/contacts/{contact['contact_id']}", roles=["invoicing"])
    before = rows()
    for seen in (Visitor().go(page), Visitor().post(page)):
        assert (seen.status, seen.heading) == (200, "These emails are part of your role")
    assert rows() == before


def test_a_link_is_for_its_contact_address_and_category_alone(service: Service, account: str) -> None:
    ann, bob = service.contact(account, "Ann"), service.contact(account, "Bob")
    for contact in (ann, bob):
        choose(service, account, contact, invoices=True, general=True)
    page = link(account, ann)
    forged = [
        page.replace("~invoices~", "~general~"),
        page.replace("/a1~", "/a2~"),
        page.replace(ann["contact_id"][4:], bob["contact_id"][4:]),
        page[:-1] + ("A" if page[-1] != "A" else "B"),
        page + "A",
        "/portal/unsubscribe/nonsense",
    ]
    before = rows()
    for path in forged:
        seen = Visitor().post(path)
        assert (seen.status, seen.heading) == (404, UNKNOWN)
    assert rows() == before
    assert Visitor().go(page).status == 200
    service.patch(f"{account}/contacts/{ann['contact_id']}", email="new@example.com")
    seen = Visitor().post(page)
    assert (seen.status, seen.heading) == (404, UNKNOWN)
    assert chosen(service, account, ann)["invoices"] is True


LINK = {"account_id": "a1", "contact_id": "con_" + "0" * 26, "email": "ann@example.com", "category": "invoices"}


@pytest.mark.parametrize(
    "other",
    [
        {"account_id": "a2"},
        {"contact_id": "con_" + "1" * 26},
        {"email": "bob@example.com"},
        {"category": "general"},
    ],
)
def test_a_link_is_signed_for_each_of_its_parts(service: Service, other: dict[str, str]) -> None:
    """The ids of others are refused before their signature is looked at, so it is looked at here."""

    def signature(**parts: str) -> str:
        return unsubscribe_links.build_unsubscribe_url(**parts).rpartition("~")[2]

    assert signature(**LINK) == signature(**LINK)
    assert signature(**{**LINK, **other}) != signature(**LINK)


def test_a_link_is_signed_with_the_key_of_the_deployment(
    service: Service, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = service.contact(account, "Ann")
    choose(service, account, contact, general=True)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("SIGNING_KEY", "x" * 32)
        settings.cache_clear()
        foreign = link(account, contact, "general")
    settings.cache_clear()
    seen = Visitor().post(foreign)
    assert (seen.status, seen.heading) == (404, UNKNOWN)
    assert Visitor().post(link(account, contact, "general")).status == 200


def test_of_a_deleted_contact(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    choose(service, account, contact, general=True)
    page, path = link(account, contact, "general"), f"{account}/contacts/{contact['contact_id']}"
    assert Visitor().go(page).status == 200
    service.ask("DELETE", path)
    before = rows()
    for seen in (Visitor().go(page), Visitor().post(page)):
        assert (seen.status, seen.heading) == (404, UNKNOWN)
    assert rows() == before
    service.ask("POST", f"{path}/restore")
    assert Visitor().go(page).status == 200


def test_cost_center_billing_does_not_keep_anybody_subscribed(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    choose(service, account, contact, reminders=True)
    service.put(account, cost_center_billing=True)
    assert Visitor("de").post(link(account, contact, "reminders")).heading == "Sie bekommen diese Mails nicht mehr"
    assert chosen(service, account, contact)["reminders"] is False


def test_the_longest_ids_fit_an_address(service: Service) -> None:
    account = service.account("a" * 64)
    contact = service.contact(account, "Ann")
    choose(service, account, contact, reminders=True)
    assert Visitor().post(link(account, contact, "reminders")).heading == "You will no longer get these emails"


def test_the_headers_of_the_mail(service: Service) -> None:
    address = unsubscribe_links.build_unsubscribe_url("a1", "con_" + "0" * 26, "ann@example.com", "invoices")
    assert address.startswith("https://")
    assert dict(unsubscribe_links.build_unsubscribe_headers(address, get_entity("acme"), "invoices")) == {
        "List-Unsubscribe": f"<{address}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<invoices.acme.api.example.com>",
    }
