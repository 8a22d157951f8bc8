"""Use cases of the holder of a password: sign in, change it, have it reset by email (A6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.access.service import access_decision_keys, decide_access
from chalicelib.accounts.rules import Account
from chalicelib.audit.service import record_audit_event
from chalicelib.contacts.rules import Contact
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_cached_entity, get_cached_sole_entity
from chalicelib.errors import Conflict, Forbidden, InvalidInput, LimitReached
from chalicelib.mail import outbox
from chalicelib.passwords import emails, rules
from chalicelib.passwords.hashing import check_new_password, hash_password, verify_password
from chalicelib.permissions import BillGroupRef, Grant
from chalicelib.request_context import Actor, RequestContext
from chalicelib.sessions.known_browsers import KnownBrowser, find_browser_id
from chalicelib.sessions.request_limits import count_request, network_key
from chalicelib.sessions.rules import PASSWORD_ORIGIN, compute_session_end
from chalicelib.sessions.service import compute_session_cutoff, end_all_sessions, open_session
from chalicelib.table import keys, store
from chalicelib.table.items import PasswordResetItem, RateLimitItem, UserNameItem
from chalicelib.table.keys import Key
from chalicelib.tokens import sha256_hex

_MAX_BILL_GROUPS = 100

TOO_MANY_TRIES = "too_many_tries"
TOO_MANY_RESETS = "too_many_resets"
_TOO_MANY_FROM_HERE = "Too many attempts from here. Wait a moment, or sign in with an emailed link."
_TOO_MANY_RESETS_FROM_HERE = "Too many resets were requested from here. Wait a moment, then try again."


@dataclass(frozen=True)
class PasswordSession:
    """A session that was opened, with its token, which is told this once."""

    session_id: str
    token: str
    kind: str
    email: str
    ends_at: datetime
    bill_groups: tuple[BillGroupRef, ...]


def open_password_session(
    context: RequestContext,
    user_name: str,
    password: str,
    client: str | None,
    *,
    source_ip: str,
    browser: KnownBrowser | None = None,
) -> PasswordSession:
    """Open a session for the bill groups of the user name's account that admit the person now.

    Raises Forbidden for a wrong user name or password, in the same time and with the same calls; for a temporary
    password, which opens nothing; and when nothing admits the person. Raises LimitReached while the user name is to
    wait, or the network. ``browser`` is the browser that asks, if it has signed in before: to the address of the user
    name, it waits for its own tries only (A13).
    """

    def attempt() -> PasswordSession:
        item, tries = _verify_credentials(context, user_name, password, source_ip, browser)
        if item.password_hash is None:
            raise rules.password_must_be_set_error()
        pairs = _list_admitted_bill_groups(item, context.now)
        if not pairs:
            raise Forbidden("no_access", "You do not have access at the moment. Ask the account owner or the vendor.")
        transaction = store.Transaction(context)
        # A concurrent change of the password sees this sign-in and ends its session.
        item.used_at = context.now
        transaction.replace(item)
        transaction.delete_unconditionally(tries)
        session_id, token = open_session(
            transaction,
            context,
            kind="portal_user",
            email=item.email,
            bill_groups=pairs,
            origin=PASSWORD_ORIGIN,
            client=client,
        )
        transaction.commit()
        return PasswordSession(
            session_id, token, "portal_user", item.email, compute_session_end("portal_user", context.now), pairs
        )

    return store.retry_on_conflict(attempt)


def _tries_key(user_name: str, browser: KnownBrowser | None = None) -> Key:
    """Return the key of the row that counts the tries with a user name: those of a known browser, or of strangers."""
    # By hash, so that any input, however long or odd, is a valid key.
    folded = rules.fold_user_name(user_name)
    if browser is None:
        return keys.rate_limit("password", sha256_hex(folded))
    return keys.rate_limit("password_known", sha256_hex(f"{browser.browser_id} {folded}"))


def _verify_credentials(
    context: RequestContext, user_name: str, password: str, source_ip: str, browser: KnownBrowser | None
) -> tuple[UserNameItem, Key]:
    """Return the row of a user name if the password, lasting or temporary, is right, and the row that counts tries.

    The try is counted before it is verified, so that parallel tries do not evade the back-off.
    """
    item, tries = store.retry_on_conflict(lambda: _count_try(context, user_name, source_ip, browser))
    tidy = rules.normalise_password(password)[: rules.MAX_PASSWORD_LENGTH + 1]
    lasting = verify_password(tidy, item.password_hash if item else None)
    temporary = verify_password(tidy, _temporary_hash(item, context.now))
    if item is None or not (lasting or temporary):
        raise rules.wrong_password_error()
    return item, tries


def _temporary_hash(item: UserNameItem | None, now: datetime) -> str | None:
    if item is None or item.temporary_until is None or item.temporary_until <= now:
        return None
    return item.temporary_hash


def _count_try(
    context: RequestContext, user_name: str, source_ip: str, browser: KnownBrowser | None
) -> tuple[UserNameItem | None, Key]:
    """Count a try; return the row of the user name, and the key of the row that counts its tries.

    Tries of strangers count for the user name, and for their network. Those of a browser that has signed in to the
    address of the user name count for that browser alone, so that no stranger makes its owner wait (A13).
    """
    own, shared = keys.user_name(rules.fold_user_name(user_name)), _tries_key(user_name)
    network = network_key("password", source_ip)
    wanted = [own, shared, network] + ([_tries_key(user_name, browser)] if browser else [])
    found = store.batch_get_items(wanted)
    item: UserNameItem | None = found.get(own)
    is_known = item is not None and find_browser_id(browser, item.email) is not None
    tries = _tries_key(user_name, browser) if is_known else shared
    transaction = store.Transaction(context)
    if not is_known:
        count_request(transaction, network, found.get(network), context.now, TOO_MANY_TRIES, _TOO_MANY_FROM_HERE)
    _count_failure(transaction, context, tries, found.get(tries))
    transaction.commit()
    return item, tries


def _count_failure(
    transaction: store.Transaction, context: RequestContext, key: Key, row: RateLimitItem | None
) -> None:
    failures = rules.recent_instants(row.instants if row else [], context.now)
    free_at = rules.next_try_at(failures)
    if free_at is not None and context.now < free_at:
        seconds = int((free_at - context.now) / timedelta(seconds=1)) + 1
        raise LimitReached(
            TOO_MANY_TRIES,
            "Too many attempts with this user name. Wait, or sign in with an emailed link.",
            retry_after=seconds,
        )
    counted = [*failures, context.now][-rules.MAX_STORED_FAILURES :]
    item = row or RateLimitItem(key.pk, key.sk)
    item.instants = [keys.format_instant(instant) for instant in counted]
    item.expires_at = context.now + rules.FAILURE_WINDOW
    transaction.put(item, new=row is None)


def _list_admitted_bill_groups(item: UserNameItem, now: datetime) -> tuple[BillGroupRef, ...]:
    """Return the bill groups of the account that admit the person: found by an index, verified by strong reads."""
    page = store.query_items_by_index(keys.bill_group_listed(item.account_id, "").pk, limit=_MAX_BILL_GROUPS)
    pairs = [(group.bill_group_id, item.account_id) for group in page.items]
    if not pairs:
        return ()
    found = store.batch_get_items(access_decision_keys(item.email, pairs))
    return tuple(pair for pair in pairs if isinstance(decide_access(item.email, pair, found, now), Grant))


def find_sole_brand_entity(now: datetime) -> Entity | None:
    """Return the issuing entity that brands the pages: the only one, if there is just one."""
    return get_cached_sole_entity(now)


def change_password(
    context: RequestContext,
    user_name: str,
    current: str,
    new: str,
    *,
    source_ip: str,
    browser: KnownBrowser | None = None,
) -> None:
    """Change one's own password, by the current one or by a temporary one, which is used up.

    All sessions of the person end. Raises Forbidden and LimitReached as ``open_password_session`` does, InvalidInput
    for a password that is too short, easy to guess, or the current one.
    """
    tidy = check_new_password(new, "password", user_name)
    if tidy == rules.normalise_password(current):
        raise InvalidInput.field("password", "same_password", "Choose a password that differs from your current one.")

    def attempt() -> None:
        item, tries = _verify_credentials(context, user_name, current, source_ip, browser)
        _set_password(context, item, tidy, erase=(tries,))

    store.retry_on_conflict(attempt)


def request_password_reset(
    context: RequestContext, user_name: str, *, source_ip: str, browser: KnownBrowser | None = None
) -> None:
    """Request a link by email to reset the password; the caller cannot tell whether one is sent.

    Reads and writes are the same for every user name. Raises LimitReached after too many requests from this network
    (A5), whatever their user names. ``browser`` is the browser that asks, if it has signed in before (A13).
    """
    mail = emails.password_reset(rules.fold_user_name(user_name), browser)
    network = network_key("password_reset", source_ip)

    def attempt() -> None:
        counted = store.batch_get_items([network]).get(network)
        transaction = store.Transaction(context)
        count_request(transaction, network, counted, context.now, TOO_MANY_RESETS, _TOO_MANY_RESETS_FROM_HERE)
        outbox.enqueue_mail(transaction, context, mail)
        transaction.commit()

    store.retry_on_conflict(attempt)


def reset_password(context: RequestContext, token: str, new: str) -> None:
    """Set one's own password by an emailed link, once. All sessions of the person end.

    Raises Conflict for a link that has expired, was used, or was followed by another change; InvalidInput as
    ``change_password`` does.
    """
    own = keys.password_reset(sha256_hex(token))

    def attempt() -> None:
        link = store.get_item(PasswordResetItem, own)
        item = None
        if link is not None and context.now < link.ends_at:
            item = store.get_item(UserNameItem, keys.user_name(link.user_name))
        if link is None or item is None or (item.changed_at is not None and item.changed_at > link.created_at):
            raise Conflict("reset_expired", "This link has been used or has expired. Request a new one.")
        tidy = check_new_password(new, "password", item.user_name, item.email)
        _set_password(context, item, tidy, spent=link, erase=(_tries_key(item.user_name),))

    store.retry_on_conflict(attempt)


def _set_password(
    context: RequestContext,
    item: UserNameItem,
    password: str,
    *,
    spent: PasswordResetItem | None = None,
    erase: Sequence[Key] = (),
) -> None:
    """Write the new password, end all sessions, notify the person, and record it."""
    wanted = (
        keys.identity(item.email), keys.account(item.account_id), keys.contact(item.account_id, item.contact_id),
    )  # fmt: skip
    found = store.batch_get_items(wanted)
    account_item, contact_item = found.get(wanted[1]), found.get(wanted[2])
    if account_item is None or contact_item is None:
        raise rules.wrong_password_error()
    account, contact = store.from_item(Account, account_item), store.from_item(Contact, contact_item)
    entity = get_cached_entity(account.entity_id, context.now)
    acting = replace(context, actor=Actor("portal_user", item.email, item.email))
    transaction = store.Transaction(acting)
    item.password_hash = hash_password(password)
    item.temporary_hash = None
    item.temporary_until = None
    item.ticket = None
    item.changed_at = context.now
    transaction.replace(item)
    if spent is not None:
        transaction.delete(spent)
    for key in erase:
        transaction.delete_unconditionally(key)
    end_all_sessions(transaction, item.email, found.get(wanted[0]), compute_session_cutoff(context.now, item.used_at))
    record_audit_event(transaction, acting, "password.set", "contact", item.contact_id, (), account_id=item.account_id)
    # Whoever took over a password must not be able to use up a limit and so silence this notice.
    changed = emails.password_changed(entity, account, contact, item.user_name)
    outbox.enqueue_mail(transaction, acting, changed, over_limit="send")
    transaction.commit()
