"""How many sign-in and reset emails, and how many tries of a password, may be asked for (A5, A13).

Requests count for their network. Emails count for the mailbox that they go to, in the transaction that prepares them.
"""

from dataclasses import dataclass
from datetime import datetime

from chalicelib.config import settings
from chalicelib.errors import LimitReached
from chalicelib.mailboxes import mailbox_of
from chalicelib.rate_limits import (
    ADDRESS_MAIL_LIMITS,
    KNOWN_BROWSERS_MAIL_LIMITS,
    NETWORK_REQUEST_LIMITS,
    hash_network,
    instants_in_window,
    next_allowed_at,
)
from chalicelib.table import keys, store
from chalicelib.table.items import RateLimitItem
from chalicelib.table.keys import Key
from chalicelib.tokens import sha256_hex


def network_key(kind: str, source_ip: str) -> Key:
    """Return the key of the row that counts requests of a kind from the caller's network."""
    return keys.rate_limit(f"{kind}_network", hash_network(source_ip, settings().signing_key))


def browser_key(kind: str, browser_id: str) -> Key:
    """Return the key of the row that counts requests of a kind from a browser instead of its network's."""
    return keys.rate_limit(f"{kind}_browser", browser_id)


def count_request(
    transaction: store.Transaction, key: Key, row: RateLimitItem | None, now: datetime, code: str, message: str
) -> None:
    """Count a request in the row at ``key``. Raises LimitReached with ``code`` when there were 30 in five minutes."""
    earlier = [datetime.fromisoformat(text) for text in (row.instants if row else [])]
    free_at = next_allowed_at(earlier, NETWORK_REQUEST_LIMITS, now)
    if free_at is not None:
        raise LimitReached(code, message, retry_after=int((free_at - now).total_seconds()) + 1)
    counted = row or RateLimitItem(key.pk, key.sk)
    within = instants_in_window([*earlier, now], NETWORK_REQUEST_LIMITS, now)
    counted.instants = [keys.format_instant(instant) for instant in within]
    counted.expires_at = now + NETWORK_REQUEST_LIMITS[-1][1]
    transaction.put(counted, new=row is None)


@dataclass(frozen=True)
class MailAllowance:
    """The emails of a kind that a mailbox may get: asked for by strangers, or by browsers that it knows.

    ``browser_id`` is None for a stranger. One row counts what strangers ask for; another one all known browsers,
    each by itself and together.
    """

    kind: str
    email: str
    browser_id: str | None

    @property
    def key(self) -> Key:
        """Return the key of the row that counts. By hash, since the address may be a stranger's, or erased (C4)."""
        kind = f"{self.kind}_mail" if self.browser_id is None else f"{self.kind}_mail_known"
        return keys.rate_limit(kind, sha256_hex(mailbox_of(self.email)))

    def is_spent(self, row: RateLimitItem | None, email_id: str, now: datetime) -> bool:
        """Tell whether the email ``email_id`` would be one too many."""
        sent = _sent_mails(row, email_id)
        own = [mail.at for mail in sent if mail.browser_id == self.browser_id]
        everything = [mail.at for mail in sent]
        return next_allowed_at(own, ADDRESS_MAIL_LIMITS, now) is not None or (
            self.browser_id is not None and next_allowed_at(everything, KNOWN_BROWSERS_MAIL_LIMITS, now) is not None
        )

    def count(self, transaction: store.Transaction, row: RateLimitItem | None, email_id: str, now: datetime) -> None:
        """Count the email, once however often it is prepared."""
        sent = [*_sent_mails(row, email_id), _SentMail(now, email_id, self.browser_id)]
        within = set(instants_in_window([mail.at for mail in sent], ADDRESS_MAIL_LIMITS, now))
        item = row or RateLimitItem(self.key.pk, self.key.sk)
        item.instants = [mail.entry for mail in sent if mail.at in within]
        item.expires_at = now + ADDRESS_MAIL_LIMITS[-1][1]
        transaction.put(item, new=row is None)


@dataclass(frozen=True)
class _SentMail:
    at: datetime
    email_id: str
    browser_id: str | None

    @property
    def entry(self) -> str:
        return " ".join(part for part in (keys.format_instant(self.at), self.email_id, self.browser_id) if part)


def _sent_mails(row: RateLimitItem | None, email_id: str) -> list[_SentMail]:
    """Return the emails that count, without ``email_id``, which an earlier claim may have counted."""
    parts = [entry.split(" ") for entry in (row.instants if row else [])]
    sent = [_SentMail(datetime.fromisoformat(at), other, rest[0] if rest else None) for at, other, *rest in parts]
    return [mail for mail in sent if mail.email_id != email_id]
