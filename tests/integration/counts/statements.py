"""What it costs to choose mails and to stop them, to alarm of a role, and to have a statement made and mailed."""

from collections.abc import Callable
from typing import Any

from chalicelib import clock
from chalicelib.accounts import service as accounts
from chalicelib.config import settings
from chalicelib.contacts import reachability, recipients, unsubscribe_links
from chalicelib.functions.documents import make_documents
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import SuppressionItem
from tests.aws_calls import Calls, counted
from tests.integration.counts.deliveries import process_message

EVE = {"first_name": "Eve", "last_name": "Fox", "email": "eve@example.com"}


def count_preferences_and_statements(
    found: dict[str, Calls], service: Callable[..., Any], count: Callable[..., Any]
) -> None:
    """Count at the account of ``count_deliveries``, whose one invoicing contact is di@example.com."""
    context = RequestContext(Actor("system", "test", "test"), clock.utc_now(), "counts-0001")
    eve = service("POST", "/v1/accounts/a3/contacts", EVE)["contact_id"]
    preferences = f"/v1/accounts/a3/contacts/{eve}/preferences"
    count("subscribe to copies of invoices", "PUT", preferences, {"invoices": True})
    account = accounts.get_account("a3").account
    with counted() as found["find the recipients of a bill group's invoices"]:
        recipients.list_invoice_recipients(account, None)
    token = unsubscribe_links.build_unsubscribe_url("a3", eve, "eve@example.com", "invoices").rsplit("/", 1)[1]
    with counted() as found["unsubscribe by the link in the email"]:
        assert not unsubscribe_links.unsubscribe(context, token).wanted
    asked = count("request a statement, emailed to a contact", "POST", "/v1/accounts/a3/statements", {"send_to": [eve]})
    subject = f"statement/{asked['statement_id']}"
    made = process_message(settings().queue_urls["documents"], subject, make_documents)
    found["render its PDF, and write its email"] = made
    key = keys.suppression("di@example.com")
    store.create_item(SuppressionItem(key.pk, key.sk, email="di@example.com", reason="complaint", since=context.now))
    with counted() as found["alarm of an unreachable role, by two emails"]:
        reachability.check_role_coverage(context, "di@example.com")
