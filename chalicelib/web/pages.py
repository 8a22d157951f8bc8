"""The declaration of a page, and what its view receives and returns. Usage: the docstring of ``chalicelib.web``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.entities.rules import Entity
from chalicelib.permissions import Principal
from chalicelib.request_context import RequestContext

_SEGMENT_PATTERN = "[A-Za-z0-9._~-]{1,128}"


@dataclass(frozen=True)
class Cookie:
    """A cookie that only this host reads, over TLS, and no script. No value: it is taken away."""

    name: str
    value: str = ""
    seconds: int = 0


@dataclass(frozen=True)
class PageRequest:
    """A request for a page, read and allowed."""

    context: RequestContext
    principal: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    cookies: Mapping[str, str]
    languages: tuple[str, ...]
    """What the browser asks for, the best first."""
    source_ip: str
    client: str | None


@dataclass(frozen=True)
class Page:
    """What a view shows. ``brand`` is the issuing entity whose name and colour it wears."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    brand: Entity | None = None
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True)
class Redirect:
    """Where a view leads: a path of our own, such as ``/portal``. The browser asks for it by GET."""

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
    """Whether a POST that no page of ours has sent is taken; its form is not read."""

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
        """Return the first part of the address: ``portal`` or ``admin``."""
        return self.pattern.split("/")[1]


class Pages:
    """The pages of one capability."""

    def __init__(self) -> None:
        """Begin without pages."""
        self.declared: list[PageRoute] = []

    def get(self, pattern: str, *, may: str | None = None, public: bool = False) -> Callable[[PageView], PageView]:
        """Declare what is shown at an address; HEAD comes with it."""
        return self._declare("GET", pattern, may, public, from_anywhere=False)

    def post(
        self, pattern: str, *, may: str | None = None, public: bool = False, from_anywhere: bool = False
    ) -> Callable[[PageView], PageView]:
        """Declare what a form does that is sent to an address.

        ``from_anywhere`` is for addresses that mail programs and the like post to, which send no ``Origin``: such an
        address is itself the credential, is public, and gets an empty form.
        """
        return self._declare("POST", pattern, may, public, from_anywhere)

    def _declare(
        self, method: str, pattern: str, may: str | None, public: bool, from_anywhere: bool
    ) -> Callable[[PageView], PageView]:
        if (may is None) != public:
            raise ValueError(f"{method} {pattern}: say who may: may='an.operation', or public=True.")
        if from_anywhere and not public:
            raise ValueError(f"{method} {pattern}: what needs a session is taken from our own pages only.")

        def declare(view: PageView) -> PageView:
            self.declared.append(PageRoute(method, pattern, view, may, from_anywhere))
            return view

        return declare
