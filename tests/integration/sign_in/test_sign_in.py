"""A whole sign-in through the API, and everything that may go wrong with it."""

import contextlib
import io
import json
from typing import Any

import pytest

from chalicelib.config import settings
from chalicelib.mail.rules import SendOutcome
from chalicelib.mail.sending import ses
from chalicelib.observability import logger
from chalicelib.sign_in import rules
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, IdentityItem
from chalicelib.tasks import jobs as task_jobs
from tests.aws_calls import Crash, counted, failing
from tests.integration.api.gateway import Answer, send
from tests.integration.service import Service, code, faults, rows
from tests.integration.sign_in.conftest import admit
from tests.integration.sign_in.people import Inbox, Mail

ADA, BOB = "ada@customer.example", "bob@other.example"


def ask(email: str = ADA, **more: Any) -> str:
    answer = send("POST", "/v1/sign-in", body={"email": email, **more})
    assert answer.status == 202, answer.text
    assert set(answer.json) == {"flow"}
    return str(answer.json["flow"])


def redeem(flow: str, **proof: str) -> Answer:
    return send("POST", "/v1/sessions", body={"flow": flow, **proof}, headers={"User-Agent": "curl/8"})


def delivered(inbox: Inbox, email: str = ADA) -> tuple[str, Mail]:
    """Ask for a mail that comes; return the flow, which its link and its code can redeem now, and the mail."""
    flow = ask(email)
    return flow, inbox.newest()


def withheld() -> list[str]:
    """Return why mails did not go, in alphabetical order."""
    return sorted(row["reason"]["S"] for row in rows() if row["cls"]["S"] == "email" and "S" in row.get("reason", {}))


def test_a_whole_sign_in_by_link(portal: Service, inbox: Inbox) -> None:
    flow = ask("Ada@Customer.EXAMPLE")
    mail = inbox.newest()
    assert (mail.to, mail.subject) == (ADA, "Sign in to Acme billing")
    assert "until 09:10 (London)" in mail.text
    assert mail.address in mail.html
    assert mail.code in mail.html
    answer = redeem(flow, link=mail.link)
    assert answer.status == 201, answer.text
    assert answer.json["kind"] == "portal_user"
    assert answer.json["bill_groups"] == [{"bill_group_id": "b1", "account_id": "a1"}]
    assert answer.json["ends_at"] == "2026-01-31T21:00:00Z"
    seen = send("GET", "/v1/bill-groups/b1", token=answer.json["token"])
    assert seen.status == 200, seen.text
    assert code(redeem(flow, link=mail.link)) == (409, "link_used")
    assert code(redeem(flow, code=mail.code)) == (409, "link_used")


def test_a_whole_sign_in_by_code_however_it_is_typed(portal: Service, inbox: Inbox) -> None:
    flow = ask()
    typed = f" {inbox.newest().code.replace('-', ' ').lower()} "
    assert redeem(flow, code=typed).status == 201


@pytest.mark.parametrize("proof", ["link", "code"])
def test_a_proof_lives_for_ten_minutes_from_its_mail(portal: Service, inbox: Inbox, proof: str) -> None:
    admit(portal, BOB)
    first, second = ask(), ask(BOB)
    portal.clock.move(minutes=5)
    mails = {mail.to: {proof: getattr(mail, proof)} for mail in inbox.fetch()}
    portal.clock.move(minutes=9, seconds=59)
    assert redeem(first, **mails[ADA]).status == 201
    portal.clock.move(seconds=1)
    assert code(redeem(second, **mails[BOB])) == (409, "sign_in_expired")


@pytest.mark.parametrize("email", [ADA, "eve@customer.example"])
def test_codes_may_be_tried_for_twenty_minutes_whether_a_mail_came_or_not(
    portal: Service, inbox: Inbox, email: str
) -> None:
    flow = ask(email)
    inbox.fetch()
    portal.clock.move(minutes=19, seconds=59)
    assert faults(redeem(flow, code="2222-2222")) == [("code", "wrong_code")]
    portal.clock.move(seconds=1)
    assert code(redeem(flow, code="2222-2222")) == (409, "sign_in_expired")


def test_a_newer_mail_leaves_the_older_link_valid(portal: Service, inbox: Inbox) -> None:
    older = ask()
    first = inbox.newest()
    portal.clock.move(seconds=61)
    newer = ask()
    second = inbox.newest()
    assert first.link != second.link
    assert redeem(older, link=first.link).status == 201
    assert redeem(newer, link=second.link).status == 201


def test_a_link_is_for_the_flow_whose_mail_carried_it(portal: Service, inbox: Inbox) -> None:
    """Each flow waits for its own link at that moment: nothing but the link is wrong."""
    admit(portal, BOB)
    older, first = delivered(inbox)
    portal.clock.move(seconds=61)
    newer, second = delivered(inbox)
    strange, other = delivered(inbox, BOB)
    nobodys = rules.LINK_PREFIX + "a" * 43
    for flow, link in (
        (older, second.link), (newer, first.link), (older, other.link), (strange, first.link),
        (older, nobodys), (older, older), (older, first.link[:-1]),
    ):  # fmt: skip
        assert code(redeem(flow, link=link)) == (409, "opened_elsewhere")
    for flow, mail in ((older, first), (newer, second), (strange, other)):
        assert redeem(flow, link=mail.link).status == 201


def test_a_code_is_for_the_flow_whose_mail_carried_it(portal: Service, inbox: Inbox) -> None:
    admit(portal, BOB)
    flow, mail = delivered(inbox)
    strange, other = delivered(inbox, BOB)
    for here, typed in ((flow, other.code), (strange, mail.code)):
        assert faults(redeem(here, code=typed)) == [("code", "wrong_code")]
    assert redeem(flow, code=mail.code).status == 201
    assert redeem(strange, code=other.code).status == 201


def test_a_link_is_nothing_without_a_flow_whose_mail_came(portal: Service, inbox: Inbox) -> None:
    flow, mail = delivered(inbox)
    undelivered = ask("stranger@else.example")
    for other in (undelivered, rules.FLOW_PREFIX + "a" * 43, "nonsense", mail.link):
        assert code(redeem(other, link=mail.link)) == (409, "opened_elsewhere")
    assert redeem(flow, link=mail.link).status == 201


def test_five_codes_may_be_tried_and_the_link_still_works(portal: Service, inbox: Inbox) -> None:
    flow = ask()
    mail = inbox.newest()
    for left in (4, 3, 2, 1, 0):
        answer = redeem(flow, code="2222-2222")
        assert faults(answer) == [("code", "wrong_code")]
        assert answer.json["details"] == {"tries_left": left}
    assert code(redeem(flow, code=mail.code)) == (409, "no_tries_left")
    assert redeem(flow, link=mail.link).status == 201


def test_what_answers_is_the_same_who_is_known(portal: Service, inbox: Inbox) -> None:
    """The same calls in the same order with the same response, for every address."""
    ask()
    inbox.fetch()
    cases = {
        "known, over its limit": ADA,
        "unknown": "eve@customer.example",
        "suppressed": "bounced@gone.example",
        "not yet": "later@soon.example",
    }
    asked: dict[str, Any] = {}
    guessed: dict[str, Any] = {}
    for case, email in cases.items():
        with counted() as calls:
            answer = send("POST", "/v1/sign-in", body={"email": email})
        asked[case] = (answer.status, sorted(answer.json), len(answer.text), calls.names, calls.units)
        with counted() as calls:
            answer = redeem(answer.json["flow"], code="BBBB-BBBB")
        told = {name: value for name, value in answer.json.items() if name != "correlation_id"}
        guessed[case] = (answer.status, told, calls.names)
    for results in (asked, guessed):
        assert len({json.dumps(result) for result in results.values()}) == 1, results
    assert asked["unknown"][3] == [
        "dynamodb.BatchGetItem", "dynamodb.TransactWriteItems", "sqs.SendMessageBatch",
    ]  # fmt: skip
    (mail,) = inbox.fetch()
    assert mail.to == "later@soon.example"
    assert mail.subject == "Your access to Acme billing starts later"
    assert "1 February 2026" in mail.text
    assert withheld() == ["limit", "not_admitted", "suppressed"]


def test_the_mails_to_one_address_are_limited(portal: Service, inbox: Inbox) -> None:
    sent = 0
    for _ in range(24 * 2):
        for _ in range(2):
            ask()
            sent += len(inbox.fetch())
            portal.clock.move(minutes=14)
    assert sent == 20


def test_one_a_minute_and_five_an_hour(portal: Service, inbox: Inbox) -> None:
    came = []
    for second in range(0, 600, 30):
        ask()
        came.append(len(inbox.fetch()))
        portal.clock.move(seconds=30)
        assert second < 600
    assert came[:9] == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert sum(came) == 5


def test_thirty_requests_in_five_minutes_from_one_network(portal: Service, inbox: Inbox) -> None:
    for number in range(30):
        ask(f"p{number}@else.example")
    answer = send("POST", "/v1/sign-in", body={"email": ADA}, headers={"X-Forwarded-For": "198.51.100.7"})
    assert code(answer) == (429, "too_many_sign_ins")
    assert 0 < int(answer.headers["retry-after"]) <= 301
    portal.clock.move(minutes=5, seconds=1)
    ask()


def test_the_host_of_the_mail_is_ours_whatever_the_request_says(portal: Service, inbox: Inbox) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    assert send("POST", "/v1/sign-in", body={"email": ADA}, headers=headers).status == 202
    mail = inbox.newest()
    assert mail.address.startswith("https://api.example.com/portal/sign-in/")
    assert "evil" not in mail.text + mail.html


def test_staff_sign_in_by_the_same_flow(portal: Service, inbox: Inbox) -> None:
    flow = ask("sam@vendor.example", kind="staff")
    mail = inbox.newest()
    assert "/admin/sign-in/" in mail.text
    answer = redeem(flow, link=mail.link)
    assert (answer.status, answer.json["kind"], answer.json["bill_groups"]) == (201, "staff", [])
    assert send("GET", "/v1/accounts/a1", token=answer.json["token"]).status == 200
    # Nothing went to Ada yet, and the last mail to Sam is long ago.
    portal.clock.move(minutes=2)
    ask(ADA, kind="staff")
    ask("sam@vendor.example")
    assert inbox.fetch() == []
    assert withheld() == ["not_admitted", "not_admitted"]


def test_staff_are_written_to_in_the_name_of_the_entity_that_the_deployment_names(
    portal: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = portal.get("/entities/acme")
    newer = {name: acme[name] for name in ("colour", "sender_email", "locale", "time_zone")}
    assert portal.ask("PUT", "/entities/aardvark", {**newer, "name": "Aardvark"}).status == 201
    monkeypatch.setenv("STAFF_ENTITY_ID", "acme")
    settings.cache_clear()
    ask("sam@vendor.example", kind="staff")
    assert acme["name"] in inbox.newest().subject


def test_all_bill_groups_that_admit_the_address_are_in_the_session(portal: Service, inbox: Inbox) -> None:
    other = portal.account("a2")
    for number in (2, 3):
        portal.bill_group(f"b{number}", other)
    contact = portal.contact(other, "Ada", email=ADA)
    key = keys.contact_address("a2", ADA)
    item = store.batch_get_items([key])[key]
    item.access = {"b3": {"permissions": ["profile"], "starts_at": keys.format_instant(portal.clock.now)}}
    store.replace_item(item)
    flow = ask()
    opened = redeem(flow, link=inbox.newest().link).json
    assert [group["bill_group_id"] for group in opened["bill_groups"]] == ["b1", "b3"]
    account = store.batch_get_items([keys.account("a2")])[keys.account("a2")]
    account.owner_contact_id = contact["contact_id"]
    store.replace_item(account)
    portal.clock.move(minutes=2)
    flow = ask()
    opened = redeem(flow, link=inbox.newest().link).json
    assert [group["bill_group_id"] for group in opened["bill_groups"]] == ["b1", "b2", "b3"]


def test_the_portal_link_gives_the_brand_and_the_contact_the_language(portal: Service, inbox: Inbox) -> None:
    from chalicelib.table.items import PortalLinkItem

    portal.entity("nord", name="Nordlicht", sender_email="billing@acme.example")
    account = portal.account("a2", locale="de")
    portal.bill_group("b2", account, entity_id="nord")
    admit(portal, "bo@zwei.example", "b2", "a2")
    admit(portal, "bo@eins.example", "b1", "a1")
    key = keys.portal_link("portal-token-of-b2")
    store.create_item(PortalLinkItem(key.pk, key.sk, bill_group_id="b2", account_id="a2"))
    ask("bo@zwei.example")
    assert inbox.newest().subject == "Anmelden bei der Abrechnung von Nordlicht"
    ask("bo@eins.example", portal="portal-token-of-b2")
    assert inbox.newest().subject == "Sign in to Nordlicht billing"
    ask("bo@eins.example", portal="no such thing")


def test_sessions_that_were_ended_take_pending_links_with_them(portal: Service, inbox: Inbox) -> None:
    flow = ask()
    mail = inbox.newest()
    portal.clock.move(seconds=5)
    key = keys.identity(ADA)
    store.create_item(IdentityItem(key.pk, key.sk, sessions_not_before=portal.clock.now))
    for proof in ({"link": mail.link}, {"code": mail.code}):
        assert code(redeem(flow, **proof)) == (409, "sign_in_expired")


@pytest.mark.parametrize(
    "fields",
    [
        (), ("flow",), ("link",), ("code",), ("user_name",), ("password",), ("link", "code"), ("flow", "link", "code"),
        ("flow", "user_name", "password"), ("flow", "link", "user_name", "password"),
    ],
)  # fmt: skip
def test_a_session_needs_one_proof(portal: Service, inbox: Inbox, fields: tuple[str, ...]) -> None:
    flow, mail = delivered(inbox)
    given = {"flow": flow, "link": mail.link, "code": mail.code, "user_name": "ada.example", "password": "x" * 12}
    body: dict[str, str | None] = {name: given[name] for name in fields}
    answer = send("POST", "/v1/sessions", body=body)
    assert faults(answer) == [("", "bad_combination")]
    assert redeem(flow, link=mail.link).status == 201


@pytest.mark.parametrize("absent", ["flow", "link"])
def test_null_is_no_proof(portal: Service, inbox: Inbox, absent: str) -> None:
    flow, mail = delivered(inbox)
    answer = send("POST", "/v1/sessions", body={"flow": flow, "link": mail.link, absent: None})
    assert faults(answer) == [("", "bad_combination")]


def test_redeeming_costs_one_read_and_one_transaction(portal: Service, inbox: Inbox) -> None:
    flow = ask()
    mail = inbox.newest()
    with counted() as calls:
        assert redeem(flow, link=mail.link).status == 201
    assert calls.names == ["dynamodb.BatchGetItem", "dynamodb.TransactWriteItems"]


def test_secrets_are_stored_nowhere(portal: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    flow = ask()
    mail = inbox.newest()
    redeem(rules.FLOW_PREFIX + "b" * 43, link=mail.link)
    wrong = redeem(flow, code="3333-3333")
    token = redeem(flow, link=mail.link).json["token"]
    again = redeem(flow, link=mail.link)
    send("GET", f"/v1/nonsense/{mail.link}")
    secrets = (flow, mail.link, mail.code, mail.code.replace("-", ""), token)
    kept = json.dumps(rows())
    said = log.getvalue()
    assert "request" in said
    for secret in secrets:
        for place in (kept, said, wrong.text, again.text):
            assert secret not in place
            assert secret.split("_", 1)[-1] not in place
    (email,) = [row for row in rows() if row["cls"]["S"] == "email"]
    assert email["to"]["S"] == json.dumps([ADA])
    item = store.get_item(EmailItem, keys.email(email["email_id"]["S"]))
    assert item is not None
    assert item.security
    assert not [row for row in rows() if row["cls"]["S"] == "email_content"]


def test_a_mail_that_ses_refuses_for_now_goes_later_with_new_secrets(
    portal: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = ask()
    tried: list[ses.Envelope] = []

    def refuse(envelope: ses.Envelope) -> SendOutcome:
        tried.append(envelope)
        return SendOutcome("refused_for_now", "Throttling")

    with monkeypatch.context() as patched:
        patched.setattr(ses, "send", refuse)
        assert inbox.fetch() == []
    portal.clock.move(seconds=31)
    task_jobs.sweep_duties({}, None)
    mail = inbox.newest()
    (first,) = tried
    assert mail.link not in first.text
    assert mail.code not in first.text
    assert redeem(flow, link=mail.link).status == 201


@pytest.mark.parametrize(("number", "how"), [(number, how) for number in range(12) for how in ("after", "lost")])
def test_when_a_response_is_lost_the_link_in_the_mail_works(
    portal: Service, inbox: Inbox, number: int, how: str
) -> None:
    flow = ask()
    with contextlib.suppress(Crash), failing(number, how):
        inbox.fetch()
    if not inbox.mails:
        portal.clock.move(minutes=3)
        task_jobs.sweep_duties({}, None)
        inbox.fetch()
    for mail in inbox.mails:
        assert redeem(flow, link=mail.link).status == 201
        break
    else:
        # The consumer died between its claim and SES; nobody knows, and the mail is too old to go again.
        assert how == "after"


def test_the_limits_of_an_address_hold_for_all_its_tags(portal: Service, inbox: Inbox) -> None:
    rule = portal.ask("POST", "/bill-groups/b1/access-rules", {"value": "target.example"})
    assert rule.status == 201, rule.text
    came = []
    for number in range(12):
        ask(f"target+{number}@target.example")
        came += inbox.fetch()
        portal.clock.move(seconds=4)
    assert [mail.to for mail in came] == ["target+0@target.example"]
    ask("other@target.example")
    assert inbox.newest().to == "other@target.example"
