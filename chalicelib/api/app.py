"""The Chalice app: what Chalice would answer in its own words is answered here as a problem."""

from typing import Any

from chalice.app import Chalice

from chalicelib.api import system
from chalicelib.api.handler import ApiHandler
from chalicelib.api.routes import Routes
from chalicelib.web.handler import PAGE_METHODS, PageHandler
from chalicelib.web.pages import Pages

_API_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class CounterfoilApp(Chalice):
    """A Chalice app whose declared API routes are answered by a ``Handler``.

    Every method of an API path is given to Chalice, so that the gateway passes it on and 405 and OPTIONS are
    answered with the right headers. Answering needs nothing of Chalice's per-request state, which threads of
    a local server would share. Pages are answered by a ``PageHandler`` in the same way, at fixed depths.
    """

    def __init__(self, app_name: str) -> None:
        """Begin without routes."""
        super().__init__(app_name, configure_logs=False)
        self.handler = ApiHandler()
        self.pages = PageHandler()
        for template in self.pages.templates:
            self.route(template, methods=PAGE_METHODS, content_types=[], name=template)(_unreachable_view)
        self.register(system.build_system_routes(self.handler.all_routes))

    def register(self, *groups: Routes) -> None:
        """Add the routes of capabilities."""
        self.handler.add(groups)
        for path in self.handler.routes:
            if path not in self.routes:
                self.route(path, methods=_API_METHODS, content_types=[], name=path)(_unreachable_view)

    def register_pages(self, *groups: Pages) -> None:
        """Add the pages of capabilities."""
        for pages in groups:
            self.pages.add(pages)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an event of API Gateway; unknown addresses are a 404 problem."""
        template = (event.get("requestContext") or {}).get("resourcePath")
        if template in self.pages.templates:
            return self.pages.answer(event)
        return self.handler.answer({**event, "requestContext": event.get("requestContext") or {}})


def _unreachable_view(**parameters: str) -> None:
    raise RuntimeError("CounterfoilApp answers API routes itself.")
