"""Files of pictures, made for the tests."""

from io import BytesIO
from random import Random
from typing import Any

from PIL import Image


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flat(mode: str = "RGB", size: tuple[int, int] = (40, 20), colour: Any = "red") -> Image.Image:
    """Return a picture of one colour."""
    return Image.new(mode, size, colour)


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    """Return a picture that compresses badly, the same each time."""
    count = size[0] * size[1] * len(Image.new(mode, (1, 1)).tobytes())
    return Image.frombytes(mode, size, Random(7).randbytes(count))
