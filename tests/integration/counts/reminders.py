"""What it costs to plan the reminders of an invoice, to find who is due, to remind an account, and to send the mail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.functions.reminders import explain_reminders, send_due_reminders
from chalicelib.mail.sending import ses
from chalicelib.reminders.run import jobs, staged_release
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import DigestItem
from tests.aws_calls import Calls, counted
from tests.integration.counts.deliveries import LINE, process_message
from tests.integration.reminders.replies import link

PAYER = {"first_name": "Pia", "last_name": "Doe", "email": "pia@example.com", "roles": ["accounts_payable"]}
INVOICE = {"bill_group_id": "b4", "issue_date": "2026-01-02", "currency": "EUR", "lines": [LINE], "total": 10000}


def count_reminders(found: dict[str, Calls], service: Callable[..., Any]) -> str:
    """Count at an account of its own with one contact and one invoice, whose second step is due today.

    Returns the path of the page by which the contact can reply to the reminder.
    """
    service("PUT", "/v1/entities/acme", {"reminder_mail": {"mode": "live"}, "live_from": "2026-01-01"})
    service("PUT", "/v1/accounts/a4", {"name": "Fourth", "entity_id": "acme", "currency": "EUR"})
    service("PUT", "/v1/bill-groups/b4", {"account_id": "a4", "entity_id": "acme", "name": "HQ"})
    service("POST", "/v1/accounts/a4/contacts", PAYER)
    entities.clear_entity_cache()
    entities.get_cached_entity("acme", clock.utc_now())
    with counted() as found["find due reminders, none"]:
        send_due_reminders({"confirm": True}, None)
    service("PUT", "/v1/invoices/r1", {**INVOICE, "number": "r1", "due_date": "2026-01-14", "deliver": False})
    of = settings()
    planned = process_message(of.queue_urls["planning"], "r1", jobs.update_reminder_plans)
    found["plan an invoice's reminders"] = planned
    with counted() as found["find due reminders, one account"]:
        send_due_reminders({"confirm": True}, None)
    reminded = process_message(of.queue_urls["reminders"], "a4 acme", jobs.remind_accounts)
    found["remind an account of one invoice"] = reminded
    digest = store.get_item(DigestItem, keys.digest("a4", clock.utc_now().date(), "acme", "EUR"))
    assert digest is not None
    (copy,) = digest.recipients
    with handed_to_ses() as mails:
        sent = process_message(of.queue_urls["bulk_mail"], copy["email_id"], deliver_bulk_mail)
    found["send its email, alone in its batch"] = sent
    (mail,) = mails
    return link(mail)


@contextmanager
def handed_to_ses() -> Iterator[list[dict[str, Any]]]:
    """Collect the requests to SES."""
    taken: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        taken.append(params)

    events = ses.client().meta.events
    events.register("provide-client-params.sesv2.SendEmail", note)
    try:
        yield taken
    finally:
        events.unregister("provide-client-params.sesv2.SendEmail", note)


def count_holding(found: dict[str, Calls], count: Callable[..., Any]) -> None:
    """Count what staff do about the reminders of the invoice that ``count_reminders`` has reminded of."""
    count("read why an invoice was or was not reminded", "GET", "/v1/invoices/r1/reminders")
    with counted() as found["explain it in the console"]:
        assert "refused" not in explain_reminders({"invoice": "r1"}, None)
    count("read an account's plan with one invoice", "GET", "/v1/reminders/plan?account_id=a4")
    count("read the plan of all accounts, a page of one", "GET", "/v1/reminders/plan?limit=1")
    with counted() as found["dry-run a run in the console, one account due"]:
        assert "refused" not in send_due_reminders({"as_of": "2026-01-22T12:00:00Z", "account_id": "a4"}, None)
    count("pause an invoice's reminders", "PUT", "/v1/invoices/r1/reminder-pause", {"until": "2026-01-20"})
    count("resume them", "DELETE", "/v1/invoices/r1/reminder-pause")
    count("record a promise to pay", "PUT", "/v1/invoices/r1/promise", {"on": "2026-01-20"})
    count("list promised invoices", "GET", "/v1/invoices?promised=true&entity=acme")
    count("withdraw the promise", "DELETE", "/v1/invoices/r1/promise")
    failed = {"failed_on": "2026-01-15"}
    count("record that an automatic payment failed", "PUT", "/v1/invoices/r1/auto-pay-failure", failed)
    count("skip an invoice's next step", "POST", "/v1/invoices/r1/reminder-skip")
    tried = {"send_at": "08:00", "account_ids": ["a4"]}
    count("preview a policy change for an account", "POST", "/v1/reminder-policies/acme/preview", tried)
    count("read an entity's reminder policy", "GET", "/v1/reminder-policies/acme")
    count("change it", "PUT", "/v1/reminder-policies/acme", {"promise_limit_days": 20})
    words = {"texts": {"en": {"subject": "Invoice {invoice}", "opening": "{amount} is to be paid."}}}
    count("create a reminder template", "PUT", "/v1/reminder-templates/acme/first", words)
    steps = {"steps": [{"offset": 30, "tone": "final", "template": "first"}]}
    count("use it in a step of the entity's policy", "PUT", "/v1/reminder-policies/acme", steps)
    policy = {"minimum_gap_days": 3}
    count("change an account's reminder policy", "PUT", "/v1/accounts/a4/reminder-policy", policy)
    replanned = process_message(settings().queue_urls["planning"], "account a4", jobs.update_reminder_plans)
    found["plan its invoices again, up to 500 at once"] = replanned
    reported = {"as_of": "2026-01-15T08:00:00Z"}
    count("report payments as of an instant", "PUT", "/v1/entities/acme/payments-as-of", reported)
    count("pause an account's reminders", "PUT", "/v1/accounts/a4/reminder-pause", {"until": "2026-01-20"})
    count("resume the account's reminders", "DELETE", "/v1/accounts/a4/reminder-pause")
    by = RequestContext(Actor("staff", "sam@acme.example", "Sam"), clock.utc_now(), "counts-0001")
    with counted() as found["release invoices from before `live_from` (without the session)"]:
        staged_release.set_release_rate(by, "acme", 1)
    released = process_message(settings().queue_urls["planning"], "release acme", jobs.update_reminder_plans)
    found["find accounts to release, none left"] = released
