"""Build the documents layer: the typesetter, payment codes and fonts.

Only make_documents and render_invoice use it. It is as large as everything else together, so it is neither in the
archive that all functions share nor in the API function, which must start quickly.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from chalice.deploy.packager import DependencyBuilder
from chalice.utils import OSUtils

REQUIREMENTS = "requirements-documents.txt"
ARCHIVE = "documents-layer.zip"
# Lambda adds this folder of a layer to sys.path.
_FOLDER = "python"
# The earliest date of a zip entry. With fixed dates and sorted names the same files give the same archive, so an
# unchanged layer is not published again.
_TIME = (1980, 1, 1, 0, 0, 0)
_FILE = 0o100644 << 16


class LayerError(Exception):
    """The layer cannot be built; the message says why."""


def build(root: Path, out: Path) -> Path:
    """Install the document requirements for Lambda into an archive in ``out`` and return its path.

    Only wheels for the runtime are installed; nothing is compiled, and no unlisted dependency is added.
    Raises LayerError.
    """
    installed = out / "documents-layer"
    shutil.rmtree(installed, ignore_errors=True)
    _install(root / REQUIREMENTS, installed / _FOLDER)
    archive = out / ARCHIVE
    archive.unlink(missing_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted(installed.rglob("*")):
            if file.is_file():
                entry = zipfile.ZipInfo(str(file.relative_to(installed)), _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = _FILE
                opened.writestr(entry, file.read_bytes())
    shutil.rmtree(installed)
    return archive


def _install(requirements: Path, target: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile"),
        *("--implementation", "cp", "--python-version", f"{sys.version_info[0]}.{sys.version_info[1]}"),
        *(option for platform in _platforms() for option in ("--platform", platform)),
        *("--target", str(target), "--requirement", str(requirements)),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LayerError(f"The layer of documents cannot be installed:\n{(done.stdout + done.stderr).strip()}")


def _platforms() -> list[str]:
    """Return the platforms of the runtime, as Chalice names them for the functions' own dependencies."""
    abi = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    named: list[str] = DependencyBuilder(OSUtils())._get_pip_platforms(abi)
    return named
