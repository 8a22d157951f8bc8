"""The inbox of the local service: all sent emails, as pages and as JSON."""

import base64
import json
import mimetypes
import re
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import jinja2

from infra.local.folder import read_json

PREFIX = "/inbox"
_PAGE = 100
_SIMULATED = {f"/{kind}" for kind in ("bounce", "transient", "complaint", "delay", "reject")}
_MESSAGE = re.compile(
    rf"/inbox/messages/([0-9a-f-]+)(\.json|/html|{'|'.join(sorted(_SIMULATED))}|/attachments/(\d+)/[^/]+)?"
)
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# An email may have any style and open links in new windows; it runs no script and has an origin of its own.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
# An opened attachment must not run scripts, nor be sniffed as another type than it declares.
_DOWNLOAD_POLICY = "default-src 'none'; sandbox"
_KINDS = {"DeliveryDelay": "delay"}
_FRAME_HEAD = '<base target="_blank">'

Response = dict[str, Any]
Message = dict[str, Any]


def owns(path: str) -> bool:
    """Tell whether a request path belongs to the inbox."""
    plain = path.partition("?")[0]
    return plain == PREFIX or plain.startswith(f"{PREFIX}/")


class Inbox:
    """The emails in a folder, which the SES stand-in writes; its endpoint simulates bounces."""

    def __init__(self, folder: Path, ses_endpoint: str) -> None:
        """Show the emails of ``folder``."""
        self._folder = folder
        self._ses_endpoint = ses_endpoint
        templates = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
        self._pages = jinja2.Environment(loader=templates, autoescape=True, undefined=jinja2.StrictUndefined)
        self._pages.filters["instant"] = _instant

    def messages(self) -> list[Message]:
        """Return all emails, newest first."""
        return [_message(read_json(file)) for file in self._files()]

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9a-f]*.json"), reverse=True)

    def message(self, message_id: str) -> Message | None:
        """Return one email."""
        mail = read_json(self._folder / f"{message_id}.json")
        return None if mail is None else _message(mail)

    def answer(self, method: str, target: str) -> Response:
        """Return the response to a request for the inbox."""
        path = urlsplit(target).path.rstrip("/")
        found = _MESSAGE.fullmatch(path)
        if method in {"GET", "HEAD"} and path == PREFIX:
            files = self._files()
            shown = [_message(read_json(file)) for file in files[:_PAGE]]
            return self._page("inbox.html", messages=shown, count=len(files))
        if method in {"GET", "HEAD"} and path == f"{PREFIX}/messages.json":
            return _json({"messages": self.messages()})
        message = self.message(found[1]) if found else None
        if found is None or message is None:
            return self._page("missing.html", status=404)
        part = found[2] or ""
        if method == "POST" and part in _SIMULATED:
            return self._simulate(message["id"], part)
        if method not in {"GET", "HEAD"} or part in _SIMULATED:
            return self._page("missing.html", status=404)
        if part == ".json":
            return _json(message)
        if found[3]:
            return self._attachment(message, int(found[3])) or self._page("missing.html", status=404)
        if part == "/html":
            return _html(_FRAME_HEAD + self._with_pictures(message), _MAIL_POLICY)
        return self._page("message.html", message=message)

    def _with_pictures(self, message: Message) -> str:
        html: str = message["html"]
        for given in self._attachments(message["id"]):
            if given.get("ContentId"):
                data = f"data:{given.get('ContentType', '')};base64,{given['RawContent']}"
                html = html.replace(f"cid:{given['ContentId'].strip('<>')}", data)
        return html

    def _attachments(self, message_id: str) -> list[dict[str, Any]]:
        mail = read_json(self._folder / f"{message_id}.json")
        attachments: list[dict[str, Any]] = mail["request"]["Content"]["Simple"].get("Attachments") or []
        return attachments

    def _attachment(self, message: Message, number: int) -> Response | None:
        given = self._attachments(message["id"])
        if number >= len(given):
            return None
        shown = message["attachments"][number]
        return {
            "statusCode": 200,
            "headers": {
                "Content-Type": shown["content_type"],
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(shown['file_name'], safe='')}",
                "Content-Security-Policy": _DOWNLOAD_POLICY,
                "X-Content-Type-Options": "nosniff",
            },
            "body": given[number]["RawContent"],
            "isBase64Encoded": True,
        }

    def _simulate(self, message_id: str, kind: str) -> Response:
        address = f"{self._ses_endpoint}/simulate/{message_id}{kind}"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(urllib.request.Request(address, data=b"", method="POST"), timeout=10)
        return {"statusCode": 303, "headers": {"Location": f"{PREFIX}/messages/{message_id}"}, "body": ""}

    def _page(self, name: str, status: int = 200, **values: Any) -> Response:
        return _html(self._pages.get_template(name).render(values), _POLICY, status)


def _message(mail: dict[str, Any]) -> Message:
    request = mail["request"]
    simple = request["Content"]["Simple"]
    destination = request.get("Destination", {})
    body = simple["Body"]
    attached = enumerate(simple.get("Attachments") or [])
    return {
        "id": mail["id"],
        "sent_at": mail["sent_at"],
        "from": request["FromEmailAddress"],
        "to": destination.get("ToAddresses") or [],
        "cc": destination.get("CcAddresses") or [],
        "bcc": destination.get("BccAddresses") or [],
        "reply_to": request.get("ReplyToAddresses") or [],
        "subject": simple["Subject"]["Data"],
        "text": body.get("Text", {}).get("Data", ""),
        "html": body.get("Html", {}).get("Data", ""),
        "headers": [{"name": one["Name"], "value": one["Value"]} for one in simple.get("Headers") or []],
        "attachments": [_attachment(mail["id"], number, given) for number, given in attached],
        "tags": {tag["Name"]: tag["Value"] for tag in request.get("EmailTags") or []},
        "configuration_set": request.get("ConfigurationSetName"),
        "events": [_event(event) for event in mail["events"]],
    }


def _attachment(message_id: str, number: int, given: dict[str, Any]) -> dict[str, Any]:
    name = given["FileName"]
    kind = given.get("ContentType") or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {
        "file_name": name,
        "content_type": kind,
        "size": len(base64.b64decode(given["RawContent"])),
        "url": f"{PREFIX}/messages/{message_id}/attachments/{number}/{quote(unquote(name), safe='')}",
    }


def _event(event: dict[str, Any]) -> dict[str, Any]:
    name = event["eventType"]
    told = event.get(name[0].lower() + name[1:], {})
    lists = ("bouncedRecipients", "complainedRecipients", "delayedRecipients")
    about = told.get("recipients") or [one["emailAddress"] for name in lists for one in told.get(name) or []]
    kind = "transient" if told.get("bounceType") == "Transient" else _KINDS.get(name, name.lower())
    return {"kind": kind, "at": event["at"], "recipients": about}


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S UTC")


def _html(text: str, policy: str, status: int = 200) -> Response:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return {"statusCode": status, "headers": headers, "body": text}


def _json(value: Any) -> Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(value, ensure_ascii=False, indent=2)}
