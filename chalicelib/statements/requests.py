"""Request a statement of account as PDF, and by mail. The figures are read at once; rendering and mailing follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib import ids, storage
from chalicelib.accounts.rules import Account
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.bill_groups import portal_link
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.bill_groups.service import get_bill_groups, list_bill_groups
from chalicelib.config import settings
from chalicelib.contacts.rules import ACTIVE
from chalicelib.deliveries.rules import check_not_suppressed, unknown_recipients_error
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_cached_entity
from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.invoices.issue_rules import build_seller
from chalicelib.mail import portal_limits
from chalicelib.postal_address import PostalAddress
from chalicelib.request_context import RequestContext
from chalicelib.statements import rules, service
from chalicelib.statements.content import StatementContent, pack_statement_content
from chalicelib.statements.rules import Ageing, StatementSection
from chalicelib.table import keys, store
from chalicelib.table.items import RateLimitItem, StatementItem
from chalicelib.table.suppressed import find_suppressed, suppression_keys
from chalicelib.tasks.kinds import CreateStatementPdf
from chalicelib.tasks.service import add_task

KIND = "statements"
_MAX_BILL_GROUPS = 100
DOWNLOAD_LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True)
class StoredStatement:
    """The PDF of a statement in the bucket."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True)
class StatementRequest:
    """A statement that was requested. ``pdf`` is None until it is created; ``created_at`` is UTC."""

    statement_id: str
    account_id: str
    entity_id: str
    currency: str
    as_of: date
    created_at: datetime
    send_to: tuple[str, ...] = ()
    """Ids of contacts."""
    email_ids: tuple[str, ...] = ()
    bill_group_ids: tuple[str, ...] | None = None
    """The bill groups that it covers, where a portal user requested it; None: the whole account."""
    pdf: StoredStatement | None = None
    version: int = 1


@dataclass(frozen=True)
class StatementCriteria:
    """What is requested: by default, for the account's own issuing entity and currency, and mailed to nobody.

    ``bill_group_ids`` are those that a portal user may see (A9).
    """

    entity_id: str | None = None
    currency: str | None = None
    send_to: tuple[str, ...] = ()
    bill_group_ids: frozenset[str] | None = None


def request_statement(context: RequestContext, account_id: str, criteria: StatementCriteria) -> StatementRequest:
    """Read the figures of a statement; a task creates its PDF, and its mails if ``criteria`` names contacts.

    Raises NotFound; InvalidInput for another entity than the account's and for those who are no contacts; Conflict when
    too much is open for a PDF, the entity's mail is not live, or an address is suppressed; LimitReached for portal
    users who request too often.
    """

    return store.retry_on_conflict(lambda: _request_once(context, account_id, criteria))


@dataclass(frozen=True)
class _StatementSource:
    """The data of a statement, as read at the request."""

    account: Account
    entity: Entity
    as_of: date
    section: StatementSection
    groups: Sequence[BillGroup]
    """The bill groups of the open items."""
    visible_bill_group_ids: frozenset[str]
    """The bill groups that a reader of the email must be permitted to see."""
    limit: RateLimitItem | None
    send_to: tuple[str, ...]
    """The addresses of the contacts to whom it is emailed."""


def _request_once(context: RequestContext, account_id: str, criteria: StatementCriteria) -> StatementRequest:
    source = _gather_source(context, account_id, criteria)
    statement_id = ids.new_id(ids.STATEMENT_PREFIX, context.now)
    requested = StatementRequest(
        statement_id=statement_id,
        account_id=account_id,
        entity_id=source.section.entity_id,
        currency=source.section.currency,
        as_of=source.as_of,
        created_at=context.now,
        send_to=criteria.send_to,
        bill_group_ids=None if criteria.bill_group_ids is None else tuple(sorted(criteria.bill_group_ids)),
    )
    _write_request(context, requested, _build_content(statement_id, source), source)
    return requested


def _gather_source(context: RequestContext, account_id: str, criteria: StatementCriteria) -> _StatementSource:
    """Read the data of a statement, and reject the request as soon as a row forbids it."""
    account_item, limit, *contacts = store.get_items_for_write(
        context,
        keys.account(account_id),
        keys.rate_limit("statement", account_id),
        *(keys.contact(account_id, contact_id) for contact_id in criteria.send_to),
    )
    if account_item is None:
        raise NotFound
    account = store.from_item(Account, account_item)
    if context.actor.kind == "portal_user":
        rules.check_request_limit(_recent_requests(limit), context.now)
    as_of, section = _read_section(context, account, criteria)
    entity = get_cached_entity(section.entity_id, context.now)
    if criteria.send_to:
        _check_recipients(account, entity, contacts)
    send_to = tuple(contact.email for contact in contacts)
    groups = get_bill_groups(sorted({item.bill_group_id for item in section.open_items}))
    visible = criteria.bill_group_ids
    if visible is None and criteria.send_to:
        # The mail is about the whole account: its readers must be permitted to see all bill groups.
        listed, _ = list_bill_groups(account_id, None, _MAX_BILL_GROUPS)
        visible = frozenset(group.bill_group_id for group in (*listed, *groups))
    return _StatementSource(account, entity, as_of, section, groups, visible or frozenset(), limit, send_to)


def _build_content(statement_id: str, source: _StatementSource) -> StatementContent:
    account, entity = source.account, source.entity
    return StatementContent(
        statement_id=statement_id,
        account_id=account.account_id,
        account_name=account.name,
        as_of=source.as_of,
        locale=account.locale or entity.locale,
        seller=build_seller(entity),
        section=source.section,
        address=_shared_billing_address(source.groups),
        bill_group_ids=tuple(sorted(source.visible_bill_group_ids)),
        portal_url=_portal_url(source.groups),
    )


def _write_request(
    context: RequestContext, requested: StatementRequest, content: StatementContent, source: _StatementSource
) -> None:
    transaction = store.Transaction(context)
    row = store.to_item(StatementItem, keys.statement(requested.statement_id), requested)
    row.content = pack_statement_content(content)
    row.requested_by = {"kind": context.actor.kind}
    transaction.create(row)
    add_task(transaction, context, CreateStatementPdf(requested.statement_id))
    _count_request(transaction, context, keys.rate_limit("statement", requested.account_id), source.limit)
    # The emails are written once the PDF is made, by the service itself: they count now.
    for address in source.send_to if portal_limits.is_limited(context) else ():
        portal_limits.count_email(transaction, context, requested.account_id, [address], copy=True)
    changes = (
        FieldChange("as_of", None, requested.as_of.isoformat()),
        FieldChange("send_to", None, list(requested.send_to)),
    )
    record_audit_event(
        transaction,
        context,
        "statement.requested",
        "statement",
        requested.statement_id,
        changes,
        account_id=requested.account_id,
    )
    transaction.record_response(requested.statement_id, 202)
    transaction.commit()


def _read_section(
    context: RequestContext, account: Account, criteria: StatementCriteria
) -> tuple[date, StatementSection]:
    entity_id, currency = criteria.entity_id or account.entity_id, criteria.currency or account.currency
    found = service.read_statement(account.account_id, context.now, bill_group_ids=criteria.bill_group_ids)
    if entity_id not in {account.entity_id, *(section.entity_id for section in found.sections)}:
        raise InvalidInput.field(
            "entity_id", "unknown_entity", "The account owes nothing to an issuing entity of this id."
        )
    wanted = [one for one in found.sections if (one.entity_id, one.currency) == (entity_id, currency)]
    section = wanted[0] if wanted else StatementSection(entity_id, currency, Ageing())
    rules.check_length(section)
    return found.as_of, section


def _check_recipients(account: Account, entity: Entity, contacts: Sequence[Any]) -> None:
    rules.check_mail_is_live(entity, account.account_id)
    absent = [place for place, one in enumerate(contacts) if one is None or one.status != ACTIVE]
    if absent:
        raise unknown_recipients_error(
            "send_to", absent, "This is not an active contact of the account. Add the contact first."
        )
    addresses = [one.email for one in contacts]
    check_not_suppressed(find_suppressed(addresses, store.batch_get_items(suppression_keys(addresses))))


def _shared_billing_address(groups: Sequence[BillGroup]) -> PostalAddress | None:
    addresses = {group.billing_address for group in groups}
    return addresses.pop() if len(addresses) == 1 else None


def _portal_url(groups: Sequence[BillGroup]) -> str:
    if len(groups) == 1 and groups[0].portal_token:
        return portal_link.get_portal_link_url(groups[0].portal_token)
    return f"{settings().public_url}/portal"


def _recent_requests(row: RateLimitItem | None) -> list[datetime]:
    return [datetime.fromisoformat(instant) for instant in row.instants] if row else []


def _count_request(
    transaction: store.Transaction, context: RequestContext, key: keys.Key, row: RateLimitItem | None
) -> None:
    if context.actor.kind != "portal_user":
        return
    counting = row or RateLimitItem(key.pk, key.sk)
    recent = [instant for instant in _recent_requests(row) if context.now - instant < rules.REQUEST_LIMIT_WINDOW]
    counting.instants = [keys.format_instant(instant) for instant in (*recent, context.now)]
    counting.expires_at = context.now + rules.REQUEST_LIMIT_WINDOW
    transaction.put(counting, new=row is None)


def get_statement_request(
    account_id: str, statement_id: str, bill_group_ids: frozenset[str] | None = None
) -> StatementRequest:
    """Read a requested statement. Raises NotFound, also when it covers more than ``bill_group_ids`` (A9)."""
    item = store.get_item(StatementItem, keys.statement(statement_id))
    if item is None or item.account_id != account_id:
        raise NotFound
    found = store.from_item(StatementRequest, item)
    # A statement of the whole account covers more than any set of bill groups.
    if bill_group_ids is not None and not (found.bill_group_ids and bill_group_ids.issuperset(found.bill_group_ids)):
        raise NotFound
    return found


def statement_pdf_url(found: StatementRequest) -> str:
    """Return a URL of the PDF, valid for a minute. Raises Conflict ``pdf_pending``."""
    if found.pdf is None:
        raise Conflict("pdf_pending", "The PDF is being prepared. Try again in a few seconds.")
    return storage.presign_download(
        found.pdf.key, DOWNLOAD_LIFETIME, name=statement_file_name(found.as_of), media_type=PDF_MEDIA_TYPE
    )


def statement_file_name(as_of: date) -> str:
    """Return the name by which a reader saves the PDF."""
    return f"statement-{as_of.isoformat()}.pdf"
