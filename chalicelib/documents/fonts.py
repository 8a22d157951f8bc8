"""The fonts of documents: they come as packages, are loaded once, and only the glyphs used are embedded."""

from functools import cache
from importlib.resources import files
from pathlib import Path

import typst

_PACKAGES = (
    "fontpkg_ibm_plex_sans",
    "fontpkg_ibm_plex_sans_arabic",
    "fontpkg_noto_sans",
    "justmytype_intl_rtl",
    "noto_cjk_sans_otc",
)
_LATIN = ("IBM Plex Sans",)
_OTHERS = ("Noto Sans", "IBM Plex Sans Arabic", "Noto Sans Arabic", "Noto Sans Hebrew")
# One collection holds the forms of Chinese characters of five places; the reader's come first.
_CHINESE = {
    "ja": "Noto Sans CJK JP",
    "ko": "Noto Sans CJK KR",
    "zh-Hant": "Noto Sans CJK TC",
    "zh-HK": "Noto Sans CJK HK",
}
_SIMPLIFIED = "Noto Sans CJK SC"


@cache
def folders() -> tuple[Path, ...]:
    """Return the folders that the packages keep their fonts in."""
    return tuple(Path(str(files(package))) for package in _PACKAGES)


@cache
def collection() -> typst.Fonts:
    """Return all fonts. No font of the system is among them, so that every machine sets a document alike."""
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder) for folder in folders()]
    )


def families(language: str) -> list[str]:
    """Return the families in the order in which a document in ``language`` (BCP 47) looks for a character."""
    chinese = _CHINESE.get(language) or _CHINESE.get(language.partition("-")[0], _SIMPLIFIED)
    return [*_LATIN, *_OTHERS, chinese]
