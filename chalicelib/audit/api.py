"""Audit events and changes over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.audit import service
from chalicelib.audit.service import AuditEvent
from chalicelib.errors import InvalidInput

audit_routes = Routes("audit")


class ChangeView(View):
    """One field that changed; null stands for absent."""

    field: str
    before: Any
    after: Any


class ActorView(View):
    """Who acted."""

    kind: str
    id: str
    name: str


class AuditEventView(View):
    """Who changed what, when, from what to what."""

    audit_event_id: str
    at: datetime
    actor: ActorView
    action: str
    resource_kind: str
    resource_id: str
    account_id: str | None
    bill_group_id: str | None
    changes: list[ChangeView]
    correlation_id: str


class ChangesView(View):
    """Changes in the order in which they were made."""

    items: list[AuditEventView]
    cursor: str = Field(description="Send it with the next call.")
    more: bool = Field(description="True when more changes are available now.")


class ChangesQuery(Query):
    """Where the feed goes on."""

    cursor: str | None = Field(default=None, max_length=64, description="From the previous call.")
    limit: int = Field(default=50, ge=1, le=100)


def _view(event: AuditEvent) -> AuditEventView:
    return AuditEventView(
        audit_event_id=event.audit_event_id,
        at=event.at,
        actor=ActorView(kind=event.actor_kind, id=event.actor_id, name=event.actor_name),
        action=event.action,
        resource_kind=event.resource_kind,
        resource_id=event.resource_id,
        account_id=event.account_id,
        bill_group_id=event.bill_group_id,
        changes=[ChangeView(**vars(change)) for change in event.changes],
        correlation_id=event.correlation_id,
    )


@audit_routes.get(
    "/v1/accounts/{account_id}/audit-events",
    may="audit.read",
    returns={200: Listing[AuditEventView]},
    paged=True,
)
def list_audit_events(request: Request[None, None]) -> Reply:
    """List who changed what at an account, newest first."""
    found = service.list_account_events(request.path["account_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[_view(event) for event in found.events]), after=found.after)


@audit_routes.get("/v1/changes", may="changes.read", query=ChangesQuery, returns={200: ChangesView})
def list_changes(request: Request[None, ChangesQuery]) -> Reply:
    """List changes made here, for the billing system. A change appears after 30 seconds.

    `cursor` is not a page of a list but a place in a feed that has no end: keep the last one.
    """
    try:
        found = service.list_changes(request.context.now, request.query.cursor, request.query.limit)
    except ValueError:
        raise InvalidInput.field("cursor", "bad_cursor", "Send the cursor of the previous call, or none.") from None
    return Reply(ChangesView(items=[_view(event) for event in found.events], cursor=found.position, more=found.more))
