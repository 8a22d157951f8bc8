"""Only the pixels of a logo are stored, and other formats than PNG and JPEG are rejected by name."""

import re
import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from chalicelib.errors import InvalidInput
from chalicelib.logos.images import ReencodedImage, reencode_image
from chalicelib.logos.rules import MAX_LOGO_BYTES, MAX_LOGO_SIDE
from tests.unit.logos.images import flat, noise, written

SECRET = b"secret place"


def opened(picture: ReencodedImage) -> Image.Image:
    image = Image.open(BytesIO(picture.content), formats=("PNG", "JPEG"))
    image.load()
    assert image.size == (picture.width, picture.height)
    assert len(picture.content) <= MAX_LOGO_BYTES
    return image


def refusal(file: bytes) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        reencode_image(file)
    (fault,) = caught.value.fields
    assert fault.field == "image"
    return fault.code, fault.message


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112], made[0x010E] = orientation, SECRET.decode()
    return made


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (flat("RGB"), "RGB"),
        (flat("RGBA", colour=(255, 0, 0, 99)), "RGBA"),
        (flat("L", colour=9), "L"),
        (flat("LA", colour=(9, 99)), "RGBA"),
        (flat("1", colour=1), "L"),
        (flat("P", colour=0), "RGB"),
        (flat("I;16", colour=0x8080), "L"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.mode,
)
def test_png_stays_png(image: Image.Image, mode: str) -> None:
    picture = reencode_image(written(image, "PNG"))
    assert (picture.media_type, picture.extension) == ("image/png", "png")
    again = opened(picture)
    assert again.mode == mode
    if image.mode == "I;16":
        assert again.getpixel((0, 0)) == 0x80
    else:
        assert again.tobytes() == image.convert(mode).tobytes()
    assert reencode_image(written(image, "PNG")) == picture


@pytest.mark.parametrize(("mode", "kept"), [("RGB", "RGB"), ("L", "L"), ("CMYK", "RGB")])
def test_jpeg_stays_jpeg(mode: str, kept: str) -> None:
    picture = reencode_image(written(flat("RGB", colour=(200, 30, 30)).convert(mode), "JPEG", quality=95))
    assert (picture.media_type, picture.extension, opened(picture).mode) == ("image/jpeg", "jpg", kept)
    if kept == "RGB":
        seen = opened(picture).getpixel((5, 5))
        assert all(abs(one - wanted) < 8 for one, wanted in zip(seen, (200, 30, 30), strict=True))


def test_transparency_stays() -> None:
    palette = flat("RGB", (4, 4)).quantize(4)
    picture = reencode_image(written(palette, "PNG", transparency=0))
    assert opened(picture).mode == "RGBA"
    keyed = reencode_image(written(flat(), "PNG", transparency=(255, 0, 0)))
    assert opened(keyed).getpixel((0, 0))[3] == 0


def test_nothing_else_of_a_png_is_stored() -> None:
    told = PngInfo()
    told.add_text("Comment", SECRET.decode())
    told.add_text("Location", SECRET.decode(), zip=True)
    file = written(flat(), "PNG", pnginfo=told, exif=exif(1), dpi=(300, 300)) + SECRET
    picture = reencode_image(file)
    assert SECRET in file
    assert SECRET not in picture.content
    assert set(chunks(picture.content)) == {b"IHDR", b"IDAT", b"IEND"}
    assert not opened(picture).info


def test_nothing_else_of_a_jpeg_is_stored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = written(flat(), "JPEG", exif=exif(1), comment=SECRET, icc_profile=srgb) + SECRET
    picture = reencode_image(file)
    assert file.count(SECRET) == 3
    assert SECRET not in picture.content
    assert set(opened(picture).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def chunks(png: bytes) -> list[bytes]:
    found, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        found.append(png[place + 4 : place + 8])
        place += 12 + length
    return found


def test_it_is_turned_upright() -> None:
    picture = reencode_image(written(flat(size=(40, 20)), "JPEG", exif=exif(6)))
    assert (picture.width, picture.height) == (20, 40)


def test_colours_of_a_profile_become_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = reencode_image(written(flat(colour=(10, 200, 30)), "PNG"))
    assert reencode_image(written(flat(colour=(10, 200, 30)), "PNG", icc_profile=srgb)).content == plain.content
    # One that does not fit, or is none, is as good as none.
    for profile in (lab, b"nonsense" * 40):
        assert reencode_image(written(flat(colour=(10, 200, 30)), "PNG", icc_profile=profile)).content == plain.content


def test_it_is_made_smaller_until_it_fits() -> None:
    # Two colours of one bit are small; re-encoded in full colour they exceed the limit.
    dots = noise("L", (1900, 1900)).point(lambda value: value & 128).convert("1").convert("P")
    dots.putpalette([10, 20, 200, 250, 240, 3])
    file = written(dots, "PNG", bits=1)
    assert len(file) <= MAX_LOGO_BYTES
    picture = reencode_image(file)
    assert opened(picture).mode == "RGB"
    assert 200 < picture.width == picture.height < 1900
    photograph = written(noise("RGB", (900, 900)), "JPEG", quality=40, subsampling=2)
    assert MAX_LOGO_BYTES // 2 < len(photograph) <= MAX_LOGO_BYTES
    assert opened(reencode_image(photograph)).format == "JPEG"


OTHERS: list[tuple[str, bytes]] = [
    ("GIF", written(flat(), "GIF")),
    ("WebP", written(flat(), "WEBP")),
    ("AVIF", written(flat(), "AVIF")),
    ("BMP", written(flat(), "BMP")),
    ("TIFF", written(flat(), "TIFF")),
    ("icon", written(flat(), "ICO")),
    ("JPEG 2000", written(flat(), "JPEG2000")),
    ("PDF", written(flat(), "PDF")),
    ("EPS", written(flat(), "EPS")),
    ("HEIC", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 20),
    ("JPEG XL", b"\xff\x0a" + b"\x00" * 20),
    ("JPEG XL", b"\x00\x00\x00\x0cJXL \r\n\x87\n" + b"\x00" * 20),
    ("Photoshop", b"8BPS\x00\x01" + b"\x00" * 20),
    ("compressed", b"\x1f\x8b\x08" + b"\x00" * 20),
    ("compressed", b"PK\x03\x04" + b"\x00" * 20),
    ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    ("SVG", b'\xef\xbb\xbf\n <?xml version="1.0"?><!DOCTYPE svg><svg/>'),
    ("SVG", "<svg/>".encode("utf-16")),
    ("web page", b"<html><body>"),
    ("neither", b"MZ\x90\x00"),
    ("neither", b"\x89PNG\n"),
    ("neither", b"\xff\xd8"),
    ("neither", b""),
    ("animated", written(flat(), "PNG", save_all=True, append_images=[flat(colour="blue")])),
]


@pytest.mark.parametrize(("name", "file"), OTHERS, ids=[f"{number} {name}" for number, (name, _) in enumerate(OTHERS)])
def test_other_formats_are_refused_by_name(name: str, file: bytes) -> None:
    code, message = refusal(file)
    assert code == "bad_format"
    assert name in message


def test_too_many_bytes_are_refused() -> None:
    file = written(flat(), "PNG")
    padded = file + b"\x00" * (MAX_LOGO_BYTES - len(file))
    assert reencode_image(padded).width == 40
    assert refusal(padded + b"\x00")[0] == "too_large"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_too_many_pixels_are_refused(kind: str) -> None:
    most = MAX_LOGO_SIDE
    assert reencode_image(written(flat(size=(most, 5)), kind)).width == most
    assert reencode_image(written(flat(size=(5, most)), kind)).height == most
    assert refusal(written(flat(size=(most + 1, 5)), kind))[0] == "too_many_pixels"
    assert refusal(written(flat(size=(5, most + 1)), kind))[0] == "too_many_pixels"


def png(width: int, height: int, data: bytes, *others: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of which everything can be wrong but its form."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), *others, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def test_bombs_are_refused() -> None:
    assert refusal(png(60_000, 60_000, zlib.compress(b"\x00" * 1_000_000)))[0] == "too_many_pixels"
    assert refusal(png(2**31 - 1, 2**31 - 1, b""))[0] in ("too_many_pixels", "damaged")
    pixel, bomb = zlib.compress(b"\x00" * 4), zlib.compress(b"a" * 50_000_000, 9)
    assert refusal(png(1, 1, pixel, (b"zTXt", b"Comment\x00\x00" + bomb)))[0] == "damaged"
    assert drawn_or_refused(png(1, 1, pixel, (b"iCCP", b"profile\x00\x00" + bomb))) in ("drawn", "damaged")


def drawn_or_refused(file: bytes) -> str:
    """Return ``drawn``, or the code of the refusal."""
    try:
        opened(reencode_image(file))
    except InvalidInput as refused:
        return refused.fields[0].code
    return "drawn"


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    file = written(flat(size=(2000, 2000)), "JPEG", progressive=True)
    assert reencode_image(file).width == 2000
    scan = file.rindex(b"\xff\xda")
    many = file[:-2] + file[scan:-2] * 100 + file[-2:]
    assert refusal(many)[0] == "bad_format"


WHOLE: dict[str, bytes] = {
    "png": written(noise("RGB", (30, 30)), "PNG"),
    "jpeg": written(noise("RGB", (30, 30)), "JPEG"),
    "progressive": written(noise("RGB", (30, 30)), "JPEG", progressive=True),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_cut_off_is_refused(name: str) -> None:
    file = WHOLE[name]
    for length in range(12, len(file) * 3 // 4, 7):
        assert refusal(file[:length])[0] == "damaged"


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.lists(st.tuples(st.integers(8, 4000), st.integers(0, 255)), max_size=6))
def test_whatever_is_forged_is_drawn_or_refused(name: str, changes: list[tuple[int, int]]) -> None:
    forged = bytearray(WHOLE[name])
    for place, value in changes:
        forged[place % len(forged)] = value
    assert drawn_or_refused(bytes(forged)) in ("drawn", "damaged", "too_many_pixels", "bad_format")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")), st.binary(max_size=200))
def test_whatever_follows_a_true_beginning_is_refused(beginning: bytes, rest: bytes) -> None:
    with pytest.raises(InvalidInput):
        reencode_image(beginning + rest)


@given(st.binary(max_size=40))
def test_whatever_it_is_has_a_name(file: bytes) -> None:
    if not file.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        code, message = refusal(file)
        assert code == "bad_format"
        assert re.fullmatch(r"This is .*\. Send a PNG or JPEG\.", message)
