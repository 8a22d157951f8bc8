"""The emails about user names and passwords. None carries a lasting password (A6)."""

from typing import Any

from chalicelib.accounts.rules import Account
from chalicelib.config import settings
from chalicelib.contacts.rules import Contact
from chalicelib.entities.rules import Entity
from chalicelib.mail.outbox import Mail
from chalicelib.passwords import rules
from chalicelib.sessions.known_browsers import KnownBrowser

TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105 - the name of a mail.
USER_NAME_GIVEN = "user_name_given"
PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a mail.
PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a mail.


def temporary_password(entity: Entity, account: Account, contact: Contact, user_name: str, ticket: str) -> Mail:
    """Return the mail with a temporary password, which is made when the mail is claimed.

    ``ticket`` names the wish for it: once another one has replaced it, the mail does not go.
    """
    about = {"user_name": user_name, "ticket": ticket, "link": build_password_page_url()}
    return _build_mail(TEMPORARY_PASSWORD, entity, account, contact, about)


def user_name_given(entity: Entity, account: Account, contact: Contact, user_name: str) -> Mail:
    """Return the mail that tells a user name; the temporary password that staff chose is theirs to hand over."""
    return _build_mail(
        USER_NAME_GIVEN, entity, account, contact, {"user_name": user_name, "link": build_password_page_url()}
    )


def password_changed(entity: Entity, account: Account, contact: Contact, user_name: str) -> Mail:
    """Return the notice that a password was set, changed or reset."""
    return _build_mail(PASSWORD_CHANGED, entity, account, contact, {"user_name": user_name})


def password_reset(user_name: str, browser: KnownBrowser | None) -> Mail:
    """Return the mail with a link to reset a password, as it is asked for: alike for every user name.

    Its claim decides whether it goes, and to whom. ``browser`` is the one that asks, if it has signed in before.
    """
    return Mail(
        kind=PASSWORD_RESET,
        entity_id="",
        account_id=None,
        to=(),
        locale="en",
        lifetime=rules.RESET_LIFETIME,
        context={"asked_for": user_name, "browser": browser.to_json() if browser else None},
        urgent=True,
        about_password=True,
        security=True,
    )


def build_password_page_url(token: str | None = None) -> str:
    """Return the address of the page where one's own password is set, by the link of a mail if there is one."""
    page = f"{settings().public_url}/portal/password"
    return page if token is None else f"{page}/{token}"


def _build_mail(kind: str, entity: Entity, account: Account, contact: Contact, about: dict[str, Any]) -> Mail:
    return Mail(
        kind=kind,
        entity_id=entity.entity_id,
        account_id=account.account_id,
        contact_id=contact.contact_id,
        to=(contact.email,),
        locale=contact.locale or account.locale or entity.locale,
        lifetime=rules.TEMPORARY_LIFETIME,
        context={"account_name": account.name, "contact_name": contact.name, **about},
        urgent=True,
        about_password=True,
        security=True,
    )
