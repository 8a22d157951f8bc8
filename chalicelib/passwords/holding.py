"""Use cases of whoever holds a password: to sign in with it, to set one's own, to have it reset by mail (A6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.access import service as access
from chalicelib.access.grants import Grant
from chalicelib.access.rules import hash_of
from chalicelib.accounts.rules import Account
from chalicelib.audit import service as audit
from chalicelib.call import Actor, Call
from chalicelib.contacts.rules import Contact
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import remembered_entity, remembered_sole_entity
from chalicelib.errors import Conflict, Forbidden, Invalid, LimitReached
from chalicelib.mail import outbox
from chalicelib.passwords import emails, rules
from chalicelib.passwords.hashing import check_new, hash_password, verify
from chalicelib.sessions import rules as session_rules
from chalicelib.sessions import service as sessions
from chalicelib.table import keys, store
from chalicelib.table.items import LimitItem, PasswordResetItem, UserNameItem
from chalicelib.table.keys import Key

_MOST_BILL_GROUPS = 100

Pair = tuple[str, str]


@dataclass(frozen=True)
class Opened:
    """A session that was opened, with its token, which is told this once."""

    session_id: str
    token: str
    kind: str
    email: str
    ends_at: datetime
    bill_groups: tuple[Pair, ...]


def sign_in(call: Call, user_name: str, password: str, client: str | None) -> Opened:
    """Open a session for the bill groups of the user name's account that admit the person now.

    Raises Forbidden for a wrong user name or password, in the same time and with the same calls; for a temporary
    password, which opens nothing; and when nothing admits the person. Raises LimitReached while it is to wait.
    """

    def attempt() -> Opened:
        item = _proved(call, user_name, password)
        if item.password_hash is None:
            raise rules.must_be_set()
        pairs = _admitted(item, call.now)
        if not pairs:
            raise Forbidden("no_access", "Nothing admits you at present. Ask the account's owner or the vendor.")
        transaction = store.Transaction(call)
        # Whoever changes the password at this moment sees this sign-in, and ends its session.
        item.used_at = call.now
        transaction.replace(item)
        transaction.erase(_tries(user_name))
        session_id, token = sessions.open_session(
            transaction,
            call,
            kind="portal_user",
            email=item.email,
            bill_groups=pairs,
            origin=session_rules.BY_PASSWORD,
            client=client,
        )
        transaction.commit()
        return Opened(
            session_id, token, "portal_user", item.email, session_rules.ends_at("portal_user", call.now), pairs
        )

    return store.deciding_again(attempt)


def _tries(user_name: str) -> Key:
    # By its hash: whatever was typed is the name of a row then, however long or odd.
    return keys.limit("password", hash_of(rules.folded(user_name)))


def _proved(call: Call, user_name: str, password: str) -> UserNameItem:
    """Return the row of a user name whose password, lasting or temporary, is the given one.

    The try is counted before it is heard, so that many at once are no way around the pauses.
    """
    item = store.deciding_again(lambda: _count_try(call, user_name))
    tidy = rules.normalised(password)[: rules.LONGEST + 1]
    lasting = verify(tidy, item.password_hash if item else None)
    temporary = verify(tidy, _temporary_hash(item, call.now))
    if item is None or not (lasting or temporary):
        raise rules.wrong()
    return item


def _temporary_hash(item: UserNameItem | None, now: datetime) -> str | None:
    if item is None or item.temporary_until is None or item.temporary_until <= now:
        return None
    return item.temporary_hash


def _count_try(call: Call, user_name: str) -> UserNameItem | None:
    own, tries = keys.user_name(rules.folded(user_name)[: rules.LONGEST_USER_NAME]), _tries(user_name)
    found = store.batch([own, tries])
    limit = found.get(tries)
    failures = rules.counted(limit.instants if limit else [], call.now)
    free_at = rules.may_try_at(failures)
    if free_at is not None and call.now < free_at:
        seconds = int((free_at - call.now) / timedelta(seconds=1)) + 1
        raise LimitReached(
            "too_many_tries",
            "There were too many tries with this user name. Wait, or sign in by a link to your email address.",
            retry_after=seconds,
        )
    counted = [*failures, call.now][-rules.FAILURES_KEPT :]
    item = limit or LimitItem(tries.pk, tries.sk)
    item.instants = [keys.instant(instant) for instant in counted]
    item.expires_at = int((call.now + rules.FAILURES_COUNT_FOR).timestamp())
    if limit is None:
        store.create(item)
    else:
        store.replace(item)
    return found.get(own)


def _admitted(item: UserNameItem, now: datetime) -> tuple[Pair, ...]:
    """Return the bill groups of the account that admit the person: found by an index, decided strongly."""
    page = store.query_index(keys.bill_group_listed(item.account_id, "").pk, limit=_MOST_BILL_GROUPS)
    pairs = [(group.bill_group_id, item.account_id) for group in page.items]
    if not pairs:
        return ()
    found = store.batch(access.needed_rows(item.email, pairs))
    return tuple(pair for pair in pairs if isinstance(access.decide(item.email, pair, found, now), Grant))


def brand(now: datetime) -> Entity | None:
    """Return the issuing entity whose brand the pages wear: the only one, if there is but one."""
    return remembered_sole_entity(now)


def change_password(call: Call, user_name: str, current: str, new: str) -> None:
    """Set one's own password, by the one that holds now or by a temporary one, which is spent by it.

    All sessions of the person end. Raises Forbidden and LimitReached as ``sign_in`` does, Invalid for a password that
    is too short or easy to guess, or that is the one that held before.
    """
    tidy = check_new(new, "password", user_name)
    if tidy == rules.normalised(current):
        raise Invalid.field("password", "same_password", "Choose another password than the one that you have.")

    def attempt() -> None:
        item = _proved(call, user_name, current)
        _set(call, item, tidy, erase=(_tries(user_name),))

    store.deciding_again(attempt)


def ask_for_reset(call: Call, user_name: str) -> None:
    """Have a link mailed by which the password can be set anew; whether one goes is not told, nor can be seen."""

    def attempt() -> None:
        transaction = store.Transaction(call)
        outbox.enqueue(transaction, call, emails.password_reset(rules.folded(user_name)))
        transaction.commit()

    store.deciding_again(attempt)


def reset_password(call: Call, token: str, new: str) -> None:
    """Set one's own password by the link of a mail, once. All sessions of the person end.

    Raises Conflict for a link that is too old, was used, or was followed by another change; Invalid as
    ``change_password`` does.
    """
    own = keys.password_reset(hash_of(token))

    def attempt() -> None:
        link = store.get(PasswordResetItem, own)
        item = None
        if link is not None and call.now < link.ends_at:
            item = store.get(UserNameItem, keys.user_name(link.user_name))
        if link is None or item is None or (item.changed_at is not None and item.changed_at > link.created_at):
            raise Conflict("reset_expired", "This link has been used or is too old. Ask for a new one.")
        tidy = check_new(new, "password", item.user_name, item.email)
        _set(call, item, tidy, spent=link, erase=(_tries(item.user_name),))

    store.deciding_again(attempt)


def _set(
    call: Call, item: UserNameItem, password: str, *, spent: PasswordResetItem | None = None, erase: Sequence[Key] = ()
) -> None:
    """Write the new password, end all sessions, tell the person, and record it."""
    wanted = (
        keys.identity(item.email), keys.account(item.account_id), keys.contact(item.account_id, item.contact_id),
    )  # fmt: skip
    found = store.batch(wanted)
    account_item, contact_item = found.get(wanted[1]), found.get(wanted[2])
    if account_item is None or contact_item is None:
        raise rules.wrong()
    account, contact = store.load(Account, account_item), store.load(Contact, contact_item)
    entity = remembered_entity(account.entity_id, call.now)
    acting = replace(call, actor=Actor("portal_user", item.email, item.email))
    transaction = store.Transaction(acting)
    item.password_hash = hash_password(password)
    item.temporary_hash = None
    item.temporary_until = None
    item.ticket = None
    item.changed_at = call.now
    transaction.replace(item)
    if spent is not None:
        transaction.delete(spent)
    for key in erase:
        transaction.erase(key)
    sessions.end_all(transaction, item.email, found.get(wanted[0]), sessions.just_after(call.now, item.used_at))
    audit.record(transaction, acting, "password.set", "contact", item.contact_id, (), account_id=item.account_id)
    outbox.enqueue(transaction, acting, emails.password_changed(entity, account, contact, item.user_name))
    transaction.commit()
