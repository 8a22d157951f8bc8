"""The set-up shows its progress, and what runs is what is tested and deployed."""

import re
from collections.abc import Iterator

import pytest

from infra.local.set_up import count_packages, describe_progress
from infra.local.template import ROOT

_OUTPUT = """\
Ignoring colorama: markers 'sys_platform == "win32"' don't match your environment
Collecting one==1.0 (from -r some.txt (line 1))
  Downloading one-1.0-py3-none-any.whl (999 kB)
WARNING: something
Processing /wheels/two-2.0-py3-none-any.whl (from -r some.txt (line 3))
Collecting three==3.0 (from -r some.txt (line 5))
  Downloading three-3.0-cp311-cp311-manylinux_2_28_x86_64.whl (12.4 MB)
Installing collected packages: one, two, three
Successfully installed one-1.0 three-3.0 two-2.0
"""


def test_each_package_and_the_megabytes_are_shown() -> None:
    assert list(describe_progress(_lines(_OUTPUT), 4)) == [
        "  1 of 4 packages, 0 MB downloaded",
        "  2 of 4 packages, 0 MB downloaded",
        "  3 of 4 packages, 1 MB downloaded",
        "  4 of 4 packages, 1 MB downloaded",
        "  unpacking 4 packages",
    ]


def test_packages_are_counted_as_pinned() -> None:
    first = "one==1.0 \\\n    --hash=sha256:aa\n    # via two\n"
    text = first + "colorama==0.4 ; sys_platform == 'win32' \\\n    --hash=sha256:bb\n"
    assert count_packages(text) == 2


@pytest.mark.parametrize("part", ["requirements.txt", "requirements-documents.txt", "requirements-run.txt"])
def test_what_is_deployed_and_what_runs_is_what_is_tested(part: str) -> None:
    tested = _pins("requirements-dev.txt")
    pinned = _pins(part)
    assert pinned
    assert {name: (version, tested.get(name)) for name, version in pinned.items() if tested.get(name) != version} == {}


def test_running_needs_no_test_tools() -> None:
    assert not _pins("requirements-run.txt").keys() & {"pytest", "moto", "playwright", "mypy", "saxonche"}


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9][\w.-]*)==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def _lines(text: str) -> Iterator[str]:
    return iter(text.splitlines(keepends=True))
