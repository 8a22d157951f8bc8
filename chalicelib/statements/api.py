"""HTTP of statements of account."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Query, Reply, Request, Routes, View
from chalicelib.errors import Forbidden
from chalicelib.field_types import Currency, VendorId
from chalicelib.permissions import Principal
from chalicelib.statements import requests, service
from chalicelib.statements.inputs import StatementBody
from chalicelib.statements.requests import StatementCriteria, StatementRequest
from chalicelib.statements.rules import OpenItem, StatementSection, ageing_bucket, days_past_due

statements_routes = Routes("statements")

MAX_ITEMS = 500
"""How many open items a reply lists; the figures count all of them."""


class AgeingView(View):
    """Amount owed on invoices by days overdue, in minor units."""

    current: int = Field(description="Not overdue: due today or later, or without a due date.")
    days_1_30: int
    days_31_60: int
    days_61_90: int
    days_over_90: int


class OpenItemView(View):
    """An open invoice, or a credit note with a remaining amount. Amounts are in minor units."""

    invoice_id: str
    kind: str = Field(description="invoice or credit_note.")
    number: str
    bill_group_id: str
    po_number: str | None
    issue_date: date
    due_date: date | None
    total: int
    balance: int = Field(description="What is open; of a credit note, what is left to apply.")
    days_overdue: int
    age: str | None = Field(description="The part of the ageing in which it counts; null for a credit note.")
    disputed: bool


class OpenPaymentView(View):
    """A payment that is not fully allocated. Amounts are in minor units."""

    payment_id: str
    received_on: date
    reference: str | None
    amount: int
    unallocated: int


class SectionView(View):
    """What is owed to one issuing entity in one currency. Amounts are in minor units."""

    entity_id: str
    currency: str
    owed: int = Field(description="What is open on invoices; the sum of the ageing.")
    overdue: int = Field(
        description="The overdue part of the balance: credit and unallocated count on the earliest due first."
    )
    ageing: AgeingView
    credit: int = Field(description="What is left of credit notes.")
    unallocated: int | None = Field(description="What payments have left. Null to a portal user: it is the account's.")
    balance: int = Field(description="What is to be paid: owed, less credit and unallocated. Below zero: a credit.")
    open_items: list[OpenItemView] = Field(
        description=f"The oldest due first, those without a due date last; at most {MAX_ITEMS} in all sections."
    )
    open_payments: list[OpenPaymentView]


class StatementView(View):
    """What an account owes today, where it is."""

    account_id: str
    account_name: str
    as_of: date
    sections: list[SectionView]
    items_left_out: int = Field(description="How many open items the figures count and the lists leave out.")


class RequestedView(View):
    """A requested statement of account."""

    statement_id: str
    account_id: str
    entity_id: str
    currency: str
    as_of: date
    status: str = Field(description="pending until its PDF exists, then made.")
    sha256: str | None = Field(description="Of the PDF.")
    size: int | None
    send_to: list[str] = Field(description="The contacts who get it by email.")
    email_ids: list[str] = Field(description="Their emails, once the PDF exists.")
    created_at: datetime


class StatementQuery(Query):
    """Of what a statement is wanted."""

    entity_id: VendorId | None = Field(default=None, description="Of one issuing entity only.")
    currency: Currency | None = Field(default=None, description="In one currency only.")


@statements_routes.get(
    "/v1/accounts/{account_id}/statement",
    may="statements.read",
    query=StatementQuery,
    returns={200: StatementView},
)
def get_statement(request: Request[None, StatementQuery]) -> Reply:
    """Read what an account owes, by age, for each issuing entity and currency."""
    found = service.read_statement(
        request.path["account_id"],
        request.context.now,
        bill_group_ids=_visible_bill_groups(request.principal),
        entity_id=request.query.entity_id,
        currency=request.query.currency,
    )
    shown: list[SectionView] = []
    places = MAX_ITEMS
    for section in found.sections:
        shown.append(_section_view(section, found, places))
        places -= len(shown[-1].open_items)
    everything = sum(len(section.open_items) for section in found.sections)
    return Reply(
        StatementView(
            account_id=found.account_id,
            account_name=found.account_name,
            as_of=found.as_of,
            sections=shown,
            items_left_out=everything - (MAX_ITEMS - places),
        )
    )


def _visible_bill_groups(caller: Principal) -> frozenset[str] | None:
    """Return the bill groups of which the caller may see what is owed; None: of all (A9)."""
    if not caller.is_portal:
        return None
    return frozenset(group for group in caller.grants if caller.has("invoices", group))


def _section_view(section: StatementSection, statement: service.Statement, places: int) -> SectionView:
    return SectionView(
        entity_id=section.entity_id,
        currency=section.currency,
        owed=section.owed,
        overdue=section.overdue,
        ageing=AgeingView.model_validate(section.ageing, from_attributes=True),
        credit=section.credit,
        unallocated=section.unallocated if statement.complete else None,
        balance=section.balance,
        open_items=[_open_item_view(item, statement.as_of) for item in section.open_items[:places]],
        open_payments=[
            OpenPaymentView.model_validate(payment, from_attributes=True) for payment in section.open_payments
        ],
    )


def _open_item_view(item: OpenItem, as_of: date) -> OpenItemView:
    owed = item.kind == "invoice"
    return OpenItemView(
        **{name: getattr(item, name) for name in OpenItemView.model_fields if name not in ("days_overdue", "age")},
        days_overdue=days_past_due(item.due_date, as_of) if owed else 0,
        age=ageing_bucket(item.due_date, as_of) if owed else None,
    )


def _request_reply(found: StatementRequest, status: int = 200) -> Reply:
    view = RequestedView(
        statement_id=found.statement_id,
        account_id=found.account_id,
        entity_id=found.entity_id,
        currency=found.currency,
        as_of=found.as_of,
        status="made" if found.pdf else "pending",
        sha256=found.pdf.sha256 if found.pdf else None,
        size=found.pdf.size if found.pdf else None,
        send_to=list(found.send_to),
        email_ids=list(found.email_ids),
        created_at=found.created_at,
    )
    return Reply(view, status=status)


def _find_request(request: Request[Any, Any]) -> StatementRequest:
    path = request.path
    return requests.get_statement_request(
        path["account_id"], path["statement_id"], _visible_bill_groups(request.principal)
    )


def _rebuild_request(request: Request[Any, Any]) -> Reply:
    # A repeated request names the statement that the first one had made.
    return _request_reply(_find_request(request), status=202)


@statements_routes.post(
    "/v1/accounts/{account_id}/statements",
    may="statements.ask",
    body=StatementBody,
    returns={202: RequestedView},
    raises=("statement_too_long", "invoice_mail_not_live", "address_suppressed"),
    replay=_rebuild_request,
)
def ask_for_statement(request: Request[StatementBody, None]) -> Reply:
    """Request a statement of account as PDF, for one issuing entity and currency, and email it if requested.

    The figures are those at the time of the request. A portal user gets those of their bill groups, and needs the
    permission `emails` to have it emailed.
    """
    caller, body = request.principal, request.body
    if caller.is_portal and body.send_to and not any(caller.has("emails", group) for group in caller.grants):
        raise Forbidden(
            "forbidden", "You do not have the permission emails. Leave out send_to, or ask the account's owner."
        )
    asked = StatementCriteria(
        body.entity_id, body.currency, tuple(dict.fromkeys(body.send_to or ())), _visible_bill_groups(caller)
    )
    return _request_reply(requests.request_statement(request.context, request.path["account_id"], asked), status=202)


@statements_routes.get(
    "/v1/accounts/{account_id}/statements/{statement_id}", may="statements.read", returns={200: RequestedView}
)
def get_requested(request: Request[None, None]) -> Reply:
    """Read the status of a requested statement."""
    return _request_reply(_find_request(request))


@statements_routes.get(
    "/v1/accounts/{account_id}/statements/{statement_id}/pdf",
    may="statements.read",
    returns={302: None},
    raises=("pdf_pending",),
)
def get_statement_pdf(request: Request[None, None]) -> Reply:
    """Redirect to the PDF of a statement, at an address that works for a minute. 409 `pdf_pending` until it exists."""
    return Reply(status=302, headers={"Location": requests.statement_pdf_url(_find_request(request))})
