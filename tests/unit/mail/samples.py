"""Mails to render in tests."""

from datetime import UTC, datetime
from typing import Any

from chalicelib.accounts.rules import Address
from chalicelib.entities.rules import Entity, TaxNumber

AT = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)

ENTITY = Entity(
    entity_id="nordlicht",
    name="Nordlicht Cloud",
    colour="#0b5fff",
    sender_email="billing@nordlicht.example",
    locale="en",
    time_zone="Europe/Berlin",
    legal_name="Nordlicht Cloud GmbH",
    address=Address("Hafenstraße 12", None, "Hamburg", None, "20457", "DE"),
    tax_numbers=(TaxNumber("VAT", "DE136695976"),),
    registration_number="HRB 123456",
    website="https://nordlicht.example",
    support_email="help@nordlicht.example",
)

CONTEXTS: dict[str, dict[str, Any]] = {
    "contact_added": {
        "account_name": "Müller & Söhne GmbH",
        "contact_name": "Ana García",
        "roles": ["invoicing", "accounts_payable"],
    },
    "role_changed": {
        "account_name": "Müller & Söhne GmbH",
        "contact_name": "Ana García",
        "roles_before": ["invoicing"],
        "roles_now": ["accounts_payable"],
    },
    "contact_removed": {
        "account_name": "Müller & Söhne GmbH",
        "contact_name": "Ana García",
        "roles_before": ["invoicing", "accounts_payable"],
    },
}
