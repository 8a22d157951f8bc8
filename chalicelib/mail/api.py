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
    """What the mail provider reported."""

    at: datetime
    kind: str = Field(
        description="send, delivery_delay, delivery, transient_bounce, permanent_bounce, complaint or reject."
    )
    detail: str
    recipients: list[str]


class EmailListed(View):
    """A mail that was sent, or is to be sent, about an account."""

    email_id: str
    kind: str
    status: str = Field(
        description="queued, sending, sent, delivered, bounced, complained, failed, unknown, or captured by the mail "
        "mode of the deployment."
    )
    reason: str | None
    subject: str | None = Field(description="Null until the mail was first rendered.")
    to: list[str]
    cc: list[str]
    locale: str
    bill_group_id: str | None
    contact_id: str | None
    created_at: datetime
    not_after: datetime = Field(description="When the mail is given up if it could not be sent.")
    sent_at: datetime | None


class RecipientView(View):
    """How a mail stands with one of those whom it was meant for."""

    email: str
    cc: bool
    status: str = Field(
        description="That of the mail, as far as nothing is known of this recipient alone; or withheld: the mail did "
        "not go to this one."
    )
    reason: str | None = Field(
        description="Withheld: suppressed, not_on_allowlist or mail_mode_redirect. Bounced: permanent or transient."
    )
    at: datetime | None
    detail: str


class AttachmentView(View):
    """A file that went with a mail."""

    name: str
    media_type: str
    size: int = Field(description="Bytes.")


class EmailContentView(View):
    """What a mail said."""

    text: str
    html: str


class EmailView(EmailListed):
    """A mail with its events, and what it said."""

    attempts: int
    recipients: list[RecipientView]
    attachments: list[AttachmentView]
    resent_from: str | None = Field(description="The mail that this one repeats.")
    events: list[EmailEventView]
    content: EmailContentView | None = Field(description="Null for security mails, and until the mail was rendered.")


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
    """List the mails about an account, newest first."""
    seen = partial(_can_see, request.principal)
    emails, after = service.list_emails(request.path["account_id"], request.page.after, request.page.limit, seen)
    return Reply(Listing(items=[_listed_view(email) for email in emails]), after=after)


@mail_routes.get("/v1/accounts/{account_id}/emails/{email_id}", may="emails.read", returns={200: EmailView})
def get_email(request: Request[None, None]) -> Reply:
    """Read a mail with its events, and what it said."""
    return _email_reply(request, request.path["email_id"])


def _rebuild_resent(request: Request[None, None]) -> Reply:
    """Read the mail that a repeated request has made."""
    return _email_reply(request, request.path["resent_email_id"])


@mail_routes.post(
    "/v1/accounts/{account_id}/emails/{email_id}/resend",
    may="emails.resend",
    returns={202: EmailView},
    raises=("never_sent_again", "email_under_way", "email_erased", "nobody_left", "address_suppressed"),
    replay=_rebuild_resent,
)
def resend_email(request: Request[None, None]) -> Reply:
    """Send a mail once more, to those of its recipients who are contacts of the account still.

    What it says is made anew. Mails about signing in are never sent again.
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
    """An address that gets no mail until a person clears it."""

    email: str
    reason: str = Field(description="permanent_bounce or complaint.")
    since: datetime
    email_id: str | None = Field(description="The mail that bounced or was complained about.")
    detail: str | None = Field(description="What the mail provider told of it.")


@mail_routes.get("/v1/suppressions", may="suppressions.read", returns={200: Listing[SuppressionView]}, paged=True)
def list_suppressions(request: Request[None, None]) -> Reply:
    """List the addresses that get no mail, in order."""
    found, after = suppressions.list_suppressions(request.page.after, request.page.limit)
    return Reply(
        Listing(items=[SuppressionView.model_validate(one, from_attributes=True) for one in found]), after=after
    )


@mail_routes.get("/v1/suppressions/{suppressed_email}", may="suppressions.read", returns={200: SuppressionView})
def get_suppression(request: Request[None, None]) -> Reply:
    """Read why an address gets no mail; 404 when it does."""
    found = suppressions.get_suppression(request.path["suppressed_email"].lower())
    return Reply(SuppressionView.model_validate(found, from_attributes=True))


@mail_routes.delete("/v1/suppressions/{suppressed_email}", may="suppressions.clear", returns={204: None})
def clear_suppression(request: Request[None, None]) -> Reply:
    """Let an address get mail again."""
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
    """What became of mails. All but `mails` count recipients; one is counted under each thing reported of it."""

    mails: int
    sent: int
    delivered: int
    bounced: int = Field(description="For good.")
    bounced_for_now: int = Field(description="And neither delivered nor bounced for good.")
    complained: int
    rejected: int


class MailDayView(MailCountsView):
    """What became of the mails that were sent on a day."""

    day: date


class MailHealthView(View):
    """What became of an issuing entity's mails, by the UTC day on which they were sent."""

    entity_id: str
    since: date
    until: date
    total: MailCountsView
    days: list[MailDayView] = Field(description="Days without a mail are left out.")


@mail_routes.get("/v1/mail-health", may="mail_health.read", query=MailHealthQuery, returns={200: MailHealthView})
def get_mail_health(request: Request[None, MailHealthQuery]) -> Reply:
    """Read how many mails of an issuing entity were sent, delivered, bounced and complained about, day by day."""
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
