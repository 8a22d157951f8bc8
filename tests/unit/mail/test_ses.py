"""The requests to SES, and what its responses and timeouts prove."""

from dataclasses import replace
from email import message_from_string
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import Settings
from chalicelib.mail.sending import ses
from chalicelib.mail.sending.late_binding import Attachment
from chalicelib.mail.sending.ses import Envelope

ENVELOPE = Envelope(
    email_id="eml_01JAAAAAAAAAAAAAAAAAAAAAAA",
    kind="contact_added",
    sender_name="Grün & Söhne",
    sender_email="billing@vendor.example",
    reply_to="help@vendor.example",
    to=("a@example.com",),
    cc=("b@example.com",),
    subject="Grüße 請求書",
    text="text",
    html="<p>html</p>",
)


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Configured:
        ses_configuration_set = "feedback"

    monkeypatch.setattr(ses, "settings", Configured)
    assert "ses_configuration_set" in Settings.__dataclass_fields__


def test_the_request_names_everything() -> None:
    request = ses.build_request(ENVELOPE)
    simple = request["Content"]["Simple"]
    assert request["Destination"] == {"ToAddresses": ["a@example.com"], "CcAddresses": ["b@example.com"]}
    assert request["ReplyToAddresses"] == ["help@vendor.example"]
    assert request["ConfigurationSetName"] == "feedback"
    assert request["EmailTags"][0] == {"Name": "email_id", "Value": ENVELOPE.email_id}
    assert {"Name": "Auto-Submitted", "Value": "auto-generated"} in simple["Headers"]
    assert {"Name": "X-Entity-Ref-ID", "Value": ENVELOPE.email_id} in simple["Headers"]
    assert simple["Subject"] == {"Data": "Grüße 請求書", "Charset": "UTF-8"}


@given(name=st.text(alphabet=st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=200))
def test_every_sender_name_survives_as_a_header(name: str) -> None:
    header = ses.format_mailbox(name, "billing@vendor.example")
    assert header.isascii()
    assert "\n" not in header
    parsed = message_from_string(f"From: {header}\n\n")["From"]
    shown, address = parseaddr(parsed)
    assert address == "billing@vendor.example"
    expected = name.strip()[:64]
    if not expected.isascii() or "=?" in expected:
        assert str(make_header(decode_header(shown))).split() == expected.split()
    else:
        assert shown.split() == expected.split()


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hello\r\nBcc: x@evil.example"},
        {"sender_name": "Vendor\nBcc: x@evil.example"},
        {"sender_email": "a@b.example\r\n"},
        {"to": ("a@example.com\nb@example.com",)},
        {"cc": ("a@example.com\r",)},
        {"reply_to": "a@example.com\u2028"},
        {"headers": {"X-Original-To": "a\n b"}},
    ],
)
def test_a_line_break_is_refused_everywhere(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="line break"):
        ses.build_request(Envelope(**{**vars(ENVELOPE), **change}))


def test_attachments_go_with_the_mail_as_they_are() -> None:
    files = (Attachment("Invoice 1.pdf", "application/pdf", b"%PDF"), Attachment("請求書.xml", "text/xml", b"<a/>"))
    simple = ses.build_request(replace(ENVELOPE, attachments=files))["Content"]["Simple"]
    assert [one["RawContent"] for one in simple["Attachments"]] == [b"%PDF", b"<a/>"]
    assert simple["Attachments"][0] == {
        "FileName": "Invoice 1.pdf",
        "ContentType": "application/pdf",
        "ContentDisposition": "ATTACHMENT",
        "ContentTransferEncoding": "BASE64",
        "RawContent": b"%PDF",
    }
    assert simple["Attachments"][1]["FileName"] == "請求書.xml"
    assert "Attachments" not in ses.build_request(ENVELOPE)["Content"]["Simple"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('2026/001: "a".pdf', "2026-001- -a-.pdf"),
        ("a\r\nBcc: b@c.example.pdf", "a Bcc- b@c.example.pdf"),
        ("exe.\u202efdp.pdf", "exe.fdp.pdf"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("x" * 300, "x" * 120),
        ("\x00\u200b", "attachment"),
        (" . ", "attachment"),
        ("\ud800.pdf", "pdf"),
    ],
)
def test_a_file_name_deceives_nobody_and_can_be_saved(name: str, expected: str) -> None:
    assert ses.attachment_file_name(name) == expected


def test_what_is_larger_than_ses_takes_is_found_before_it_is_sent() -> None:
    fitting = Attachment("a.pdf", "application/pdf", bytes(29_000_000))
    assert ses.build_request(replace(ENVELOPE, attachments=(fitting,)))
    with pytest.raises(ses.MailTooLarge):
        ses.build_request(replace(ENVELOPE, attachments=(fitting, fitting)))
    with pytest.raises(ses.MailTooLarge):
        ses.build_request(replace(ENVELOPE, attachments=(replace(fitting, content=bytes(30_000_000)),)))


def test_a_header_is_whole_or_refused() -> None:
    address = "<https://a.example/" + "x" * 840 + ">"
    simple = ses.build_request(replace(ENVELOPE, headers={"List-Unsubscribe": address}))["Content"]["Simple"]
    assert {"Name": "List-Unsubscribe", "Value": address} in simple["Headers"]
    with pytest.raises(ValueError, match="too long"):
        ses.build_request(replace(ENVELOPE, headers={"List-Unsubscribe": address + "x"}))


def answer(code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "SendEmail"
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answer("TooManyRequestsException", 429), "refused_for_now"),
        (answer("ThrottlingException", 400), "refused_for_now"),
        (answer("InternalFailure", 500), "refused_for_now"),
        (answer("ServiceUnavailable", 503), "refused_for_now"),
        (answer("SendingPausedException", 400), "refused_for_now"),
        (answer("MailFromDomainNotVerifiedException", 400), "refused_for_now"),
        (answer("MessageRejected", 400, "Email address is not verified."), "refused_for_now"),
        (answer("AccessDeniedException", 403), "refused_for_now"),
        (answer("MessageRejected", 400, "Content is not allowed."), "refused"),
        (answer("BadRequestException", 400), "refused"),
        (answer("GatewayTimeout", 504), "unknown"),
        (ReadTimeoutError(endpoint_url="https://ses"), "unknown"),
        (ConnectionClosedError(endpoint_url="https://ses"), "unknown"),
        (ConnectTimeoutError(endpoint_url="https://ses"), "refused_for_now"),
        (EndpointConnectionError(endpoint_url="https://ses"), "refused_for_now"),
    ],
)
def test_only_silence_after_the_request_left_is_unknown(
    monkeypatch: pytest.MonkeyPatch, error: Exception, expected: str
) -> None:
    class Failing:
        def send_email(self, **request: Any) -> None:
            raise error

    monkeypatch.setattr(ses, "client", Failing)
    assert ses.send(ENVELOPE).kind == expected


def test_an_accepted_mail_has_its_message_id(monkeypatch: pytest.MonkeyPatch) -> None:
    class Accepting:
        def send_email(self, **request: Any) -> dict[str, str]:
            return {"MessageId": "m-1"}

    monkeypatch.setattr(ses, "client", Accepting)
    assert ses.send(ENVELOPE) == ses.SendOutcome("accepted", message_id="m-1")


def test_the_client_tries_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    ses.client.cache_clear()
    try:
        assert ses.client().meta.config.retries["total_max_attempts"] == 1
    finally:
        ses.client.cache_clear()


def test_what_ses_says_of_its_limits_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [
        {"SendQuota": {"MaxSendRate": 14.0, "Max24HourSend": 50000.0, "SentLast24Hours": 7.0}},
        {"SendQuota": {"MaxSendRate": 14.0, "Max24HourSend": -1.0, "SentLast24Hours": 7.0}},
        {"SendQuota": {"MaxSendRate": 0.0, "Max24HourSend": 200.0, "SentLast24Hours": 0.0}},
        {},
    ]

    class Telling:
        def get_account(self) -> Any:
            return answers.pop(0)

    monkeypatch.setattr(ses, "client", Telling)
    assert [ses.fetch_limits() for _ in range(4)] == [ses.Limits(14.0, 50000, 7), ses.Limits(14.0, None, 7), None, None]


def test_a_refusal_to_tell_the_limits_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def get_account(self) -> Any:
            raise answer("TooManyRequestsException", 429)

    monkeypatch.setattr(ses, "client", Refusing)
    assert ses.fetch_limits() is None


def test_encoded_words_never_stand_raw_in_a_header() -> None:
    name = "=?utf-8?q?Eve_=3Ceve=40evil.example=3E?="
    request = ses.build_request(Envelope(**{**vars(ENVELOPE), "sender_name": name, "subject": f"Invoice {name}"}))
    sender = request["FromEmailAddress"]
    assert name not in sender
    shown, address = parseaddr(message_from_string(f"From: {sender}\n\n")["From"])
    assert address == ENVELOPE.sender_email
    assert str(make_header(decode_header(shown))) == name
    subject = request["Content"]["Simple"]["Subject"]["Data"]
    assert decode_header(subject) == [(subject, None)]
    assert subject == "Invoice = ?utf-8?q?Eve_=3Ceve=40evil.example=3E?="
    assert "=?" not in ses.attachment_file_name(f"{name}.pdf")
