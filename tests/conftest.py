"""What holds for all tests: of the long proofs, ``make test`` runs a part and ``make proof`` the whole."""

import os
from itertools import groupby

import pytest

_HOWS = 3
"""A call is struck before it, after it, and with its response lost."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Unless all rounds run, crash tests fail each call in one way only, in rotation. Naming a test by its node id
    runs it."""
    if os.environ.get("COUNTERFOIL_PROOF") or any("::" in argument for argument in config.args):
        return
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for function, group in groupby(items, key=lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        if "crashes.py::" not in function or len(cases) <= _HOWS:
            kept += cases
            continue
        for number, case in enumerate(cases):
            (kept if number % _HOWS == number // _HOWS % _HOWS else left).append(case)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
