"""Steps of the journey for reminders: planned on a change, dry run, sent once, answered."""

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from infra.stack import Answer, Stack, eventually

PAYER = "pia@example.org"
ADMIN = "sam@northwind.example"
_REMINDERS = "/v1/invoices/inv-2026-2/reminders"
_LONDON = ZoneInfo("Europe/London")


def an_overdue_invoice_is_planned(stack: Stack) -> None:
    _ok(stack.call("PUT", "/v1/entities/northwind", {"reminder_mail": {"mode": "live"}}))
    # From midnight on and on every day of the week, so that the journey can be taken at any time.
    policy = {"send_at": "00:00", "business_days_only": False, "steps": [{"offset": 1, "tone": "friendly"}]}
    kept = _ok(stack.call("PUT", "/v1/reminder-policies/northwind", policy))
    assert kept["effective"]["send_at"] == "00:00", kept
    _ok(stack.call("PUT", "/v1/accounts/solveig", _ACCOUNT))
    contact = {"first_name": "Pia", "last_name": "Solberg", "email": PAYER, "roles": ["accounts_payable"]}
    _ok(stack.call("POST", "/v1/accounts/solveig/contacts", contact))
    _ok(stack.call("PUT", "/v1/bill-groups/solveig-hq", _GROUP))
    _ok(stack.call("PUT", "/v1/invoices/inv-2026-2", {**_INVOICE, "issue_date": _day(-31), "due_date": _day(-1)}))

    def planned() -> Any:
        return stack.call("GET", _REMINDERS).json["looked_at_on"] is not None

    assert eventually(planned), stack.call("GET", _REMINDERS).text
    shown = stack.call("GET", _REMINDERS).json
    assert (shown["mode"], shown["due_now"]["step"]) == ("live", "+1"), shown


def the_reminder_runs_dry_and_is_then_sent_once(stack: Stack) -> None:
    named = {"account_id": "solveig"}
    told = stack.invoke("SendDueReminders", named)
    (digest,) = told["digests"]
    assert [one["email"] for one in digest["contacts"]] == [PAYER], told
    assert [one["number"] for one in digest["invoices"]] == ["INV-2026-2"], told
    assert _reminders(stack) == []
    sent = stack.invoke("SendDueReminders", {**named, "confirm": True})["sent"]
    assert (sent["handed_out"], sent["lost"]) == (1, 0), sent
    assert eventually(lambda: _reminders(stack) or stack.refused_mails()), "no reminder was sent"
    assert not stack.refused_mails(), stack.refused_mails()
    (mail,) = _reminders(stack)
    subject = mail["Content"]["Simple"]["Subject"]["Data"]
    assert re.search(r"^Reminder: invoice \W*INV-2026-2\W* was due on ", subject), subject
    # The next hourly run: an account that was reminded today is not reminded again.
    assert stack.invoke("SendDueReminders", {**named, "confirm": True})["sent"]["lost"] == 0
    (taken,) = stack.call("GET", _REMINDERS).json["taken"]
    assert (taken["step"], taken["outcome"]) == ("+1", "sent"), taken

    def delivered() -> bool:
        (step,) = stack.call("GET", _REMINDERS).json["taken"]
        return [one["status"] for one in step["copies"]] == ["delivered"]

    assert eventually(delivered), stack.call("GET", _REMINDERS).text
    assert len(_reminders(stack)) == 1


def a_promise_is_made_without_signing_in(stack: Stack) -> None:
    created = stack.invoke("CreateStaffMember", {"email": ADMIN, "name": "Sam", "role": "admin", "confirm": True})
    assert "created" in created, created
    (mail,) = _reminders(stack)
    told = mail["Content"]["Simple"]["Body"]["Text"]["Data"]
    link = re.search(re.escape(stack.outputs["ApiUrl"].rstrip("/")) + r"(/portal/reply/[A-Za-z0-9_-]{43})\s", told)
    assert link, told
    page = link.group(1)
    shown = stack.call("GET", page, key="")
    assert (shown.status, "INV-2026-2" in shown.text) == (200, True), shown.text
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    asked = stack.call("GET", f"{page}/promised", key="")
    assert (asked.status, 'name="invoice-inv-2026-2"' in asked.text) == (200, True), asked.text
    assert stack.call("GET", _REMINDERS).json["promised_on"] is None, "looking has changed something"
    form = {"invoice-inv-2026-2": "1", "on": _day(3)}
    foreign = stack.call("POST", f"{page}/promised", form=form, headers={"Origin": "https://evil.example"}, key="")
    assert foreign.status == 403, foreign.text
    for _ in range(2):
        answered = stack.call("POST", f"{page}/promised", form=form, key="")
        assert (answered.status, answered.headers["location"].partition("?")[2]) == (303, "done=promised"), answered
    thanks = stack.call("GET", f"{page}?done=promised", key="")
    assert (thanks.status, "Payment promised by" in thanks.text) == (200, True), thanks.text
    assert stack.call("GET", _REMINDERS).json["promised_on"] == _day(3)
    listed = stack.call("GET", "/v1/invoices?promised=true&entity=northwind").json["items"]
    assert [one["invoice_id"] for one in listed] == ["inv-2026-2"], listed
    assert eventually(lambda: stack.mails_to(ADMIN) or stack.refused_mails()), "staff were not told"
    (note,) = stack.mails_to(ADMIN)
    assert "INV-2026-2" in note["Content"]["Simple"]["Body"]["Text"]["Data"], note
    assert stack.call("GET", "/portal/reply/" + "A" * 43, key="").status == 404


def the_console_explains_and_plans(stack: Stack) -> None:
    explained = stack.invoke("ExplainReminders", {"invoice": "inv-2026-2"})
    assert "refused" not in explained, explained
    planned = stack.invoke("PlanReminders", {"days": 30, "account_id": "solveig"})
    assert "refused" not in planned, planned


def _day(offset: int) -> str:
    return (datetime.now(_LONDON) + timedelta(days=offset)).date().isoformat()


def _ok(answer: Answer) -> Any:
    assert answer.status in (200, 201), answer.text
    return answer.json


def _reminders(stack: Stack) -> list[dict[str, Any]]:
    """Return the emailed reminders; a new contact gets another email first."""
    mails = stack.mails_to(PAYER)
    return [mail for mail in mails if "eminder: " in mail["Content"]["Simple"]["Subject"]["Data"]]


_ACCOUNT = {
    **{"entity_id": "northwind", "name": "Solveig AS", "currency": "EUR", "country": "NO"},
    **{"time_zone": "Europe/London", "payment_terms": {"kind": "net", "days": 30}},
}
_GROUP = {"account_id": "solveig", "entity_id": "northwind", "name": "Head office"}
_INVOICE: dict[str, Any] = {
    **{"bill_group_id": "solveig-hq", "number": "INV-2026-2", "currency": "EUR", "deliver": False},
    "lines": [{"description": "Work", "quantity": "1", "unit_price": "50", "net_amount": 5_000}],
    "total": 5_000,
}


STEPS = (
    an_overdue_invoice_is_planned,
    the_reminder_runs_dry_and_is_then_sent_once,
    a_promise_is_made_without_signing_in,
    the_console_explains_and_plans,
)
