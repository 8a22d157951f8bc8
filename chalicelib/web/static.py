"""Style sheets: their addresses carry a hash of their contents, so browsers may keep them for ever."""

import hashlib
import re
from functools import cache
from pathlib import Path

from chalicelib.mail import colours

FOLDER = Path(__file__).parent / "static"
NEUTRAL = "#1f3a5f"
"""The colour of a page that belongs to no issuing entity."""

_BRAND = re.compile(r"brand-([0-9a-f]{6})\.[0-9a-f]{12}\.css")


def style_path() -> str:
    """Return the path of the style sheet of all pages."""
    return f"/static/{_named('pages', _style())}"


def brand_path(colour: str) -> str:
    """Return the path of the style sheet of a brand colour #rrggbb."""
    return f"/static/{_named('brand-' + colour[1:].lower(), _brand(colour))}"


def find(name: str) -> str | None:
    """Return the style sheet at ``/static/<name>``, None when there is none."""
    match = _BRAND.fullmatch(name)
    if match and name == _named(f"brand-{match.group(1)}", _brand(f"#{match.group(1)}")):
        return _brand(f"#{match.group(1)}")
    return _style() if name == _named("pages", _style()) else None


def _named(name: str, content: str) -> str:
    return f"{name}.{hashlib.sha256(content.encode()).hexdigest()[:12]}.css"


@cache
def _style() -> str:
    return (FOLDER / "pages.css").read_text(encoding="utf-8")


def _brand(colour: str) -> str:
    found = colours.palette(colour)
    ink = colours.readable_on_white(colour)
    return (
        f":root{{--brand:{found.brand};--on-brand:{found.on_brand};--tint:{found.tint};--ink:{ink}}}\n"
    )  # fmt: skip
