"""The pages of passwords: from the mail to the portal, without a script."""

from tests.integration.passwords.conftest import Person
from tests.integration.passwords.test_passwords import OTHER, OWN, reset_link, set_up, temporary_of
from tests.integration.portal.visitor import Visitor


def test_from_the_temporary_password_into_the_portal(person: Person) -> None:
    person.enable()
    temporary = temporary_of(person)
    browser = Visitor()
    assert browser.go("/portal/password-sign-in").heading == "Sign in with a password"
    led = browser.post("/portal/password-sign-in", user_name="ann.example", password=temporary)
    assert led.heading == "Set your password"
    wrong = browser.post(
        "/portal/password", user_name="ann.example", current_password=temporary, password="passwordpassword"
    )
    assert (wrong.status, wrong.heading) == (422, "Set your password")
    assert "hard to guess" in wrong.html
    done = browser.post("/portal/password", user_name="ann.example", current_password=temporary, password=OWN)
    assert (done.status, done.heading) == (200, "Your password is set")
    refused = browser.post("/portal/password-sign-in", user_name="ann.example", password="wrong and long enough")
    assert (refused.status, "wrong" in refused.html) == (403, True)
    browser.post("/portal/password-sign-in", user_name="ann.example", password=OWN, follow=False)
    token = next(value for name, value in browser.cookies.items() if value.startswith("cs_"))
    assert person.ask("GET", "/sessions/current", token=token).json["origin"] == "password"
    assert browser.go("/portal").path == "/portal/b/b1"


def test_by_the_link_of_a_mail(person: Person) -> None:
    set_up(person)
    person.service.clock.move(minutes=2)
    link = reset_link(person)
    person.service.clock.move(seconds=1)
    browser = Visitor()
    for _ in range(5):
        assert browser.go(f"/portal/password/{link}").status == 200
    assert browser.post(f"/portal/password/{link}", password=OTHER).heading == "Your password is set"
    again = browser.post(f"/portal/password/{link}", password=OWN)
    assert (again.status, "has expired" in again.html) == (409, True)
    assert person.sign_in(OTHER).status == 201


def test_no_page_repeats_a_password(person: Person) -> None:
    set_up(person)
    browser = Visitor()
    for path in ("/portal/password-sign-in", "/portal/password"):
        seen = browser.post(path, user_name="ann.example", password="wrong and long", current_password="nope and long")
        assert "wrong and long" not in seen.html
        assert "nope and long" not in seen.html
        assert 'value="ann.example"' in seen.html


def test_a_user_name_that_is_too_long_is_refused_and_dodges_no_pause(person: Person) -> None:
    """Such names were cut for the look-up but counted as they were, so that each try had a counter of its own."""
    set_up(person)
    browser = Visitor()
    for number in range(7):
        seen = browser.post(
            "/portal/password-sign-in", user_name=f"ann.example{number:0>60}", password="wrong and long"
        )
        assert (seen.status, "at most 64 characters" in seen.html) == (422, True)
    for path, fields in (
        ("/portal/password", {"current_password": "nope and long", "password": OTHER}),
        ("/portal/password-sign-in", {"password": "p" * 513}),
    ):
        assert browser.post(path, user_name="a" * 65, **fields).status == 422


def test_a_password_with_spaces_around_it_is_one_for_the_api_and_the_pages(person: Person) -> None:
    set_up(person)
    spaced = f"  {OTHER} "
    assert person.change(OWN, spaced).status == 204
    browser = Visitor()
    browser.post("/portal/password-sign-in", user_name="ann.example", password=spaced, follow=False)
    assert any(value.startswith("cs_") for value in browser.cookies.values())
