"""Adapter to SES, version 2: the only module that sends email. One call is one attempt.

SES has no idempotency token, so the client never retries by itself; each failure is classified by what it proves: that
SES did not accept the email (for now, or permanently), or nothing (I4).
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.header import Header
from email.utils import quote
from functools import cache
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)

from chalicelib.config import settings
from chalicelib.mail.rules import SendOutcome
from chalicelib.mail.sending.late_binding import Attachment
from chalicelib.observability import logger

CONNECT_SECONDS = 3
READ_SECONDS = 10

_UTF8 = "UTF-8"
MAX_HEADER_LENGTH = 860
"""Maximum characters of a header's value."""
MAX_REQUEST_BYTES = 40_000_000
"""Bytes of an email with its attachments, encoded: SES accepts 40 MB."""
MAX_RECIPIENTS = 50
_MAX_SENDER_NAME_LENGTH = 64
_MAX_FILE_NAME_LENGTH = 120
# Characters that some system treats specially.
_NOT_IN_FILE_NAMES = frozenset('/\\:*?"<>|')
# Overhead beside texts and attachments: headers and part boundaries.
_HEADER_ALLOWANCE_BYTES = 100_000

# Without a connection SES cannot have accepted the email.
_NOT_SENT_ERRORS = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ProxyConnectionError, SSLError)
_RATE_LIMITS = frozenset({"LimitExceededException", "Throttling", "ThrottlingException", "TooManyRequestsException"})
# Faults of the email itself. The vendor has to fix all other refusals (an unverified identity, paused sending, a
# missing permission), and the email waits for that.
_REJECTION_CODES = frozenset({"BadRequestException", "InvalidParameterValue", "ValidationException"})
_AMBIGUOUS_STATUSES = frozenset({504})


class MailTooLarge(ValueError):
    """The email with its attachments exceeds the SES limit."""


@dataclass(frozen=True)
class Envelope:
    """An email for SES."""

    email_id: str
    kind: str
    sender_name: str
    sender_email: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    cc: tuple[str, ...] = ()
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True)
class Limits:
    """The SES limits of the vendor's account, and the recipients of the last 24 hours."""

    a_second: float
    a_day: int | None
    """None: no limit."""
    sent: int

    def after(self, more: int) -> "Limits":
        """Return the limits after so many more were sent."""
        return replace(self, sent=self.sent + more)


@cache
def client() -> Any:
    """Return the client of this process. ``client.cache_clear()`` forgets it (tests, snapshots)."""
    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    return Session().client("sesv2", config=limits)


def send(envelope: Envelope) -> SendOutcome:
    """Try once to hand the email to SES, and return the outcome. Raises ValueError for a line break in a header."""
    request = build_request(envelope)
    try:
        answer = client().send_email(**request)
    except ClientError as error:
        return _refused_outcome(error)
    except ParamValidationError:
        return SendOutcome("refused", "not_a_valid_request")
    except _NOT_SENT_ERRORS as error:
        return SendOutcome("refused_for_now", type(error).__name__)
    except BotoCoreError as error:
        return SendOutcome("unknown", type(error).__name__)
    return SendOutcome("accepted", message_id=str(answer["MessageId"]))


def fetch_limits() -> Limits | None:
    """Return the limits of the account; None when SES does not answer."""
    try:
        quota = client().get_account()["SendQuota"]
        rate, a_day, sent = (float(quota[name]) for name in ("MaxSendRate", "Max24HourSend", "SentLast24Hours"))
    except (BotoCoreError, ClientError, KeyError) as error:
        logger.warning("SES does not tell its limits.", extra={"cause": type(error).__name__})
        return None
    # -1 means an unlimited quota.
    return Limits(rate, None if a_day < 0 else int(a_day), int(sent)) if rate > 0 else None


def build_request(envelope: Envelope) -> dict[str, Any]:
    """Return the arguments of SES's SendEmail.

    Raises ValueError for a line break in a header or an address and for a header that is too long, MailTooLarge for an
    email that SES would not accept.
    """
    if _request_size(envelope) > MAX_REQUEST_BYTES:
        raise MailTooLarge("An email with its attachments may have 40 MB.")
    destination: dict[str, Any] = {"ToAddresses": [_line(address) for address in envelope.to]}
    if envelope.cc:
        destination["CcAddresses"] = [_line(address) for address in envelope.cc]
    headers = {
        "Auto-Submitted": "auto-generated",
        # A unique value keeps mail programs from grouping unrelated emails into one conversation.
        "X-Entity-Ref-ID": envelope.email_id,
        **envelope.headers,
    }
    request: dict[str, Any] = {
        "FromEmailAddress": format_mailbox(envelope.sender_name, envelope.sender_email),
        "Destination": destination,
        "Content": {
            "Simple": {
                "Subject": {"Data": _without_encoded_words(_line(envelope.subject)), "Charset": _UTF8},
                "Body": {
                    "Text": {"Data": envelope.text, "Charset": _UTF8},
                    "Html": {"Data": envelope.html, "Charset": _UTF8},
                },
                "Headers": [{"Name": _line(name), "Value": _value(value)} for name, value in headers.items()],
                **_attachment_arguments(envelope.attachments),
            }
        },
        "EmailTags": [
            {"Name": "email_id", "Value": envelope.email_id},
            {"Name": "kind", "Value": envelope.kind},
        ],
    }
    if envelope.reply_to:
        request["ReplyToAddresses"] = [_line(envelope.reply_to)]
    if settings().ses_configuration_set:
        request["ConfigurationSetName"] = settings().ses_configuration_set
    return request


def _without_encoded_words(text: str) -> str:
    """Return a text in which no mail program finds an encoded-word (RFC 2047), as SES sends ASCII as it is."""
    return text.replace("=?", "= ?")


def format_mailbox(name: str, address: str) -> str:
    """Return ``name <address>`` in ASCII, as header fields need it. Raises ValueError for a line break."""
    name, address = _line(name).strip()[:_MAX_SENDER_NAME_LENGTH], _line(address)
    if not name:
        return address
    # An encoded-word is no encoded-word in quotes (RFC 2047 §5), but some programs decode it there.
    plain = name.isascii() and "=?" not in name
    shown = f'"{quote(name)}"' if plain else Header(name, "utf-8").encode(linesep="")
    return f"{shown} <{address}>"


def attachment_file_name(name: str) -> str:
    """Return the name of an attachment in a form that every mail program shows and saves; its extension stays."""
    shown = "".join(
        "-" if character in _NOT_IN_FILE_NAMES else character
        for character in " ".join(name.split())
        if unicodedata.category(character)[0] != "C"
    ).strip(". ")
    stem, dot, ending = shown.rpartition(".")
    if len(shown) <= _MAX_FILE_NAME_LENGTH or not dot or len(ending) > 10:
        return shown[:_MAX_FILE_NAME_LENGTH] or "attachment"
    return f"{stem[: _MAX_FILE_NAME_LENGTH - len(ending) - 1].rstrip()}.{ending}"


def _attachment_arguments(attachments: Sequence[Attachment]) -> dict[str, Any]:
    if not attachments:
        return {}
    return {
        "Attachments": [
            {
                "FileName": attachment_file_name(one.name),
                "ContentType": _line(one.media_type),
                "ContentDisposition": "ATTACHMENT",
                "ContentTransferEncoding": "BASE64",
                "RawContent": one.content,
            }
            for one in attachments
        ]
    }


def _request_size(envelope: Envelope) -> int:
    # Base64 turns three bytes into four, with a line break every 76 characters; texts may be encoded so too.
    sizes = [len(one.content) for one in envelope.attachments]
    sizes += [len(envelope.text.encode()), len(envelope.html.encode())]
    return _HEADER_ALLOWANCE_BYTES + sum(4 * ((size + 2) // 3) * 78 // 76 for size in sizes)


def _value(text: str) -> str:
    # A truncated address is worse than none.
    if len(text) > MAX_HEADER_LENGTH:
        raise ValueError("A header is too long.")
    return _line(text)


def _line(text: str) -> str:
    # Python's email package lets some line breaks through, and SES unfolds others: reject all.
    if any(character in text for character in "\r\n\x00\x0b\x0c\x85\u2028\u2029"):
        raise ValueError("A header may not hold a line break.")
    return text


def _refused_outcome(error: ClientError) -> SendOutcome:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status in _AMBIGUOUS_STATUSES:
        return SendOutcome("unknown", code)
    if code in _RATE_LIMITS or status == 429 or status >= 500:
        return SendOutcome("refused_for_now", code, soon=True)
    if code == "MessageRejected":
        # SES uses this code for an unverified sender and for content that it rejects.
        mendable = "not verified" in str(error.response.get("Error", {}).get("Message", ""))
        return SendOutcome("refused_for_now" if mendable else "refused", code)
    return SendOutcome("refused" if code in _REJECTION_CODES else "refused_for_now", code)
