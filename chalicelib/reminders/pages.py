"""The pages by which a contact replies to a reminder, without signing in (R6). Looking changes nothing."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from chalicelib.errors import Conflict, Invalid, NotFound
from chalicelib.reminders import replies, reply_forms, reply_links
from chalicelib.reminders.mailing import REPLY_PAGE
from chalicelib.reminders.reply_links import ANSWERS, NOT_ME, PAID, PROBLEM, PROMISED, SEND, Link
from chalicelib.web import Page, PageRequest, Pages, Redirect, texts

pages = Pages()


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
    except reply_forms.Fault as fault:
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
        replies.not_me(call, token, reply_forms.text(form, "note"))
        return
    chosen = [one for one in link.invoices if f"invoice-{one.invoice_id}" in form]
    if not chosen:
        raise reply_forms.Fault("invoices")
    ids = [one.invoice_id for one in chosen]
    if answer == PAID:
        replies.paid(call, token, ids, reply_forms.day(form), reply_forms.text(form, "reference"))
    elif answer == PROMISED:
        replies.promised(call, token, ids, reply_forms.day(form))
    elif answer == SEND:
        if form.get("to") not in (replies.TO_ME, replies.TO_INVOICING):
            raise reply_forms.Fault("to")
        replies.send_again(call, token, ids, form["to"])
    else:
        reason, note = form.get("reason", ""), reply_forms.text(form, "note")
        if reason not in reply_forms.REASONS:
            raise reply_forms.Fault("reason")
        alone = len(chosen) == 1
        lines = tuple(number for number in range(1, chosen[0].line_count + 1) if f"line-{number}" in form and alone)
        locale = texts.best(request.languages, link.entity.locale)
        amount = reply_forms.amount(form, chosen[0], locale) if alone else None
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
        "reasons": reply_forms.REASONS,
        "lines": reply_links.lines_of(alone) if alone and answer == PROBLEM else (),
        "first": link.today,
        "last": link.today,
        "longest_note": reply_forms.LONGEST["note"],
        "longest_reference": reply_forms.LONGEST["reference"],
        "pauses_days": replies.PAID_PAUSES_DAYS,
    }
    if answer == PROMISED:
        span = replies.span(request.call, link)
        context |= {"first": span.first, "last": span.last}
    return Page("reminders/answer.html", context, status=status if fault else 200, brand=link.entity)


def _is_open(link: Link, answer: str) -> bool:
    return not link.closed and (answer == NOT_ME or bool(link.left_for(answer)))


def _back(link: Link, done: str | None = None) -> Redirect:
    return Redirect(f"{REPLY_PAGE}/{link.token}" + (f"?done={done}" if done else ""))


def _unknown() -> Page:
    return Page("reminders/reply.html", {"link": None}, status=404)
