"""The claims of the mails that carry a temporary password or a link to reset one: made here, kept as hashes (I4)."""

import secrets
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import dates

from chalicelib.access.rules import hash_of
from chalicelib.accounts.rules import Account
from chalicelib.call import Call
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.entities.service import remembered_entity
from chalicelib.mail import languages
from chalicelib.mail.claims import Outgoing, Ready, Withheld
from chalicelib.passwords import emails, rules
from chalicelib.passwords.hashing import hash_password
from chalicelib.table import keys, store
from chalicelib.table.items import LimitItem, PasswordResetItem, UserNameItem


def prepare_temporary(outgoing: Outgoing, call: Call) -> Ready | Withheld:
    """Make the temporary password that the mail carries, unless something else was decided since."""
    item = store.get(UserNameItem, keys.user_name(rules.folded(str(outgoing.context["user_name"]))))
    if item is None or item.ticket is None or item.ticket != outgoing.context["ticket"]:
        return Withheld("superseded")
    if keys.suppression(item.email) in store.batch([keys.suppression(item.email)]):
        return Withheld("suppressed")
    password = "-".join(
        "".join(secrets.choice(rules.TEMPORARY_ALPHABET) for _ in range(rules.TEMPORARY_GROUP))
        for _ in range(rules.TEMPORARY_GROUPS)
    )
    until = call.now + rules.TEMPORARY_LIFETIME

    def write(transaction: store.Transaction) -> None:
        item.temporary_hash = hash_password(password)
        item.temporary_until = until
        transaction.replace(item)

    zone = _zone(outgoing.account_id)
    return Ready({"password": password, "until": _moment(until, outgoing.locale, zone)}, write)


def prepare_reset(outgoing: Outgoing, call: Call) -> Ready | Withheld:
    """Decide whether a link to reset a password goes, and make it; whoever asked learns nothing of it."""
    user_name = str(outgoing.context["asked_for"])
    own, sent = keys.user_name(user_name), keys.limit("password_mail", hash_of(user_name))
    found = store.batch([own, sent])
    item, limit = found.get(own), found.get(sent)
    if item is None:
        return Withheld("not_admitted")
    wanted = (
        keys.account(item.account_id), keys.contact(item.account_id, item.contact_id), keys.suppression(item.email),
    )  # fmt: skip
    around = store.batch(wanted)
    account_item, contact_item = around.get(wanted[0]), around.get(wanted[1])
    if account_item is None or contact_item is None or contact_item.status != ACTIVE:
        return Withheld("not_admitted")
    if wanted[2] in around:
        return Withheld("suppressed")
    earlier = rules.counted(limit.instants if limit else [], call.now)
    if not rules.within_limits(earlier, call.now):
        return Withheld("limit")
    account, contact = store.load(Account, account_item), store.load(Contact, contact_item)
    entity = remembered_entity(account.entity_id, call.now)
    locale = contact.locale or account.locale or entity.locale
    token = rules.RESET_PREFIX + secrets.token_urlsafe(rules.RESET_BYTES)
    until = call.now + rules.RESET_LIFETIME

    def write(transaction: store.Transaction) -> None:
        counting = limit or LimitItem(sent.pk, sent.sk)
        counting.instants = [keys.instant(instant) for instant in (*earlier, call.now)]
        counting.expires_at = int((call.now + rules.FAILURES_COUNT_FOR).timestamp())
        transaction.put(counting, new=limit is None)
        key = keys.password_reset(hash_of(token))
        transaction.create(
            PasswordResetItem(
                key.pk,
                key.sk,
                user_name=user_name,
                created_at=call.now,
                ends_at=until,
                expires_at=int(until.timestamp()),
            )
        )

    context = {
        "account_name": account.name,
        "contact_name": contact.name,
        "user_name": item.user_name,
        "link": emails.password_page(token),
        "until": _moment(until, locale, account.time_zone or entity.time_zone),
    }
    return Ready(context, write, entity_id=entity.entity_id, locale=locale, to=(item.email,))


def _zone(account_id: str | None) -> str:
    key = keys.account(str(account_id))
    account = store.batch([key]).get(key)
    return str(account.time_zone or "UTC") if account else "UTC"


def _moment(moment: datetime, locale: str, time_zone: str) -> str:
    zone, reader = ZoneInfo(time_zone), languages.formats(locale)
    local = moment.astimezone(zone)
    return str(dates.format_datetime(local, "long", tzinfo=zone, locale=reader))
