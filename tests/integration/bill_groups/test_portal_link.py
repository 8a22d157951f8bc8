"""The portal link of a bill group (A3)."""

from chalicelib.sign_in.service import find_portal_bill_group
from tests.integration.service import Service

LINK = "/bill-groups/b1/portal-link"


def test_every_bill_group_has_its_own_and_a_new_one_ends_the_old(service: Service) -> None:
    account = service.account()
    service.bill_group("b1", account)
    service.bill_group("b2", account)
    first = service.get(LINK)["url"]
    assert first != service.get("/bill-groups/b2/portal-link")["url"]
    base, _, token = first.rpartition("/")
    assert base.endswith("/portal/l")
    assert len(token) >= 22
    assert find_portal_bill_group(token) == "b1"
    service.patch("/bill-groups/b1", po_number="7")
    assert service.get(LINK)["url"] == first
    answer = service.ask("POST", LINK, idempotency_key="k1")
    second = answer.json["url"]
    assert second != first
    assert service.ask("POST", LINK, idempotency_key="k1").json["url"] == second == service.get(LINK)["url"]
    assert find_portal_bill_group(token) is None
    assert find_portal_bill_group(second.rpartition("/")[2]) == "b1"
    events = [event["action"] for event in service.all_of(f"{account}/audit-events")]
    assert events.count("portal_link.replaced") == 1
