"""`make run` from start to end: what it starts, what it keeps, what it tells, and that nothing stays behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from infra.local.sample.first_emails import KINDS
from infra.local.template import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_START_SECONDS = 120.0
_CONTACT = {"first_name": "Zoë", "last_name": "Ångström", "email": "zoe@quill.example", "roles": ["invoicing"]}
_CONTACTS = "/v1/accounts/quill-and-daughters/contacts"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Local:
    """A local service in a folder of its own, run as `make run` runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.process: subprocess.Popen[str] | None = None

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**kept, "DATA_DIR": str(self.folder), "PORT": str(self.port), **more}

    def start(self) -> None:
        self.process = self.launch()
        wait_for(lambda: "Counterfoil runs here" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def launch(self) -> "subprocess.Popen[str]":
        with self.said_file.open("w") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "infra.local.run"],
                cwd=ROOT,
                env=self.environment(),
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            )

    @property
    def said_file(self) -> Path:
        return self.folder.parent / "said.txt"

    def said(self) -> str:
        return self.said_file.read_text(encoding="utf-8")

    def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        status = self.process.wait(60)
        wait_for(lambda: not self.processes())
        return status

    def processes(self) -> list[str]:
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = file.read_text()
            except OSError:
                continue
            if str(self.folder) in command:
                found.append(command.replace("\0", " "))
        return found

    def tool(self, module: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"infra.local.{module}"],
            cwd=ROOT,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def call(self, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        local = json.loads((self.folder / "local.json").read_text())
        headers = {"Authorization": f"Bearer {key or local['api_key']}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{local['api']}{path}", content, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def wait_for(holds: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    service = Local(tmp_path / "data")
    yield service
    if service.process is not None and service.process.poll() is None:
        service.process.kill()
        service.process.wait()


def test_it_starts_mails_restarts_and_leaves_nothing_behind(local: Local) -> None:
    local.start()
    files = json.loads((local.folder / "local.json").read_text())
    assert set(files) == {"api", "portal", "admin", "inbox", "api_key", "portal_email", "staff_email"}
    assert (local.folder / "local.json").stat().st_mode & 0o777 == 0o600
    assert local.call("/v1/health")[0] == 200
    assert local.call("/nowhere")[1]["code"] == "not_found"
    assert local.call("/v1/accounts", "x" * 11_000_000)[1]["code"] == "body_too_large"
    with ThreadPoolExecutor(16) as threads:
        names = ["harbor-light", "midorino"] * 50
        answers = threads.map(lambda name: local.call(f"/v1/accounts/{name}")[1]["account_id"], names)
        assert list(answers) == names
    assert len(local.call("/v1/entities")[1]["items"]) == 4
    # Every PDF of the sample is there when the service says that it runs, and the inbox has every kind of email.
    overdue = local.call("/v1/invoices?entity=lanternfield-de&overdue_days=1")[1]["items"]
    assert [one["currency"] for one in overdue].count("EUR") >= 3
    assert local.call(f"/v1/invoices/{overdue[0]['invoice_id']}")[1]["pdf"]["state"] == "ready"
    first = local.call("/inbox/messages.json")[1]["messages"]
    assert {one["tags"]["kind"] for one in first} == KINDS, local.said()

    # The mail about a new contact goes through queue, consumer and SES, and its events come back.
    status, contact = local.call(_CONTACTS, _CONTACT)
    assert status == 201
    wait_for(lambda: _events(local, _CONTACT["email"]) == ["send", "delivery"], 20)

    # Staff are written to in the language of the whole vendor, whichever entity is the first by id.
    assert local.call("/v1/sign-in", {"email": files["staff_email"], "kind": "staff"})[0] == 202
    wait_for(lambda: "Sign in to Lanternfield billing" in _subjects(local, files["staff_email"]), 20)

    # The portal user of the sample may enter.
    assert local.call("/v1/sign-in", {"email": files["portal_email"]})[0] == 202
    wait_for(lambda: "Sign in to Lanternfield billing" in _subjects(local, files["portal_email"]), 20)
    count = len(local.call("/inbox/messages.json")[1]["messages"])
    assert count == len(first) + 3

    # A second service on the same folder, and one on the same port, are refused in one sentence.
    for other, port, told in ((local.folder, _free_port(), "already runs"), (None, local.port, "cannot be used")):
        second = Local(other or local.folder.parent / "other")
        second.port = port
        refused = second.tool("run")
        assert refused.returncode == 1
        assert told in refused.stderr
        assert refused.stderr.count("\n") == 1

    assert local.end(signal.SIGINT) == 0

    # Everything is there again, also after a launcher that could not say farewell.
    local.start()
    assert json.loads((local.folder / "local.json").read_text())["api_key"] == files["api_key"]
    assert local.call(f"{_CONTACTS}/{contact['contact_id']}")[1]["email"] == _CONTACT["email"]
    assert len(local.call("/inbox/messages.json")[1]["messages"]) == count
    local.end(signal.SIGKILL)
    local.start()
    assert local.call(f"{_CONTACTS}/{contact['contact_id']}")[0] == 200
    assert local.end(signal.SIGTERM) == 0


def test_clock_and_console_functions(local: Local) -> None:
    local.start()
    moved = local.tool("service_clock", AT="2013-02-01T09:00Z")
    assert moved.returncode == 0, moved.stderr
    _, contact = local.call(_CONTACTS, _CONTACT)
    assert contact["created_at"].startswith("2013-02-01T09:0")
    refused = local.tool("service_clock", AT="2012-01-01T00:00Z")
    assert refused.returncode == 1
    assert "FORCE=1" in refused.stderr

    made = local.tool(
        "invoke",
        FUNCTION="create_api_key",
        EVENT=json.dumps({"name": "test", "scopes": ["entities:read"], "confirm": True}),
    )
    key = json.loads(made.stdout)["api_key"]
    assert local.call("/v1/entities", key=key)[0] == 200
    assert local.call("/v1/accounts", key=key)[0] == 403
    # stdout has the result only, whatever the function logs and counts.
    sent = local.tool("invoke", FUNCTION="send_due_reminders", EVENT='{"confirm": true}')
    assert "sent" in json.loads(sent.stdout), sent.stdout
    for function, told in (("nothing", "There is no function 'nothing'"), ("", "FUNCTION is missing")):
        unknown = local.tool("invoke", FUNCTION=function)
        assert unknown.returncode == 1
        assert unknown.stderr.startswith(told)
        assert "create_api_key" in unknown.stderr
        assert "deliver_bulk_mail" not in unknown.stderr
    broken = local.tool("invoke", FUNCTION="create_api_key", EVENT="{")
    assert broken.returncode == 1
    assert broken.stderr.startswith("EVENT is not JSON")
    local.end(signal.SIGINT)

    # An old key that lacks newer scopes is not reused.
    (local.folder / "api-key").write_text(key, encoding="ascii")
    local.start()
    assert "a new one is made" in local.said()
    assert local.call("/v1/accounts")[0] == 200
    newest = (local.folder / "api-key").read_text(encoding="ascii")
    assert newest == json.loads((local.folder / "local.json").read_text())["api_key"] != key
    local.end(signal.SIGINT)


def test_what_cannot_run_is_reported_in_one_sentence(local: Local) -> None:
    blocked = local.folder.parent / "file"
    blocked.touch()
    for variables, told in (
        ({"PORT": "http"}, "is not a port"),
        ({"DATA_DIR": str(blocked / "data")}, "cannot be written"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.eu-west-1.amazonaws.com"}, "this machine only"),
    ):
        refused = local.tool("run", **variables)
        assert refused.returncode == 1
        assert told in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert local.tool("invoke", FUNCTION="create_api_key").returncode == 1


def _subjects(local: Local, to: str) -> list[str]:
    return [message["subject"] for message in _messages(local, to)]


def _events(local: Local, to: str) -> list[str]:
    return [event["kind"] for message in _messages(local, to) for event in message["events"]]


def _messages(local: Local, to: str) -> list[Any]:
    return [one for one in local.call("/inbox/messages.json")[1]["messages"] if to in one["to"]]
