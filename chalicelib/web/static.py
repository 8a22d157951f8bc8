"""Style sheets, whose addresses carry a hash of their contents so that browsers may keep them for ever, and the files
that browsers and crawlers request at fixed addresses."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib import colours

FOLDER = Path(__file__).parent / "static"
NEUTRAL_COLOUR = "#1f3a5f"
"""The colour of a page that belongs to no issuing entity."""

FIXED_PATHS = ("/favicon.ico", "/robots.txt")
_ROBOTS = "User-agent: *\nDisallow: /\n"
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_DAY = "public, max-age=86400"
_BRAND_FILE_NAME = re.compile(r"brand-([0-9a-f]{6})\.[0-9a-f]{12}\.css")


@dataclass(frozen=True)
class StaticFile:
    """A file as browsers get it."""

    content: str
    content_type: str
    cache_control: str


def find_static_file(path: str) -> StaticFile | None:
    """Return the file at ``path``, None when there is none. The icon is SVG, whatever its address says."""
    if path == "/favicon.ico":
        icon = (FOLDER / "favicon.svg").read_text(encoding="utf-8")
        return StaticFile(icon, "image/svg+xml", _FOR_A_DAY)
    if path == "/robots.txt":
        return StaticFile(_ROBOTS, "text/plain; charset=utf-8", _FOR_A_DAY)
    sheet = find_style_sheet(path.removeprefix("/static/"))
    return None if sheet is None else StaticFile(sheet, "text/css; charset=utf-8", _FOR_EVER)


def base_style_path() -> str:
    """Return the path of the style sheet of all pages."""
    return f"/static/{_hashed_file_name('pages', _base_style_sheet())}"


def brand_style_path(colour: str) -> str:
    """Return the path of the style sheet of a brand colour #rrggbb."""
    return f"/static/{_hashed_file_name('brand-' + colour[1:].lower(), _brand_style_sheet(colour))}"


def find_style_sheet(name: str) -> str | None:
    """Return the style sheet at ``/static/<name>``, None when there is none."""
    match = _BRAND_FILE_NAME.fullmatch(name)
    if match and name == _hashed_file_name(f"brand-{match.group(1)}", _brand_style_sheet(f"#{match.group(1)}")):
        return _brand_style_sheet(f"#{match.group(1)}")
    return _base_style_sheet() if name == _hashed_file_name("pages", _base_style_sheet()) else None


def _hashed_file_name(name: str, content: str) -> str:
    return f"{name}.{hashlib.sha256(content.encode()).hexdigest()[:12]}.css"


@cache
def _base_style_sheet() -> str:
    return (FOLDER / "pages.css").read_text(encoding="utf-8")


def _brand_style_sheet(colour: str) -> str:
    found = colours.build_palette(colour)
    ink = colours.readable_on_white(colour)
    return (
        f":root{{--brand:{found.brand};--on-brand:{found.on_brand};--tint:{found.tint};--ink:{ink}}}\n"
    )  # fmt: skip
