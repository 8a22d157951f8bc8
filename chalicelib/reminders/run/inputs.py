"""Request bodies for runs, releases and what is known of payments (R2, R9)."""

from pydantic import Field

from chalicelib.field_types import Body, Instant


class PaymentsAsOfBody(Body):
    """Up to when payments are recorded."""

    as_of: Instant | None = Field(
        description="All payments received before this instant are recorded. Null: no longer reported."
    )


class ReleaseBody(Body):
    """How many accounts are released a day."""

    accounts_a_day: int = Field(ge=0, le=100_000, description="0 stops the release. Released invoices stay released.")
