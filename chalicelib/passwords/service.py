"""Use cases of staff and of an account's owner: to give a contact a user name, take it away, reset its password."""

import secrets
from dataclasses import dataclass

from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.contacts.records import Surroundings, surroundings
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.errors import Conflict, Forbidden, NotFound
from chalicelib.mail import outbox
from chalicelib.passwords import emails, rules
from chalicelib.passwords.hashing import check_new, hash_password
from chalicelib.passwords.rules import Credentials
from chalicelib.sessions import service as sessions
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, ContactItem, IdentityItem, UserNameItem

_TICKET_BYTES = 12


@dataclass(frozen=True)
class _Read:
    """A contact with its user name, as they were read together."""

    around: Surroundings
    contact_item: ContactItem
    contact: Contact
    address: ContactAddressItem
    user_name: UserNameItem | None
    identity: IdentityItem | None


def get_credentials(call: Call, account_id: str, contact_id: str) -> Credentials:
    """Return a contact's user name and the state of its password. Raises NotFound when it has none."""
    found = _read(call, account_id, contact_id).user_name
    if found is None:
        raise NotFound("This contact has no user name.")
    return _told(found, call)


def enable(
    call: Call, account_id: str, contact_id: str, user_name: str, chosen: str | None
) -> tuple[Credentials, bool]:
    """Give a contact a user name; return it, and whether it is new.

    A temporary password is mailed to the contact, or is the one that staff have ``chosen`` and hand over themselves.
    The same user name again changes nothing. Raises NotFound, Invalid, Forbidden by C5 and to an owner who chooses,
    and Conflict when the user name is taken, or the contact is inactive or has another one.
    """
    rules.check_user_name(user_name)
    secret = _check_chosen(call, user_name, chosen)

    def attempt() -> tuple[Credentials, bool]:
        read = _read(call, account_id, contact_id)
        if read.user_name is not None:
            if rules.folded(user_name) != rules.folded(read.user_name.user_name):
                raise Conflict(
                    "has_user_name",
                    "This contact has another user name. Take that away first.",
                    details={"user_name": read.user_name.user_name},
                )
            return _told(read.user_name, call), False
        key = keys.user_name(rules.folded(user_name))
        if key in store.batch([key]):
            raise Conflict("user_name_taken", "Somebody has this user name already. Choose another one.")
        item = UserNameItem(
            key.pk,
            key.sk,
            user_name=user_name,
            account_id=account_id,
            contact_id=contact_id,
            email=read.contact.email,
        )
        transaction = store.Transaction(call)
        _give_temporary(transaction, call, read, item, secret)
        transaction.create(item)
        read.address.user_name = rules.folded(user_name)
        transaction.replace(read.address)
        # Whoever deletes the contact at this moment must see the user name, or be seen.
        transaction.replace(read.contact_item)
        _record(transaction, call, read.contact, "user_name.given", Change("user_name", None, user_name))
        transaction.commit()
        return _told(item, call), True

    return store.deciding_again(attempt)


def reset(call: Call, account_id: str, contact_id: str, chosen: str | None) -> Credentials:
    """Replace a contact's password by a temporary one, mailed or ``chosen`` by staff; the old one ends at once.

    Raises NotFound, Invalid, Forbidden as ``enable`` does, and Conflict when the contact has no user name.
    """

    def attempt() -> Credentials:
        read = _read(call, account_id, contact_id)
        if read.user_name is None:
            raise rules.not_enabled()
        secret = _check_chosen(call, read.user_name.user_name, chosen)
        transaction = store.Transaction(call)
        _give_temporary(transaction, call, read, read.user_name, secret)
        transaction.replace(read.user_name)
        _end_sessions(transaction, call, read, read.user_name)
        _record(transaction, call, read.contact, "password.reset")
        transaction.commit()
        return _told(read.user_name, call)

    return store.deciding_again(attempt)


def disable(call: Call, account_id: str, contact_id: str) -> None:
    """Take a contact's user name and password away, and end the sessions that they opened. Raises NotFound."""

    def attempt() -> None:
        read = _read(call, account_id, contact_id)
        if read.user_name is None:
            raise NotFound("This contact has no user name.")
        transaction = store.Transaction(call)
        transaction.delete(read.user_name)
        read.address.user_name = None
        transaction.replace(read.address)
        _end_sessions(transaction, call, read, read.user_name)
        _record(transaction, call, read.contact, "user_name.taken", Change("user_name", read.user_name.user_name, None))
        transaction.commit()

    store.deciding_again(attempt)


def _read(call: Call, account_id: str, contact_id: str) -> _Read:
    around = surroundings(call, account_id, keys.contact(account_id, contact_id))
    item = around.rest[0]
    if item is None:
        raise NotFound
    contact = store.load(Contact, item)
    if contact.status != ACTIVE:
        raise Conflict("contact_inactive", "This contact is inactive. Restore it first.")
    wanted = (keys.contact_address(account_id, contact.email), keys.identity(contact.email))
    found = store.batch(wanted)
    address = found.get(wanted[0])
    if address is None or address.contact_id != contact_id:
        raise store.Contended
    user_name = None
    if address.user_name:
        key = keys.user_name(address.user_name)
        user_name = store.batch([key]).get(key)
    return _Read(around, item, contact, address, user_name, found.get(wanted[1]))


def _check_chosen(call: Call, user_name: str, chosen: str | None) -> str | None:
    """Return the temporary password that staff chose, normalised.

    An owner may not choose one: who knows it can set the lasting one, and so pass for the holder of the address.
    """
    if chosen is None:
        return None
    if call.actor.kind != "staff":
        raise Forbidden("staff_choose", "Only staff choose a temporary password. Leave it out, and one is mailed.")
    return check_new(chosen, "temporary_password", user_name)


def _give_temporary(
    transaction: store.Transaction, call: Call, read: _Read, item: UserNameItem, secret: str | None
) -> None:
    around = read.around
    item.password_hash = None
    item.changed_at = call.now
    if secret is not None:
        item.ticket = None
        item.temporary_hash = hash_password(secret)
        item.temporary_until = call.now + rules.TEMPORARY_LIFETIME
        mail = emails.user_name_given(around.entity, around.account, read.contact, item.user_name)
    else:
        item.ticket = secrets.token_hex(_TICKET_BYTES)
        item.temporary_hash = None
        item.temporary_until = None
        mail = emails.temporary_password(around.entity, around.account, read.contact, item.user_name, item.ticket)
    outbox.enqueue(transaction, call, mail)


def _end_sessions(transaction: store.Transaction, call: Call, read: _Read, item: UserNameItem) -> None:
    """End all sessions of the person; an account's owner ends those only that the password itself opened.

    Anybody's address can be a contact's: an owner must not be able to end what a stranger does elsewhere.
    """
    if call.actor.kind == "staff":
        sessions.end_all(transaction, item.email, read.identity, sessions.just_after(call.now, item.used_at))
    else:
        sessions.end_of_password(transaction, item.email, item.account_id)


def _record(transaction: store.Transaction, call: Call, contact: Contact, action: str, *changes: Change) -> None:
    audit.record(transaction, call, action, "contact", contact.contact_id, changes, account_id=contact.account_id)


def _told(item: UserNameItem, call: Call) -> Credentials:
    state = rules.state_of(
        has_password=item.password_hash is not None,
        has_temporary=item.temporary_hash is not None,
        temporary_until=item.temporary_until,
        waiting=item.ticket is not None and item.temporary_hash is None,
        now=call.now,
    )
    return Credentials(item.user_name, state, item.temporary_until, item.changed_at)
