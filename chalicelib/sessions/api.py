"""Sessions and previews over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from chalicelib.api import Body, Listing, Reply, Request, Routes, View
from chalicelib.field_types import ShortText
from chalicelib.permissions import PORTAL_PERMISSIONS
from chalicelib.sessions import preview, service
from chalicelib.sessions.service import Session

sessions_routes = Routes("sessions")

Permission = Literal[PORTAL_PERMISSIONS]  # type: ignore[valid-type]


class SessionView(View):
    """A signed-in browser or client."""

    session_id: str
    kind: Literal["portal_user", "staff", "preview"]
    origin: Literal["link", "code", "password", "preview"] = Field(description="What proved who it is.")
    client: str | None = Field(description="What the browser or client called itself when it signed in.")
    created_at: datetime
    last_seen_at: datetime = Field(description="To the minute.")
    ends_at: datetime = Field(description="Latest end of the session. It ends earlier if it is not used.")
    current: bool = Field(description="True for the current session.")


class PortalPreviewBody(Body):
    """Whose view of the portal to show. Send at most one; without any, that of a new access rule."""

    permissions: list[Permission] | None = Field(default=None, max_length=len(PORTAL_PERMISSIONS))
    rule_id: ShortText | None = None
    contact_id: ShortText | None = None

    @model_validator(mode="after")
    def _one(self) -> "PortalPreviewBody":
        if sum(value is not None for value in (self.permissions, self.rule_id, self.contact_id)) > 1:
            raise PydanticCustomError("too_many", "Send permissions, or rule_id, or contact_id, not several of them.")
        return self


class PreviewView(View):
    """A preview that was opened."""

    session_id: str
    token: str = Field(description="The bearer token. Shown once, in this response. It is read-only.")
    bill_group_id: str
    account_id: str
    permissions: list[str]
    ends_at: datetime


@sessions_routes.get("/v1/sessions", may="sessions.read", returns={200: Listing[SessionView]}, paged=True)
def list_sessions(request: Request[None, None]) -> Reply:
    """List your active sessions, newest first."""
    found, after = service.list_own_sessions(request.context, request.principal, request.page.limit, request.page.after)
    return Reply(Listing(items=[_view(one, request) for one in found]), after=after)


@sessions_routes.get("/v1/sessions/current", may="sessions.read", returns={200: SessionView})
def get_current_session(request: Request[None, None]) -> Reply:
    """Read the current session."""
    return Reply(_view(service.get_principal_session(request.principal), request))


@sessions_routes.delete("/v1/sessions/current", may="sessions.end", returns={204: None}, repeatable=False)
def end_current_session(request: Request[None, None]) -> Reply:
    """Sign out: end the current session."""
    service.end_principal_session(request.context, request.principal)
    return Reply(status=204)


@sessions_routes.delete("/v1/sessions/{session_id}", may="sessions.end", returns={204: None}, repeatable=False)
def end_session(request: Request[None, None]) -> Reply:
    """End one of your sessions."""
    service.end_own_session(request.context, request.principal, request.path["session_id"])
    return Reply(status=204)


@sessions_routes.post(
    "/v1/bill-groups/{bill_group_id}/preview",
    may="previews.open",
    body=PortalPreviewBody,
    returns={201: PreviewView},
    raises=("no_access",),
    repeatable=False,
)
def open_preview(request: Request[PortalPreviewBody, None]) -> Reply:
    """Open a read-only session that shows this portal as someone else sees it."""
    asked = request.body
    opened = preview.open_preview(
        request.context,
        request.path["bill_group_id"],
        permissions=asked.permissions,
        rule_id=asked.rule_id,
        contact_id=asked.contact_id,
    )
    return Reply(PreviewView(**{**vars(opened), "permissions": list(opened.permissions)}), status=201)


def _view(session: Session, request: Request[None, None]) -> SessionView:
    return SessionView(**vars(session), current=session.session_id == request.principal.session_id)
