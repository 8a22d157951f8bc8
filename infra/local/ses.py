"""A stand-in for SESv2: stores every email on disk and publishes its events to the mail topic.

Nothing leaves the machine. The addresses of the SES mailbox simulator behave as they do there.
"""

import argparse
import json
import re
import secrets
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3

from infra.local import fates
from infra.local.folder import DataFolder, read_json, write_json
from infra.local.processes import begin, say
from infra.local.running import Running
from infra.local.service_clock import ServiceClock

SENDS_A_SECOND = 14
SENDS_A_DAY = 50_000
_MOST_RECIPIENTS = 50
_LARGEST_REQUEST = 56_000_000
"""Bytes of a request: an email of 40 MB with its attachments, as base64 in JSON."""
_BURST = 2 * _MOST_RECIPIENTS
"""Recipients that SES accepts at once after a pause."""
_PAUSE_SECONDS = 0.2
_SIMULATE = re.compile(rf"/simulate/([0-9a-f-]+)/({'|'.join(fates.SIMULATED)})")


class Refused(Exception):
    """SES refuses the request; ``kind`` is its error code."""

    def __init__(self, kind: str, message: str) -> None:
        """Store the error code."""
        super().__init__(message)
        self.kind = kind


class Mailbox:
    """The emails on disk, one JSON file each, and the events that SES would publish."""

    def __init__(self, folder: Path, clock: ServiceClock, topic_arn: str, sns: Any) -> None:
        """Store emails in ``folder`` and publish to the topic."""
        self._folder = folder
        self._clock = clock
        self._topic_arn = topic_arn
        self._sns = sns
        self._lock = threading.Lock()
        self._sent = [_counted(read_json(file)) for file in folder.glob("*.json")]
        self._room, self._room_at = float(_BURST), time.monotonic()

    def send(self, request: dict[str, Any]) -> str:
        """Accept a SendEmail request and return its message id. Raises Refused if SES would."""
        simple = request.get("Content", {}).get("Simple")
        recipients = _recipients(request)
        if simple is None:
            raise Refused("BadRequestException", "This stand-in for SES takes Content.Simple only.")
        if not request.get("FromEmailAddress") or "@" not in parseaddr(request["FromEmailAddress"])[1]:
            raise Refused("BadRequestException", "Missing or illegal FromEmailAddress.")
        if not recipients or len(recipients) > _MOST_RECIPIENTS:
            raise Refused("MessageRejected", f"Recipient count must be 1 to {_MOST_RECIPIENTS}.")
        if not simple.get("Subject", {}).get("Data") or not simple.get("Body"):
            raise Refused("BadRequestException", "Subject and body are required.")
        if any(character in value for value in _lines(request) for character in "\r\n"):
            raise Refused("BadRequestException", "A header holds a line break.")
        _check_attachments(simple.get("Attachments") or [])
        self._take_turns(len(recipients))
        now = self._clock.now()
        message_id = f"{time.time_ns() // 1_000_000:013x}-{secrets.token_hex(8)}"
        self._write({"id": message_id, "sent_at": now.isoformat(), "request": request, "events": []})
        self._sent.append((now, len(recipients)))
        shown = simple["Subject"]["Data"]
        say(f"mail to {', '.join(recipients)}: {shown}")
        threading.Thread(target=self._tell, args=(message_id, list(fates.of(recipients))), daemon=True).start()
        return message_id

    def simulate(self, message_id: str, kind: str) -> bool:
        """Simulate a bounce or complaint of an email; False when it does not exist."""
        mail = read_json(self._folder / f"{message_id}.json")
        if mail is None:
            return False
        fate = fates.SIMULATED[kind]
        self._publish(message_id, fate(_recipients(mail["request"]), self._clock.now()))
        return True

    def account(self) -> dict[str, Any]:
        """Return the GetAccount response, with the recipients of the last 24 hours counted."""
        since = self._clock.now() - timedelta(hours=24)
        sent = sum(recipients for at, recipients in self._sent if at > since)
        quota = {"Max24HourSend": SENDS_A_DAY, "MaxSendRate": SENDS_A_SECOND, "SentLast24Hours": sent}
        return {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendQuota": quota,
            "SendingEnabled": True,
        }

    def _take_turns(self, recipients: int) -> None:
        """Enforce the rate with a burst, as SES does. Raises Refused."""
        with self._lock:
            now = time.monotonic()
            self._room = min(_BURST, self._room + (now - self._room_at) * SENDS_A_SECOND)
            self._room_at = now
            if self._room < recipients:
                raise Refused("TooManyRequestsException", "Maximum sending rate exceeded.")
            self._room -= recipients

    def _tell(self, message_id: str, fates: list[Any]) -> None:
        try:
            self._publish(message_id, {"eventType": "Send", "send": {}})
            for fate, recipients in fates:
                time.sleep(_PAUSE_SECONDS)
                self._publish(message_id, fate(recipients, self._clock.now()))
        except Exception:
            traceback.print_exc()

    def _publish(self, message_id: str, event: dict[str, Any]) -> None:
        """Store an event with its email; publish it if the email has a configuration set, as SES does."""
        with self._lock:
            mail = read_json(self._folder / f"{message_id}.json")
            mail["events"].append({**event, "at": self._clock.now().isoformat()})
            self._write(mail)
        if mail["request"].get("ConfigurationSetName"):
            message = json.dumps({**event, "mail": _described(mail)})
            self._sns.publish(TopicArn=self._topic_arn, Message=message)

    def _write(self, mail: dict[str, Any]) -> None:
        write_json(self._folder / f"{mail['id']}.json", mail)


def _counted(mail: dict[str, Any]) -> tuple[datetime, int]:
    """Return when an email was sent, and to how many recipients."""
    return datetime.fromisoformat(mail["sent_at"]), len(_recipients(mail["request"]))


def _check_attachments(attachments: list[dict[str, Any]]) -> None:
    """Raise Refused for an attachment that SES would not accept."""
    for one in attachments:
        name = one.get("FileName", "")
        if not name or len(name) > 255 or "RawContent" not in one:
            raise Refused("BadRequestException", "An attachment needs content and a name of at most 255 characters.")


def _recipients(request: dict[str, Any]) -> list[str]:
    destination = request.get("Destination", {})
    kinds = ("ToAddresses", "CcAddresses", "BccAddresses")
    return [parseaddr(address)[1] for kind in kinds for address in destination.get(kind) or []]


def _lines(request: dict[str, Any]) -> Iterable[str]:
    yield request["FromEmailAddress"]
    yield request["Content"]["Simple"]["Subject"]["Data"]
    for header in request["Content"]["Simple"].get("Headers") or []:
        yield header["Name"]
        yield header["Value"]


def _described(mail: dict[str, Any]) -> dict[str, Any]:
    request = mail["request"]
    subject = request["Content"]["Simple"]["Subject"]["Data"]
    tags = {tag["Name"]: [tag["Value"]] for tag in request.get("EmailTags") or []}
    headers = [{"name": "From", "value": request["FromEmailAddress"]}, {"name": "Subject", "value": subject}]
    return {
        "timestamp": mail["sent_at"],
        "messageId": mail["id"],
        "source": request["FromEmailAddress"],
        "sendingAccountId": "000000000000",
        "destination": _recipients(request),
        "headersTruncated": False,
        "headers": headers,
        "commonHeaders": {"from": [request["FromEmailAddress"]], "subject": subject, "messageId": mail["id"]},
        "tags": {"ses:configuration-set": [request.get("ConfigurationSetName", "")], **tags},
    }


class Handler(BaseHTTPRequestHandler):
    """The SESv2 requests that the service makes, and the simulations that the inbox offers."""

    protocol_version = "HTTP/1.1"
    mailbox: Mailbox

    def do_POST(self) -> None:
        """Accept an email, or simulate an event."""
        length = int(self.headers.get("Content-Length", "0"))
        if length > _LARGEST_REQUEST:
            # An unread body would be parsed as the next request.
            self.close_connection = True
            self._answer(400, {"message": "The mail is larger than 40 MB."}, "BadRequestException")
            return
        body = self.rfile.read(length)
        simulated = _SIMULATE.fullmatch(self.path)
        if simulated:
            found = self.mailbox.simulate(simulated[1], simulated[2])
            self._answer(200 if found else 404, {})
        elif self.path == "/v2/email/outbound-emails":
            try:
                self._answer(200, {"MessageId": self.mailbox.send(json.loads(body))})
            except Refused as refused:
                status = 429 if refused.kind == "TooManyRequestsException" else 400
                self._answer(status, {"message": str(refused)}, refused.kind)
        else:
            self._unknown()

    def do_GET(self) -> None:
        """Answer GetAccount."""
        if self.path == "/v2/email/account":
            self._answer(200, self.mailbox.account())
        else:
            self._unknown()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is inherited.
        """Log nothing; every email has its own line."""

    def _unknown(self) -> None:
        self._answer(404, {"message": "The stand-in for SES does not know this."}, "NotFoundException")

    def _answer(self, status: int, value: dict[str, Any], error: str = "") -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve on a listening socket of the launcher until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    begin()
    folder = DataFolder(options.folder)
    running = Running.read(folder)
    running.enter()
    topic = running.values["MailEventsTopic"]
    Handler.mailbox = Mailbox(folder.mails, ServiceClock(folder), topic, boto3.client("sns"))
    listener = socket.socket(fileno=options.descriptor)
    server = ThreadingHTTPServer(listener.getsockname()[:2], Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
