"""The content of emails with a temporary password or a reset link, created at the claim, stored as hashes (I4)."""

import secrets

from chalicelib import languages
from chalicelib.accounts.rules import Account
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.entities.service import get_cached_entity
from chalicelib.mail.sending.late_binding import ClaimedMail, PreparedMail, WithheldMail
from chalicelib.passwords import emails, rules
from chalicelib.passwords.hashing import hash_password
from chalicelib.request_context import RequestContext
from chalicelib.sessions.known_browsers import KnownBrowser, find_browser_id
from chalicelib.sessions.request_limits import MailAllowance
from chalicelib.table import keys, store
from chalicelib.table.items import PasswordResetItem, UserNameItem
from chalicelib.table.suppressed import is_suppressed, suppression_keys
from chalicelib.tokens import new_secret, sha256_hex


def prepare_temporary_password(outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
    """Make the temporary password that the mail carries, unless something else was decided since."""
    item = store.get_item(UserNameItem, keys.user_name(rules.fold_user_name(str(outgoing.context["user_name"]))))
    if item is None or item.ticket is None or item.ticket != outgoing.context["ticket"]:
        return WithheldMail("superseded")
    if is_suppressed(item.email, store.batch_get_items(suppression_keys([item.email]))):
        return WithheldMail("suppressed")
    password = "-".join(
        "".join(secrets.choice(rules.TEMPORARY_ALPHABET) for _ in range(rules.TEMPORARY_GROUP_LENGTH))
        for _ in range(rules.TEMPORARY_GROUP_COUNT)
    )
    until = context.now + rules.TEMPORARY_LIFETIME

    def write(transaction: store.Transaction) -> None:
        item.temporary_hash = hash_password(password)
        item.temporary_until = until
        transaction.replace(item)

    zone = _get_account_time_zone(outgoing.account_id) or get_cached_entity(outgoing.entity_id, context.now).time_zone
    expires = languages.format_moment(until, languages.formatting_locale(outgoing.locale), zone)
    return PreparedMail({"password": password, "until": expires}, write)


def prepare_password_reset(outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
    """Prepare the email with a reset link, or withhold it; the person who requested it learns nothing of it."""
    user_name = str(outgoing.context["asked_for"])
    item = store.get_item(UserNameItem, keys.user_name(user_name))
    if item is None:
        return WithheldMail("not_admitted")
    browser = KnownBrowser.from_json(outgoing.context.get("browser"))
    allowance = MailAllowance("password", item.email, find_browser_id(browser, item.email))
    wanted = (keys.account(item.account_id), keys.contact(item.account_id, item.contact_id), allowance.key)
    around = store.batch_get_items([*wanted, *suppression_keys([item.email])])
    account_item, contact_item, limit = (around.get(key) for key in wanted)
    if account_item is None or contact_item is None or contact_item.status != ACTIVE:
        return WithheldMail("not_admitted")
    if is_suppressed(item.email, around):
        return WithheldMail("suppressed")
    if allowance.is_spent(limit, outgoing.email_id, context.now):
        return WithheldMail("limit")
    account, contact = store.from_item(Account, account_item), store.from_item(Contact, contact_item)
    entity = get_cached_entity(account.entity_id, context.now)
    locale = contact.locale or account.locale or entity.locale
    token = new_secret(rules.RESET_PREFIX)
    until = context.now + rules.RESET_LIFETIME

    def write(transaction: store.Transaction) -> None:
        allowance.count(transaction, limit, outgoing.email_id, context.now)
        key = keys.password_reset(sha256_hex(token))
        transaction.create(
            PasswordResetItem(
                key.pk,
                key.sk,
                user_name=user_name,
                created_at=context.now,
                ends_at=until,
                expires_at=until,
            )
        )

    variables = {
        "account_name": account.name,
        "contact_name": contact.name,
        "user_name": item.user_name,
        "link": emails.build_password_page_url(token),
        "until": languages.format_moment(
            until, languages.formatting_locale(locale), account.time_zone or entity.time_zone
        ),
    }
    return PreparedMail(variables, write, entity_id=entity.entity_id, locale=locale, to=(item.email,))


def _get_account_time_zone(account_id: str | None) -> str | None:
    key = keys.account(str(account_id))
    account = store.batch_get_items([key]).get(key)
    return account.time_zone if account else None
