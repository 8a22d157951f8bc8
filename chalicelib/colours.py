"""Colours that can be read: what a mail makes of the issuing entity's one colour (WCAG 2.2 contrast)."""

from dataclasses import dataclass

READABLE = 4.5
"""The least contrast of text, WCAG 2.2 AA."""

_BLACK = (17, 24, 39)
_WHITE = (255, 255, 255)

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """The colours of a mail as #rrggbb."""

    brand: str
    on_brand: str
    """Text on the brand colour."""
    tint: str
    """A breath of the brand colour, for a background under dark text."""


def build_palette(colour: str) -> Palette:
    """Return the palette for a brand colour #rrggbb."""
    brand = _parse(colour)
    on_brand = _WHITE if contrast_ratio(brand, _WHITE) >= READABLE else _BLACK
    if contrast_ratio(brand, on_brand) < READABLE:
        on_brand = max(((255, 255, 255), (0, 0, 0)), key=lambda candidate: contrast_ratio(brand, candidate))
    return Palette(_to_hex(brand), _to_hex(on_brand), _to_hex(_mix(brand, _WHITE, 0.93)))


def readable_on_white(colour: str) -> str:
    """Return the colour #rrggbb, darkened until text in it can be read on white and on its own tint."""
    mixed = brand = _parse(colour)
    tint = _parse(build_palette(colour).tint)
    for step in range(1, 21):
        if min(contrast_ratio(mixed, _WHITE), contrast_ratio(mixed, tint)) >= READABLE:
            break
        mixed = _mix(brand, _BLACK, step / 20)
    return _to_hex(mixed)


def contrast_ratio(first: Rgb, second: Rgb) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def _luminance(colour: Rgb) -> float:
    red, green, blue = (_linearize(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linearize(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _parse(colour: str) -> Rgb:
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


def _to_hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
