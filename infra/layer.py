"""Builds the layer of documents: the typesetter, payment codes and fonts.

Only make_documents and render_invoice carry it. Its contents are as large as all the rest together, so no other
function has them: neither the API, which must start quickly, nor the archive that holds everybody's code.
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
# Lambda puts this folder of a layer on the path of its Python.
_FOLDER = "python"
# The least that a zip file can say. With it, and in order of their names, the same files make the same archive,
# and an unchanged layer is not published again.
_TIME = (1980, 1, 1, 0, 0, 0)
_FILE = 0o100644 << 16


class LayerError(Exception):
    """The layer cannot be built; the message says why."""


def build(root: Path, out: Path) -> Path:
    """Install the requirements of documents for Lambda, and return the archive that holds them, in ``out``.

    Only wheels for the runtime are taken; nothing is compiled, and nothing comes along that is not listed.
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
