"""Nobody locks the owner of an address out by asking in his name: a known browser counts by itself (A13)."""

from typing import Any

from chalicelib.sessions.known_browsers import remember_browser
from chalicelib.table import keys
from chalicelib.tokens import sha256_hex
from chalicelib.web.cookies import BROWSER_COOKIE
from tests.aws_calls import counted
from tests.integration.passwords.conftest import Person
from tests.integration.passwords.test_passwords import OTHER, OWN, set_up
from tests.integration.portal.visitor import Visitor
from tests.integration.service import Service, rows, send
from tests.integration.sign_in.conftest import admit
from tests.integration.sign_in.people import Inbox

ADA = "ada@customer.example"
EVE = "eve@other.example"


def signed_in(inbox: Inbox, email: str = ADA) -> Visitor:
    visitor = Visitor()
    visitor.post("/portal/sign-in", email=email)
    visitor.post(f"/portal/sign-in/{inbox.newest().link}")
    assert BROWSER_COOKIE in visitor.cookies
    visitor.post("/portal/sign-out")
    return visitor


def test_a_stranger_uses_up_the_limit_of_strangers_only(portal: Service, inbox: Inbox) -> None:
    owner = signed_in(inbox)
    came = []
    for _ in range(6):
        portal.clock.move(minutes=2)
        Visitor().post("/portal/sign-in", email=ADA)
        came.append(len(inbox.fetch()))
    assert came == [1, 1, 1, 1, 0, 0]
    owner.post("/portal/sign-in", email=ADA)
    link = inbox.newest().link
    assert owner.post(f"/portal/sign-in/{link}").path == "/portal/b/b1"
    assert Visitor().post("/portal/sign-in", email=ADA).heading == "Check your email"
    assert inbox.fetch() == []


def test_a_known_browser_has_the_limits_of_an_address_for_itself(portal: Service, inbox: Inbox) -> None:
    owner = signed_in(inbox)
    came = []
    for _ in range(8):
        portal.clock.move(seconds=40)
        assert owner.post("/portal/sign-in", email=ADA).heading == "Check your email"
        came.append(len(inbox.fetch()))
    assert came == [1, 0, 1, 0, 1, 0, 1, 0]


def test_all_known_browsers_of_a_mailbox_together_are_limited(portal: Service, inbox: Inbox) -> None:
    owners = []
    for _ in range(4):
        owners.append(signed_in(inbox))
        portal.clock.move(hours=2)
    came = 0
    for _ in range(5):
        portal.clock.move(minutes=2)
        for owner in owners:
            owner.post("/portal/sign-in", email=ADA)
            came += len(inbox.fetch())
    assert came == 10


def test_a_cookie_is_of_no_use_for_another_address(portal: Service, inbox: Inbox) -> None:
    admit(portal, EVE)
    eve = signed_in(inbox, EVE)
    came = []
    for _ in range(7):
        portal.clock.move(minutes=2)
        eve.post("/portal/sign-in", email=ADA)
        came.append(len(inbox.fetch()))
    assert came == [1, 1, 1, 1, 1, 0, 0]
    stolen = eve.cookies[BROWSER_COOKIE]
    thief = Visitor(cookies={BROWSER_COOKIE: stolen, "__Host-session": stolen})
    assert thief.go("/portal/b/b1").heading.startswith("Sign in")


def test_a_whole_network_does_not_shut_a_known_browser_out(portal: Service, inbox: Inbox) -> None:
    owner = signed_in(inbox)
    for number in range(30):
        Visitor().post("/portal/sign-in", email=f"p{number}@else.example")
    assert Visitor().post("/portal/sign-in", email=ADA).status == 429
    assert owner.post("/portal/sign-in", email="p1@else.example").status == 429
    portal.clock.move(minutes=2)
    assert owner.post("/portal/sign-in", email=ADA).status == 200
    assert len(inbox.fetch()) == 1
    for _ in range(29):
        assert owner.post("/portal/sign-in", email=ADA).status == 200
    assert owner.post("/portal/sign-in", email=ADA).status == 429


def test_a_request_is_the_same_for_every_address_and_browser(portal: Service, inbox: Inbox) -> None:
    owner = signed_in(inbox)
    seen: dict[str, Any] = {}
    for case, visitor, email in (
        ("stranger, known", Visitor(), ADA),
        ("stranger, unknown", Visitor(), EVE),
        ("owner", Visitor(cookies=dict(owner.cookies)), ADA),
        ("owner, over", Visitor(cookies=dict(owner.cookies)), ADA),
        ("owner, unknown", Visitor(cookies=dict(owner.cookies)), EVE),
    ):
        with counted() as calls:
            answer = visitor.post("/portal/sign-in", email=email, follow=False)
        seen[case] = (answer.status, answer.headers["location"], len(answer.cookies), calls.names)
    assert len(set(map(str, seen.values()))) == 1, seen


def test_the_cookie_is_for_this_host_hidden_and_lives_for_180_days(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    visitor.post("/portal/sign-in", email=ADA)
    seen = visitor.post(f"/portal/sign-in/{inbox.newest().link}", follow=False)
    (cookie,) = [text for text in seen.cookies if text.startswith(BROWSER_COOKIE)]
    assert cookie.endswith("; Path=/; Max-Age=15552000; Secure; HttpOnly; SameSite=Lax")
    assert not any(visitor.cookies[BROWSER_COOKIE] in str(row) for row in rows())


def test_staff_have_it_too(portal: Service, inbox: Inbox) -> None:
    visitor = Visitor()
    visitor.post("/admin/sign-in", email="sam@vendor.example")
    visitor.post(f"/admin/sign-in/{inbox.newest().link}")
    assert BROWSER_COOKIE in visitor.cookies
    for _ in range(5):
        portal.clock.move(minutes=2)
        Visitor().post("/admin/sign-in", email="sam@vendor.example")
    inbox.fetch()
    visitor.post("/admin/sign-in", email="sam@vendor.example")
    assert len(inbox.fetch()) == 1


# ---- passwords -----------------------------------------------------------------------------------------------


def try_password(visitor: Visitor, password: str, user_name: str = "ann.example") -> int:
    return visitor.post("/portal/password-sign-in", user_name=user_name, password=password, follow=False).status


def test_wrong_passwords_of_a_stranger_never_slow_the_owners_browser_down(person: Person) -> None:
    set_up(person)
    owner = Visitor()
    assert try_password(owner, OWN) == 303
    stranger = Visitor()
    assert [try_password(stranger, "wrong and long enough") for _ in range(6)] == [403] * 5 + [429]
    assert try_password(stranger, OWN) == 429
    assert try_password(owner, OWN) == 303
    # The owner's success does not give the stranger new tries.
    assert try_password(stranger, "wrong and long enough") == 429
    changed = owner.post("/portal/password", user_name="ann.example", current_password=OWN, password=OTHER)
    assert changed.heading == "Your password is set"


def test_a_known_browser_backs_off_by_itself(person: Person) -> None:
    set_up(person)
    owner = Visitor()
    assert try_password(owner, OWN) == 303
    assert [try_password(owner, "wrong and long enough") for _ in range(6)] == [403] * 5 + [429]
    assert try_password(Visitor(), OWN) == 303


def test_a_browser_of_somebody_else_is_a_stranger(person: Person) -> None:
    set_up(person)
    ada = Visitor(cookies={BROWSER_COOKIE: remember_browser(None, ADA, person.service.clock.now)})
    assert [try_password(ada, "wrong and long enough") for _ in range(6)] == [403] * 5 + [429]
    assert try_password(Visitor(), OWN) == 429


def test_a_known_browser_is_not_stopped_with_its_network(person: Person) -> None:
    set_up(person)
    owner = Visitor()
    assert try_password(owner, OWN) == 303
    told = [try_password(Visitor(), "wrong and long enough", f"name{number}") for number in range(30)]
    assert told[-2:] == [429, 429]
    assert set(told[:-2]) == {403}
    assert try_password(owner, OWN) == 303


def test_a_reset_counts_for_the_mailbox(person: Person) -> None:
    set_up(person)
    person.service.clock.move(minutes=2)
    assert send("POST", "/v1/password-resets", body={"user_name": "ann.example"}).status == 202
    assert [mail.kind for mail in person.deliver()] == ["password_reset"]
    key = keys.rate_limit("password_mail", sha256_hex("ann@example.com"))
    (row,) = [row for row in rows() if row["PK"]["S"] == key.pk]
    assert len(row["instants"]["S"].split(",")) == 1
