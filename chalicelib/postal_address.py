"""A postal address, as accounts, bill groups, contacts, issuing entities and documents have it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PostalAddress:
    """A postal address; ``country`` is an ISO 3166-1 code."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
