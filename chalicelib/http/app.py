"""The Chalice app: it answers itself, in JSON or HTML, what Chalice would answer in its own words."""

from typing import Any

from chalice.app import Chalice

from chalicelib.api.routes import Routes
from chalicelib.http import pipeline, system
from chalicelib.http.html_pages import PAGE_METHODS, HtmlPages
from chalicelib.http.json_api import JsonApi
from chalicelib.web.pages import Pages

_API_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class CounterfoilApp(Chalice):
    """A Chalice app whose routes and pages are answered by one pipeline with two surfaces.

    Every method of an API path is registered with Chalice, so that the gateway passes it on and 405 and OPTIONS are
    answered with the right headers. Pages are registered at fixed depths. Answering uses nothing of Chalice's
    per-request state, which threads of a local server would share.
    """

    def __init__(self, app_name: str) -> None:
        """Start with the routes of the service itself."""
        super().__init__(app_name, configure_logs=False)
        self.json_api = JsonApi()
        self.html_pages = HtmlPages()
        for template in self.html_pages.templates:
            self.route(template, methods=PAGE_METHODS, content_types=[], name=template)(_unreachable_view)
        self.register(system.build_system_routes(self.json_api.all_routes))

    def register(self, *groups: Routes) -> None:
        """Add the routes of capabilities."""
        self.json_api.add(groups)
        for path in self.json_api.routes:
            if path not in self.routes:
                self.route(path, methods=_API_METHODS, content_types=[], name=path)(_unreachable_view)

    def register_pages(self, *groups: Pages) -> None:
        """Add pages of the portal or the console."""
        self.html_pages.add(groups)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an event of API Gateway; an unknown address is a 404 problem."""
        template = (event.get("requestContext") or {}).get("resourcePath")
        surface: pipeline.Surface = self.html_pages if template in self.html_pages.templates else self.json_api
        return pipeline.answer(surface, event)


def _unreachable_view(**parameters: str) -> None:
    raise RuntimeError("CounterfoilApp answers every request itself.")
