"""Typeset a document: a typst template and its data become an accessible PDF for archives.

The PDF is tagged (PDF/UA-1) and archivable (PDF/A-3a). The same input gives the same bytes. All text is data, never
markup: it is printed, not interpreted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import typst

from chalicelib import languages
from chalicelib.documents import fonts, glyph_coverage, printable_text

TEMPLATES = Path(__file__).parent / "templates"

_LARGE_PDF_BYTES = 250_000
_TYPST_CACHE_AGE = 10
"""Number of documents after which typst evicts unused cache entries."""


@dataclass(frozen=True)
class EmbeddedFile:
    """An embedded file, and its relationship to the pages."""

    name: str
    media_type: str
    content: bytes
    relationship: Literal["source", "data", "alternative", "supplement"]
    description: str


def typeset_pdf(
    template: str,
    data: Mapping[str, Any],
    *,
    language: str,
    at: datetime,
    attachments: Sequence[EmbeddedFile] = (),
    images: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return ``template`` as PDF for readers of ``language`` (BCP 47).

    ``data`` is the template's input of plain JSON values, among them ``title``. ``images`` are PNG, JPEG or SVG files
    by the names in the template. ``at`` is the creation time in the PDF. Raises typst.TypstError when the template and
    its data do not fit.
    """
    reader = languages.formatting_locale(language)
    pictures = dict(images or {})
    printed = printable_text.make_printable(data)
    further = fonts.further_families("".join(glyph_coverage.iterate_texts(printed)))
    told = {
        "data": printed,
        "language": reader.language,
        # Typst accepts countries only, not the regions of locales such as es-419.
        "region": reader.territory if reader.territory and reader.territory.isalpha() else None,
        "direction": reader.text_direction,
        "fonts": [*fonts.font_families(language), *further],
        "images": sorted(pictures),
        "attachments": [
            {
                "path": f"attachments/{number}",
                "name": one.name,
                "media_type": one.media_type,
                "relationship": one.relationship,
                "description": one.description,
            }
            for number, one in enumerate(attachments)
        ],
    }
    # Typst may read this folder and nothing else.
    with TemporaryDirectory(prefix="document-") as folder:
        root = Path(folder)
        for source in TEMPLATES.glob("*.typ"):
            (root / source.name).write_bytes(source.read_bytes())
        (root / "told.json").write_text(json.dumps(told), encoding="utf-8")
        _write_files(root / "images", pictures)
        _write_files(root / "attachments", {str(number): one.content for number, one in enumerate(attachments)})
        # A compiler serves one thread at a time, and is cheap: each document has its own.
        known = fonts.load_fonts(further=bool(further))
        compiler = typst.Compiler(str(root / f"{template}.typ"), root=folder, font_paths=known)
        made = compiler.compile(format="pdf", pdf_standards=["a-3a", "ua-1"], timestamp=int(at.timestamp()))
    assert isinstance(made, bytes)
    if len(made) > _LARGE_PDF_BYTES:
        _evict_typst_cache()
    return made


def _evict_typst_cache() -> None:
    """Free the memory that typst keeps of a large document, a hundred times its size, for ten more documents."""
    compiler = typst.Compiler(font_paths=fonts.load_fonts())
    for _ in range(_TYPST_CACHE_AGE + 1):
        compiler.compile(input=b" ", format="svg")


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
