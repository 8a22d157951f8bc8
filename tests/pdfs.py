"""What tests look into PDFs with: qpdf and poppler, which a developer may do without, but not CI."""

import os
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pypdf import PdfReader

_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where one of the programs is not installed; in CI it must be."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(
        bool(missing) and not os.environ.get("CI"), reason=f"not installed: {', '.join(missing)} (qpdf, poppler-utils)"
    )


def faults(pdf: bytes) -> str:
    """Return what qpdf finds wrong; nothing for a sound PDF."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checked.pdf"
        path.write_bytes(pdf)
        ran = subprocess.run(["qpdf", "--check", str(path)], capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def text(pdf: bytes, *options: str) -> str:
    """Return the text as pdftotext finds it, without marks of direction; ``options`` are pdftotext's."""
    ran = subprocess.run(["pdftotext", *options, "-", "-"], input=pdf, capture_output=True, check=True)
    return _MARKS.sub("", ran.stdout.decode())


def pages(pdf: bytes) -> list[str]:
    """Return the text of each page in the order in which it is drawn."""
    return text(pdf, "-raw").split("\f")[:-1]


def reader(pdf: bytes) -> PdfReader:
    """Return the PDF opened by pypdf."""
    return PdfReader(BytesIO(pdf))


def fonts(pdf: bytes) -> dict[str, bool]:
    """Return the fonts that the pages use, and whether each is embedded."""
    found: dict[str, bool] = {}
    for page in reader(pdf).pages:
        resources: Any = page["/Resources"]
        for font in resources.get("/Font", {}).values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            descriptor = inner["/FontDescriptor"].get_object()
            found[str(inner["/BaseFont"])] = "/FontFile2" in descriptor or "/FontFile3" in descriptor
    return found
