"""The Chalice app: what Chalice would answer in its own words is answered here as a problem."""

from typing import Any

from chalice.app import Chalice

from chalicelib.api import system
from chalicelib.api.handler import Handler
from chalicelib.api.routes import Routes

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class CounterfoilApp(Chalice):
    """A Chalice app whose declared API routes are answered by a ``Handler``.

    Every method of an API path is given to Chalice, so that the gateway passes it on and 405 and OPTIONS are
    answered with the right headers. Answering needs nothing of Chalice's per-request state, which threads of
    a local server would share. Other routes (pages) and their errors are Chalice's own.
    """

    def __init__(self, app_name: str) -> None:
        """Begin without routes."""
        super().__init__(app_name, configure_logs=False)
        self.handler = Handler()
        self.register(system.routes_about(self.handler.all_routes))

    def register(self, *groups: Routes) -> None:
        """Add the routes of capabilities."""
        self.handler.add(groups)
        for path in self.handler.routes:
            if path not in self.routes:
                self.route(path, methods=_METHODS, content_types=[], name=path)(_answered_by_handler)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an event of API Gateway; unknown addresses are a 404 problem."""
        template = (event.get("requestContext") or {}).get("resourcePath")
        if template in self.routes and template not in self.handler.routes:
            answer: dict[str, Any] = super().__call__(event, context)
            return answer
        return self.handler.answer({**event, "requestContext": event.get("requestContext") or {}})


def _answered_by_handler(**parameters: str) -> None:
    raise RuntimeError("CounterfoilApp answers API routes itself.")
