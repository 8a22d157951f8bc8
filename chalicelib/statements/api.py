"""HTTP of statements of account."""

from datetime import date

from pydantic import Field

from chalicelib.api import Query, Reply, Request, Routes, View
from chalicelib.fields import Currency, VendorId
from chalicelib.statements import service
from chalicelib.statements.rules import OpenItem, Section, bucket_of, days_overdue

routes = Routes("statements")

MOST_ITEMS = 500
"""How many open items a reply lists; the figures count all of them."""


class AgeingView(View):
    """What is owed on invoices, by how many days it is overdue, in minor units."""

    current: int = Field(description="Not overdue: due today or later, or without a due date.")
    days_1_30: int
    days_31_60: int
    days_61_90: int
    days_over_90: int


class OpenItemView(View):
    """An open invoice, or a credit note of which something is left. Amounts are in minor units."""

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
    """A payment that is not all allocated. Amounts are in minor units."""

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
    overdue: int
    ageing: AgeingView
    credit: int = Field(description="What is left of credit notes.")
    unallocated: int | None = Field(description="What payments have left. Null to a portal user: it is the account's.")
    balance: int = Field(description="What is to be paid: owed, less credit and unallocated. Below zero: a credit.")
    open_items: list[OpenItemView] = Field(
        description=f"The oldest due first, those without a due date last; at most {MOST_ITEMS} in all sections."
    )
    open_payments: list[OpenPaymentView]


class StatementView(View):
    """What an account owes today, where it is."""

    account_id: str
    account_name: str
    as_of: date
    sections: list[SectionView]
    items_left_out: int = Field(description="How many open items the figures count and the lists leave out.")


class StatementQuery(Query):
    """Of what a statement is wanted."""

    entity_id: VendorId | None = Field(default=None, description="Of one issuing entity only.")
    currency: Currency | None = Field(default=None, description="In one currency only.")


@routes.get(
    "/v1/accounts/{account_id}/statement",
    may="statements.read",
    query=StatementQuery,
    returns={200: StatementView},
)
def get_statement(request: Request[None, StatementQuery]) -> Reply:
    """Read what an account owes, by age, for each issuing entity and currency."""
    caller = request.principal
    groups = {group for group in caller.grants if caller.has("invoices", group)} if caller.is_portal else None
    found = service.read_statement(
        request.path["account_id"],
        request.call.now,
        bill_group_ids=groups,
        entity_id=request.query.entity_id,
        currency=request.query.currency,
    )
    shown: list[SectionView] = []
    places = MOST_ITEMS
    for section in found.sections:
        shown.append(_section(section, found, places))
        places -= len(shown[-1].open_items)
    everything = sum(len(section.open_items) for section in found.sections)
    return Reply(
        StatementView(
            account_id=found.account_id,
            account_name=found.account_name,
            as_of=found.as_of,
            sections=shown,
            items_left_out=everything - (MOST_ITEMS - places),
        )
    )


def _section(section: Section, statement: service.Statement, places: int) -> SectionView:
    return SectionView(
        entity_id=section.entity_id,
        currency=section.currency,
        owed=section.owed,
        overdue=section.overdue,
        ageing=AgeingView.model_validate(section.ageing, from_attributes=True),
        credit=section.credit,
        unallocated=section.unallocated if statement.complete else None,
        balance=section.balance,
        open_items=[_item(item, statement.as_of) for item in section.open_items[:places]],
        open_payments=[
            OpenPaymentView.model_validate(payment, from_attributes=True) for payment in section.open_payments
        ],
    )


def _item(item: OpenItem, as_of: date) -> OpenItemView:
    owed = item.kind == "invoice"
    return OpenItemView(
        **{name: getattr(item, name) for name in OpenItemView.model_fields if name not in ("days_overdue", "age")},
        days_overdue=days_overdue(item.due_date, as_of) if owed else 0,
        age=bucket_of(item.due_date, as_of) if owed else None,
    )
