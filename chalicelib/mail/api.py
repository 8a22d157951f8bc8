"""The history of an account's mails over HTTP (I5)."""

from datetime import datetime
from functools import partial

from pydantic import Field

from chalicelib.access.rules import Principal
from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.errors import NotFound
from chalicelib.mail import service
from chalicelib.mail.service import Email

routes = Routes("emails")


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


class EmailContentView(View):
    """What a mail said."""

    text: str
    html: str


class EmailView(EmailListed):
    """A mail with its events, and what it said."""

    attempts: int
    events: list[EmailEventView]
    content: EmailContentView | None = Field(description="Null for security mails, and until the mail was rendered.")


def _sees(principal: Principal, email: Email) -> bool:
    """Tell whether the caller may see a mail of the account (A9, I5).

    A portal user sees the mails about the bill groups where they have the permission; those about no bill group are
    about the account's contacts, and for who may see these too. Mails that are about access itself are not theirs.
    """
    if not principal.is_portal:
        return True
    if email.security:
        return False
    groups = [email.bill_group_id] if email.bill_group_id else list(principal.grants)
    wanted = {"emails"} if email.bill_group_id else {"emails", "contacts"}
    return any(all(principal.has(permission, group) for permission in wanted) for group in groups)


@routes.get("/v1/accounts/{account_id}/emails", may="emails.read", returns={200: Listing[EmailListed]}, paged=True)
def list_emails(request: Request[None, None]) -> Reply:
    """List the mails about an account, newest first."""
    seen = partial(_sees, request.principal)
    emails, after = service.list_emails(request.path["account_id"], request.page.after, request.page.limit, seen)
    return Reply(Listing(items=[_listed(email) for email in emails]), after=after)


@routes.get("/v1/accounts/{account_id}/emails/{email_id}", may="emails.read", returns={200: EmailView})
def get_email(request: Request[None, None]) -> Reply:
    """Read a mail with its events, and what it said."""
    email, content = service.get_email(request.path["account_id"], request.path["email_id"])
    if not _sees(request.principal, email):
        raise NotFound
    return Reply(
        EmailView(
            **_listed(email).model_dump(),
            attempts=email.attempts,
            events=[EmailEventView.model_validate(event, from_attributes=True) for event in email.events],
            content=EmailContentView(text=content.text, html=content.html) if content else None,
        )
    )


def _listed(email: Email) -> EmailListed:
    return EmailListed.model_validate(email, from_attributes=True)
