"""Files and headers that a mail's capability adds when the mail is claimed."""

from dataclasses import dataclass

import pytest

from chalicelib.access import api_keys as access
from chalicelib.access import rules
from chalicelib.functions.mail import MAIL_PREPARERS
from chalicelib.mail.sending.late_binding import Attachment, ClaimedMail, PreparedMail, WithheldMail
from chalicelib.request_context import RequestContext
from tests.integration.api.gateway import send
from tests.integration.mail.conftest import Provider, context, email, enqueue, tasks, work

PDF = Attachment("Invoice 2026/001.pdf", "application/pdf", b"%PDF-1.7 the invoice")


@dataclass
class Preparing:
    """What the capability of a kind of mail answers, and what it was asked about."""

    answer: PreparedMail | WithheldMail
    asked: list[ClaimedMail]

    def __call__(self, outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
        self.asked.append(outgoing)
        return self.answer


@pytest.fixture
def preparing(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Preparing:
    found = Preparing(PreparedMail(attachments=(PDF,)), [])
    monkeypatch.setitem(MAIL_PREPARERS, "contact_added", lambda: found)
    return found


def test_a_bulk_mail_carries_what_is_attached_when_it_is_claimed(provider: Provider, preparing: Preparing) -> None:
    email_id = enqueue(cc=("bob@acme.example",), bill_group_id="hq", contact_id="con_1")
    work()
    (asked,) = preparing.asked
    assert (asked.cc, asked.bill_group_id, asked.contact_id) == (("bob@acme.example",), "hq", "con_1")
    (attached,) = provider.taken[0]["Content"]["Simple"]["Attachments"]
    assert (attached["FileName"], attached["RawContent"]) == ("Invoice 2026-001.pdf", PDF.content)
    token = access.create(context(), "billing", list(rules.SCOPES))[1]
    shown = send("GET", f"/v1/accounts/acme/emails/{email_id}", token=token).json
    assert shown["attachments"] == [
        {"name": "Invoice 2026-001.pdf", "media_type": "application/pdf", "size": len(PDF.content)}
    ]
    assert PDF.content not in str(email(email_id).serialize()).encode(), "the file itself is not kept with the mail"


def test_headers_are_added_and_the_mail_s_own_stay(provider: Provider, preparing: Preparing) -> None:
    address = "<https://portal.example/unsubscribe/abc>"
    own = {"List-Unsubscribe": address, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    preparing.answer = PreparedMail(headers=own, cc=("eve@acme.example",))
    enqueue(cc=("bob@acme.example",))
    work()
    (request,) = provider.taken
    headers = {one["Name"]: one["Value"] for one in request["Content"]["Simple"]["Headers"]}
    assert {**headers, **own} == headers
    assert headers["Auto-Submitted"] == "auto-generated"
    assert request["Destination"]["CcAddresses"] == ["eve@acme.example"]


def test_a_mail_that_ses_would_find_too_large_fails_and_holds_up_nothing(
    provider: Provider, preparing: Preparing
) -> None:
    preparing.answer = PreparedMail(attachments=(Attachment("a.pdf", "application/pdf", bytes(30_000_000)),))
    email_id = enqueue()
    assert work() == []
    assert (email(email_id).status, email(email_id).reason) == ("failed", "too_large")
    assert (provider.taken, tasks()) == ([], [])


def test_a_bulk_mail_that_has_become_wrong_is_withheld(provider: Provider, preparing: Preparing) -> None:
    preparing.answer = WithheldMail("invoice_void")
    email_id = enqueue()
    assert work() == []
    assert (email(email_id).status, email(email_id).reason) == ("failed", "invoice_void")
    assert (provider.taken, tasks()) == ([], [])
