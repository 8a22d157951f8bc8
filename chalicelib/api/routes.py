"""The declaration of a route, and what a view receives and returns. Usage: the docstring of ``chalicelib.api``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from chalicelib.api import paths, strict_json
from chalicelib.api.models import Body, Query
from chalicelib.api.paging import Pagination
from chalicelib.permissions import Principal
from chalicelib.request_context import RequestContext

B = TypeVar("B")
Q = TypeVar("Q")

WRITE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Request(Generic[B, Q]):
    """A request, parsed, validated and authorised."""

    context: RequestContext
    principal: Principal
    path: Mapping[str, str]
    body: B
    query: Q
    page: Pagination = field(default_factory=Pagination)
    if_match: int | None = None
    source_ip: str = ""
    """The address that API Gateway saw; forwarding headers are not trusted."""
    client: str | None = None
    """The user agent."""


@dataclass(frozen=True)
class Reply:
    """The result of a view.

    ``version`` becomes the ETag; ``after``, a JSON value, becomes ``next_cursor`` of a ``Listing``.
    """

    body: BaseModel | dict[str, Any] | None = None
    status: int = 200
    version: int | None = None
    after: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


RouteView = Callable[[Request[Any, Any]], Reply]


@dataclass(frozen=True)
class Route:
    """One method of one path, as declared."""

    tag: str
    method: str
    path: str
    view: RouteView
    may: str | None
    body: type[Body] | None
    body_optional: bool
    large: bool
    query: type[Query] | None
    paged: bool
    returns: Mapping[int, Any]
    raises: tuple[str, ...]
    tagged: bool
    versioned: bool
    repeatable: bool
    replay: RouteView | None

    @property
    def public(self) -> bool:
        """Tell whether the route needs no principal."""
        return self.may is None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the names of the path's parameters."""
        return paths.parameter_names(self.path)

    @property
    def body_limit(self) -> int:
        """Return the largest body in bytes."""
        return strict_json.LARGE_BODY_LIMIT if self.large else strict_json.BODY_LIMIT


class Routes:
    """The routes of one capability. ``tag`` groups them in OpenAPI."""

    def __init__(self, tag: str) -> None:
        """Start without routes."""
        self.tag = tag
        self.declared: list[Route] = []

    def get(
        self,
        path: str,
        *,
        returns: Mapping[int, Any],
        may: str | None = None,
        public: bool = False,
        query: type[Q] | None = None,
        paged: bool = False,
        tagged: bool = False,
        raises: tuple[str, ...] = (),
    ) -> Callable[[Callable[[Request[None, Q]], Reply]], Callable[[Request[None, Q]], Reply]]:
        """Declare a read; HEAD comes with it."""
        return self._declare(
            "GET", path, may, public,
            query=query, paged=paged, returns=returns, tagged=tagged, raises=raises, repeatable=False,
        )  # fmt: skip

    def post(
        self, path: str, *, returns: Mapping[int, Any], may: str | None = None, public: bool = False,
        body: type[B] | None = None, query: type[Q] | None = None, **options: Any,
    ) -> Callable[[Callable[[Request[B, Q]], Reply]], Callable[[Request[B, Q]], Reply]]:  # fmt: skip
        """Declare a POST; ``options`` as for ``put``."""
        return self._declare("POST", path, may, public, returns=returns, body=body, query=query, **options)

    def put(
        self, path: str, *, returns: Mapping[int, Any], may: str | None = None, public: bool = False,
        body: type[B] | None = None, query: type[Q] | None = None, **options: Any,
    ) -> Callable[[Callable[[Request[B, Q]], Reply]], Callable[[Request[B, Q]], Reply]]:  # fmt: skip
        """Declare a PUT. ``options``: body_optional, large, raises, tagged, versioned, repeatable, replay."""
        return self._declare("PUT", path, may, public, returns=returns, body=body, query=query, **options)

    def patch(
        self, path: str, *, returns: Mapping[int, Any], may: str | None = None, public: bool = False,
        body: type[B] | None = None, query: type[Q] | None = None, **options: Any,
    ) -> Callable[[Callable[[Request[B, Q]], Reply]], Callable[[Request[B, Q]], Reply]]:  # fmt: skip
        """Declare a PATCH, which always needs If-Match; ``options`` as for ``put``."""
        options["versioned"] = True
        return self._declare("PATCH", path, may, public, returns=returns, body=body, query=query, **options)

    def delete(
        self, path: str, *, returns: Mapping[int, Any], may: str | None = None, public: bool = False,
        body: type[B] | None = None, query: type[Q] | None = None, **options: Any,
    ) -> Callable[[Callable[[Request[B, Q]], Reply]], Callable[[Request[B, Q]], Reply]]:  # fmt: skip
        """Declare a DELETE; ``options`` as for ``put``."""
        return self._declare("DELETE", path, may, public, returns=returns, body=body, query=query, **options)

    def _declare(
        self,
        method: str,
        path: str,
        may: str | None,
        public: bool,
        *,
        returns: Mapping[int, Any],
        body: Any = None,
        query: Any = None,
        body_optional: bool = False,
        large: bool = False,
        paged: bool = False,
        raises: tuple[str, ...] = (),
        tagged: bool = False,
        versioned: bool = False,
        repeatable: bool = True,
        replay: RouteView | None = None,
    ) -> Callable[[Any], Any]:
        where = f"{method} {path}"
        if (may is None) != public:
            raise ValueError(f"{where}: say who may call it: may='an.operation', or public=True.")
        unknown = set(paths.parameter_names(path)) - set(paths.PARAMETER_PATTERNS)
        if unknown:
            raise ValueError(f"{where}: the shape of {', '.join(unknown)} is not in chalicelib/api/paths.py.")
        if public and repeatable and method in WRITE_METHODS:
            raise ValueError(f"{where}: say repeatable=False, or all strangers would share their Idempotency-Keys.")
        if repeatable and method in WRITE_METHODS and replay is None and any(returns.values()):
            raise ValueError(f"{where}: replay=<the GET view> is missing, or say repeatable=False.")

        def declare(view: RouteView) -> RouteView:
            self.declared.append(
                Route(
                    tag=self.tag,
                    method=method,
                    path=path,
                    view=view,
                    may=may,
                    body=body,
                    body_optional=body_optional,
                    large=large,
                    query=query,
                    paged=paged,
                    returns=returns,
                    raises=raises,
                    tagged=tagged,
                    versioned=versioned,
                    repeatable=repeatable,
                    replay=replay,
                )
            )
            return view

        return declare
