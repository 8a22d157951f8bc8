"""Use cases of bill groups."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.bill_groups import portal_link
from chalicelib.bill_groups.rules import (
    BILLING,
    CONTACT_FIELD_BY_KIND,
    BillGroup,
    check_bill_group,
    check_not_moved,
    check_portal_editable,
    check_recipient_filter,
)
from chalicelib.errors import InvalidInput, NotFound, StaleVersion
from chalicelib.field_marks import FieldUse, is_any_changed
from chalicelib.field_ownership import Override, find_upstream_differences, merge_fields
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass, dataclass_defaults, to_plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, ContactItem
from chalicelib.tasks.kinds import ReplanInvoices
from chalicelib.tasks.service import add_task
from chalicelib.tax_numbers import find_tax_number_fault


@dataclass(frozen=True)
class BillGroupWriteResult:
    """The bill group after a write, whether it was created, and our values that the billing system replaced."""

    bill_group: BillGroup
    created: bool
    overrides: tuple[Override, ...]
    changed: bool = True
    """False when nothing changed and nothing was written."""


@dataclass(frozen=True)
class BillGroupRead:
    """A bill group, and the differences from the billing system's values."""

    bill_group: BillGroup
    differences: dict[str, Any]


def put_bill_group(
    context: RequestContext, bill_group_id: str, given: dict[str, Any], expected_version: int | None = None
) -> BillGroupWriteResult:
    """Create a bill group or change the given fields (DESIGN §5 decides whose value counts).

    The billing and the shipping contact are active contacts of the account (C8); so that neither can be deleted
    unnoticed, each contact's row lists the bill groups that name it, in the same transaction. Raises InvalidInput
    naming every invalid field, Conflict when the bill group would move, StaleVersion when ``expected_version`` is not
    the newest.
    """
    return _write(context, bill_group_id, given, expected_version, from_billing=context.is_billing_system)


def patch_bill_group(
    context: RequestContext, bill_group_id: str, given: dict[str, Any], expected_version: int | None
) -> BillGroupWriteResult:
    """Change the given fields of a bill group here; they stand until the billing system sends other values.

    Raises NotFound, Forbidden to a portal user for the vendor's fields, and what ``put_bill_group`` raises.
    """
    check_portal_editable(context.actor.kind, given)
    return _write(context, bill_group_id, given, expected_version, from_billing=False, must_exist=True)


def _write(
    context: RequestContext,
    bill_group_id: str,
    given: dict[str, Any],
    expected_version: int | None,
    *,
    from_billing: bool,
    must_exist: bool = False,
) -> BillGroupWriteResult:
    def attempt() -> BillGroupWriteResult:
        key = keys.bill_group(bill_group_id)
        (item,) = store.get_items_for_write(context, key)
        before = store.from_item(BillGroup, item) if item else None
        if before is None and must_exist:
            raise NotFound()
        if expected_version is not None and (before is None or before.version != expected_version):
            raise StaleVersion(before.version if before else 0)
        if before is not None:
            check_not_moved(before, given)
        merged = merge_fields(
            to_plain_fields(before) if before else None,
            before.upstream if before else {},
            given,
            from_billing=from_billing,
            defaults=dataclass_defaults(BillGroup),
        )
        after = build_dataclass(
            BillGroup, {**merged.values, "bill_group_id": bill_group_id, "upstream": merged.upstream}
        )
        check_bill_group(after)
        if after == before:
            return BillGroupWriteResult(after, False, merged.overrides, changed=False)
        _check_vat_number(before, after)
        transaction = store.Transaction(context)
        _check_references(transaction, before, after)
        if before is None:
            token = portal_link.new_token()
            after = replace(after, portal_token=token)
            portal_link.add(transaction, token, bill_group_id, after.account_id)
        row = store.to_item(
            BillGroupItem, key, after, listed=keys.bill_group_listed(after.account_id, after.bill_group_id)
        )
        transaction.put(row, new=before is None)
        _record(transaction, context, before, after)
        if before is not None and is_any_changed(before, after, FieldUse.MOVES_REMINDERS):
            add_task(transaction, context, ReplanInvoices("bill_group", bill_group_id))
        transaction.record_response(bill_group_id, 200 if before else 201)
        transaction.commit()
        return BillGroupWriteResult(replace(after, version=int(row.version)), before is None, merged.overrides)

    return store.retry_on_conflict(attempt)


def _check_vat_number(before: BillGroup | None, after: BillGroup) -> None:
    """Raise InvalidInput for a new VAT number that is not valid in its country; one that was taken stays."""
    if after.vat_number is None or (before is not None and before.vat_number == after.vat_number):
        return
    address = after.billing_address or after.shipping_address
    fault = find_tax_number_fault(after.vat_number, address.country if address else None)
    if fault is not None:
        raise InvalidInput.field("vat_number", "bad_vat_number", fault)


def _check_references(transaction: store.Transaction, before: BillGroup | None, after: BillGroup) -> None:
    """Check, as far as this write needs, that account, entity and contacts exist and belong together."""
    was, will_be = _contact_ids_by_kind(before) if before else {}, _contact_ids_by_kind(after)
    contact_ids = sorted({contact_id for contact_id in (*was.values(), *will_be.values()) if contact_id})
    wanted = [keys.contact(after.account_id, contact_id) for contact_id in contact_ids]
    wanted += [keys.contact_roles(after.account_id)]
    if before is None:
        wanted += [keys.account(after.account_id), keys.entity(after.entity_id)]
    narrowed = before is None or any(
        getattr(before, name) != getattr(after, name)
        for name in ("invoicing_contact_ids", "accounts_payable_contact_ids", *CONTACT_FIELD_BY_KIND.values())
    )
    if not narrowed:
        return
    found = store.batch_get_items(wanted)
    if before is None:
        for key, name in ((keys.account(after.account_id), "account_id"), (keys.entity(after.entity_id), "entity_id")):
            if key not in found:
                raise InvalidInput.field(name, "unknown", "Not found. Create it first, or correct the id.")
            transaction.check_exists(found[key])
    roles = found.get(keys.contact_roles(after.account_id))
    check_recipient_filter(
        before,
        after,
        invoicing=frozenset((roles.invoicing if roles else None) or ()),
        accounts_payable=frozenset((roles.accounts_payable if roles else None) or ()),
    )
    for contact_id in contact_ids:
        contact = found.get(keys.contact(after.account_id, contact_id))
        changed = False
        for kind, field in CONTACT_FIELD_BY_KIND.items():
            joins = will_be.get(kind) == contact_id and was.get(kind) != contact_id
            leaves = was.get(kind) == contact_id and will_be.get(kind) != contact_id
            if joins and (contact is None or contact.status != "active"):
                raise InvalidInput.field(field, "unknown_contact", "This is not an active contact of the account.")
            if contact is not None and (joins or leaves):
                _update_contact_usage(contact, kind, after.bill_group_id, joins)
                changed = True
        if contact is not None and changed:
            transaction.replace(contact)


def _contact_ids_by_kind(group: BillGroup) -> dict[str, str | None]:
    return {kind: getattr(group, field) for kind, field in CONTACT_FIELD_BY_KIND.items()}


def _update_contact_usage(contact: ContactItem, kind: str, bill_group_id: str, used: bool) -> None:
    attribute = "billing_for" if kind == BILLING else "shipping_for"
    others = {group_id for group_id in getattr(contact, attribute) if group_id != bill_group_id}
    setattr(contact, attribute, sorted(others | {bill_group_id} if used else others))


def _record(
    transaction: store.Transaction, context: RequestContext, before: BillGroup | None, after: BillGroup
) -> None:
    record_audit_event(
        transaction,
        context,
        "bill_group.changed" if before else "bill_group.created",
        "bill_group",
        after.bill_group_id,
        diff_fields(before, after),
        account_id=after.account_id,
        bill_group_id=after.bill_group_id,
    )


def replace_bill_group_contact(
    transaction: store.Transaction,
    context: RequestContext,
    groups: list[BillGroupItem],
    contact_id: str,
    successor_id: str | None,
) -> None:
    """Replace ``contact_id`` by ``successor_id`` wherever ``groups`` name it (C4), in a transaction.

    The caller updates the lists of bill groups of both contacts.
    """
    for item in groups:
        before = store.from_item(BillGroup, item)
        fields = {
            field: successor_id for field in CONTACT_FIELD_BY_KIND.values() if getattr(before, field) == contact_id
        }
        after = replace(before, **fields)  # type: ignore[arg-type]
        for field, value in fields.items():
            setattr(item, field, value)
        transaction.replace(item)
        _record(transaction, context, before, after)


def get_bill_group(bill_group_id: str) -> BillGroupRead:
    """Read a bill group. Raises NotFound."""
    item = store.get_item(BillGroupItem, keys.bill_group(bill_group_id))
    if item is None:
        raise NotFound()
    group = store.from_item(BillGroup, item)
    return BillGroupRead(group, find_upstream_differences(group))


def get_bill_groups(ids: list[str]) -> list[BillGroup]:
    """Return the existing bill groups with these ids, in order."""
    found = store.batch_get_items([keys.bill_group(bill_group_id) for bill_group_id in ids])
    ordered = [keys.bill_group(bill_group_id) for bill_group_id in ids]
    return [store.from_item(BillGroup, found[key]) for key in ordered if key in found]


def list_bill_groups(account_id: str, after: str | None, limit: int) -> tuple[list[BillGroup], str | None]:
    """Return a page of an account's bill groups in order of their ids. Raises NotFound without the account."""
    if after is None and keys.account(account_id) not in store.batch_get_items([keys.account(account_id)]):
        raise NotFound()
    page = store.query_items_by_index(keys.bill_group_listed(account_id, "").pk, limit=limit, after=after)
    return [store.from_item(BillGroup, item) for item in page.items], page.after
