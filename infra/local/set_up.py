"""Install a file of pinned requirements into ``.venv``, and show the progress. Runs before there is an environment."""

import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

ENVIRONMENT = Path(".venv")
_PINNED = re.compile(r"^[A-Za-z0-9][\w.-]*==", re.MULTILINE)
_PACKAGE = re.compile(r"(Collecting|Processing|Requirement already satisfied:|Ignoring) ")
_SIZE = re.compile(r"Downloading .*\(([\d.]+) (kB|MB)\)")
_UNPACKING = "Installing collected packages"
_STEP_PERCENT = 25
"""How often a line is printed where the output is not a terminal."""


def main() -> int:
    """Install the requirements that the command line names. The exit status is 1 when pip fails."""
    requirements = Path(sys.argv[1])
    print(f"Setting up {ENVIRONMENT} from {requirements} …", flush=True)
    if not (ENVIRONMENT / "bin" / "python").exists():
        try:
            import ensurepip  # noqa: F401 - Debian packs it apart.
        except ImportError:
            sys.exit("This Python cannot make environments; on Debian and Ubuntu: apt install python3-venv.")
        venv.create(ENVIRONMENT, with_pip=True)
    arguments = ["--disable-pip-version-check", "--no-color", "--progress-bar", "off", "--require-hashes"]
    with subprocess.Popen(
        [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", *arguments, "-r", str(requirements)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        assert pip.stdout is not None
        log: list[str] = []
        for line in describe_progress(_record(pip.stdout, log), count_packages(requirements.read_text("utf-8"))):
            _show(line)
    if pip.returncode:
        print("".join(log), file=sys.stderr)
        print(f"pip could not install {requirements}; its output is above.", file=sys.stderr)
    return min(pip.returncode, 1)


def count_packages(requirements: str) -> int:
    """Return the number of packages that a file of requirements pins."""
    return len(_PINNED.findall(requirements))


def describe_progress(output: Iterator[str], total: int) -> Iterator[str]:
    """Return a line of progress after each package of the ``output`` of pip, and one when it begins to unpack."""
    packages, megabytes = 0, 0.0
    for line in output:
        if found := _SIZE.search(line):
            megabytes += float(found[1]) / (1000 if found[2] == "kB" else 1)
        if _PACKAGE.match(line) and packages < total:
            packages += 1
            yield f"  {packages} of {total} packages, {megabytes:.0f} MB downloaded"
        if line.startswith(_UNPACKING):
            yield f"  unpacking {total} packages"


def _record(output: Iterator[str], log: list[str]) -> Iterator[str]:
    for line in output:
        log.append(line)
        yield line


def _show(line: str) -> None:
    """Overwrite the last line on a terminal; elsewhere print one line now and then."""
    numbers = re.match(r"  (\d+) of (\d+)", line)
    if sys.stdout.isatty():
        print(f"\r{line:<70}", end="" if numbers else "\n", flush=True)
    elif (
        not numbers
        or (int(numbers[1]) * 100 // int(numbers[2])) // _STEP_PERCENT
        > ((int(numbers[1]) - 1) * 100 // int(numbers[2])) // _STEP_PERCENT
    ):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
