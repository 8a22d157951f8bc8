"""Every handler can be imported as Lambda imports it: alone, in a fresh interpreter."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.package import ROOT, Package

_LOAD = """
import importlib, sys
module, _, name = sys.argv[1].rpartition(".")
sys.path[:0] = sys.argv[2:]
assert callable(getattr(importlib.import_module(module), name)), sys.argv[1]
print(*sorted(sys.modules))
"""


_SET_A_DOCUMENT = """
import sys
from datetime import date
sys.path[:0] = sys.argv[2:]
from chalicelib.entities.rules import BankDetails
from chalicelib.invoices.pdf.layout import render_invoice
from chalicelib.invoices.rules import Buyer, Content, Line, Seller
bank = BankDetails(account_holder="Nordwind GmbH", iban="DE89370400440532013000")
seller = Seller("northwind", "Nordwind", "Nordwind GmbH", "#1a2b3c", bank_details=bank)
buyer = Buyer("acme", "株式会社みどり野 · בית מלאכה · مؤسسة النخلة", "hq", "Ελαιώνας")
lines = (Line("Work", 1000),)
content = Content(
    "inv-1", "invoice", "1", date(2026, 11, 23), "EUR", "de", "Europe/Berlin", seller, buyer, lines, (), 1000, 0, 1000
)
print(render_invoice(content)[:5].decode())
"""

# What only the layer of documents holds: no function may need it to start, and those without the layer never get it.
_IN_THE_LAYER = {"typst", "segno"}

# What only the function behind API Gateway needs: a cold start of any other imports none of it.
_HTTP = {"app", "chalicelib.http", "chalicelib.portal", "chalicelib.console", "chalicelib.web", "chalicelib.api"}


def _layered(template: dict[str, Any]) -> set[str]:
    """Return the handlers of the functions that carry the layer."""
    return {
        resource["Properties"]["Handler"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function" and "Layers" in resource["Properties"]
    }


def _handlers(template: dict[str, Any]) -> dict[str, str]:
    return {
        name: resource["Properties"]["Handler"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _import(handler: str, *options: str, path: tuple[Path, ...], script: str = _LOAD) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", *options, "-c", script, handler, *map(str, path)],
        env={"AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{handler}: {done.stderr}"
    return set(done.stdout.split())


def test_every_handler_is_importable_alone_and_jobs_without_http(template: dict[str, Any]) -> None:
    for name, handler in _handlers(template).items():
        modules = _import(handler, path=(ROOT,))
        assert not modules & _IN_THE_LAYER, f"{handler} imports {modules & _IN_THE_LAYER} to start"
        if name != "APIHandler":
            assert handler.startswith("chalicelib."), handler
            assert not modules & _HTTP, f"{handler} imports {modules & _HTTP}"


@pytest.mark.parametrize("module", ["mail", "documents"])
def test_what_sends_mail_and_makes_documents_starts_without_the_capabilities_that_fill_them(module: str) -> None:
    handlers = {"mail": "deliver_urgent_mail", "documents": "make_documents"}
    modules = _import(f"chalicelib.functions.{module}.{handlers[module]}", path=(ROOT,))
    capabilities = {"deliveries", "invoices", "passwords", "payments", "reminders", "sign_in", "statements"}
    assert not {name for name in modules if name.startswith("chalicelib.") and name.split(".")[1] in capabilities}


@pytest.mark.stack
def test_the_package_holds_all_that_its_handlers_import(packaged: Package, tmp_path: Path) -> None:
    template = json.loads(packaged.template.read_text())
    package, layer = (_extracted(archive, tmp_path) for archive in (packaged.archive, packaged.layer))
    # -S: nothing of this environment but the standard library can help.
    for handler in _handlers(template).values():
        _import(handler, "-S", path=(package,))
    # Lambda puts the layer behind the package. The engine does so too, but its Python knows this environment as well.
    for handler in _layered(template):
        told = _import(handler, "-S", path=(package, layer / "python"), script=_SET_A_DOCUMENT)
        assert told == {"%PDF-"}


def _extracted(archive: Path, folder: Path) -> Path:
    target = folder / archive.stem
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(target)
    return target
