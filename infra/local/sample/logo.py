"""Draw the logo of the sample's vendor, a lantern over a field, in the colour of an issuing entity."""

import io

from PIL import Image, ImageDraw

_SIZE = 480
_GLASS = "#f6c945"
_FINER = 4  # Draw larger and scale down for smooth edges.


def png(colour: str) -> bytes:
    """Return the logo as PNG with a transparent background. ``colour`` is #rrggbb."""
    scale = _SIZE * _FINER / 24
    image = Image.new("RGBA", (_SIZE * _FINER, _SIZE * _FINER))
    draw = ImageDraw.Draw(image)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return left * scale, top * scale, right * scale, bottom * scale

    draw.arc(box(7, 0.5, 17, 10.5), 180, 360, fill=colour, width=round(1.2 * scale))
    draw.rounded_rectangle(box(7, 5, 17, 7), 0.6 * scale, fill=colour)
    draw.rounded_rectangle(box(8, 7.6, 16, 16.4), 1.4 * scale, fill=_GLASS)
    draw.polygon([(x * scale, y * scale) for x, y in ((12, 8.8), (14, 13), (12, 15.4), (10, 13))], fill=colour)
    draw.rounded_rectangle(box(7, 17, 17, 19), 0.6 * scale, fill=colour)
    draw.pieslice(box(0, 19.6, 24, 29), 180, 360, fill=colour)
    written = io.BytesIO()
    image.resize((_SIZE, _SIZE), Image.Resampling.LANCZOS).save(written, "PNG", optimize=True)
    return written.getvalue()
