"""Use cases of staff and of an account's owner: give a contact a user name, remove it, reset its password."""

import secrets
from dataclasses import dataclass

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.contacts.rows import ContactWriteContext, load_contact_write_context
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.errors import Conflict, Forbidden, NotFound
from chalicelib.mail import outbox
from chalicelib.passwords import emails, rules
from chalicelib.passwords.hashing import check_new_password, hash_password
from chalicelib.passwords.rules import Credentials
from chalicelib.request_context import RequestContext
from chalicelib.sessions.service import compute_session_cutoff, end_all_sessions, end_password_sessions
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, ContactItem, IdentityItem, UserNameItem

_TICKET_BYTES = 12


@dataclass(frozen=True)
class _CredentialsContext:
    """A contact with its user name, read together."""

    around: ContactWriteContext
    contact_item: ContactItem
    contact: Contact
    address: ContactAddressItem
    user_name: UserNameItem | None
    identity: IdentityItem | None


def get_credentials(context: RequestContext, account_id: str, contact_id: str) -> Credentials:
    """Return a contact's user name and the state of its password. Raises NotFound when it has none."""
    found = _load_credentials_context(context, account_id, contact_id).user_name
    if found is None:
        raise NotFound("This contact has no user name.")
    return _to_credentials(found, context)


def enable_credentials(
    context: RequestContext, account_id: str, contact_id: str, user_name: str, chosen: str | None
) -> tuple[Credentials, bool]:
    """Give a contact a user name; return it, and whether it is new.

    A temporary password is emailed to the contact, or is the one that staff have ``chosen`` and hand over themselves.
    The same user name again changes nothing. Raises NotFound, InvalidInput, Forbidden by C5 and to an owner who
    chooses, and Conflict when the user name is taken, or the contact is inactive or has another one.
    """
    rules.check_user_name(user_name)
    secret = _check_chosen_password(context, user_name, chosen)

    def attempt() -> tuple[Credentials, bool]:
        read = _load_credentials_context(context, account_id, contact_id)
        if read.user_name is not None:
            if rules.fold_user_name(user_name) != rules.fold_user_name(read.user_name.user_name):
                raise Conflict(
                    "has_user_name",
                    "This contact has another user name. Remove that first.",
                    details={"user_name": read.user_name.user_name},
                )
            return _to_credentials(read.user_name, context), False
        key = keys.user_name(rules.fold_user_name(user_name))
        if key in store.batch_get_items([key]):
            raise Conflict("user_name_taken", "This user name is already taken. Choose another one.")
        item = UserNameItem(
            key.pk,
            key.sk,
            user_name=user_name,
            account_id=account_id,
            contact_id=contact_id,
            email=read.contact.email,
        )
        transaction = store.Transaction(context)
        _set_temporary_password(transaction, context, read, item, secret)
        transaction.create(item)
        read.address.user_name = rules.fold_user_name(user_name)
        transaction.replace(read.address)
        # A concurrent deletion of the contact must see the user name, or be seen here.
        transaction.replace(read.contact_item)
        _record(transaction, context, read.contact, "user_name.given", FieldChange("user_name", None, user_name))
        transaction.commit()
        return _to_credentials(item, context), True

    return store.retry_on_conflict(attempt)


def issue_temporary_password(
    context: RequestContext, account_id: str, contact_id: str, chosen: str | None
) -> Credentials:
    """Replace a contact's password by a temporary one, emailed or ``chosen`` by staff; the old one ends at once.

    Raises NotFound, InvalidInput, Forbidden as ``enable_credentials`` does, and Conflict without a user name.
    """

    def attempt() -> Credentials:
        read = _load_credentials_context(context, account_id, contact_id)
        if read.user_name is None:
            raise rules.no_user_name_error()
        secret = _check_chosen_password(context, read.user_name.user_name, chosen)
        transaction = store.Transaction(context)
        _set_temporary_password(transaction, context, read, read.user_name, secret)
        transaction.replace(read.user_name)
        _end_sessions(transaction, context, read, read.user_name)
        _record(transaction, context, read.contact, "password.reset")
        transaction.commit()
        return _to_credentials(read.user_name, context)

    return store.retry_on_conflict(attempt)


def disable_credentials(context: RequestContext, account_id: str, contact_id: str) -> None:
    """Remove a contact's user name and password, and end the sessions that they opened. Raises NotFound."""

    def attempt() -> None:
        read = _load_credentials_context(context, account_id, contact_id)
        if read.user_name is None:
            raise NotFound("This contact has no user name.")
        transaction = store.Transaction(context)
        transaction.delete(read.user_name)
        read.address.user_name = None
        transaction.replace(read.address)
        _end_sessions(transaction, context, read, read.user_name)
        _record(
            transaction,
            context,
            read.contact,
            "user_name.taken",
            FieldChange("user_name", read.user_name.user_name, None),
        )
        transaction.commit()

    store.retry_on_conflict(attempt)


def _load_credentials_context(context: RequestContext, account_id: str, contact_id: str) -> _CredentialsContext:
    around = load_contact_write_context(context, account_id, keys.contact(account_id, contact_id))
    item = around.rest[0]
    if item is None:
        raise NotFound
    contact = store.from_item(Contact, item)
    if contact.status != ACTIVE:
        raise Conflict("contact_inactive", "This contact is inactive. Restore it first.")
    wanted = (keys.contact_address(account_id, contact.email), keys.identity(contact.email))
    found = store.batch_get_items(wanted)
    address = found.get(wanted[0])
    if address is None or address.contact_id != contact_id:
        raise store.WriteConflict
    user_name = None
    if address.user_name:
        key = keys.user_name(address.user_name)
        user_name = store.batch_get_items([key]).get(key)
    return _CredentialsContext(around, item, contact, address, user_name, found.get(wanted[1]))


def _check_chosen_password(context: RequestContext, user_name: str, chosen: str | None) -> str | None:
    """Return the temporary password that staff chose, normalised.

    An owner may not choose one: knowing it allows setting the lasting one, and so impersonating the holder of the
    address.
    """
    if chosen is None:
        return None
    if context.actor.kind != "staff":
        raise Forbidden("staff_choose", "Only staff can choose a temporary password. Leave it out, and we email one.")
    return check_new_password(chosen, "temporary_password", user_name)


def _set_temporary_password(
    transaction: store.Transaction,
    context: RequestContext,
    read: _CredentialsContext,
    item: UserNameItem,
    secret: str | None,
) -> None:
    around = read.around
    item.password_hash = None
    item.changed_at = context.now
    if secret is not None:
        item.ticket = None
        item.temporary_hash = hash_password(secret)
        item.temporary_until = context.now + rules.TEMPORARY_LIFETIME
        mail = emails.user_name_given(around.entity, around.account, read.contact, item.user_name)
    else:
        item.ticket = secrets.token_hex(_TICKET_BYTES)
        item.temporary_hash = None
        item.temporary_until = None
        mail = emails.temporary_password(around.entity, around.account, read.contact, item.user_name, item.ticket)
    outbox.enqueue_mail(transaction, context, mail)


def _end_sessions(
    transaction: store.Transaction, context: RequestContext, read: _CredentialsContext, item: UserNameItem
) -> None:
    """End all sessions of the person; an account's owner ends only those that the password opened.

    Any address can be a contact's: an owner must not be able to end a stranger's sessions elsewhere.
    """
    if context.actor.kind == "staff":
        end_all_sessions(transaction, item.email, read.identity, compute_session_cutoff(context.now, item.used_at))
    else:
        end_password_sessions(transaction, item.email, item.account_id)


def _record(
    transaction: store.Transaction, context: RequestContext, contact: Contact, action: str, *changes: FieldChange
) -> None:
    record_audit_event(
        transaction, context, action, "contact", contact.contact_id, changes, account_id=contact.account_id
    )


def _to_credentials(item: UserNameItem, context: RequestContext) -> Credentials:
    state = rules.get_password_state(
        has_password=item.password_hash is not None,
        has_temporary=item.temporary_hash is not None,
        temporary_until=item.temporary_until,
        waiting=item.ticket is not None and item.temporary_hash is None,
        now=context.now,
    )
    return Credentials(item.user_name, state, item.temporary_until, item.changed_at)
