"""What callers send of logos."""

import base64
import binascii
from typing import Annotated

from pydantic import Field, StringConstraints

from chalicelib.errors import InvalidInput
from chalicelib.field_types import Body
from chalicelib.logos.rules import LOGO_FIELD


class LogoBody(Body):
    """A logo."""

    image: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="A PNG or JPEG in base64, of at most 512 KiB and 2000 pixels each way.",
        json_schema_extra={"contentEncoding": "base64"},
    )

    def file(self) -> bytes:
        """Return the file. Raises Invalid when the text is not base64."""
        try:
            return base64.b64decode(self.image, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput.field(
                LOGO_FIELD, "not_base64", "Send the file in base64, and nothing around it."
            ) from None
