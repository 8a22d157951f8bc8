"""User names and passwords from the first mail to the last session (A6)."""

import re
from typing import Any

import pytest

from chalicelib.config import settings
from chalicelib.permissions import PORTAL_PERMISSIONS
from chalicelib.sessions.request_limits import MailAllowance
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, SuppressionItem, UserNameItem
from tests.aws import client
from tests.aws_calls import counted
from tests.integration.passwords.conftest import Person
from tests.integration.people import open_for, portal
from tests.integration.service import code, faults, rows

OWN = "seven green lamps on a hill"
OTHER = "eleven quiet boats at noon"
TEMPORARY = re.compile(r"(?m)^[a-z2-9]{4}(-[a-z2-9]{4}){4}$")
LINK = re.compile(r"cp_[A-Za-z0-9_-]{43}")


def temporary_of(person: Person) -> str:
    (mail,) = [mail for mail in person.deliver() if mail.kind == "temporary_password"]
    found = TEMPORARY.search(mail.text)
    assert found
    return found.group()


def set_up(person: Person) -> None:
    """Let Ann have a password of her own."""
    person.enable()
    assert person.change(temporary_of(person), OWN).status == 204
    person.deliver()


def test_from_user_name_to_session(person: Person) -> None:
    made = person.enable()
    assert (made.status, made.json["user_name"], made.json["state"]) == (201, "Ann.Example", "waiting")
    temporary = temporary_of(person)
    assert person.ask("GET", f"{person.path}/credentials").json["state"] == "temporary"
    refused = person.sign_in(temporary)
    assert code(refused) == (403, "password_must_be_set")
    assert person.change(temporary, OWN).status == 204
    assert [mail.kind for mail in person.deliver()] == ["password_changed"]
    assert person.ask("GET", f"{person.path}/credentials").json["state"] == "set"
    opened = person.sign_in(OWN, "ANN.EXAMPLE")
    assert opened.status == 201, opened.text
    assert opened.json["bill_groups"] == [{"bill_group_id": "b1", "account_id": "a1"}]
    assert person.ask("GET", "/bill-groups/b1", token=opened.json["token"]).status == 200
    session = person.ask("GET", "/sessions/current", token=opened.json["token"]).json
    assert (session["origin"], session["kind"]) == ("password", "portal_user")


def test_a_temporary_password_is_good_once(person: Person) -> None:
    person.enable()
    temporary = temporary_of(person)
    assert person.change(temporary, OWN).status == 204
    assert code(person.change(temporary, OTHER)) == (403, "wrong_password")
    assert code(person.sign_in(temporary)) == (403, "wrong_password")


@pytest.mark.parametrize("chosen", [None, "three blue herons waiting"])
def test_a_temporary_password_is_good_for_a_day(person: Person, chosen: str | None) -> None:
    person.enable(**({"temporary_password": chosen} if chosen else {}))
    temporary = chosen or temporary_of(person)
    person.service.clock.move(hours=23, minutes=59, seconds=59)
    assert code(person.sign_in(temporary)) == (403, "password_must_be_set")
    person.service.clock.move(seconds=1)
    assert code(person.change(temporary, OTHER)) == (403, "wrong_password")
    assert code(person.sign_in(temporary)) == (403, "wrong_password")
    later = open_for(person.service, "staff", "kim@vendor.example")
    assert person.ask("GET", f"{person.path}/credentials", token=later).json["state"] == "lapsed"


def test_a_password_is_for_its_user_name_alone(person: Person) -> None:
    set_up(person)
    bob = person.service.contact("/accounts/a1", "Bob")
    path = f"/accounts/a1/contacts/{bob['contact_id']}/credentials"
    person.ask("PUT", path, {"user_name": "bob.example", "temporary_password": "three blue herons waiting"})
    assert person.change("three blue herons waiting", OTHER, "bob.example").status == 204
    for user_name, password in (("ann.example", OTHER), ("bob.example", OWN)):
        assert code(person.sign_in(password, user_name)) == (403, "wrong_password")
        assert code(person.change(password, "nine brown foxes asleep", user_name)) == (403, "wrong_password")
    assert person.sign_in(OWN).status == 201
    # Bob's is right, and nothing else is wrong with it.
    assert code(person.sign_in(OTHER, "bob.example")) == (403, "no_access")


def test_a_chosen_temporary_password_is_in_no_mail(person: Person) -> None:
    chosen = "three blue herons waiting"
    assert person.enable(temporary_password=chosen).json["state"] == "temporary"
    (mail,) = person.deliver()
    assert mail.kind == "user_name_given"
    assert chosen not in mail.text + mail.html + mail.subject
    assert code(person.sign_in(chosen)) == (403, "password_must_be_set")
    assert person.change(chosen, OWN).status == 204


def test_only_staff_choose(person: Person) -> None:
    owner = portal(person.service, "olga@example.com", ["access", "contacts"])
    body = {"user_name": "ann", "temporary_password": "three blue herons waiting"}
    assert code(person.ask("PUT", f"{person.path}/credentials", body, owner)) == (403, "staff_choose")
    assert person.ask("PUT", f"{person.path}/credentials", {"user_name": "ann"}, owner).status == 201
    without = portal(person.service, "pia@example.com", [one for one in PORTAL_PERMISSIONS if one != "access"])
    assert code(person.ask("PUT", f"{person.path}/credentials", {"user_name": "ann"}, without)) == (403, "forbidden")


def test_a_reset_ends_the_old_password_and_all_sessions(person: Person) -> None:
    set_up(person)
    token = person.sign_in(OWN).json["token"]
    by_link = open_for(person.service, "portal_user", "ann@example.com", [("b1", "a1")])
    person.service.clock.move(minutes=1)
    assert person.ask("POST", f"{person.path}/password-reset", {}).json["state"] == "waiting"
    for one in (token, by_link):
        assert person.ask("GET", "/me", token=one).status == 401
    assert code(person.sign_in(OWN)) == (403, "wrong_password")
    assert person.change(temporary_of(person), OTHER).status == 204
    assert person.sign_in(OTHER).status == 201


def test_a_change_ends_all_sessions_and_is_reported(person: Person) -> None:
    set_up(person)
    token = person.sign_in(OWN).json["token"]
    assert code(person.change("not the password at all", OTHER)) == (403, "wrong_password")
    assert person.ask("GET", "/me", token=token).status == 200
    assert person.change(OWN, OTHER).status == 204
    assert person.ask("GET", "/me", token=token).status == 401
    assert [mail.to for mail in person.deliver()] == [("ann@example.com",)]
    assert person.sign_in(OTHER).status == 201


def test_an_owners_reset_ends_no_sessions_elsewhere(person: Person) -> None:
    set_up(person)
    by_password = person.sign_in(OWN).json["token"]
    elsewhere = open_for(person.service, "portal_user", "ann@example.com", [("b1", "a1")])
    owner = portal(person.service, "olga@example.com", ["access"])
    person.service.clock.move(minutes=1)
    assert person.ask("POST", f"{person.path}/password-reset", {}, owner).status == 200
    assert person.ask("GET", "/me", token=by_password).status == 401
    assert person.ask("GET", "/me", token=elsewhere).status == 200


def reset_link(person: Person) -> str:
    asked = person.service.ask("POST", "/password-resets", {"user_name": "Ann.example"})
    assert (asked.status, asked.json) == (202, {"asked": True})
    (mail,) = person.deliver()
    found = LINK.search(mail.text)
    assert found
    return found.group()


def use(person: Person, link: str, password: str = OTHER) -> Any:
    return person.service.ask("POST", "/passwords", {"reset": link, "password": password})


def test_password_emails_tell_the_time_as_the_sign_in_email_does(person: Person) -> None:
    person.enable()
    (temporary,) = [mail for mail in person.deliver() if mail.kind == "temporary_password"]
    person.change(TEMPORARY.search(temporary.text).group(), OWN)  # type: ignore[union-attr]
    person.deliver()
    person.service.ask("POST", "/password-resets", {"user_name": "ann.example"})
    (reset,) = person.deliver()
    for mail in (temporary, reset):
        assert re.search(
            r"works once, until \w+ \d{1,2}, \d{4}, \d{1,2}:\d\d\s[AP]M \([\w ]+\)", mail.text
        ) or re.search(r"works once, until \d{1,2} \w+ \d{4}, \d\d:\d\d \([\w ]+\)", mail.text), mail.text


def test_a_person_resets_by_mail_once(person: Person) -> None:
    set_up(person)
    token = person.sign_in(OWN).json["token"]
    person.service.clock.move(minutes=2)
    overtaken = reset_link(person)
    person.service.clock.move(minutes=2)
    link = reset_link(person)
    assert faults(use(person, link, "short")) == [("password", "too_short")]
    for unknown in ("cp_" + "a" * 43, "x"):
        assert code(use(person, unknown)) == (409, "reset_expired")
    # In the moment of its making, so that no later change than it stands against it: it is spent, the other one is not.
    assert use(person, link).status == 204
    for spent in (link, overtaken):
        assert code(use(person, spent)) == (409, "reset_expired")
    assert person.ask("GET", "/me", token=token).status == 401
    assert person.sign_in(OTHER).status == 201


def test_a_reset_link_lasts_half_an_hour(person: Person) -> None:
    set_up(person)
    person.service.clock.move(minutes=2)
    earlier = reset_link(person)
    person.service.clock.move(minutes=2)
    link = reset_link(person)
    person.service.clock.move(minutes=28)
    assert code(use(person, earlier)) == (409, "reset_expired")
    person.service.clock.move(minutes=1, seconds=59)
    assert use(person, link).status == 204


def test_asking_for_a_reset_reveals_nothing(person: Person) -> None:
    set_up(person)
    known, unknown = [], []
    for name, calls in (("ann.example", known), ("nobody", unknown)):
        with counted() as made:
            answer = person.service.ask("POST", "/password-resets", {"user_name": name})
        calls += [answer.status, answer.text, made.names, made.units]
    assert known == unknown
    assert len(person.deliver()) == 1


def test_a_wrong_password_reveals_nothing(person: Person) -> None:
    set_up(person)
    known, unknown = [], []
    for name, calls in (("ann.example", known), ("nobody", unknown)):
        with counted() as made:
            answer = person.sign_in("not the password at all", name)
        calls += [code(answer), answer.json["detail"], made.names]
    assert known == unknown
    assert made.reads == 1
    assert made.writes == 1


def test_back_off_grows_and_never_locks(person: Person) -> None:
    set_up(person)
    waits = []
    for _ in range(20):
        answer = person.sign_in("not the password at all")
        if answer.status == 403:
            continue
        assert code(answer) == (429, "too_many_tries")
        wait = int(answer.headers["retry-after"])
        waits.append(wait)
        assert person.sign_in(OWN).status == 429
        person.service.clock.move(seconds=wait)
    assert waits[0] <= 2
    assert waits == sorted(waits)
    assert max(waits) <= 901
    person.service.clock.move(minutes=15)
    assert person.sign_in(OWN).status == 201
    assert person.sign_in("not the password at all").status == 403


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("short", "too_short"),
        ("x" * 129, "too_long"),
        ("passwordpassword", "too_common"),
        ("123456789012", "too_common"),
        ("ann.example.ann", "too_common"),
        (OWN, "same_password"),
    ],
)
def test_what_is_no_good_password(person: Person, password: str, fault: str) -> None:
    set_up(person)
    before = rows()
    assert faults(person.change(OWN, password)) == [("password", fault)]
    assert rows() == before


def test_a_password_is_the_same_however_it_is_typed(person: Person) -> None:
    person.enable()
    temporary = temporary_of(person)
    assert person.change(temporary, "cafe\u0301 \ufb01ne brûlée lamps").status == 204
    assert person.sign_in("caf\u00e9 fine bru\u0302le\u0301e lamps").status == 201


def test_user_names_are_unique_whatever_the_case(person: Person) -> None:
    person.enable()
    bob = person.service.contact("/accounts/a1", "Bob")
    path = f"/accounts/a1/contacts/{bob['contact_id']}/credentials"
    assert code(person.ask("PUT", path, {"user_name": "ANN.example"})) == (409, "user_name_taken")
    assert code(person.enable("other")) == (409, "has_user_name")
    before = rows()
    assert person.enable("ann.EXAMPLE").status == 200
    assert rows() == before
    for bad in ("ab", "a b c", "ann@example.com", "-ann", "ánn", "ann!"):
        assert faults(person.ask("PUT", path, {"user_name": bad})) == [("user_name", "bad_user_name")]
    assert faults(person.ask("PUT", path, {"user_name": "a" * 65})) == [("user_name", "too_long")]
    assert person.ask("PUT", path, {"user_name": "a" * 64}).status == 201


def test_an_inactive_contact_is_given_no_user_name(person: Person) -> None:
    bob = person.service.contact("/accounts/a1", "Bob")
    path = f"/accounts/a1/contacts/{bob['contact_id']}"
    assert person.service.ask("DELETE", path).status == 204
    for method, rest in (("GET", "credentials"), ("PUT", "credentials"), ("DELETE", "credentials")):
        body = {"user_name": "bob.example"} if method == "PUT" else None
        assert code(person.ask(method, f"{path}/{rest}", body)) == (409, "contact_inactive")
    assert code(person.ask("POST", f"{path}/password-reset", {})) == (409, "contact_inactive")
    person.service.ask("POST", f"{path}/restore")
    assert person.ask("PUT", f"{path}/credentials", {"user_name": "bob.example"}).status == 201


def test_who_has_no_user_name_has_nothing_to_reset(person: Person) -> None:
    assert code(person.ask("POST", f"{person.path}/password-reset", {})) == (409, "no_user_name")
    for method in ("GET", "DELETE"):
        assert code(person.ask(method, f"{person.path}/credentials")) == (404, "not_found")


@pytest.mark.parametrize(
    "fields",
    [
        ("password",), ("user_name", "password"), ("current_password", "password"), ("user_name", "reset", "password"),
        ("user_name", "current_password", "reset", "password"),
    ],
)  # fmt: skip
def test_a_new_password_needs_one_proof(person: Person, fields: tuple[str, ...]) -> None:
    set_up(person)
    person.service.clock.move(minutes=2)
    given = {"user_name": "ann.example", "current_password": OWN, "reset": reset_link(person), "password": OTHER}
    answer = person.service.ask("POST", "/passwords", {name: given[name] for name in fields})
    assert faults(answer) == [("", "bad_combination")]
    assert person.sign_in(OWN).status == 201


def test_taking_it_away_ends_everything(person: Person) -> None:
    set_up(person)
    token = person.sign_in(OWN).json["token"]
    person.service.clock.move(seconds=1)
    assert person.ask("DELETE", f"{person.path}/credentials").status == 204
    assert person.ask("GET", "/me", token=token).status == 401
    assert code(person.sign_in(OWN)) == (403, "wrong_password")
    for method in ("GET", "DELETE"):
        assert code(person.ask(method, f"{person.path}/credentials")) == (404, "not_found")
    assert person.enable().status == 201


def test_a_contact_that_leaves_takes_its_user_name_along(person: Person) -> None:
    set_up(person)
    person.service.contact("/accounts/a1", "Bob")
    assert person.service.ask("DELETE", person.path).status == 204
    assert store.get_item(UserNameItem, keys.user_name("ann.example")) is None
    assert code(person.sign_in(OWN)) == (403, "wrong_password")


def test_a_new_address_has_no_user_name(person: Person) -> None:
    set_up(person)
    person.service.patch(person.path, email="ann.new@example.com")
    assert store.get_item(UserNameItem, keys.user_name("ann.example")) is None
    assert person.ask("GET", f"{person.path}/credentials").status == 404


def test_without_access_a_password_opens_nothing(person: Person) -> None:
    set_up(person)
    row = store.get_item(UserNameItem, keys.user_name("ann.example"))
    assert row is not None
    from tests.integration.people import expel

    expel("ann@example.com", "b1")
    assert code(person.sign_in(OWN)) == (403, "no_access")


def test_a_mail_that_was_overtaken_does_not_go(person: Person) -> None:
    person.enable()
    person.ask("POST", f"{person.path}/password-reset", {"temporary_password": "three blue herons waiting"})
    assert [mail.kind for mail in person.deliver()] == ["user_name_given"]
    kinds = {item["reason"]["S"] for item in rows() if item["cls"]["S"] == "email" and "reason" in item}
    assert kinds == {"superseded"}


def test_no_password_is_stored_or_shown(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    person.enable()
    temporary = temporary_of(person)
    person.change(temporary, OWN)
    person.deliver()
    person.service.clock.move(minutes=2)
    token = person.sign_in(OWN).json["token"]
    link = reset_link(person)
    answers = [person.sign_in("wrong and long enough"), use(person, link, "short"), person.change(OWN, OWN)]
    seen = capfd.readouterr()
    kept = str(rows()) + seen.out + seen.err + "".join(answer.text for answer in answers)
    for secret in (temporary, OWN, token, link, link[3:], "wrong and long enough"):
        assert secret not in kept
    assert all(item.security for item in _emails())


def _emails() -> list[EmailItem]:
    found = [
        store.get_item(EmailItem, keys.email(row["email_id"]["S"])) for row in rows() if row["cls"]["S"] == "email"
    ]
    return [item for item in found if item is not None and "password" in item.kind]


def test_a_suppressed_address_gets_no_temporary_password(person: Person) -> None:
    key = keys.suppression("ann@example.com")
    store.create_item(
        SuppressionItem(key.pk, key.sk, email="ann@example.com", reason="bounce", since=person.service.clock.now)
    )
    person.enable()
    assert person.deliver() == []
    assert person.service.ask("POST", "/password-resets", {"user_name": "ann.example"}).status == 202
    assert person.deliver() == []
    assert reasons() == ["suppressed", "suppressed"]
    # Nothing of a secret was made for them, nor do they count as sent.
    assert not any(row["cls"]["S"] == "password_reset" for row in rows())
    counted_mails = MailAllowance("password", "ann@example.com", None).key
    assert store.batch_get_items([counted_mails]) == {}
    assert person.ask("GET", f"{person.path}/credentials").json["state"] == "waiting"


def reasons() -> list[str]:
    """Return why mails did not go, in alphabetical order."""
    return sorted(row["reason"]["S"] for row in rows() if row["cls"]["S"] == "email" and "S" in row.get("reason", {}))


def test_the_mails_to_reset_a_password_are_limited(person: Person) -> None:
    set_up(person)
    person.service.clock.move(minutes=2)
    came = []
    for _ in range(4):
        person.service.ask("POST", "/password-resets", {"user_name": "ann.example"})
        came.append(len(person.deliver()))
        person.service.clock.move(seconds=30)
    assert came == [1, 0, 1, 0]
    assert reasons() == ["limit", "limit"]


def test_mails_about_passwords_never_stand_before_a_sign_in(person: Person) -> None:
    """They have a queue of their own, with few consumers: anybody may ask for as many as the limits allow."""
    person.enable()
    person.service.ask("POST", "/password-resets", {"user_name": "ann.example"})
    person.service.ask("POST", "/sign-in", {"email": "ann@example.com"})
    waiting = {
        name: client("sqs").get_queue_attributes(
            QueueUrl=settings().queue_urls[name], AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        for name in ("urgent_mail", "password_mail")
    }
    assert waiting == {"urgent_mail": "1", "password_mail": "2"}


def test_thirty_resets_in_five_minutes_from_one_network(person: Person) -> None:
    told = [person.service.ask("POST", "/password-resets", {"user_name": f"name{number}"}) for number in range(31)]
    assert [answer.status for answer in told] == [202] * 30 + [429]
    assert code(told[-1]) == (429, "too_many_resets")
    assert 0 < int(told[-1].headers["retry-after"]) <= 301
    person.service.clock.move(minutes=5, seconds=1)
    assert person.service.ask("POST", "/password-resets", {"user_name": "ann.example"}).status == 202


def test_thirty_tries_in_five_minutes_from_one_network_whatever_their_user_names(person: Person) -> None:
    set_up(person)
    person.service.clock.move(minutes=6)
    for number in range(15):
        assert person.sign_in("wrong and long enough", f"name{number}").status == 403
        assert person.change("wrong and long enough", OTHER, f"other{number}").status == 403
    refused = person.sign_in(OWN)
    assert code(refused) == (429, "too_many_tries")
    assert 0 < int(refused.headers["retry-after"]) <= 301
    assert code(person.change(OWN, OTHER)) == (429, "too_many_tries")
    person.service.clock.move(minutes=5, seconds=1)
    assert person.sign_in(OWN).status == 201
