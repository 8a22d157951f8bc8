"""The fonts of documents: installed as packages, loaded once; only the used glyphs are embedded.

Most documents need the first families only. Those of further scripts are searched when a text needs them.
"""

import struct
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp

import typst

_FONT_PACKAGES = {
    "IBM Plex Sans": "fontpkg_ibm_plex_sans",
    "Noto Sans": "fontpkg_noto_sans",
    "IBM Plex Sans Arabic": "fontpkg_ibm_plex_sans_arabic",
    "Noto Sans Arabic": "justmytype_intl_rtl",
    "Noto Sans Hebrew": "justmytype_intl_rtl",
    "Noto Sans CJK SC": "noto_cjk_sans_otc",
}
_FURTHER_PACKAGE = "manimgx_fonts"
# In the order in which a character is searched: symbols and emoji last, since scripts have their own signs.
_FURTHER_SCRIPTS = (
    "Armenian", "Georgian", "Thai", "Lao", "Khmer", "Myanmar", "Devanagari", "Bengali", "Gurmukhi", "Gujarati",
    "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Ethiopic", "Symbols",
)  # fmt: skip
_FURTHER_FAMILIES = {
    **{f"Noto Sans {script}": f"NotoSans{script}[wght].ttf" for script in _FURTHER_SCRIPTS},
    "Noto Emoji": "NotoEmoji[wght].ttf",
}
# One collection holds the five regional forms of Chinese characters.
_CJK_FORMS = {"ja": "JP", "ko": "KR", "zh-Hant": "TC", "zh-TW": "TC", "zh-HK": "HK"}
_LAST_LATIN = 0x24F
_UNICODE_TABLES = {(0, 3), (0, 4), (3, 1), (3, 10)}


@cache
def load_fonts(*, further: bool = False) -> typst.Fonts:
    """Return the fonts, without those of the system, so that every machine renders a document alike.

    ``further`` adds those of further scripts (``further_families``).
    """
    folders = sorted({str(_package_folder(package)) for package in _FONT_PACKAGES.values()})
    if further:
        folders.append(_further_folder())
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=list(folders))


def _further_folder() -> str:
    """Return a folder with the fonts of further scripts only: their package has the first families as well."""
    folder = Path(mkdtemp(prefix="fonts-"))
    for name in _FURTHER_FAMILIES.values():
        (folder / name).symlink_to(_package_folder(_FURTHER_PACKAGE) / name)
    return str(folder)


def further_families(text: str) -> list[str]:
    """Return the families beyond the first ones that ``text`` needs."""
    rest = {ord(character) for character in text if ord(character) > _LAST_LATIN} - _first_code_points()
    found = []
    for family in _FURTHER_FAMILIES:
        if covered := rest & _covered_code_points(family) if rest else set():
            found.append(family)
            rest -= covered
    return found


def covered_code_points() -> frozenset[int]:
    """Return the characters that at least one font has."""
    return _first_code_points().union(*(_covered_code_points(family) for family in _FURTHER_FAMILIES))


@cache
def _first_code_points() -> frozenset[int]:
    return frozenset().union(*(_covered_code_points(family) for family in _FONT_PACKAGES))


def font_families(locale: str) -> list[str]:
    """Return the first font families in the order in which a document for ``locale`` (BCP 47) searches a character."""
    parts = locale.replace("_", "-").split("-")
    tags = [f"{parts[0]}-{part}" for part in parts[1:]] + [parts[0]]
    forms = next((_CJK_FORMS[tag] for tag in tags if tag in _CJK_FORMS), "SC")
    return [*list(_FONT_PACKAGES)[:-1], f"Noto Sans CJK {forms}"]


def has_glyphs(characters: str) -> bool:
    """Tell whether one family has glyphs for all the characters."""
    codes = frozenset(map(ord, characters))
    return any(codes <= _covered_code_points(family) for family in (*_FONT_PACKAGES, *_FURTHER_FAMILIES))


@cache
def _covered_code_points(family: str) -> frozenset[int]:
    if family in _FURTHER_FAMILIES:
        return frozenset(_code_points(_package_folder(_FURTHER_PACKAGE) / _FURTHER_FAMILIES[family]))
    # A family has upright fonts of several weights with the same characters.
    path = next(info.path for info in load_fonts().fonts() if info.family == family and info.style == "normal")
    return frozenset(_code_points(Path(str(path))))


def _package_folder(package: str) -> Path:
    return Path(str(files(package)))


def _code_points(path: Path) -> Iterator[int]:
    """Read the character map of a TrueType or OpenType font, or of the first of a collection."""
    font = path.read_bytes()
    start = struct.unpack_from(">I", font, 12)[0] if font[:4] == b"ttcf" else 0
    for record in range(struct.unpack_from(">H", font, start + 4)[0]):
        tag, _, table, _ = struct.unpack_from(">4sIII", font, start + 12 + 16 * record)
        if tag == b"cmap":
            break
    else:
        raise ValueError(f"{path.name} has no character map.")
    for record in range(struct.unpack_from(">H", font, table + 2)[0]):
        *kind, offset = struct.unpack_from(">HHI", font, table + 4 + 8 * record)
        if tuple(kind) in _UNICODE_TABLES:
            yield from _mapped_code_points(font, table + offset)


def _mapped_code_points(font: bytes, at: int) -> Iterator[int]:
    form = struct.unpack_from(">H", font, at)[0]
    if form == 12:
        for group in range(struct.unpack_from(">I", font, at + 12)[0]):
            first, last, _ = struct.unpack_from(">III", font, at + 16 + 12 * group)
            yield from range(first, last + 1)
    elif form == 4:
        count = struct.unpack_from(">H", font, at + 6)[0] // 2
        lasts = struct.unpack_from(f">{count}H", font, at + 14)
        firsts, deltas, offsets = (
            struct.unpack_from(f">{count}H", font, at + 16 + 2 * count * part) for part in (1, 2, 3)
        )
        for number, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            for code in range(first, last + 1):
                glyph = code + deltas[number]
                if offsets[number]:
                    place = at + 16 + 6 * count + 2 * number + offsets[number] + 2 * (code - first)
                    glyph = struct.unpack_from(">H", font, place)[0]
                if glyph % 0x10000:
                    yield code
