"""Mails to render in tests."""

from datetime import UTC, datetime
from typing import Any

from chalicelib.entities.rules import Entity, TaxNumber
from chalicelib.postal_address import PostalAddress

AT = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)

ENTITY = Entity(
    entity_id="nordlicht",
    name="Nordlicht Cloud",
    colour="#0b5fff",
    sender_email="billing@nordlicht.example",
    locale="en",
    time_zone="Europe/Berlin",
    legal_name="Nordlicht Cloud GmbH",
    address=PostalAddress("Hafenstraße 12", None, "Hamburg", None, "20457", "DE"),
    tax_numbers=(TaxNumber("VAT", "DE136695976"),),
    registration_number="HRB 123456",
    website="https://nordlicht.example",
    support_email="help@nordlicht.example",
)

_PERSON = {"account_name": "Müller & Söhne GmbH", "contact_name": "Ana García"}

CONTEXTS: dict[str, dict[str, Any]] = {
    "contact_added": {
        "account_name": "Müller & Söhne GmbH",
        "contact_name": "Ana García",
        "roles": ["invoicing", "accounts_payable"],
    },
    "reminder": {
        **_PERSON,
        "listed": 30,
        "further": None,
        "documents": [
            {
                "number": "2026-0042",
                "reference": "2026-0042",
                "date": "1 Feb 2026",
                "due_date": "15 Feb 2026",
                "due_date_long": "15 February 2026",
                "amount": "€1,190.00",
                "disputed": None,
                "days": 15,
                "po_number": "PO-77",
                "bill_group": "Hamburg",
                "attached": True,
                "link": "https://billing.nordlicht.example/portal/abc",
            },
            {
                "number": "2026-0051",
                "reference": "2026-0051",
                "date": "10 Feb 2026",
                "due_date": "3 Mar 2026",
                "due_date_long": "3 March 2026",
                "amount": "€59.50",
                "disputed": "€9.50",
                "days": -1,
                "po_number": None,
                "bill_group": "Hamburg",
                "attached": False,
                "link": None,
            },
        ],
        "files_in_portal": True,
        "amount": "€1,140.00",
        "disputed": "-€9.50",
        "credit": "-€100.00",
        "overdue": True,
        "tone": "firm",
        "words": None,
        "copy": False,
        "others": ["Bo Li", "דנה כהן"],
        "pay": {
            "account_holder": "Nordlicht Cloud GmbH",
            "bank_name": "Hafenbank",
            "iban": "DE02 1203 0000 0000 2020 51",
            "bic": "BYLADEM1001",
            "account_number": None,
            "routing_number": None,
        },
        "reply": "https://billing.nordlicht.example/portal/reply/abc",
        "unsubscribe": None,
    },
    "role_changed": {
        "account_name": "Müller & Söhne GmbH",
        "contact_name": "Ana García",
        "roles_before": ["invoicing"],
        "roles_now": ["accounts_payable"],
    },
    "reply_received": {
        "account_name": "Müller & Söhne GmbH",
        "account_id": "mueller",
        "contact_name": "Ana García",
        "contact_email": "ana@mueller.example",
        "answer": "problem",
        "days": 7,
        "numbers": ["2026-0042"],
        "more": 0,
        "on": None,
        "reference": None,
        "reason": "quantity",
        "note": "Line 3 was for 10 users, not 20.",
        "lines": [3],
        "amount": "€120.00",
        "owner": "sam@nordlicht.example",
    },
    "contact_removed": {
        "account_name": "Müller & Söhne GmbH",
        "contact_name": "Ana García",
        "roles_before": ["invoicing", "accounts_payable"],
    },
    "temporary_password": {
        **_PERSON,
        "user_name": "ana.garcia",
        "password": "k7mv-2qhd-xw9p-f3tn-bz6r",
        "until": "2 March 2026, 23:30 (Berlin)",
        "link": "https://billing.nordlicht.example/portal/password",
    },
    "user_name_given": {
        **_PERSON,
        "user_name": "ana.garcia",
        "link": "https://billing.nordlicht.example/portal/password",
    },
    "password_reset": {
        **_PERSON,
        "user_name": "ana.garcia",
        "link": "https://billing.nordlicht.example/portal/password/cp_abc",
        "until": "2 March 2026, 23:30 (Berlin)",
    },
    "password_changed": {**_PERSON, "user_name": "ana.garcia"},
    "reminder_run_waits": {"run": "nordlicht/2026-03-02T09", "accounts": 1204, "limit": 500},
    "role_unreachable": {**_PERSON, "roles": ["invoicing", "accounts_payable"], "for_staff": False, "addresses": []},
    "invoice": {
        **_PERSON,
        "cause": "role",
        "unsubscribe": None,
        "link": "https://billing.nordlicht.example/portal/abc",
        "documents": [
            {
                "kind": "invoice",
                "number": "2026-001",
                "date": "2 March 2026",
                "due_date": "1 April 2026",
                "amount_due": "€1,234.50",
                "total": "€1,234.50",
                "settled": False,
                "po_number": "PO-4711",
                "bill_group": "Hamburg",
                "attached": True,
                "others": [],
                "link": "https://billing.nordlicht.example/portal/abc",
            }
        ],
        "others": ["Béatrice Lenoir", "Accounts payable"],
    },
    "statement": {
        **_PERSON,
        "as_of": "2 March 2026",
        "balance": "€1,234.50",
        "in_favour": False,
        "overdue": "€500.00",
        "attached": True,
        "link": "https://billing.nordlicht.example/portal/abc",
    },
}
