"""An old Python version is reported in one sentence."""

import runpy
import sys

import pytest

from infra.local.template import ROOT

_FILE = str(ROOT / "infra" / "local" / "check_python.py")


def test_an_old_python_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, and this is 3\.9;"):
        runpy.run_path(_FILE)


def test_this_python_is_new_enough() -> None:
    runpy.run_path(_FILE)
