"""Uploaded images: PNG and JPEG only, and nothing of the file survives except the pixels.

Metadata (place and camera, comments, profiles, files appended to the end) is dropped: the pixels are decoded and
encoded again, in sRGB and upright.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageCms, ImageOps

from chalicelib.errors import InvalidInput
from chalicelib.logos.rules import LOGO_FIELD, MAX_LOGO_BYTES, MAX_LOGO_SIDE

_PNG_SIGNATURE, _JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# A progressive JPEG has about ten scans. A small file with very many would take minutes to decode.
_SCAN_MARKER, _MAX_SCANS = b"\xff\xda", 64
_UNSUPPORTED_FORMATS = (
    (rb"GIF8[79]a", "a GIF"),
    (rb"RIFF....WEBP", "a WebP"),
    (rb"....ftyp(avif|avis)", "an AVIF"),
    (rb"....ftyp", "a HEIC, or a film"),
    (rb"BM", "a BMP"),
    (rb"II\*\x00|MM\x00\*", "a TIFF"),
    (rb"\x00\x00[\x01\x02]\x00", "an icon file"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000"),
    (rb"\x00\x00\x00\x0cJXL |\xff\x0a", "a JPEG XL"),
    (rb"8BPS", "a Photoshop file"),
    (rb"%PDF", "a PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "an EPS"),
    (rb"\x1f\x8b|PK\x03\x04", "a compressed file"),
    (rb"(\xef\xbb\xbf)?\s*<(\?xml|!--|!doctype svg|svg).*", "an SVG, or another text of markup"),
    (rb"(\xff\xfe<\x00|\xfe\xff\x00<)", "an SVG, or another text of markup"),
    (rb"\s*<", "a web page, or another text of markup"),
)
_SHRINK_FACTOR = 0.9
_JPEG_QUALITIES = (92, 85, 75)
# What the decoders raise for truncated or forged files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class ReencodedImage:
    """A re-encoded image. Sizes are in pixels."""

    content: bytes
    media_type: str
    extension: str
    width: int
    height: int


def reencode_image(file: bytes) -> ReencodedImage:
    """Return the image in a file, PNG as PNG and JPEG as JPEG, in at most MAX_LOGO_BYTES, scaled down if necessary.

    Raises InvalidInput that names the fault: another format, too many bytes or pixels, or a damaged file.
    """
    if len(file) > MAX_LOGO_BYTES:
        raise _invalid_image("too_large", f"A logo has at most {MAX_LOGO_BYTES // 1024} KiB. Send a smaller file.")
    is_png = file.startswith(_PNG_SIGNATURE)
    if not is_png and not file.startswith(_JPEG_SIGNATURE):
        raise _invalid_image("bad_format", f"This is {_describe_format(file)}. Send a PNG or JPEG.")
    if not is_png and file.count(_SCAN_MARKER) > _MAX_SCANS:
        raise _invalid_image("bad_format", "This JPEG has too many scans. Save it as a standard JPEG.")
    try:
        image = _decode_image(file)
    except Image.DecompressionBombError:
        raise _too_many_pixels() from None
    except _DECODER_ERRORS as error:
        raise _invalid_image(
            "damaged", "This picture is damaged or cut off. Save it again and upload it again."
        ) from error
    return _encode_png(image) if is_png else _encode_jpeg(image)


def _describe_format(file: bytes) -> str:
    for pattern, name in _UNSUPPORTED_FORMATS:
        if re.match(pattern, file[:1024], re.DOTALL | re.IGNORECASE):
            return name
    return "neither a PNG nor a JPEG"


def _decode_image(file: bytes) -> Image.Image:
    """Return the pixels as grey, RGB or RGBA in sRGB, upright, without metadata."""
    with Image.open(BytesIO(file), formats=("PNG", "JPEG")) as opened:
        if max(opened.size) > MAX_LOGO_SIDE:
            raise _too_many_pixels()
        if opened.format == "PNG" and getattr(opened, "is_animated", False):
            raise _invalid_image("bad_format", "This is an animated PNG. Send a still image.")
        opened.load()
        upright = ImageOps.exif_transpose(opened)
        profile = opened.info.get("icc_profile")
    if upright.mode.startswith("I"):
        # 16-bit grey: a plain conversion would turn everything but black into white.
        upright = upright.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    transparent = upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info
    if profile:
        upright = _convert_to_srgb(upright, profile, transparent)
    plain = upright.convert("RGBA" if transparent else "L" if upright.mode in ("L", "1") else "RGB")
    return Image.frombytes(plain.mode, plain.size, plain.tobytes())


def _convert_to_srgb(image: Image.Image, profile: bytes, transparent: bool) -> Image.Image:
    if image.mode not in ("L", "RGB", "RGBA", "CMYK"):
        image = image.convert("RGBA" if transparent else "RGB")
    wanted = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        found = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, found, ImageCms.createProfile("sRGB"), outputMode=wanted)
    except (ImageCms.PyCMSError, OSError):
        # An unusable profile is ignored.
        return image
    assert converted is not None
    return converted


def _encode_png(image: Image.Image) -> ReencodedImage:
    while True:
        written = BytesIO()
        image.save(written, "PNG")
        if written.tell() <= MAX_LOGO_BYTES:
            return ReencodedImage(written.getvalue(), "image/png", "png", *image.size)
        image = _shrink(image, written.tell())


def _encode_jpeg(image: Image.Image) -> ReencodedImage:
    image = image.convert("RGB") if image.mode == "RGBA" else image
    while True:
        for quality in _JPEG_QUALITIES:
            written = BytesIO()
            image.save(written, "JPEG", quality=quality, subsampling=0, optimize=True)
            if written.tell() <= MAX_LOGO_BYTES:
                return ReencodedImage(written.getvalue(), "image/jpeg", "jpg", *image.size)
        image = _shrink(image, written.tell())


def _shrink(image: Image.Image, size: int) -> Image.Image:
    """Return an image that was ``size`` bytes, scaled to fit."""
    scale = min(_SHRINK_FACTOR, _SHRINK_FACTOR * (MAX_LOGO_BYTES / size) ** 0.5)
    width, height = (max(1, int(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _too_many_pixels() -> InvalidInput:
    return _invalid_image(
        "too_many_pixels", f"A logo is at most {MAX_LOGO_SIDE} pixels wide and high. Send a smaller one."
    )


def _invalid_image(code: str, message: str) -> InvalidInput:
    return InvalidInput.field(LOGO_FIELD, code, message)
