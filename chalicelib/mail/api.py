"""The history of an account's mails (I5), suppressed addresses (I6) and mail health over HTTP."""

from datetime import date, datetime, timedelta
from functools import partial

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.field_types import CalendarDate, VendorId
from chalicelib.mail import resend, rules, service
from chalicelib.mail.feedback import health, suppressions
from chalicelib.mail.service import Email
from chalicelib.permissions import Principal

mail_routes = Routes("emails")


class EmailEventView(View):
    """What the email provider reported."""

    at: datetime
    kind: str = Field(
        description="send, delivery_delay, delivery, transient_bounce, permanent_bounce, complaint or reject."
    )
    detail: str
    recipients: list[str]


class EmailListed(View):
    """An email about an account, sent or waiting."""

    email_id: str
    kind: str
    status: str = Field(
        description="queued, sending, sent, delivered, bounced, complained, failed, unknown, or captured by the mail "
        "mode of the deployment."
    )
    reason: str | None
    subject: str | None = Field(description="Null until the email was first rendered.")
    to: list[str]
    cc: list[str]
    locale: str
    bill_group_id: str | None
    contact_id: str | None
    created_at: datetime
    not_after: datetime = Field(description="When the email expires if it was not sent.")
    sent_at: datetime | None


class RecipientView(View):
    """The status of an email for one recipient."""

    email: str
    cc: bool
    status: str = Field(
        description="That of the email unless more is known about this recipient. Withheld: not sent to this recipient."
    )
    reason: str | None = Field(
        description="Withheld: suppressed, not_on_allowlist or mail_mode_redirect. Bounced: permanent or transient."
    )
    at: datetime | None
    detail: str


class AttachmentView(View):
    """An attachment of an email."""

    name: str
    media_type: str
    size: int = Field(description="Bytes.")


class EmailContentView(View):
    """What an email said."""

    text: str
    html: str


class EmailView(EmailListed):
    """An email with its events, and what it said."""

    attempts: int
    recipients: list[RecipientView]
    attachments: list[AttachmentView]
    resent_from: str | None = Field(description="The email that this one repeats.")
    events: list[EmailEventView]
    content: EmailContentView | None = Field(description="Null for security emails, and until the email was rendered.")


def _can_see(principal: Principal, email: Email) -> bool:
    """Tell whether the caller may see a mail of the account (A9, I5).

    A portal user sees the mails about bill groups where they have the permission, at each of them; those about no bill
    group are about the account's contacts, and for who may see these too. Mails about access itself are not theirs.
    """
    if not principal.is_portal:
        return True
    if email.security:
        return False
    about = email.bill_group_ids or ((email.bill_group_id,) if email.bill_group_id else ())
    if about:
        return all(principal.has("emails", group) for group in about)
    return any(principal.has("emails", group) and principal.has("contacts", group) for group in principal.grants)


@mail_routes.get("/v1/accounts/{account_id}/emails", may="emails.read", returns={200: Listing[EmailListed]}, paged=True)
def list_emails(request: Request[None, None]) -> Reply:
    """List the emails about an account, newest first."""
    seen = partial(_can_see, request.principal)
    emails, after = service.list_emails(request.path["account_id"], request.page.after, request.page.limit, seen)
    return Reply(Listing(items=[_listed_view(email) for email in emails]), after=after)


@mail_routes.get("/v1/accounts/{account_id}/emails/{email_id}", may="emails.read", returns={200: EmailView})
def get_email(request: Request[None, None]) -> Reply:
    """Read an email with its events, and what it said."""
    return _email_reply(request, request.path["email_id"])


def _rebuild_resent(request: Request[None, None]) -> Reply:
    """Read the mail that a repeated request has made."""
    return _email_reply(request, request.path["resent_email_id"])


@mail_routes.post(
    "/v1/accounts/{account_id}/emails/{email_id}/resend",
    may="emails.resend",
    returns={202: EmailView},
    raises=(
        "never_sent_again",
        "email_under_way",
        "email_erased",
        "nobody_left",
        "address_suppressed",
        "invoice_is_void",
    ),
    replay=_rebuild_resent,
)
def resend_email(request: Request[None, None]) -> Reply:
    """Resend an email to those of its recipients who are still contacts of the account.

    Its content is rendered again. Sign-in emails cannot be resent.
    """
    seen = partial(_can_see, request.principal)
    email_id = resend.resend(request.context, request.path["account_id"], request.path["email_id"], seen)
    reply = _email_reply(request, email_id)
    return Reply(reply.body, status=202)


def _email_reply(request: Request[None, None], email_id: str) -> Reply:
    email, content = service.get_email(request.path["account_id"], email_id)
    if not _can_see(request.principal, email):
        raise NotFound
    return Reply(
        EmailView(
            **_listed_view(email).model_dump(),
            attempts=email.attempts,
            recipients=[
                RecipientView.model_validate(one, from_attributes=True) for one in rules.recipient_statuses(email)
            ],
            attachments=[AttachmentView.model_validate(one, from_attributes=True) for one in email.attachments],
            resent_from=email.resent_from,
            events=[EmailEventView.model_validate(event, from_attributes=True) for event in email.events],
            content=EmailContentView(text=content.text, html=content.html) if content else None,
        )
    )


def _listed_view(email: Email) -> EmailListed:
    return EmailListed.model_validate(email, from_attributes=True)


class SuppressionView(View):
    """A suppressed address, which receives no email until someone clears it."""

    email: str
    reason: str = Field(description="permanent_bounce or complaint.")
    since: datetime
    email_id: str | None = Field(description="The email that bounced or was complained about.")
    detail: str | None = Field(description="What the email provider reported.")


@mail_routes.get("/v1/suppressions", may="suppressions.read", returns={200: Listing[SuppressionView]}, paged=True)
def list_suppressions(request: Request[None, None]) -> Reply:
    """List suppressed addresses, which receive no email."""
    found, after = suppressions.list_suppressions(request.page.after, request.page.limit)
    return Reply(
        Listing(items=[SuppressionView.model_validate(one, from_attributes=True) for one in found]), after=after
    )


@mail_routes.get("/v1/suppressions/{suppressed_email}", may="suppressions.read", returns={200: SuppressionView})
def get_suppression(request: Request[None, None]) -> Reply:
    """Read why an address is suppressed. 404 if it is not."""
    found = suppressions.get_suppression(request.path["suppressed_email"].lower())
    return Reply(SuppressionView.model_validate(found, from_attributes=True))


@mail_routes.delete("/v1/suppressions/{suppressed_email}", may="suppressions.clear", returns={204: None})
def clear_suppression(request: Request[None, None]) -> Reply:
    """Remove the suppression of an address, so that it receives email again."""
    suppressions.clear(request.context, request.path["suppressed_email"].lower())
    return Reply(status=204)


class MailHealthQuery(Query):
    """Which days of which issuing entity."""

    entity_id: VendorId
    since: CalendarDate | None = Field(
        default=None, description="The first day; without it, the 30 days up to `until`."
    )
    until: CalendarDate | None = Field(default=None, description="The last day; without it, today (UTC).")


class MailCountsView(View):
    """Counts by outcome. All except `mails` count recipients, each under every outcome that was reported."""

    mails: int
    sent: int
    delivered: int
    bounced: int = Field(description="Permanently.")
    bounced_for_now: int = Field(description="Neither delivered nor permanently bounced.")
    complained: int
    rejected: int


class MailDayView(MailCountsView):
    """Outcomes of the emails sent on a day."""

    day: date


class MailHealthView(View):
    """Outcomes of an issuing entity's emails, by the UTC day on which they were sent."""

    entity_id: str
    since: date
    until: date
    total: MailCountsView
    days: list[MailDayView] = Field(description="Days without an email are left out.")


@mail_routes.get("/v1/mail-health", may="mail_health.read", query=MailHealthQuery, returns={200: MailHealthView})
def get_mail_health(request: Request[None, MailHealthQuery]) -> Reply:
    """Read how many emails of an issuing entity were sent, delivered, bounced and complained about, day by day."""
    until = request.query.until or request.context.now.date()
    since = request.query.since or until - timedelta(days=29)
    if not timedelta() <= until - since < timedelta(days=health.MAX_DAYS):
        raise InvalidInput.field(
            "since", "bad_span", f"Ask for 1 to {health.MAX_DAYS} days; `since` is the first of them."
        )
    days = health.read_daily_counts(request.query.entity_id, since, until, request.context.now)
    return Reply(
        MailHealthView(
            entity_id=request.query.entity_id,
            since=since,
            until=until,
            total=MailCountsView(**vars(health.sum_counts(days))),
            days=[MailDayView(day=one.day, **vars(one.counts)) for one in days],
        )
    )
