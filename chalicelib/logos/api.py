"""Logos of issuing entities over HTTP."""

from typing import Any

from chalicelib.api import Reply, Request, Routes
from chalicelib.api.views import LogoView
from chalicelib.logos import service
from chalicelib.logos.inputs import LogoBody

logos_routes = Routes("entities")


@logos_routes.get("/v1/entities/{entity_id}/logo", may="entities.read", returns={302: None})
def get_logo(request: Request[None, None]) -> Reply:
    """Redirect to an issuing entity's logo, at an address that works for a minute."""
    logo, _ = service.get_logo(request.path["entity_id"])
    return Reply(status=302, headers={"Location": service.logo_address(logo)})


def _rebuild(request: Request[Any, Any]) -> Reply:
    logo, version = service.get_logo(request.path["entity_id"])
    return Reply(LogoView.model_validate(logo, from_attributes=True), version=version)


@logos_routes.put(
    "/v1/entities/{entity_id}/logo",
    may="entities.write",
    body=LogoBody,
    large=True,
    returns={200: LogoView},
    raises=("stale_version",),
    tagged=True,
    versioned=True,
    replay=_rebuild,
)
def put_logo(request: Request[LogoBody, None]) -> Reply:
    """Set an issuing entity's logo. The image is re-encoded. Issued invoices keep their logo."""
    file = request.body.file()
    logo, version = service.put_logo(request.context, request.path["entity_id"], file, request.if_match)
    return Reply(LogoView.model_validate(logo, from_attributes=True), version=version)


@logos_routes.delete("/v1/entities/{entity_id}/logo", may="entities.write", returns={204: None})
def delete_logo(request: Request[None, None]) -> Reply:
    """Remove an issuing entity's logo."""
    service.delete_logo(request.context, request.path["entity_id"])
    return Reply(status=204)
