"""The local stand-in for the API gateway: HTTP in, Lambda events to the Chalice app, HTTP out."""

import base64
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from chalice.local import ForbiddenError, LocalGateway

from chalicelib.observability import redact_text
from infra.local import inbox
from infra.local.processes import say
from infra.local.sample import load
from infra.local.service_clock import ServiceClock
from infra.local.template import Template

_SECONDS = 29
_LARGEST_BODY = 10 * 1024 * 1024
_IDLE_SECONDS = 60
_PAUSE_SECONDS = 0.002
_BODY_OF_NO_USE = {204, 304}


class Gateway(LocalGateway):
    """Chalice's local gateway with a request id and the declared gateway responses."""

    def __init__(self, app: Any, template: Template) -> None:
        """Prepare for the routes of ``app``; ``template`` declares the gateway responses."""
        config: Any = SimpleNamespace(lambda_timeout=_SECONDS, function_name="api_handler", lambda_memory_size=1024)
        super().__init__(app, config)
        self._app = app
        api = template.document["Resources"].get("RestAPI", {}).get("Properties", {})
        self._answers = api.get("GatewayResponses", {})

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the Lambda response to a request, or the gateway's own if the app has no such route."""
        try:
            route = self.event_converter.create_lambda_event(method, path, {})["requestContext"]["resourcePath"]
            if method not in self._app.routes[route] and method != "OPTIONS":
                return self.own("MISSING_AUTHENTICATION_TOKEN")
            return self.handle_request(method, path, dict(headers), body or None)
        except (ValueError, ForbiddenError):
            return self.own("MISSING_AUTHENTICATION_TOKEN")
        except Exception:
            traceback.print_exc()
            return self.own("DEFAULT_5XX")

    def describe(self, path: str) -> str:
        """Return the address of a page or route without what stands in its place holders.

        The links in mails are secrets, also on a terminal. A path that belongs to nothing is shown without what looks
        like one.
        """
        try:
            route: str = self.event_converter.create_lambda_event("GET", path, {})["requestContext"]["resourcePath"]
        except ValueError:
            return redact_text(path)
        return self._app.html_pages.find_pattern(path) or route

    def own(self, kind: str) -> dict[str, Any]:
        """Return the gateway response that the template declares for a refusal."""
        declared = self._answers[kind]
        text = next(iter(declared["ResponseTemplates"].values()))
        headers = declared.get("ResponseParameters", {}).get("Headers", {})
        return {
            "statusCode": declared["StatusCode"],
            "headers": {name: value.strip("'") for name, value in headers.items()},
            "multiValueHeaders": {},
            "body": text.replace("$context.requestId", str(uuid.uuid4())),
        }

    def _generate_lambda_event(self, method: str, path: str, headers: Any, body: Any) -> dict[str, Any]:
        event: dict[str, Any] = super()._generate_lambda_event(method, path, headers, body)
        event["requestContext"]["requestId"] = str(uuid.uuid4())
        if isinstance(body, bytes):
            try:
                event["body"] = body.decode()
            except UnicodeDecodeError:
                event["body"] = base64.b64encode(body).decode("ascii")
                event["isBase64Encoded"] = True
        return event


class Server(ThreadingHTTPServer):
    """One of several processes that share a listening socket.

    Threads read requests; one at a time calls the app, as in Lambda. A busy process leaves new connections to the
    others.
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, gateway: Gateway, mails: inbox.Inbox, clock: ServiceClock) -> None:
        """Serve on ``listener``, which already listens."""
        super().__init__(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        listener.setblocking(False)
        self.socket = listener
        self.gateway = gateway
        self.mails = mails
        self.clock = clock
        self.one_at_a_time = threading.Lock()
        self._answering: set[int] = set()

    def begin(self) -> None:
        """Count a request in progress."""
        self._answering.add(threading.get_ident())

    def end(self) -> None:
        """Count it as finished."""
        self._answering.discard(threading.get_ident())

    def wait_for_answers(self, seconds: float) -> None:
        """Wait until no request is in progress, at most ``seconds``."""
        deadline = time.monotonic() + seconds
        while self._answering and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)

    def _handle_request_noblock(self) -> None:
        if self.one_at_a_time.locked():
            time.sleep(_PAUSE_SECONDS)
            return
        super()._handle_request_noblock()  # type: ignore[misc]


class Handler(BaseHTTPRequestHandler):
    """Reads a request and writes the response of the app, or of the inbox."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: Server

    def handle_any(self) -> None:
        """Answer one request."""
        self.server.begin()
        try:
            self._answer()
        finally:
            self.server.end()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any  # noqa: N815

    def _answer(self) -> None:
        began = time.monotonic()
        body = self._body()
        if body is None:
            response = self.server.gateway.own("REQUEST_TOO_LARGE")
            self.close_connection = True
        elif inbox.owns(self.path):
            response = self.server.mails.answer(self.command, self.path)
        else:
            with self.server.one_at_a_time:
                response = self.server.gateway.answer(self.command, self.path, self._headers(), body)
                if self.command not in {"GET", "HEAD", "OPTIONS"} and response["statusCode"] < 300:
                    self.server.clock.note_write()
        self._write(response)
        if not inbox.owns(self.path) and self.headers.get("User-Agent") != load.USER_AGENT:
            shown = self.server.gateway.describe(self.path.partition("?")[0])
            say(f"{self.command} {shown} {response['statusCode']} {(time.monotonic() - began) * 1000:.0f} ms")

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is inherited.
        """Log nothing more: ``handle_any`` writes the line."""

    def _headers(self) -> dict[str, str]:
        return dict(self.headers.items())

    def _body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        try:
            length = int(self.headers.get("Content-Length", "0"))
        except ValueError:
            return None
        if length > _LARGEST_BODY:
            # A client that is still sending would not read the response.
            while length > 0 and (part := self.rfile.read(min(length, _LARGEST_BODY))):
                length -= len(part)
            return None
        return self.rfile.read(length) if length >= 0 else None

    def _chunks(self) -> bytes | None:
        body = b""
        while True:
            try:
                length = int(self.rfile.readline(100).split(b";")[0], 16)
            except ValueError:
                return None
            if length < 0 or len(body) + length > _LARGEST_BODY:
                return None
            body += self.rfile.read(length)
            self.rfile.readline(100)
            if length == 0:
                return body

    def _write(self, response: Mapping[str, Any]) -> None:
        body = response.get("body")
        content = body.encode() if isinstance(body, str) else body or b""
        if response.get("isBase64Encoded"):
            content = base64.b64decode(content)
        status = int(response["statusCode"])
        self.send_response(status)
        headers = {**(response.get("headers") or {}), **(response.get("multiValueHeaders") or {})}
        if not any(name.lower() == "content-type" for name in headers) and content:
            headers["Content-Type"] = "application/json"
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name, str(one))
        has_length = any(name.lower() == "content-length" for name in headers)
        if status not in _BODY_OF_NO_USE and not has_length:
            self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and status not in _BODY_OF_NO_USE:
            self.wfile.write(content)
