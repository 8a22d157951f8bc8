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


def _handlers(template: dict[str, Any]) -> dict[str, str]:
    return {
        name: resource["Properties"]["Handler"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _import(handler: str, *options: str, path: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", *options, "-c", _LOAD, handler, str(path)],
        env={"AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{handler}: {done.stderr}"
    return set(done.stdout.split())


def test_every_handler_is_importable_alone_and_jobs_without_the_api(template: dict[str, Any]) -> None:
    for name, handler in _handlers(template).items():
        modules = _import(handler, path=ROOT)
        if name != "APIHandler":
            assert handler.startswith("chalicelib."), handler
            assert "chalicelib.api" not in modules, f"{handler} imports the API"
            assert "app" not in modules


@pytest.mark.stack
def test_the_package_holds_all_that_its_handlers_import(packaged: Package, tmp_path: Path) -> None:

    with zipfile.ZipFile(packaged.archive) as archive:
        archive.extractall(tmp_path)
    # -S: nothing of this environment but the standard library can help.
    for handler in _handlers(json.loads(packaged.template.read_text())).values():
        _import(handler, "-S", path=tmp_path)
