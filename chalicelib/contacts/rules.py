"""Contacts and their roles: rules C1 to C5 and C8."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chalicelib.accounts.rules import MAX_ROLE_HOLDERS, MIN_ROLE_HOLDERS
from chalicelib.errors import Conflict, FieldError, Forbidden, InvalidInput
from chalicelib.field_marks import NotAudited, NotPersonal, OfContact, Shared
from chalicelib.postal_address import PostalAddress

INVOICING = "invoicing"
ACCOUNTS_PAYABLE = "accounts_payable"
CONTACT_ROLES = (INVOICING, ACCOUNTS_PAYABLE)

PERSON = "person"
MAILBOX = "mailbox"
ACTIVE = "active"
INACTIVE = "inactive"

INVOICES, REMINDERS = "invoices", "reminders"
MAIL_CATEGORIES = (INVOICES, REMINDERS, "general", "support", "product")
"""Categories that a contact chooses (C7)."""
MAIL_CATEGORY_BY_ROLE = {INVOICING: INVOICES, ACCOUNTS_PAYABLE: REMINDERS}
"""The category that each role includes."""

TOGETHER, ONE_PER_MAIL = "together", "one_per_mail"


@dataclass(frozen=True)
class DeliveryStyle:
    """The delivery style of invoices (C7): one per email, or those of a while TOGETHER in one."""

    grouping: str = ONE_PER_MAIL
    pdf_only: bool = False
    """Whether to attach only PDFs, for mailboxes that a machine reads."""
    size_limit_kib: int | None = None
    """Maximum of all attachments of an email, in KiB; None: the general limit."""


@dataclass(frozen=True)
class Contact:
    """A person, or a shared mailbox, at an account. Instants are UTC; ``cell`` is E.164."""

    contact_id: NotPersonal[str]
    account_id: NotPersonal[str]
    kind: NotPersonal[str]
    status: NotPersonal[str]
    email: Shared[OfContact[str]]
    created_at: NotAudited[datetime]
    updated_at: NotAudited[datetime]
    first_name: Shared[OfContact[str | None]] = None
    last_name: Shared[OfContact[str | None]] = None
    display_name: Shared[OfContact[str | None]] = None
    cell: Shared[OfContact[str | None]] = None
    company: OfContact[str | None] = None
    address: OfContact[PostalAddress | None] = None
    job_title: OfContact[str | None] = None
    locale: Shared[OfContact[str | None]] = None
    external_id: OfContact[str | None] = None
    billing_for: NotPersonal[tuple[str, ...]] = ()
    """Bill groups whose billing contact this is (C8)."""
    shipping_for: NotPersonal[tuple[str, ...]] = ()
    """Bill groups whose shipping contact this is."""
    former_roles: NotAudited[NotPersonal[tuple[str, ...]]] = ()
    """The roles that an inactive contact held when it was deleted."""
    access: NotPersonal[dict[str, Any]] = field(default_factory=dict)
    """Bill group id: {"permissions": […], "starts_at": ISO 8601 instant, UTC}: its own access (A9)."""
    preferences: NotPersonal[dict[str, bool]] = field(default_factory=dict)
    """Category: on or off, for chosen ones; those of a role are not stored here (``receives_category``)."""
    delivery_style: NotPersonal[DeliveryStyle] = DeliveryStyle()
    deleted_at: NotAudited[datetime | None] = None
    upstream: NotAudited[OfContact[dict[str, Any]]] = field(default_factory=dict)
    version: NotAudited[int] = 1

    @property
    def name(self) -> str:
        """Return the name that a reader sees."""
        return self.display_name or f"{self.first_name or ''} {self.last_name or ''}".strip()


@dataclass(frozen=True)
class Recipient:
    """A recipient of an email.

    A reader of a copy can unsubscribe by one click. So a copy is an email of its own, with that contact's own link
    (``build_unsubscribe_headers``), and never one among several recipients.
    """

    contact_id: str
    email: str
    name: str
    locale: str | None
    """None: the account's."""
    style: DeliveryStyle
    copy: bool
    """Whether it is a copy: the contact does not hold the role but chose the emails."""
    suppressed: bool
    """Whether its address is suppressed (I6)."""


@dataclass(frozen=True)
class RoleAssignments:
    """The holders of an account's contact roles, and whether both were ever held at once (the latch of C2)."""

    invoicing: frozenset[str] = frozenset()
    accounts_payable: frozenset[str] = frozenset()
    both_held: bool = False

    def of(self, contact_id: str) -> frozenset[str]:
        """Return the roles of one contact."""
        return frozenset(role for role in CONTACT_ROLES if contact_id in self.holders(role))

    def holders(self, role: str) -> frozenset[str]:
        """Return the contacts that hold ``role``."""
        return self.invoicing if role == INVOICING else self.accounts_payable


def assign_roles(
    roles: RoleAssignments, wanted: dict[str, frozenset[str]], *, erasing: bool = False
) -> RoleAssignments:
    """Return the roles after each contact in ``wanted`` holds exactly the roles named there (C2).

    Raises Conflict ``role_is_full`` when a role would have a sixth holder, and ``role_needs_holder`` when a role would
    lose its last one although both roles were held; an erasure may leave a role empty (C4).
    """
    after: dict[str, frozenset[str]] = {}
    for role in CONTACT_ROLES:
        before = roles.holders(role)
        gained = {contact_id for contact_id, named in wanted.items() if role in named}
        holders = (before - wanted.keys()) | gained
        if len(holders) > MAX_ROLE_HOLDERS and not holders <= before:
            raise Conflict(
                "role_is_full",
                f"{MAX_ROLE_HOLDERS} contacts already have the role {role}. Remove it from one of them first.",
                fields=(
                    FieldError(
                        "roles", "role_is_full", f"{role} has {MAX_ROLE_HOLDERS} holders, the most there may be."
                    ),
                ),
                details={"role": role, "holders": sorted(before)},
            )
        if before and len(holders) < MIN_ROLE_HOLDERS and roles.both_held and not erasing:
            raise Conflict(
                "role_needs_holder",
                f"This is the only contact with the role {role}. Give the role to another contact first, "
                "or name a successor when deleting.",
                fields=(FieldError("roles", "role_needs_holder", f"{role} needs at least one holder."),),
                details={"role": role, "holders": sorted(before)},
            )
        after[role] = holders
    both_held = roles.both_held or all(after.values())
    return RoleAssignments(after[INVOICING], after[ACCOUNTS_PAYABLE], both_held)


def find_unreachable_roles(roles: RoleAssignments, working: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the held but unreachable roles, with their holders (C9).

    ``working`` are the contacts whose addresses work.
    """
    return {
        role: roles.holders(role) for role in CONTACT_ROLES if roles.holders(role) and not roles.holders(role) & working
    }


def select_roles_with_room(roles: RoleAssignments, contact_id: str, wished: tuple[str, ...]) -> frozenset[str]:
    """Return the requested roles that have room for one more contact (C4, undelete)."""
    return frozenset(
        role for role in wished if role in CONTACT_ROLES and len(roles.holders(role) - {contact_id}) < MAX_ROLE_HOLDERS
    )


def drop_role_preferences(contact: Contact, lost: frozenset[str]) -> Contact:
    """Return a contact that has lost roles: it gets no copies of their emails that it chose long before (C7)."""
    gone = {MAIL_CATEGORY_BY_ROLE[role] for role in lost}
    return replace(contact, preferences={name: on for name, on in contact.preferences.items() if name not in gone})


def check_contact(contact: Contact, *, cell_required: bool) -> None:
    """Raise InvalidInput when the fields of a contact are not those of a person or a mailbox (C1)."""
    faults = []
    if contact.kind == PERSON:
        faults += [
            FieldError(
                name, "required", "A person needs a first and a last name. For a shared address send kind mailbox."
            )
            for name in ("first_name", "last_name")
            if not getattr(contact, name)
        ]
        if contact.display_name:
            faults.append(FieldError("display_name", "not_allowed", "Only a mailbox has a display name."))
        if cell_required and not contact.cell:
            faults.append(FieldError("cell", "required", "The issuing entity requires a cell number for each person."))
    else:
        if not contact.display_name:
            faults.append(FieldError("display_name", "required", "A mailbox needs a display name. Send it."))
        faults += [
            FieldError(name, "not_allowed", "A mailbox has only a display name. For a person send kind person.")
            for name in ("first_name", "last_name")
            if getattr(contact, name)
        ]
    if faults:
        raise InvalidInput("invalid_body", "The contact cannot be saved with these values.", fields=tuple(faults))


def check_active(contact: Contact) -> None:
    """Raise Conflict when the contact was deleted."""
    if contact.status != ACTIVE:
        raise Conflict("contact_is_inactive", "This contact was deleted. Restore it before changing it.")


def check_self_service(actor_kind: str, *, cost_center_billing: bool) -> None:
    """Raise Forbidden when a portal user changes the contacts of an account with cost-center billing (C5)."""
    if actor_kind == "portal_user" and cost_center_billing:
        raise Forbidden(
            "cost_center_billing",
            "The vendor manages the contacts of accounts with cost-center billing. Contact its billing team.",
        )


def check_address_change(actor_kind: str, actor_id: str, contact: Contact, owner_contact_id: str | None) -> None:
    """Raise Forbidden when a portal user would change an address that opens more than they may (C4, A9).

    Access ends with the address, so nobody changes the one that they signed in with; and since the owner is identified
    by address, only staff change that of the account's owner.
    """
    if actor_kind != "portal_user":
        return
    if contact.email == actor_id:
        raise Forbidden(
            "own_address",
            "You are signed in with this address, and your access would end. Ask the vendor to change it.",
        )
    check_owner_protected(actor_kind, actor_id, contact, owner_contact_id)


def check_owner_protected(actor_kind: str, actor_id: str, contact: Contact, owner_contact_id: str | None) -> None:
    """Raise Forbidden when a portal user would remove the account's owner, unless they are the owner (A9)."""
    is_owner = contact.contact_id == owner_contact_id
    if actor_kind == "portal_user" and is_owner and contact.email != actor_id:
        raise Forbidden(
            "owner_is_protected", "This contact is the account's owner. Only the owner or the vendor can do this."
        )


def owner_needs_successor_error() -> Conflict:
    """Return the error of deleting the account's owner without a successor (A9)."""
    return Conflict(
        "owner_needs_successor",
        "This contact is the account's owner. Name a successor, or another owner first.",
        fields=(FieldError("successor", "required", "Name an active contact, who becomes the owner."),),
    )


def email_taken_error(other_contact_id: str) -> Conflict:
    """Return the error of an email that another active contact of the account has (C3)."""
    return Conflict(
        "email_taken",
        "Another active contact of this account has this email. Change that contact, or use another address.",
        fields=(FieldError("email", "taken", "Another active contact of this account has this email."),),
        details={"contact_id": other_contact_id},
    )


def external_id_taken_error(other_contact_id: str) -> Conflict:
    """Return the error of an external id that another contact of the account has (C1)."""
    return Conflict(
        "external_id_taken",
        "Another contact of this account has this external id, which is unique in an account.",
        fields=(FieldError("external_id", "taken", "Another contact of this account has this external id."),),
        details={"contact_id": other_contact_id},
    )


def successor_needed_error(contact: Contact) -> Conflict:
    """Return the error of deleting a bill group's billing or shipping contact without a successor (C4)."""
    return Conflict(
        "successor_needed",
        "Bill groups name this contact as their billing or shipping contact. Name a successor who takes its place.",
        fields=(FieldError("successor", "required", "Name an active contact of the account."),),
        details={"billing_for": list(contact.billing_for), "shipping_for": list(contact.shipping_for)},
    )


@dataclass(frozen=True)
class ContactChange:
    """The result of a write: a contact and the role assignments of its account."""

    before: Contact
    after: Contact
    roles_before: frozenset[str]
    roles_after: frozenset[str]
    assignments: RoleAssignments

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing changes."""
        return self.after == self.before and self.roles_after == self.roles_before

    @property
    def has_new_address(self) -> bool:
        """Tell whether the email changes, with which access starts from nothing."""
        return self.after.email != self.before.email


def decide_contact_change(
    before: Contact,
    requested: Contact,
    roles: RoleAssignments,
    requested_roles: frozenset[str],
    now: datetime,
    *,
    cell_required: bool,
    email_holder_id: str | None,
    external_id_holder_id: str | None,
) -> ContactChange:
    """Return the change from ``before`` to the requested contact and roles (C1 to C3, C7).

    ``email_holder_id`` and ``external_id_holder_id`` are the contacts of the account that have the requested email and
    external id. Raises InvalidInput naming every invalid field, and Conflict when a role is full or would lose its last
    holder, or another contact has the email or the external id.
    """
    held = roles.of(before.contact_id)
    after = drop_role_preferences(requested, held - requested_roles)
    if after == before and requested_roles == held:
        return ContactChange(before, before, held, held, roles)
    after = replace(after, updated_at=now)
    check_contact(after, cell_required=cell_required)
    if after.email != before.email and email_holder_id is not None:
        raise email_taken_error(email_holder_id)
    if after.external_id and after.external_id != before.external_id and external_id_holder_id is not None:
        raise external_id_taken_error(external_id_holder_id)
    return ContactChange(
        before, after, held, requested_roles, assign_roles(roles, {before.contact_id: requested_roles})
    )


@dataclass(frozen=True)
class ContactDeletion:
    """The changes of a deletion, and what the successor takes over (C4)."""

    contact: Contact
    successor: Contact | None
    bill_group_ids: tuple[str, ...]
    """Bill groups whose billing or shipping contact this is."""
    roles: frozenset[str]
    successor_roles_before: frozenset[str]
    successor_roles: frozenset[str]
    assignments: RoleAssignments
    is_owner: bool

    @property
    def successor_gains_roles(self) -> bool:
        """Tell whether the successor holds more roles than before."""
        return self.successor_roles != self.successor_roles_before


def decide_contact_deletion(
    contact: Contact,
    successor_id: str | None,
    successor: Contact | None,
    roles: RoleAssignments,
    owner_contact_id: str | None,
    actor_kind: str,
    actor_id: str,
) -> ContactDeletion:
    """Return the changes of deleting an active contact (C4).

    ``successor`` is the contact ``successor_id`` as it was read, None when it does not exist. Raises InvalidInput when
    it is not an active contact of the account, Forbidden by A9, and Conflict when a successor is needed, a role is full
    or would lose its last holder.
    """
    contact_id = contact.contact_id
    if successor_id and (successor_id == contact_id or successor is None or successor.status != ACTIVE):
        raise InvalidInput.field("successor", "unknown_contact", "The successor is an active contact of the account.")
    bill_group_ids = tuple(sorted({*contact.billing_for, *contact.shipping_for}))
    if bill_group_ids and successor is None:
        raise successor_needed_error(contact)
    check_owner_protected(actor_kind, actor_id, contact, owner_contact_id)
    is_owner = contact_id == owner_contact_id
    if is_owner and successor is None:
        raise owner_needs_successor_error()
    held = roles.of(contact_id)
    wanted = {contact_id: frozenset[str]()}
    before = after = frozenset[str]()
    if successor is not None:
        before = roles.of(successor.contact_id)
        wanted[successor.contact_id] = after = before | held
    assignments = assign_roles(roles, wanted)
    return ContactDeletion(contact, successor, bill_group_ids, held, before, after, assignments, is_owner)


def deactivate_contact(contact: Contact, roles: RoleAssignments, now: datetime) -> Contact:
    """Return the contact after deletion at ``now``: inactive, assigned nowhere, its roles remembered (C4)."""
    held = roles.of(contact.contact_id)
    return replace(
        drop_role_preferences(contact, held),
        status=INACTIVE,
        billing_for=(),
        shipping_for=(),
        access={},
        former_roles=tuple(role for role in CONTACT_ROLES if role in held),
        deleted_at=now,
        updated_at=now,
    )
