"""Signing in through the pages, as a browser without JavaScript does."""

import pytest

from chalicelib.config import settings
from chalicelib.permissions import PORTAL_PERMISSIONS
from chalicelib.table import keys, store
from chalicelib.table.items import FlowItem, PortalLinkItem
from chalicelib.web.cookies import BROWSER_COOKIE
from tests.aws_calls import counted
from tests.integration.portal.visitor import ORIGIN, Visitor
from tests.integration.service import Service, rows
from tests.integration.sign_in.conftest import admit
from tests.integration.sign_in.people import Inbox

ADA = "ada@customer.example"


def asked(visitor: Visitor, email: str = ADA) -> None:
    seen = visitor.post("/portal/sign-in", email=email)
    assert (seen.status, seen.heading) == (200, "Check your email"), seen.html
    assert email in seen.html


def path_of(link: str) -> str:
    return f"/portal/sign-in/{link}"


def test_the_whole_way_in_and_out_by_link(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    assert visitor.go("/portal").heading == "Sign in to Acme billing"
    asked(visitor)
    link = path_of(inbox.newest().link)
    for method in ("GET", "HEAD") * 5:
        Visitor().go(link, method)
        visitor.go(link, method)
    shown = visitor.go(link)
    assert shown.heading == "One more step"
    assert ADA in shown.html
    seen = visitor.post(link)
    assert (seen.status, seen.path, seen.heading) == (200, "/portal/b/b1", "Group")
    assert f"Signed in as {ADA}" in seen.html
    assert "__Host-flow" not in visitor.cookies
    assert visitor.post(link).heading == "This link was opened in another browser"
    assert visitor.post("/portal/sign-out").heading == "You are signed out"
    assert visitor.cookies.keys() <= {BROWSER_COOKIE}
    assert visitor.go("/portal/b/b1").heading.startswith("Sign in")


def test_the_session_is_over_for_its_cookie_too(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    asked(visitor)
    visitor.post(path_of(inbox.newest().link))
    kept = dict(visitor.cookies)
    visitor.post("/portal/sign-out")
    visitor.cookies = kept
    assert visitor.go("/portal/b/b1", follow=False).headers["location"] == "/portal/sign-in?next=/portal/b/b1"
    assert visitor.cookies.keys() <= {BROWSER_COOKIE}


def test_a_link_that_is_opened_elsewhere_and_its_code(portal: Service, inbox: Inbox) -> None:
    here, phone = Visitor(), Visitor()
    asked(here)
    mail = inbox.newest()
    for seen in (phone.go(path_of(mail.link)), phone.post(path_of(mail.link))):
        assert seen.heading == "This link was opened in another browser"
    assert phone.cookies == {}
    wrong = here.post("/portal/check", code="2222-2222")
    assert (wrong.status, wrong.heading) == (422, "Check your email")
    assert "You have 4 tries left." in wrong.html
    assert here.post("/portal/check", code=mail.code).path == "/portal/b/b1"


def test_a_browser_that_waits_for_another_mail_cannot_use_the_link(portal: Service, inbox: Inbox) -> None:
    admit(portal, "bob@other.example")
    here, there = Visitor(), Visitor()
    asked(here)
    mail = inbox.newest()
    asked(there, "bob@other.example")
    other = inbox.newest()
    for visitor, link in ((there, mail.link), (here, other.link)):
        seen = visitor.post(path_of(link))
        assert (seen.status, seen.heading) == (409, "This link was opened in another browser")
    assert there.post("/portal/check", code=mail.code).status == 422
    assert here.post(path_of(mail.link)).path == "/portal/b/b1"
    assert there.post(path_of(other.link)).path == "/portal/b/b1"


def test_used_expired_and_no_tries_left(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    asked(visitor)
    mail = inbox.newest()
    flow = dict(visitor.cookies)
    for _ in range(5):
        visitor.post("/portal/check", code="2222-2222")
    seen = visitor.post("/portal/check", code=mail.code)
    assert (seen.status, seen.heading) == (409, "Too many wrong codes")
    visitor.post(path_of(mail.link))
    visitor.cookies = flow
    assert visitor.post(path_of(mail.link)).heading == "This has already been used"
    portal.clock.move(minutes=2)
    other = Visitor()
    asked(other)
    mail = inbox.newest()
    portal.clock.move(minutes=11)
    assert other.post(path_of(mail.link)).heading == "This has expired"


def test_an_older_link_still_works_in_the_browser_that_asked_twice(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    asked(visitor)
    older = inbox.newest()
    portal.clock.move(minutes=2)
    asked(visitor)
    inbox.newest()
    assert visitor.post(path_of(older.link)).path == "/portal/b/b1"


def test_a_browser_that_asked_twice_tries_no_more_codes_for_it(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    asked(visitor)
    older = inbox.newest()
    portal.clock.move(minutes=2)
    asked(visitor)
    newer = inbox.newest()
    for left in (4, 3, 2, 1):
        assert f"You have {left} " in visitor.post("/portal/check", code="2222-2222").html
    visitor.post("/portal/check", code="2222-2222")
    for mail in (older, newer):
        seen = visitor.post("/portal/check", code=mail.code)
        assert (seen.status, seen.heading) == (409, "Too many wrong codes")
    assert visitor.post(path_of(newer.link)).path == "/portal/b/b1"


def test_every_address_gets_the_same_page_and_the_same_calls(portal: Service, inbox: Inbox) -> None:
    pages = set()
    Visitor().go("/portal")
    for email in (ADA, "eve@customer.example", "bounced@gone.example", "later@soon.example"):
        with counted() as calls:
            seen = Visitor().post("/portal/sign-in", email=email)
        pages.add((seen.status, seen.html.replace(email, ""), tuple(calls.names)))
    assert len(pages) == 1


def test_somebody_with_several_bill_groups_chooses(portal: Service, inbox: Inbox) -> None:
    portal.bill_group("b2", portal.account("a2", name="Second"), name="Other group")
    portal.bill_group("b3", "/accounts/a2", name="Third group")
    admit(portal, ADA, "b2", "a2")
    visitor = Visitor()
    asked(visitor)
    seen = visitor.post(path_of(inbox.newest().link))
    assert (seen.path, seen.heading) == ("/portal", "Choose a bill group")
    assert 'href="/portal/b/b2"' in seen.html
    assert visitor.go("/portal/b/b2").heading == "Other group"
    assert visitor.go("/portal/b/b3").status == 404


def test_after_signing_in_the_page_that_was_requested(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    seen = visitor.go("/portal/b/b1")
    assert 'name="next" value="/portal/b/b1"' in seen.html
    visitor.post("/portal/sign-in", email=ADA, next="/portal/b/b1")
    assert visitor.post(path_of(inbox.newest().link), follow=False).headers["location"] == "/portal/b/b1"


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example/portal", "/admin", "/portal/..//evil"])
def test_redirects_lead_nowhere_else(portal: Service, inbox: Inbox, target: str) -> None:
    visitor = Visitor()
    assert "evil" not in visitor.go(f"/portal?next={target}").html
    visitor.post("/portal/sign-in", email=ADA, next=target)
    assert visitor.post(path_of(inbox.newest().link), follow=False).headers["location"] == "/portal"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": f"{ORIGIN}.evil.example"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_does_nothing(portal: Service, inbox: Inbox, headers: dict[str, str]) -> None:
    before = rows()
    seen = Visitor().post("/portal/sign-in", headers=headers, email=ADA)
    assert seen.status == 403
    assert rows() == before
    victim = Visitor()
    asked(victim)
    link = path_of(inbox.newest().link)
    assert victim.post(link, headers=headers).status == 403
    assert victim.post(link).path == "/portal/b/b1"


def test_the_portal_link_brands_the_page_and_is_no_credential(portal: Service, inbox: Inbox) -> None:
    portal.entity("nord", name="Nordlicht", locale="de", sender_email="billing@acme.example")
    portal.bill_group("b2", portal.account("a2"), entity_id="nord")
    key = keys.portal_link("portal-token-of-b2")
    store.create_item(PortalLinkItem(key.pk, key.sk, bill_group_id="b2", account_id="a2"))
    visitor = Visitor()
    seen = visitor.go("/portal/l/portal-token-of-b2")
    assert seen.heading == "Anmelden bei der Abrechnung von Nordlicht"
    assert visitor.cookies.keys() <= {BROWSER_COOKIE}
    assert Visitor("fr-CA, de;q=0.5").go("/portal/l/portal-token-of-b2").heading.startswith("Connexion")
    visitor.post("/portal/l/portal-token-of-b2", email=ADA)
    (flow,) = [row for row in rows() if row["cls"]["S"] == "flow"]
    item = store.get_item(FlowItem, keys.Key(flow["PK"]["S"], flow["SK"]["S"]))
    assert item is not None
    assert item.bill_group_id == "b2"
    unknown = Visitor().go("/portal/l/no-such-portal-link")
    assert unknown.status == 200
    assert "We do not recognize this portal link." in unknown.html


def test_staff_sign_in_to_their_own_pages_only(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    assert visitor.go("/admin").heading == "Staff sign-in"
    visitor.post("/admin/sign-in", email="sam@vendor.example")
    seen = visitor.post(f"/admin/sign-in/{inbox.newest().link}")
    assert (seen.path, seen.heading) == ("/admin", "You are signed in")
    visitor.cookies["__Host-session"] = visitor.cookies["__Host-staff"]
    assert visitor.go("/portal/b/b1", follow=False).status == 303


def test_portal_users_sign_in_to_their_own_pages_only(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    asked(visitor)
    assert visitor.post(path_of(inbox.newest().link)).path == "/portal/b/b1"
    visitor.cookies["__Host-staff"] = visitor.cookies["__Host-session"]
    assert visitor.go("/admin", follow=False).headers["location"] == "/admin/sign-in?next=/admin"


def test_what_is_typed_wrong_is_said_beside_it(portal: Service, inbox: Inbox) -> None:
    seen = Visitor().post("/portal/sign-in", email='"><script>alert(1)</script>')
    assert seen.status == 422
    assert "Enter an email address" in seen.html
    assert "<script" not in seen.html
    assert 'aria-invalid="true"' in seen.html


def test_too_many_from_one_network(portal: Service, inbox: Inbox) -> None:
    for number in range(30):
        Visitor().post("/portal/sign-in", email=f"p{number}@else.example", follow=False)
    seen = Visitor().post("/portal/sign-in", email=ADA)
    assert seen.status == 429
    assert "Try again in 6 minutes" in seen.html or "Try again in 5 minutes" in seen.html


def test_a_page_needs_its_permission(portal: Service, inbox: Inbox) -> None:
    others = [one for one in PORTAL_PERMISSIONS if one not in ("profile", "access")]
    for email, permissions, status in (("bob@other.example", others, 403), ("cy@third.example", ["profile"], 200)):
        admit(portal, email, permissions=permissions)
        visitor = Visitor()
        asked(visitor, email)
        visitor.post(path_of(inbox.newest().link), follow=False)
        assert visitor.go("/portal/b/b1").status == status


def test_access_that_is_removed_ends_with_the_next_page(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    asked(visitor)
    visitor.post(path_of(inbox.newest().link))
    store.delete_item(keys.domain_access("b1", "customer.example"))
    assert visitor.go("/portal/b/b1").status == 404
    assert visitor.go("/portal").heading.startswith("Sign in")


@pytest.mark.parametrize(
    "path", ["/portal/nothing", "/portal/b/b1/x/y", "/admin/x", "/static/pages.css", "/portal/a%2Fb"]
)
def test_an_address_of_nothing_is_a_page(portal: Service, path: str) -> None:
    seen = Visitor("de").go(path)
    assert (seen.status, seen.heading) == (404, "Seite nicht gefunden")


def test_a_fault_of_ours_is_a_page_that_says_nothing_else(portal: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("chalicelib.sign_in.service.find_brand_entity", fail)
    seen = Visitor().go("/portal")
    assert (seen.status, seen.heading) == (500, "Something went wrong")
    assert "secret reason" not in seen.html
    assert seen.headers["x-correlation-id"] in seen.html


def test_every_page_has_its_headers_and_the_style_is_stored(portal: Service) -> None:
    for path in ("/portal", "/portal/nothing", "/admin/sign-in"):
        headers = Visitor().go(path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; img-src 'self' data:"
        )
        assert "form-action 'self'; frame-ancestors 'none'; base-uri 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["content-type"] == "text/html; charset=utf-8"
    html = Visitor().go("/portal").html
    styles = [part.partition('"')[0] for part in html.split('rel="stylesheet" href="')[1:]]
    assert len(styles) == 2
    for style in styles:
        seen = Visitor().go(style)
        assert seen.headers["content-type"].startswith("text/css")
        assert "immutable" in seen.headers["cache-control"]
    assert "style=" not in html
    assert "<script" not in html


def test_a_deployment_without_a_domain_of_its_own_has_its_stage_in_every_address(
    portal: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://abc.execute-api.example.com/api")
    settings.cache_clear()
    visitor = Visitor()
    html = visitor.go("/portal").html
    assert 'action="/api/portal/sign-in"' in html
    assert 'href="/api/static/pages.' in html
    headers = {"Origin": "https://abc.execute-api.example.com"}
    seen = visitor.post("/portal/sign-in", follow=False, headers=headers, email=ADA)
    assert seen.headers["location"] == "/api/portal/check"
    assert inbox.newest().address.startswith("https://abc.execute-api.example.com/api/portal/sign-in/cl_")
