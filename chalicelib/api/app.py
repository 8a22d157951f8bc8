"""The Chalice app: what Chalice would answer in its own words is answered here as a problem."""

from typing import Any

from chalice.app import Chalice

from chalicelib.api import system
from chalicelib.api.handler import Handler
from chalicelib.api.routes import Routes
from chalicelib.web.handler import METHODS as PAGE_METHODS
from chalicelib.web.handler import PageHandler
from chalicelib.web.pages import Pages

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class CounterfoilApp(Chalice):
    """A Chalice app whose declared API routes are answered by a ``Handler``.

    Every method of an API path is given to Chalice, so that the gateway passes it on and 405 and OPTIONS are
    answered with the right headers. Answering needs nothing of Chalice's per-request state, which threads of
    a local server would share. Pages are answered by a ``PageHandler`` in the same way, at fixed depths.
    """

    def __init__(self, app_name: str) -> None:
        """Begin without routes."""
        super().__init__(app_name, configure_logs=False)
        self.handler = Handler()
        self.pages = PageHandler()
        for template in self.pages.templates:
            self.route(template, methods=PAGE_METHODS, content_types=[], name=template)(_answered_by_handler)
        self.register(system.routes_about(self.handler.all_routes))

    def register(self, *groups: Routes) -> None:
        """Add the routes of capabilities."""
        self.handler.add(groups)
        for path in self.handler.routes:
            if path not in self.routes:
                self.route(path, methods=_METHODS, content_types=[], name=path)(_answered_by_handler)

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


def _answered_by_handler(**parameters: str) -> None:
    raise RuntimeError("CounterfoilApp answers API routes itself.")
