"""The pages by which a contact replies to a reminder, without signing in (R6). GET changes nothing."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.portal import reply_forms
from chalicelib.reminders.replies import links, service
from chalicelib.reminders.replies.links import ANSWERS, NOT_ME, PAID, PROBLEM, PROMISED, SEND, ReplyLink
from chalicelib.reminders.run.mail_content import REPLY_PATH
from chalicelib.web import Page, PageRequest, Pages, Redirect, texts

replies_pages = Pages()


@replies_pages.get("/portal/reply/{token}", public=True)
def show_reply(request: PageRequest) -> Page:
    """Show the invoices of the reminder, and the possible answers."""
    try:
        link = links.find_reply_link(request.context, request.path["token"])
    except NotFound:
        return _unknown_link()
    done = request.query.get("done")
    context = {
        "link": link,
        "open": [answer for answer in ANSWERS if _can_answer(link, answer)],
        "done": done if done in link.answered else None,
        "pauses_days": service.PAID_PAUSE_DAYS,
    }
    return Page("portal/replies/reply.html", context, brand=link.entity)


@replies_pages.get("/portal/reply/{token}/{answer}", public=True)
def show_answer(request: PageRequest) -> Page | Redirect:
    """Show the form of an answer; only its button acts."""
    try:
        link = links.find_reply_link(request.context, request.path["token"])
    except NotFound:
        return _unknown_link()
    answer = request.path["answer"]
    if answer not in ANSWERS:
        raise NotFound
    if not _can_answer(link, answer):
        return _redirect_to_link(link)
    return _answer_form(request, link, answer, {})


@replies_pages.post("/portal/reply/{token}/{answer}", public=True)
def submit_answer(request: PageRequest) -> Page | Redirect:
    """Record an answer. The same answer again changes nothing."""
    try:
        link = links.find_reply_link(request.context, request.path["token"])
    except NotFound:
        return _unknown_link()
    answer = request.path["answer"]
    if answer not in ANSWERS:
        raise NotFound
    try:
        _apply_answer(request, link, answer)
    except reply_forms.BadFormField as fault:
        return _answer_form(request, link, answer, request.typed, str(fault))
    except InvalidInput as refused:
        return _answer_form(request, link, answer, request.typed, refused.fields[0].field if refused.fields else "on")
    except Conflict as refused:
        if refused.code in {"nothing_to_answer", "invoice_not_open"}:
            return _redirect_to_link(link)
        # The vendor has to clear any other conflict.
        return _answer_form(request, link, answer, request.typed, "impossible", status=409)
    return _redirect_to_link(link, answer)


def _apply_answer(request: PageRequest, link: ReplyLink, answer: str) -> None:
    context, token, typed = request.context, link.token, request.typed
    if answer == NOT_ME:
        service.reply_not_me(context, token, request.parse_form(reply_forms.NotMeForm).note)
        return
    chosen_ids = reply_forms.list_ticked(typed, "invoice", [one.invoice_id for one in link.invoices])
    if not chosen_ids:
        raise reply_forms.BadFormField("invoices")
    if answer == PAID:
        paid = request.parse_form(reply_forms.PaidForm)
        service.reply_paid(context, token, chosen_ids, paid.on, paid.reference)
    elif answer == PROMISED:
        service.reply_promised(context, token, chosen_ids, request.parse_form(reply_forms.PromisedForm).on)
    elif answer == SEND:
        service.reply_send_again(context, token, chosen_ids, request.parse_form(reply_forms.SendForm).to)
    else:
        problem = request.parse_form(reply_forms.ProblemForm)
        alone = next((one for one in link.invoices if [one.invoice_id] == chosen_ids), None)
        lines: tuple[int, ...] = ()
        amount = None
        if alone is not None:
            numbers = [str(number) for number in range(1, alone.line_count + 1)]
            lines = tuple(map(int, reply_forms.list_ticked(typed, "line", numbers)))
            locale = texts.choose_page_locale(request.languages, link.entity.locale)
            amount = reply_forms.parse_disputed_amount(typed.get("amount", ""), alone, locale)
        service.reply_problem(context, token, chosen_ids, problem.reason, problem.note, lines, amount)


def _answer_form(
    request: PageRequest,
    link: ReplyLink,
    answer: str,
    typed: Mapping[str, str],
    fault: str | None = None,
    status: int = 422,
) -> Page | Redirect:
    left = link.answerable_invoices(answer)
    if not left and answer != NOT_ME:
        return _redirect_to_link(link)
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
        "reasons": reply_forms.DISPUTE_REASONS,
        "lines": links.selectable_lines(alone) if alone and answer == PROBLEM else (),
        "first": link.today,
        "last": link.today,
        "longest_note": reply_forms.MAX_LENGTHS["note"],
        "longest_reference": reply_forms.MAX_LENGTHS["reference"],
        "pauses_days": service.PAID_PAUSE_DAYS,
    }
    if answer == PROMISED:
        span = service.reply_promise_window(request.context, link)
        context |= {"first": span.first, "last": span.last}
    return Page("portal/replies/answer.html", context, status=status if fault else 200, brand=link.entity)


def _can_answer(link: ReplyLink, answer: str) -> bool:
    return not link.closed and (answer == NOT_ME or bool(link.answerable_invoices(answer)))


def _redirect_to_link(link: ReplyLink, done: str | None = None) -> Redirect:
    return Redirect(f"{REPLY_PATH}/{link.token}" + (f"?done={done}" if done else ""))


def _unknown_link() -> Page:
    return Page("portal/replies/reply.html", {"link": None}, status=404)
