"""Parts of replies that several capabilities share."""

from typing import Any

from chalicelib.api.models import View


class AddressView(View):
    """A postal address."""

    line1: str | None
    line2: str | None
    city: str | None
    region: str | None
    postal_code: str | None
    country: str | None


class OverrideView(View):
    """A value that was changed here and that the billing system has now replaced by another of its own."""

    field: str
    value_here: Any
    value_brought: Any


class LogoView(View):
    """A stored logo. Sizes are in pixels."""

    sha256: str
    media_type: str
    width: int
    height: int
