"""The examples of the documentation do what it says."""

from pathlib import Path

from chalicelib.accounts import service as accounts
from chalicelib.bill_groups import service as bill_groups
from chalicelib.bill_groups import subscriptions
from chalicelib.contacts import service as contacts
from chalicelib.entities import service as entities
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.rules import Import
from chalicelib.invoices import queries
from tests.integration.imports.imports import CALL, ENTITY, imported
from tests.integration.imports.shop import imported_two

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def example(name: str, file: str) -> Import:
    mapping = Mapping.model_validate_json((EXAMPLES / f"{name}.mapping.json").read_text())
    return imported((EXAMPLES / file).read_bytes(), mapping)


def test_the_examples_can_be_imported(entity: None) -> None:
    entities.put_entity(CALL, "northwind", ENTITY)
    customers = example("customers", "customers.csv")
    assert customers.refusals == ()
    assert [(one.line, one.field, one.code) for one in customers.warnings] == [(4, "cell", "bad_phone")]
    terms = [accounts.get_account(f"K-100{n}").account.payment_terms for n in (1, 2, 3)]
    assert [(one.kind, one.days) for one in terms] == [("net", 30), ("due_on_receipt", None), ("net", 14)]
    assert accounts.get_account("K-1003").account.name == "Sofia Duarte"
    (anna,) = contacts.list_contacts("K-1001", "active", None, 10)[0]
    assert (anna.contact.name, anna.contact.cell) == ("Anna Köhler", "+493026550280")
    assert anna.roles == {"invoicing", "accounts_payable"}
    group = bill_groups.get_bill_group("K-1001.1").bill_group
    assert (group.billing_contact_id, str(group.contract_start)) == (anna.contact.contact_id, "2021-02-01")
    assert example("subscriptions", "subscriptions.jsonl").refusals == ()
    assert subscriptions.get_subscription("K-1001.1", "s-1").unit_amount == 1990
    assert example("customers", "customers.csv").counts["contacts"]["unchanged"] == 3


def test_the_examples_of_what_is_owed_can_be_imported(entity: None) -> None:
    entities.put_entity(CALL, "northwind", ENTITY)
    example("customers", "customers.csv")
    wanted = Mapping.model_validate_json((EXAMPLES / "invoices.mapping.json").read_text())
    files = [(EXAMPLES / name).read_bytes() for name in ("invoices.csv", "invoice-lines.csv")]
    found = imported_two(*files, wanted)
    assert found.refusals == ()
    assert (found.counts["invoices"]["created"], found.counts["lines"]["read"]) == (3, 5)
    whole = queries.get_invoice_with_content("R-2024-001")
    assert [one.net_amount for one in whole.content.lines] == [70000, 21200, 30000]
    assert (whole.invoice.tax_total, whole.invoice.po_number) == (23028, "B 4711")
    assert queries.get_invoice_with_content("R-2024-002").content.tax_totals == ()
    assert queries.get_invoice_head("R-2024-003").balance == 11900
    assert example("payments", "payments.csv").refusals == ()
    assert [queries.get_invoice_head(f"R-2024-00{number}").status for number in (1, 2)] == ["paid", "paid"]
