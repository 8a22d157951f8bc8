"""The kinds of records that can be imported. Each uses the models and use cases of the API."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from chalicelib.access import access_rules
from chalicelib.access.inputs import AccessRuleBody, Permissions
from chalicelib.accounts.inputs import AccountBody
from chalicelib.accounts.service import get_accounts, put_account
from chalicelib.bill_groups import subscriptions
from chalicelib.bill_groups.inputs import BillGroupBody, SubscriptionBody
from chalicelib.bill_groups.service import put_bill_group
from chalicelib.contacts.inputs import ContactBody
from chalicelib.entities.inputs import EntityBody
from chalicelib.entities.service import put_entity
from chalicelib.errors import Conflict, FieldError, InvalidInput, NotFound
from chalicelib.field_types import Body, EmailAddress, ShortText, VendorId
from chalicelib.imports.rows import contacts, invoices
from chalicelib.imports.rows.outcomes import (
    CHANGED,
    CREATED,
    UNCHANGED,
    RowOutcome,
    row_outcome,
    unknown_reference_error,
    values_without,
)
from chalicelib.request_context import RequestContext
from chalicelib.table import keys
from chalicelib.table.keys import Key


@dataclass(frozen=True)
class Kind:
    """One kind of record."""

    name: str
    may: str
    """The operation that the caller must be permitted."""
    row: type[Body]
    """The model of a row: the body of the API plus the ids of its path."""
    needs: tuple[tuple[str, ...], ...]
    """Of each group of fields, at least one must be mapped."""
    identities: Callable[[Any], tuple[str, ...]]
    """The identity of a record: rows with the same one must agree."""
    write: Callable[[RequestContext, Any], RowOutcome]
    reads: Callable[[Any], Iterable[Key]] = lambda row: ()
    """The rows of the table that writing it will read, as far as its own fields tell: they can be read ahead."""
    named_by: tuple[str, ...] = ()
    """The fields by which other kinds of a row name the record."""
    parts: str = ""
    """The field whose entries may come from rows of their own."""
    grouped_by: tuple[str, ...] = ()
    """The fields by which rows of one file are grouped, when it contains the parts."""
    needs_parts: bool = False
    whole: bool = False
    """Whether a record is taken as a whole or not at all, as what is issued once."""
    distinguishing: frozenset[str] = frozenset()
    """Fields that tell two records apart even if one of their identities is the same."""


class EntityRow(EntityBody):
    """An issuing entity in a row."""

    entity_id: VendorId


class AccountRow(AccountBody):
    """An account in a row."""

    account_id: VendorId


class ContactReference(Body):
    """A contact of the account, by the billing system's id or by email."""

    external_id: ShortText | None = None
    email: EmailAddress | None = None

    @model_validator(mode="after")
    def _named(self) -> "ContactReference":
        if self.external_id is None and self.email is None:
            raise PydanticCustomError("required", "Name the contact by its external id or its email.")
        return self


class BillGroupRow(BillGroupBody):
    """A bill group in a row."""

    bill_group_id: VendorId
    billing_contact: ContactReference | None = None
    shipping_contact: ContactReference | None = None


class ContactRow(ContactBody):
    """A contact in a row."""

    account_id: VendorId


class SubscriptionRow(SubscriptionBody):
    """A subscription in a row."""

    bill_group_id: VendorId
    subscription_id: VendorId


class AccessRuleRow(AccessRuleBody):
    """An access rule in a row."""

    bill_group_id: VendorId


class ContactAccessRow(ContactReference):
    """The access of one contact to one bill group in a row."""

    account_id: VendorId
    bill_group_id: VendorId
    permissions: Permissions | None = None


def _write_entity(context: RequestContext, row: EntityRow) -> RowOutcome:
    written = put_entity(context, row.entity_id, values_without(row, "entity_id"))
    return row_outcome(written.created, written.changed)


def _write_account(context: RequestContext, row: AccountRow) -> RowOutcome:
    written = put_account(context, row.account_id, values_without(row, "account_id"))
    return row_outcome(written.created, written.changed, written.overrides)


def _write_bill_group(context: RequestContext, row: BillGroupRow) -> RowOutcome:
    references = {f"{name}_id": name for name in ("billing_contact", "shipping_contact")}
    given = values_without(row, "bill_group_id", *references.values())
    for field, name in references.items():
        if name in row.model_fields_set:
            given[field] = _resolve_contact(row, name, getattr(row, name))
    try:
        written = put_bill_group(context, row.bill_group_id, given)
    except InvalidInput as refusal:
        named = (replace(fault, field=references.get(fault.field, fault.field)) for fault in refusal.fields)
        raise InvalidInput(refusal.code, refusal.message, fields=tuple(named), details=refusal.details) from None
    group = written.bill_group
    # Another contact may be here because this one was deleted.
    notes = tuple(
        FieldError(name, "contact_is_inactive", "This contact was deleted here. Who took its place stays.")
        for field, name in references.items()
        if (meant := given.get(field)) not in (None, getattr(group, field))
        and contacts.is_contact_inactive(group.account_id, meant)
    )
    done = row_outcome(written.created, written.changed, written.overrides)
    return replace(done, notes=done.notes + notes)


def _resolve_contact(row: BillGroupRow, name: str, reference: ContactReference | None) -> str | None:
    if reference is None:
        return None
    if row.account_id is None:
        raise InvalidInput.field(
            "account_id", "required", "A contact is found within its account. Map the account too."
        )
    found = contacts.find_intended_contact(row.account_id, reference.external_id, reference.email)
    if found is None:
        raise _unknown_contact_error(row.account_id, name)
    return found


def _unknown_contact_error(account_id: str, field: str) -> InvalidInput:
    """Return the error of a contact that does not exist, or of its account."""
    if not get_accounts([account_id]):
        return unknown_reference_error("account_id")
    return InvalidInput.field(field, "unknown_contact", "The account has no such contact. Import its contacts first.")


def _write_contact(context: RequestContext, row: ContactRow) -> RowOutcome:
    given = {name: value for name, value in row.details().items() if name != "account_id"}
    roles = None if row.roles is None else frozenset(row.roles)
    try:
        written = contacts.write_contact(context, row.account_id, given, roles)
    except NotFound:
        raise unknown_reference_error("account_id") from None
    except Conflict as refusal:
        if refusal.code != "contact_is_inactive":
            raise
        note = FieldError("", refusal.code, "This contact was deleted here. Restore it by hand.")
        return RowOutcome(UNCHANGED, (note,))
    return row_outcome(written.created, written.read.changed, written.read.overrides)


def _write_subscription(context: RequestContext, row: SubscriptionRow) -> RowOutcome:
    try:
        written = subscriptions.put_subscription(
            context, row.bill_group_id, row.subscription_id, values_without(row, "bill_group_id", "subscription_id")
        )
    except NotFound:
        raise unknown_reference_error("bill_group_id") from None
    return row_outcome(written.created, written.changed)


def _write_access_rule(context: RequestContext, row: AccessRuleRow) -> RowOutcome:
    try:
        access_rules.create_access_rule(
            context, row.bill_group_id, row.read(), row.permissions, replace_emails=row.replace_emails
        )
    except NotFound:
        raise unknown_reference_error("bill_group_id") from None
    except Conflict as refusal:
        if refusal.code == "access_rule_exists":
            return _match_existing_rule(row)
        if refusal.code == "email_under_domain":
            return RowOutcome(UNCHANGED, (FieldError("value", refusal.code, refusal.message),))
        raise
    return RowOutcome(CREATED)


def _match_existing_rule(row: AccessRuleRow) -> RowOutcome:
    standing = access_rules.find_access_rule(row.bill_group_id, row.read())
    if standing is None or row.permissions is None or set(row.permissions) == set(standing.permissions):
        return RowOutcome(UNCHANGED)
    note = FieldError("permissions", "kept", "The rule stands already, with other permissions. It stays as it is.")
    return RowOutcome(UNCHANGED, (note,))


def _write_contact_access(context: RequestContext, row: ContactAccessRow) -> RowOutcome:
    contact_id = contacts.find_contact(row.account_id, row.external_id, row.email)
    if contact_id is None:
        raise _unknown_contact_error(row.account_id, "external_id" if row.external_id is not None else "email")
    changed = contacts.grant_access(context, row.account_id, contact_id, row.bill_group_id, row.permissions)
    return RowOutcome(CHANGED if changed else UNCHANGED)


def _account_reads(row: AccountRow) -> Iterator[Key]:
    yield keys.account(row.account_id)
    if row.entity_id:
        yield keys.entity(row.entity_id)


def _contact_reads(row: ContactRow | ContactAccessRow) -> Iterator[Key]:
    yield from contacts.lookup_keys(row.account_id, row.external_id, row.email)
    yield keys.account(row.account_id)
    yield keys.contact_roles(row.account_id)


def _bill_group_reads(row: BillGroupRow) -> Iterator[Key]:
    yield keys.bill_group(row.bill_group_id)
    if row.entity_id:
        yield keys.entity(row.entity_id)
    if row.account_id:
        yield keys.account(row.account_id)
        yield keys.contact_roles(row.account_id)
        for named in (row.billing_contact, row.shipping_contact):
            if named is not None:
                yield from contacts.lookup_keys(row.account_id, named.external_id, named.email)


def _subscription_reads(row: SubscriptionRow) -> Iterator[Key]:
    yield keys.bill_group(row.bill_group_id)
    yield keys.subscription(row.bill_group_id, row.subscription_id)


def _contact_identities(row: ContactRow) -> tuple[str, ...]:
    named = (("external_id", row.external_id), ("email", row.email))
    return tuple(f"{row.account_id} {field} {value}" for field, value in named if value is not None)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "entities",
            "entities.write",
            EntityRow,
            (("entity_id",),),
            lambda row: (row.entity_id,),
            _write_entity,
            reads=lambda row: (keys.entity(row.entity_id),),
            named_by=("entity_id",),
        ),
        Kind(
            "accounts",
            "accounts.write",
            AccountRow,
            (("account_id",),),
            lambda row: (row.account_id,),
            _write_account,
            reads=_account_reads,
            named_by=("account_id",),
        ),
        Kind(
            "contacts",
            "contacts.write",
            ContactRow,
            (("account_id",), ("external_id", "email")),
            _contact_identities,
            _write_contact,
            reads=_contact_reads,
            distinguishing=frozenset({"external_id"}),
        ),
        Kind(
            "bill_groups",
            "bill_groups.write",
            BillGroupRow,
            (("bill_group_id",),),
            lambda row: (row.bill_group_id,),
            _write_bill_group,
            reads=_bill_group_reads,
            named_by=("bill_group_id",),
        ),
        Kind(
            "subscriptions",
            "subscriptions.write",
            SubscriptionRow,
            (("bill_group_id",), ("subscription_id",)),
            lambda row: (f"{row.bill_group_id} {row.subscription_id}",),
            _write_subscription,
            reads=_subscription_reads,
        ),
        Kind(
            "access_rules",
            "access_rules.write",
            AccessRuleRow,
            (("bill_group_id",), ("value",)),
            lambda row: (f"{row.bill_group_id} {row.value}",),
            _write_access_rule,
        ),
        Kind(
            "contact_access",
            "contact_access.write",
            ContactAccessRow,
            (("account_id",), ("bill_group_id",), ("external_id", "email")),
            lambda row: (f"{row.account_id} {row.external_id or row.email} {row.bill_group_id}",),
            _write_contact_access,
            reads=_contact_reads,
        ),
        Kind(
            "invoices",
            "invoices.write",
            invoices.InvoiceRow,
            (("invoice_id",), ("bill_group_id",), ("lines",)),
            lambda row: (row.invoice_id,),
            invoices.write_invoice,
            reads=invoices.invoice_reads,
            named_by=("invoice_id",),
            parts="lines",
            grouped_by=("invoice_id",),
            needs_parts=True,
            whole=True,
        ),
        Kind(
            "payments",
            "payments.write",
            invoices.PaymentRow,
            (("payment_id",), ("account_id", "allocations")),
            lambda row: (f"{row.account_id or ''} {row.payment_id}",),
            invoices.write_payment,
            reads=invoices.payment_reads,
            parts="allocations",
            grouped_by=("account_id", "payment_id"),
            whole=True,
        ),
    )
}
