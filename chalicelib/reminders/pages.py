"""The pages by which a contact replies to a reminder, without signing in (R6). Looking changes nothing."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from babel import Locale, numbers

from chalicelib import fields, money
from chalicelib.errors import Conflict, Invalid, NotFound
from chalicelib.invoices import reading
from chalicelib.invoices.rules import Invoice, Line
from chalicelib.mail import languages
from chalicelib.reminders import replies, reply_links
from chalicelib.reminders.mailing import REPLY_PAGE
from chalicelib.reminders.reply_links import ANSWERS, NOT_ME, PAID, PROBLEM, PROMISED, SEND, Link
from chalicelib.web import Page, PageRequest, Pages, Redirect, texts

pages = Pages()

REASONS = ("amount", "quantity", "quality", "not_ordered", "not_received", "duplicate", "tax", "other")
LONGEST_NOTE, LONGEST_REFERENCE = 1000, 64
_MOST_LINES = 200
"""Of an invoice that a page lists; whoever disputes one with more writes which."""


class _Fault(Exception):
    """What was typed cannot be taken; the name of the field."""


@pages.get("/portal/reply/{token}", public=True)
def show(request: PageRequest) -> Page:
    """Show what the reminder was about, and what can be answered."""
    try:
        link = reply_links.find(request.call, request.path["token"])
    except NotFound:
        return _unknown()
    done = request.query.get("done")
    context = {
        "link": link,
        "open": [answer for answer in ANSWERS if _is_open(link, answer)],
        "done": done if done in link.answered else None,
        "pauses_days": replies.PAID_PAUSES_DAYS,
    }
    return Page("reminders/reply.html", context, brand=link.entity)


@pages.get("/portal/reply/{token}/{answer}", public=True)
def ask(request: PageRequest) -> Page | Redirect:
    """Ask what belongs to an answer; only its button acts."""
    try:
        link = reply_links.find(request.call, request.path["token"])
    except NotFound:
        return _unknown()
    answer = request.path["answer"]
    if answer not in ANSWERS:
        raise NotFound
    if not _is_open(link, answer):
        return _back(link)
    return _asked(request, link, answer, {})


@pages.post("/portal/reply/{token}/{answer}", public=True)
def tell(request: PageRequest) -> Page | Redirect:
    """Take an answer. The same again changes nothing."""
    try:
        link = reply_links.find(request.call, request.path["token"])
    except NotFound:
        return _unknown()
    answer = request.path["answer"]
    if answer not in ANSWERS:
        raise NotFound
    try:
        _take(request, link, answer)
    except _Fault as fault:
        return _asked(request, link, answer, request.form, str(fault))
    except Invalid as refused:
        return _asked(request, link, answer, request.form, refused.fields[0].field if refused.fields else "on")
    except Conflict as refused:
        if refused.code in {"nothing_to_answer", "invoice_not_open"}:
            return _back(link)
        # What else stands in the way is for the vendor to mend.
        return _asked(request, link, answer, request.form, "impossible", status=409)
    return _back(link, answer)


def _take(request: PageRequest, link: Link, answer: str) -> None:
    call, token, form = request.call, link.token, request.form
    if answer == NOT_ME:
        replies.not_me(call, token, _text(form, "note", LONGEST_NOTE))
        return
    chosen = [one for one in link.invoices if f"invoice-{one.invoice_id}" in form]
    if not chosen:
        raise _Fault("invoices")
    ids = [one.invoice_id for one in chosen]
    if answer == PAID:
        replies.paid(call, token, ids, _day(form), _text(form, "reference", LONGEST_REFERENCE))
    elif answer == PROMISED:
        replies.promised(call, token, ids, _day(form))
    elif answer == SEND:
        if form.get("to") not in (replies.TO_ME, replies.TO_INVOICING):
            raise _Fault("to")
        replies.send_again(call, token, ids, form["to"])
    else:
        reason, note = form.get("reason", ""), _text(form, "note", LONGEST_NOTE)
        if reason not in REASONS:
            raise _Fault("reason")
        alone = len(chosen) == 1
        lines = tuple(number for number in range(1, chosen[0].line_count + 1) if f"line-{number}" in form and alone)
        amount = _amount(form, chosen[0], _reader(request, link)) if alone else None
        replies.problem(call, token, ids, reason, note, lines, amount)


def _asked(
    request: PageRequest,
    link: Link,
    answer: str,
    typed: Mapping[str, str],
    fault: str | None = None,
    status: int = 422,
) -> Page | Redirect:
    left = link.left_for(answer)
    if not left and answer != NOT_ME:
        return _back(link)
    wanted = typed.get("only") or request.query.get("invoice")
    alone = next((one for one in left if one.invoice_id == wanted), left[0] if len(left) == 1 else None)
    context: dict[str, Any] = {
        "link": link,
        "answer": answer,
        "invoices": [alone] if alone else left,
        "others": len(left) > 1 and alone is not None,
        "alone": alone,
        "typed": defaultdict(str, typed),
        "fresh": not typed,
        "fault": fault,
        "reasons": REASONS,
        "lines": _lines(alone) if alone and answer == PROBLEM else (),
        "first": link.today - timedelta(days=365),
        "last": link.today,
        "longest_note": LONGEST_NOTE,
        "longest_reference": LONGEST_REFERENCE,
        "pauses_days": replies.PAID_PAUSES_DAYS,
    }
    if answer == PROMISED:
        span = replies.span(request.call, link)
        context |= {"first": span.first, "last": span.last}
    return Page("reminders/answer.html", context, status=status if fault else 200, brand=link.entity)


def _is_open(link: Link, answer: str) -> bool:
    return not link.closed and (answer == NOT_ME or bool(link.left_for(answer)))


def _lines(invoice: Invoice) -> Sequence[Line]:
    return reading.get_content(invoice).lines if invoice.line_count <= _MOST_LINES else ()


def _back(link: Link, done: str | None = None) -> Redirect:
    return Redirect(f"{REPLY_PAGE}/{link.token}" + (f"?done={done}" if done else ""))


def _unknown() -> Page:
    return Page("reminders/reply.html", {"link": None}, status=404)


def _reader(request: PageRequest, link: Link) -> Locale:
    return languages.formats(texts.best(request.languages, link.entity.locale))


def _day(form: Mapping[str, str]) -> date:
    try:
        return date.fromisoformat(form.get("on", ""))
    except ValueError:
        raise _Fault("on") from None


def _text(form: Mapping[str, str], name: str, longest: int) -> str | None:
    try:
        text = fields.tidy_text(" ".join(form.get(name, "").split()))
    except ValueError:
        raise _Fault(name) from None
    if len(text) > longest:
        raise _Fault(name)
    return text or None


def _amount(form: Mapping[str, str], invoice: Invoice, reader: Locale) -> int | None:
    """Return the disputed amount in minor units, written as people write amounts; None when nothing was typed."""
    typed = form.get("amount", "").replace(invoice.currency, "").strip()
    if not typed:
        return None
    digits = money.digits(invoice.currency)
    try:
        plain = re.fullmatch(rf"[0-9]{{1,15}}([.,][0-9]{{1,{max(digits, 1)}}})?", typed)
        found = Decimal(typed.replace(",", ".")) if plain else numbers.parse_decimal(typed, locale=reader, strict=True)
        minor = found.scaleb(digits)
    except (numbers.NumberFormatError, InvalidOperation):
        raise _Fault("amount") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor <= invoice.total:
        raise _Fault("amount")
    return int(minor)
