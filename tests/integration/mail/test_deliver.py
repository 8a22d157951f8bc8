"""A mail's way from the outbox to SES, through the deployed functions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.config import settings
from chalicelib.functions.mail import deliver_bulk_mail, deliver_urgent_mail
from chalicelib.mail import jobs, outbox, service
from chalicelib.mail.erasure import erase_emails
from chalicelib.mail.sending import deliver, ses
from chalicelib.table import keys, store
from chalicelib.table.items import EmailContentItem, EntityItem
from chalicelib.tasks import queue
from tests.integration.mail.conftest import (
    CONTEXT,
    Provider,
    Time,
    context,
    email,
    enqueue,
    received,
    report,
    sweep,
    tasks,
    work,
)


def refuse(monkeypatch: pytest.MonkeyPatch, *answers: ClientError | None) -> list[int]:
    """Make SES refuse the next sends with ``answers``; None accepts one. Returns a list that counts them."""
    left = list(answers)
    asked: list[int] = []
    client = ses.client()
    original = client.send_email

    def send_email(**request: Any) -> Any:
        asked.append(1)
        answer = left.pop(0) if left else None
        if answer is not None:
            raise answer
        return original(**request)

    monkeypatch.setattr(client, "send_email", send_email)
    monkeypatch.setattr(deliver.time, "sleep", lambda seconds: None)
    return asked


def refusal(code: str, status: int = 400, message: str = "") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "SendEmail"
    )


def test_a_mail_is_sent_once_and_its_task_is_done(provider: Provider) -> None:
    email_id = enqueue()
    assert email(email_id).status == "queued"
    assert len(tasks()) == 1

    assert work() == []

    sent = email(email_id)
    assert (sent.status, sent.reason, sent.attempts) == ("sent", None, 1)
    assert sent.message_id
    assert sent.sent_at == sent.claimed_at
    assert sent.subject == "You are now a billing contact for Acme & Co"
    assert tasks() == []
    (request,) = provider.taken
    assert request["FromEmailAddress"] == "=?utf-8?q?Nordlicht_B=C3=BCro?= <billing@nordlicht.example>"
    assert request["Destination"] == {"ToAddresses": ["ana@acme.example"]}
    assert request["EmailTags"] == [
        {"Name": "email_id", "Value": email_id},
        {"Name": "kind", "Value": "contact_added"},
    ]
    found, content = service.get_email("acme", email_id)
    assert content is not None
    assert content.html == request["Content"]["Simple"]["Body"]["Html"]["Data"]
    assert content.text == request["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert found.status == "sent"


def test_a_message_that_comes_twice_sends_once(provider: Provider) -> None:
    email_id = enqueue()
    records = received(settings().queue_urls["bulk_mail"])
    for _ in range(2):
        assert deliver_bulk_mail({"Records": records}, None) == {"batchItemFailures": []}
    assert provider.sent(email_id) == 1


def test_urgent_mails_have_their_own_queue(provider: Provider) -> None:
    email_id = enqueue(urgent=True)
    assert received(settings().queue_urls["bulk_mail"]) == []
    assert len(tasks("urgent_mail")) == 1
    work(deliver_urgent_mail, settings().queue_urls["urgent_mail"])
    assert provider.sent(email_id) == 1
    assert tasks("urgent_mail") == []


def test_what_a_security_mail_said_is_not_stored(provider: Provider) -> None:
    email_id = enqueue(security=True)
    work()
    assert email(email_id).status == "sent"
    assert store.get_item(EmailContentItem, keys.email_content(email_id)) is None
    assert service.get_email("acme", email_id)[1] is None


def test_a_lost_message_is_sent_again_by_the_sweeper(provider: Provider, time: Time) -> None:
    email_id = enqueue()
    received(settings().queue_urls["bulk_mail"])
    time.passes(minutes=1)
    assert sweep() == {"handed_out": 0, "lost": 0}
    time.passes(minutes=2)
    assert sweep() == {"handed_out": 1, "lost": 0}
    assert work() == []
    assert email(email_id).status == "sent"
    assert tasks() == []


def test_a_queue_that_does_not_answer_costs_no_mail(provider: Provider, time: Time) -> None:
    def broken(**_: Any) -> None:
        raise refusal("ServiceUnavailable", 503)

    queue.sqs_client().meta.events.register("before-call.sqs.SendMessageBatch", broken)
    email_id = enqueue()
    queue.sqs_client().meta.events.unregister("before-call.sqs.SendMessageBatch", broken)
    assert received(settings().queue_urls["bulk_mail"]) == []
    time.passes(minutes=3)
    sweep()
    work()
    assert email(email_id).status == "sent"


def test_a_rate_limit_is_met_with_a_short_pause(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = refuse(monkeypatch, refusal("TooManyRequestsException", 429), refusal("ThrottlingException"), None)
    email_id = enqueue()
    work()
    assert (email(email_id).status, len(asked)) == ("sent", 3)


def test_a_refusal_for_now_goes_back_to_the_queue_with_growing_pauses(
    provider: Provider, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refuse(monkeypatch, *[refusal("SendingPausedException")] * 3)
    email_id = enqueue()
    work()
    assert (email(email_id).status, email(email_id).reason) == ("queued", "SendingPausedException")
    sent_after = 0
    while email(email_id).status == "queued":
        time.passes(minutes=1)
        sent_after += 1
        sweep()
        work()
    assert (email(email_id).status, email(email_id).reason) == ("sent", None)
    assert len(asked) == 4
    assert sent_after <= 6
    assert tasks() == []


def test_a_refusal_for_good_fails_the_mail(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, refusal("BadRequestException"))
    email_id = enqueue()
    assert work() == []
    assert (email(email_id).status, email(email_id).reason) == ("failed", "BadRequestException")
    assert tasks() == []


def test_a_mail_that_expires_before_it_can_be_sent_fails_unsent(
    provider: Provider, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, *[refusal("SendingPausedException")] * 1000)
    email_id = enqueue()
    for _ in range(60):
        work()
        time.passes(minutes=30)
        sweep()
    assert (email(email_id).status, email(email_id).reason) == ("failed", "expired")
    assert tasks() == []


def test_in_mode_capture_nothing_leaves(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_MODE", "capture")
    settings.cache_clear()
    email_id = enqueue()
    work()
    assert provider.taken == []
    assert (email(email_id).status, email(email_id).reason) == ("captured", "mail_mode_capture")
    content = service.get_email("acme", email_id)[1]
    assert content is not None
    assert "Acme & Co" in content.text
    assert tasks() == []


def test_in_mode_redirect_one_address_gets_everything(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_MODE", "redirect")
    monkeypatch.setenv("MAIL_REDIRECT_TO", "tests@vendor.example")
    settings.cache_clear()
    enqueue(cc=("bob@acme.example",))
    work()
    (request,) = provider.taken
    assert request["Destination"] == {"ToAddresses": ["tests@vendor.example"]}
    headers = {one["Name"]: one["Value"] for one in request["Content"]["Simple"]["Headers"]}
    assert headers["X-Original-To"] == "ana@acme.example, bob@acme.example"


def test_in_mode_allowlist_others_get_nothing(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_MODE", "allowlist")
    monkeypatch.setenv("MAIL_ALLOWLIST", "bob@acme.example")
    settings.cache_clear()
    captured, partly = enqueue(), enqueue(cc=("bob@acme.example",))
    work()
    assert (email(captured).status, email(captured).reason) == ("captured", "not_on_allowlist")
    assert email(partly).status == "sent"
    (request,) = provider.taken
    assert request["Destination"] == {"ToAddresses": ["bob@acme.example"]}


def test_a_hundred_mails_with_one_poisoned_reports_that_one(provider: Provider) -> None:
    emails = [enqueue(context={} if number == 57 else service_context(number)) for number in range(100)]
    records = received(settings().queue_urls["bulk_mail"])
    bodies = {one["messageId"]: one["body"] for one in records}
    failed: list[str] = []
    for start in range(0, 100, 10):
        answer = deliver_bulk_mail({"Records": records[start : start + 10]}, None)
        failed += [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    assert len(provider.taken) == 99
    assert [emails[57] in bodies[one] for one in failed] == [True]
    assert [email(one).status for one in emails].count("sent") == 99
    assert email(emails[57]).status == "queued"
    assert [task.subject for task in tasks()] == [emails[57]]


def service_context(number: int) -> dict[str, Any]:
    return {"account_name": f"Account {number}", "contact_name": "Ana", "roles": []}


def test_whatever_the_sender_is_called_the_mail_leaves(provider: Provider) -> None:
    item = store.get_item(EntityItem, keys.entity("nordlicht"))
    assert item is not None
    item.sender_name = 'Eve" <eve@evil.example>\r\nBcc: victim@example.com' + "x" * 10_000
    store.replace_item(item)
    email_id = enqueue(context={**CONTEXT, "contact_name": "x\r\nBcc: a@b.example", "account_name": "<b>" * 10_000})
    assert work() == []
    assert email(email_id).status == "sent"
    sender = provider.taken[0]["FromEmailAddress"]
    assert sender.endswith("<billing@nordlicht.example>")
    assert sender.startswith('"Eve\\" <eve@evil.example> Bcc: victim@example.com')


def test_a_message_that_is_not_ours_fails_alone(provider: Provider) -> None:
    email_id = enqueue()
    records = [{"messageId": "strange", "body": "{}"}, *received(settings().queue_urls["bulk_mail"])]
    assert deliver_bulk_mail({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "strange"}]}
    assert provider.sent(email_id) == 1


def test_no_message_is_begun_that_could_not_be_finished(provider: Provider) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 5_000

    enqueue()
    records = received(settings().queue_urls["bulk_mail"])
    answer = deliver_bulk_mail({"Records": records}, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": records[0]["messageId"]}]}
    assert provider.taken == []


def test_reports_are_recorded_on_their_mail(provider: Provider, time: Time) -> None:
    email_id = enqueue()
    work()
    report(email_id, "Send")
    time.passes(seconds=2)
    for _ in range(2):
        report(email_id, "Delivery", delivery={"recipients": ["ana@acme.example"], "smtpResponse": "250"})
    found = service.get_email("acme", email_id)[0]
    assert found.status == "delivered"
    assert [(event.kind, event.detail) for event in found.events] == [("send", ""), ("delivery", "250")]


def test_a_report_that_comes_before_our_own_note_is_stored(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    email_id = enqueue()
    original = ses.send

    def send_and_report(envelope: ses.Envelope) -> ses.SendOutcome:
        outcome = original(envelope)
        report(email_id, "Bounce", bounce={"bounceType": "Permanent", "bouncedRecipients": []})
        return outcome

    monkeypatch.setattr(ses, "send", send_and_report)
    assert work() == []
    found = email(email_id)
    assert (found.status, found.reason) == ("bounced", "permanent")
    assert found.message_id
    assert tasks() == []


def test_a_report_does_not_bring_back_who_was_erased(provider: Provider, time: Time) -> None:
    email_id = enqueue(contact_id="con_1")
    work()
    report(email_id, "Send")
    erase_emails("acme", "con_1", "ana@acme.example", time.now)
    for _ in range(2):
        report(
            email_id, "Delivery", delivery={"recipients": ["ana@acme.example"], "smtpResponse": "250 ana@acme.example"}
        )
    found = service.get_email("acme", email_id)[0]
    assert found.status == "delivered"
    assert "ana@" not in str(found)
    assert len(found.events) == 2


def test_a_report_about_an_unknown_mail_is_ignored(deployment: None) -> None:
    assert report("eml_01JAAAAAAAAAAAAAAAAAAAAAAA", "Send") == {"records": 1}
    assert jobs.record_mail_feedback({"Records": [{"Sns": {"Message": "hello"}}]}, None) == {"records": 1}


def test_an_import_that_may_mail_nobody_enqueues_nothing(deployment: None) -> None:
    quiet = replace(context(), mails_allowed=False)
    transaction = store.Transaction(quiet)
    mail = outbox.Mail("contact_added", "nordlicht", "acme", ("a@b.example",), "en", timedelta(days=1), CONTEXT)
    assert outbox.enqueue_mail(transaction, quiet, mail) is None
    assert outbox.enqueue_mail(transaction, context(), None) is None
    assert tasks() == []
    assert boto3.client("sqs").receive_message(QueueUrl=settings().queue_urls["bulk_mail"]).get("Messages") is None
