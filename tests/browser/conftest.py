"""Chromium, the one that the system packages, on the service in process; moto answers for AWS."""

import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app import app
from chalicelib.config import settings
from infra.local.gateway import Gateway
from infra.local.template import Template
from tests.aws import aws
from tests.integration.conftest import service
from tests.integration.sign_in.conftest import inbox, portal

__all__ = ["aws", "inbox", "portal", "service"]

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the packaged Chromium; without one, these tests are skipped, but never in CI."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium, and CI may not go without these tests.")
        pytest.skip("There is no Chromium: apt-get install chromium.")
    return found


@pytest.fixture
def address(portal: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the service, over HTTP on a free port."""
    gateway = Gateway(app, Template.read())
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with one_at_a_time:
                answer = gateway.answer(self.command, self.path, dict(self.headers.items()), body)
            self.send_response(answer["statusCode"])
            for name, value in {**answer["headers"], **answer.get("multiValueHeaders", {})}.items():
                for one in value if isinstance(value, list) else [value]:
                    self.send_header(name, one)
            content = (answer["body"] or "").encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_HEAD = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("PUBLIC_URL", url)
    settings.cache_clear()
    yield url
    server.shutdown()
    thread.join()


@pytest.fixture
def browser(chromium: str, address: str, tmp_path: Path) -> Iterator[Any]:
    """A browser with an empty profile and without JavaScript."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()
