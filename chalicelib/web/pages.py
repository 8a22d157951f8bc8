"""The declaration of a page, and what its view receives and returns. Usage: the docstring of ``chalicelib.web``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.entities.rules import Entity
from chalicelib.permissions import Principal
from chalicelib.request_context import RequestContext
from chalicelib.web.forms import AnyForm, validate_form

_SEGMENT_PATTERN = "[A-Za-z0-9._~-]{1,128}"


@dataclass(frozen=True)
class Cookie:
    """A cookie for this host only, over TLS, hidden from scripts. An empty value deletes it."""

    name: str
    value: str = ""
    seconds: int = 0


@dataclass(frozen=True)
class PageRequest:
    """A request for a page, parsed and authorised."""

    context: RequestContext
    principal: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    typed: Mapping[str, str]
    """The form as it was typed, only to show it again; ``parse_form`` returns what may be used."""
    cookies: Mapping[str, str]
    languages: tuple[str, ...]
    """The languages of the browser, the best first."""
    source_ip: str
    client: str | None

    def parse_form(self, model: type[AnyForm]) -> AnyForm:
        """Return the form, validated by the field types of the API. Raises InvalidInput naming every field."""
        return validate_form(model, self.typed)


@dataclass(frozen=True)
class Page:
    """The result of a view. ``brand`` is the issuing entity whose name and colour the page wears."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    brand: Entity | None = None
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True)
class Redirect:
    """A redirect to a path of our own, such as ``/portal``, which the browser requests by GET."""

    path: str
    cookies: tuple[Cookie, ...] = ()


PageView = Callable[[PageRequest], Page | Redirect]


@dataclass(frozen=True)
class PageRoute:
    """One method of one page."""

    method: str
    pattern: str
    view: PageView
    may: str | None
    from_anywhere: bool = False
    """Whether a POST from another site is accepted; its form is not read."""

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters if ``path`` is this page's, None otherwise."""
        parts = re.split(r"{([a-z_]+)}", self.pattern)
        shape = "".join(
            f"(?P<{part}>{_SEGMENT_PATTERN})" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)
        )
        match = re.fullmatch(shape, path)
        return match.groupdict() if match else None

    @property
    def area(self) -> str:
        """Return the first part of the address, ``portal`` or ``admin``; the start page belongs to the portal."""
        return self.pattern.split("/")[1] or "portal"


class Pages:
    """The pages of one subject."""

    def __init__(self) -> None:
        """Start without pages."""
        self.declared: list[PageRoute] = []

    def get(self, pattern: str, *, may: str | None = None, public: bool = False) -> Callable[[PageView], PageView]:
        """Declare the view of an address for GET and HEAD."""
        return self._declare("GET", pattern, may, public, from_anywhere=False)

    def post(
        self, pattern: str, *, may: str | None = None, public: bool = False, from_anywhere: bool = False
    ) -> Callable[[PageView], PageView]:
        """Declare the view of an address for POST.

        ``from_anywhere`` is for addresses to which mail programs post, without an ``Origin``: such an address is
        itself the credential, is public, and gets an empty form.
        """
        return self._declare("POST", pattern, may, public, from_anywhere)

    def _declare(
        self, method: str, pattern: str, may: str | None, public: bool, from_anywhere: bool
    ) -> Callable[[PageView], PageView]:
        if (may is None) != public:
            raise ValueError(f"{method} {pattern}: say who may: may='an.operation', or public=True.")
        if from_anywhere and not public:
            raise ValueError(f"{method} {pattern}: a page that needs a session accepts forms of our own pages only.")

        def declare(view: PageView) -> PageView:
            self.declared.append(PageRoute(method, pattern, view, may, from_anywhere))
            return view

        return declare
