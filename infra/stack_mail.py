"""The SES stand-in of the deployed-stack test, behind the engine's IAM."""

import contextlib
import http.client
import json
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from infra.local.engine import HOST
from infra.local.folder import DataFolder
from infra.local.service_clock import ServiceClock
from infra.local.ses import Mailbox, Refused

_SEND = "/v2/email/outbound-emails"


@dataclass
class MailStandIn:
    """SESv2 on a free port of this machine, for every stack on one engine.

    Each request is forwarded to the engine unchanged, with its signature, so that the role of the calling function must
    allow it. An email that the engine accepts is stored in ``mails`` and in the mailbox of the stack that owns its
    configuration set, and its events are published to that stack's topic. Refused requests are in ``refusals``.
    """

    folder: Path
    engine: str = ""
    mails: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    url: str = ""
    _mailboxes: dict[str, Mailbox] = field(default_factory=dict)

    def __enter__(self) -> "MailStandIn":
        """Start listening."""
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _answer(self, body: bytes) -> None:
                status, kind, reply = stand_in._ask(self.command, self.path, list(self.headers.items()), body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                if kind:
                    self.send_header("x-amzn-ErrorType", kind)
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited.
                """Log nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def serve(self, configuration_set: str, topic_arn: str, sns: Any) -> None:
        """Store the emails with ``configuration_set``, and publish their events to the topic."""
        folder = DataFolder(self.folder / configuration_set)
        folder.mails.mkdir(parents=True)
        self._mailboxes[configuration_set] = Mailbox(folder.mails, ServiceClock(folder), topic_arn, sns)

    def to(self, address: str, configuration_set: str) -> list[dict[str, Any]]:
        """Return the SendEmail requests for ``address`` from one stack."""
        return [
            mail
            for mail in self.mails
            if mail["ConfigurationSetName"] == configuration_set
            and address in mail["Destination"].get("ToAddresses", ())
        ]

    def _ask(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, str, bytes]:
        status, kind, reply = self._forward(method, path, headers, body)
        if (method, path, status) != ("POST", _SEND, 200):
            if status >= 400:
                self.refusals.append(reply.decode())
            return status, kind, reply
        mail = json.loads(body)
        try:
            message_id = self._mailboxes[mail["ConfigurationSetName"]].send(mail)
        except Refused as refused:
            self.refusals.append(str(refused))
            return 400, refused.kind, json.dumps({"message": str(refused)}).encode()
        self.mails.append(mail)
        return 200, "", json.dumps({"MessageId": message_id}).encode()

    def _forward(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, str, bytes]:
        target = urllib.parse.urlsplit(self.engine)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        with contextlib.closing(connection):
            # The Host header is signed, so it is forwarded unchanged.
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("x-amzn-ErrorType", ""), answer.read()
