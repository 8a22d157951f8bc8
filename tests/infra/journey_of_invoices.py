"""Steps of the journey that concern invoices: issued, made a PDF, mailed with it, paid; what fails raises an alarm."""

import base64
import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image
from pypdf import PdfReader

from infra.stack import Answer, Stack, eventually

READER = "paul@example.org"
# The SES mailbox simulator bounces every email to this address.
BOUNCES = "bounce@simulator.amazonses.com"
INVOICE = "/v1/invoices/inv-2026-1"
_TOTAL = 23_800


def _picture() -> str:
    drawn = io.BytesIO()
    Image.new("RGB", (120, 40), "#1a2b3c").save(drawn, "PNG")
    return base64.b64encode(drawn.getvalue()).decode()


def an_entity_goes_live_with_a_logo(stack: Stack) -> None:
    entity = {
        "legal_name": "Northwind GmbH",
        "address": {"line1": "Musterstraße 1", "city": "Köln", "postal_code": "50667", "country": "DE"},
        "tax_numbers": [{"kind": "VAT", "number": "DE999990002"}],
        "bank_details": {"account_holder": "Northwind GmbH", "iban": "DE89370400440532013000"},
        "invoice_mail": {"mode": "live"},
        "live_from": "2020-01-01",
    }
    _ok(stack.call("PUT", "/v1/entities/northwind", entity))
    _ok(stack.call("PUT", "/v1/entities/northwind/logo", {"image": _picture()}))
    shown = stack.call("GET", "/v1/entities/northwind/logo")
    assert shown.status == 302, shown.text
    assert stack.cloud.get(shown.headers["location"]).startswith(b"\x89PNG")


def an_invoice_is_issued_once_and_becomes_a_pdf(stack: Stack) -> None:
    _ok(stack.call("PUT", "/v1/accounts/borealis", _ACCOUNT))
    contact = {"first_name": "Paul", "last_name": "Łoś", "email": READER, "roles": ["invoicing"]}
    made = _ok(stack.call("POST", "/v1/accounts/borealis/contacts", contact))
    _ok(stack.call("PUT", "/v1/bill-groups/borealis-hq", {**_GROUP, "billing_contact_id": made["contact_id"]}))
    issued = _ok(stack.call("PUT", INVOICE, _INVOICE))
    assert (issued["status"], issued["balance"], issued["delivery_wanted"]) == ("open", _TOTAL, True)
    again = stack.call("PUT", INVOICE, _INVOICE)
    assert (again.status, again.json["version"]) == (200, again.json["version"]), again.text
    assert stack.call("PUT", INVOICE, {**_INVOICE, "note": "Another."}).json["code"] == "invoice_exists"
    assert eventually(lambda: stack.call("GET", INVOICE).json["pdf"]["state"] == "ready"), "no PDF was made"
    pdf = _download(stack)
    known = stack.call("GET", INVOICE).json["pdf"]
    assert hashlib.sha256(pdf).hexdigest() == known["sha256"]
    assert known["e_invoice"], known
    (embedded,) = PdfReader(io.BytesIO(pdf)).attachments["factur-x.xml"]
    assert b"<ram:ID>INV-2026-1</ram:ID>" in embedded


def the_invoice_is_mailed_with_its_pdf(stack: Stack) -> None:
    assert eventually(lambda: _mails_with_files(stack) or stack.refused_mails()), "no mail was sent"
    assert not stack.refused_mails(), stack.refused_mails()
    (mail,) = _mails_with_files(stack)
    (attached,) = mail["Content"]["Simple"]["Attachments"]
    assert attached["ContentType"] == "application/pdf"
    assert _attached(stack) == [_download(stack)]

    def delivered() -> bool:
        (delivery,) = stack.call("GET", f"{INVOICE}/deliveries").json["items"]
        return [one["status"] for one in delivery["recipients"]] == ["delivered"]

    assert eventually(delivered), stack.call("GET", f"{INVOICE}/deliveries").text


def a_statement_of_account_is_made_and_mailed(stack: Stack) -> None:
    path = "/v1/accounts/borealis"
    (contact,) = stack.call("GET", f"{path}/contacts").json["items"]
    asked = stack.call("POST", f"{path}/statements", {"send_to": [contact["contact_id"]]})
    assert asked.status == 202, asked.text
    address = f"{path}/statements/{asked.json['statement_id']}/pdf"
    assert eventually(lambda: stack.call("GET", address).status == 302), stack.call("GET", address).text
    pdf = stack.cloud.get(stack.call("GET", address).headers["location"])
    assert "INV-2026-1" in PdfReader(io.BytesIO(pdf)).pages[0].extract_text()
    assert eventually(lambda: pdf in _attached(stack)), _subjects(stack, READER)


def the_console_renders_a_missing_pdf_and_sends_again(stack: Stack) -> None:
    before = _download(stack)
    bucket, s3 = stack.outputs["BucketName"], stack.cloud.client("s3")
    (kept,) = s3.list_objects_v2(Bucket=bucket, Prefix="documents/invoices/inv-2026-1/")["Contents"]
    s3.delete_object(Bucket=bucket, Key=kept["Key"])
    named = {"invoice_id": "inv-2026-1"}
    told = stack.invoke("RenderInvoice", named)["would_keep"]
    assert (told["in_the_bucket"], told["is_what_was_issued"]) == ("missing", True), told
    assert stack.invoke("RenderInvoice", {**named, "confirm": True})["kept"] == told
    assert _download(stack) == before
    planned = stack.invoke("ResendInvoice", named)["would_send"]
    assert [mail["to"] for mail in planned["mails"]] == [[READER]]
    assert _attached(stack).count(before) == 1
    assert stack.invoke("ResendInvoice", {**named, "confirm": True})["sent"]["email_ids"]
    assert eventually(lambda: _attached(stack).count(before) == 2)


def a_payment_settles_it(stack: Stack) -> None:
    payment = {
        **{"amount": _TOTAL + 100, "currency": "EUR", "received_on": _day(0), "method": "bank_transfer"},
        "allocations": [{"invoice_id": "inv-2026-1", "amount": _TOTAL}],
    }
    _ok(stack.call("PUT", "/v1/accounts/borealis/payments/pay-1", payment))
    assert stack.call("GET", INVOICE).json["status"] == "paid"
    (section,) = stack.call("GET", "/v1/accounts/borealis/statement").json["sections"]
    assert (section["owed"], section["unallocated"]) == (0, 100), section
    listed = stack.call("GET", "/v1/invoices?number=INV-2026-1").json["items"]
    assert [one["invoice_id"] for one in listed] == ["inv-2026-1"]


def invoices_are_imported_from_two_files_and_mail_nobody(stack: Stack) -> None:
    mails = len(stack.mails_to(READER))
    heads, lines = b"Id,Day,Total\n7,2026-01-31,1.98\n", b"Invoice,Text,Price\n7,Track 2,0.99\n7,Track 4,0.99\n"
    asked = {"mapping": _MAPPING, "dry_run": False, "size": len(heads), "lines_size": len(lines)}
    made = stack.call("POST", "/v1/imports", asked)
    assert made.status == 202, made.text
    for name, content in (("upload", heads), ("upload_lines", lines)):
        upload = made.json[name]
        assert stack.cloud.put(upload["url"], content, upload["headers"]) == 200
    path = f"/v1/imports/{made.json['import_id']}"
    assert stack.call("POST", f"{path}/start").status == 202
    assert eventually(lambda: stack.call("GET", path).json["status"] in ("finished", "failed"))
    assert stack.call("GET", path).json["counts"]["invoices"]["created"] == 1, stack.call("GET", path).text
    assert eventually(lambda: stack.call("GET", "/v1/invoices/shop-7").json["pdf"]["state"] == "ready")
    assert stack.call("GET", "/v1/invoices/shop-7/deliveries").json["items"] == []
    assert len(stack.mails_to(READER)) == mails


def an_address_that_bounces_gets_no_more_mail_until_cleared(stack: Stack) -> None:
    contact = {"first_name": "Bo", "last_name": "Unce", "email": BOUNCES, "roles": ["accounts_payable"]}
    _ok(stack.call("POST", "/v1/accounts/borealis/contacts", contact))
    path = f"/v1/suppressions/{BOUNCES}"
    assert eventually(lambda: stack.call("GET", path).status == 200), "the bounce was not noted"
    # The role is unreachable now; those who can help are notified.
    assert eventually(lambda: "not reaching anyone" in _subjects(stack, READER)), _subjects(stack, READER)
    assert "would_clear" in stack.invoke("ClearSuppression", {"email": BOUNCES})
    assert stack.call("GET", path).status == 200
    assert "cleared" in stack.invoke("ClearSuppression", {"email": BOUNCES, "confirm": True})
    assert stack.call("GET", path).status == 404
    health = stack.call("GET", f"/v1/mail-health?entity_id=northwind&since={_day(-1)}")
    assert health.json["total"]["bounced"] == 1, health.text


def what_fails_five_times_raises_an_alarm(stack: Stack) -> None:
    sqs, cloudwatch = stack.cloud.client("sqs"), stack.cloud.client("cloudwatch")
    queue, dead = stack.outputs["DeliveriesQueueUrl"], stack.resource("DeliveriesDeadLetterQueue")
    # Nobody waits here for the six minutes that a message is hidden after it failed.
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    sqs.send_message(QueueUrl=queue, MessageBody="poison")

    def waiting() -> int:
        asked = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        return int(asked["Attributes"]["ApproximateNumberOfMessages"])

    def state() -> str:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[stack.resource("DeliveriesDeadLetterAlarm")])["MetricAlarms"]
        return str(alarm["StateValue"])

    assert eventually(waiting) == 1
    assert state() != "ALARM"
    # The engine's queues tell CloudWatch nothing; what those of AWS would say is said for them.
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[stack.resource("DeliveriesDeadLetterAlarm")])["MetricAlarms"]
    metric = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": waiting()}
    cloudwatch.put_metric_data(Namespace=alarm["Namespace"], MetricData=[metric])
    assert eventually(lambda: state() == "ALARM"), state()
    assert alarm["AlarmActions"] == [stack.outputs["AlarmsTopicArn"]]
    (dimension,) = alarm["Dimensions"]
    assert dead.endswith(f"/{dimension['Value']}")


def _day(offset: int) -> str:
    return (datetime.now(UTC) + timedelta(days=offset)).date().isoformat()


_ACCOUNT = {
    **{"entity_id": "northwind", "name": "Borealis Sp. z o.o.", "currency": "EUR", "country": "PL"},
    "payment_terms": {"kind": "net", "days": 30},
}
_GROUP = {
    **{"account_id": "borealis", "entity_id": "northwind", "name": "Head office", "po_number": "PO-7"},
    "billing_address": {"line1": "ul. Polna 1", "city": "Gdańsk", "postal_code": "80-001", "country": "PL"},
}
_VAT = {"name": "VAT", "rate": "19", "category": "S"}
_INVOICE: dict[str, Any] = {
    **{"bill_group_id": "borealis-hq", "number": "INV-2026-1", "currency": "EUR", "issue_date": _day(0)},
    "lines": [{"description": "Work", "quantity": "2", "unit_price": "100", "net_amount": 20_000, "taxes": [_VAT]}],
    "total": _TOTAL,
}


_MAPPING = {
    "kinds": [
        {
            "kind": "invoices",
            "fields": {
                "invoice_id": {"template": "shop-{Id}"},
                "bill_group_id": {"constant": "borealis-hq"},
                "number": {"template": "SHOP-{Id}"},
                "issue_date": "Day",
                "currency": {"constant": "EUR"},
                "total": {"column": "Total", "minor_units": {"currency": "EUR"}},
            },
            "lines": {
                "join": {"Id": "Invoice"},
                "fields": {"description": "Text", "quantity": {"constant": "1"}, "unit_price": "Price"},
            },
        }
    ]
}


def _ok(answer: Answer) -> Any:
    assert answer.status in (200, 201), answer.text
    return answer.json


def _download(stack: Stack) -> bytes:
    shown = stack.call("GET", f"{INVOICE}/pdf")
    assert shown.status in (302, 303), shown.text
    return stack.cloud.get(shown.headers["location"])


def _subjects(stack: Stack, address: str) -> str:
    return "\n".join(mail["Content"]["Simple"]["Subject"]["Data"] for mail in stack.mails_to(address))


def _mails_with_files(stack: Stack) -> list[dict[str, Any]]:
    return [mail for mail in stack.mails_to(READER) if mail["Content"]["Simple"].get("Attachments")]


def _attached(stack: Stack) -> list[bytes]:
    """Return the files that came by mail, in order."""
    parts = [part for mail in _mails_with_files(stack) for part in mail["Content"]["Simple"]["Attachments"]]
    return [base64.b64decode(part["RawContent"]) for part in parts]


STEPS = (
    an_entity_goes_live_with_a_logo,
    an_invoice_is_issued_once_and_becomes_a_pdf,
    the_invoice_is_mailed_with_its_pdf,
    a_statement_of_account_is_made_and_mailed,
    the_console_renders_a_missing_pdf_and_sends_again,
    a_payment_settles_it,
    invoices_are_imported_from_two_files_and_mail_nobody,
    an_address_that_bounces_gets_no_more_mail_until_cleared,
    what_fails_five_times_raises_an_alarm,
)
