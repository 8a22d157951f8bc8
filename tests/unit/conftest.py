from collections.abc import Iterator

import pytest

from chalicelib.config import settings

ENVIRONMENT = {
    "DEPLOYMENT": "test",
    "TABLE_NAME": "table",
    "BUCKET_NAME": "bucket",
    "URGENT_MAIL_QUEUE_URL": "https://sqs/urgent",
    "PASSWORD_MAIL_QUEUE_URL": "https://sqs/passwords",
    "BULK_MAIL_QUEUE_URL": "https://sqs/bulk",
    "IMPORTS_QUEUE_URL": "https://sqs/imports",
    "ERASURES_QUEUE_URL": "https://sqs/erasures",
    "DOCUMENTS_QUEUE_URL": "https://sqs/documents",
    "DELIVERIES_QUEUE_URL": "https://sqs/deliveries",
    "COVERAGE_QUEUE_URL": "https://sqs/coverage",
    "PLANNING_QUEUE_URL": "https://sqs/planning",
    "REMINDERS_QUEUE_URL": "https://sqs/reminders",
    "PUBLIC_URL": "https://api.example.com",
    "SIGNING_KEY": "0123456789abcdef0123456789abcdef",
    "ALLOWED_ORIGINS": "https://portal.example.com, https://other.example.com",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of a deployment that has no AWS."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()
