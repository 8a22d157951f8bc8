"""The routes of the service itself: health and the OpenAPI document."""

from collections.abc import Callable
from typing import Literal

from chalicelib.api import openapi
from chalicelib.api.models import View
from chalicelib.api.routes import Reply, Request, Route, Routes
from chalicelib.config import settings
from chalicelib.version import VERSION


class HealthReply(View):
    """The service is running."""

    status: Literal["ok"]
    version: str
    deployment: str


def build_system_routes(all_routes: Callable[[], list[Route]]) -> Routes:
    """Return the routes that describe the service and ``all_routes``."""
    routes = Routes("service")
    documents: list[dict[str, object]] = []

    @routes.get("/v1/health", public=True, returns={200: HealthReply})
    def get_health(request: Request[None, None]) -> Reply:
        """Check that the service is running."""
        return Reply(HealthReply(status="ok", version=VERSION, deployment=settings().deployment))

    @routes.get("/v1/openapi.json", public=True, returns={200: openapi.Document})
    def get_openapi(request: Request[None, None]) -> Reply:
        """Describe the API in OpenAPI 3.1."""
        if not documents:
            documents.append(openapi.build_openapi_document(all_routes(), settings().public_url))
        return Reply(documents[0])

    return routes
