"""Contacts over HTTP."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.api.views import AddressView
from chalicelib.bill_groups.inputs import ContactId
from chalicelib.contacts import erasure, leaving, service
from chalicelib.contacts.inputs import ContactBody, ErasureBody
from chalicelib.contacts.records import ContactRead
from chalicelib.contacts.rules import ROLES

routes = Routes("contacts")


class SharedRecord(View):
    """The record of the same person at another account."""

    account_id: str
    contact_id: str


class ContactView(View):
    """A contact: a person, or a shared mailbox, at an account."""

    contact_id: str
    account_id: str
    kind: str
    status: str
    first_name: str | None
    last_name: str | None
    display_name: str | None
    email: str
    cell: str | None
    company: str | None
    address: AddressView | None
    job_title: str | None
    locale: str | None
    external_id: str | None
    roles: list[str]
    billing_for: list[str] = Field(description="Bill groups whose billing contact this is.")
    shipping_for: list[str] = Field(description="Bill groups whose shipping contact this is.")
    former_roles: list[str] = Field(description="Of an inactive contact: the roles it held when it was deleted.")
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    differences: dict[str, Any] = Field(
        description="Fields that were changed here, with the value that the billing system last brought."
    )
    version: int


class ContactWritten(ContactView):
    """A contact after a change."""

    others: list[SharedRecord] = Field(
        description="Records with the same email at other accounts, which this change did not touch."
    )


class ErasureView(View):
    """How far an erasure is."""

    erasure_id: str
    status: str


class StatusQuery(Query):
    """Which contacts are listed."""

    status: Literal["active", "inactive", "all"] = "active"


class SuccessorQuery(Query):
    """Who takes the deleted contact's roles and its places at bill groups."""

    successor: ContactId | None = None


def _fields(found: ContactRead) -> dict[str, Any]:
    told = {name: getattr(found.contact, name) for name in ContactView.model_fields if hasattr(found.contact, name)}
    address = vars(found.contact.address) if found.contact.address else None
    roles = [role for role in ROLES if role in found.roles]
    lists = {name: list(told[name]) for name in ("billing_for", "shipping_for", "former_roles")}
    return {**told, **lists, "address": address, "roles": roles, "differences": found.differences}


def _written(found: ContactRead, status: int = 200) -> Reply:
    others = [SharedRecord(account_id=account, contact_id=contact) for account, contact in found.others]
    return Reply(ContactWritten(**_fields(found), others=others), status=status, version=found.contact.version)


def _rebuild(request: Request[Any, Any]) -> Reply:
    return _written(service.get_contact(request.path["account_id"], request.path["contact_id"]))


@routes.get(
    "/v1/accounts/{account_id}/contacts",
    may="contacts.read",
    query=StatusQuery,
    returns={200: Listing[ContactView]},
    paged=True,
)
def list_contacts(request: Request[None, StatusQuery]) -> Reply:
    """List an account's contacts in the order in which they were added."""
    found, after = service.list_contacts(
        request.path["account_id"], request.query.status, request.page.after, request.page.limit
    )
    return Reply(Listing(items=[ContactView(**_fields(one)) for one in found]), after=after)


@routes.get(
    "/v1/accounts/{account_id}/contacts/{contact_id}",
    may="contacts.read",
    returns={200: ContactView},
    tagged=True,
)
def get_contact(request: Request[None, None]) -> Reply:
    """Read a contact, active or inactive."""
    found = service.get_contact(request.path["account_id"], request.path["contact_id"])
    return Reply(ContactView(**_fields(found)), version=found.contact.version)


@routes.post(
    "/v1/accounts/{account_id}/contacts",
    may="contacts.write",
    body=ContactBody,
    returns={201: ContactWritten},
    raises=("role_is_full", "email_taken", "external_id_taken"),
    tagged=True,
    replay=_rebuild,
)
def create_contact(request: Request[ContactBody, None]) -> Reply:
    """Add a contact, with its roles. At most 5 contacts hold a role."""
    made = service.create_contact(
        request.call,
        request.path["account_id"],
        request.body.details(),
        frozenset(request.body.roles or ()),
    )
    return _written(made, status=201)


@routes.patch(
    "/v1/accounts/{account_id}/contacts/{contact_id}",
    may="contacts.write",
    body=ContactBody,
    returns={200: ContactWritten},
    raises=(
        "role_is_full",
        "role_needs_holder",
        "email_taken",
        "external_id_taken",
        "contact_is_inactive",
        "stale_version",
    ),
    tagged=True,
    replay=_rebuild,
)
def patch_contact(request: Request[ContactBody, None]) -> Reply:
    """Change the details that are sent, and the roles if they are sent."""
    changed = service.patch_contact(
        request.call,
        request.path["account_id"],
        request.path["contact_id"],
        request.body.details(),
        frozenset(request.body.roles or ()) if "roles" in request.body.model_fields_set else None,
        request.if_match,
    )
    return _written(changed)


@routes.delete(
    "/v1/accounts/{account_id}/contacts/{contact_id}",
    may="contacts.write",
    query=SuccessorQuery,
    returns={204: None},
    raises=("role_needs_holder", "role_is_full", "successor_needed", "stale_version"),
    versioned=True,
)
def delete_contact(request: Request[None, SuccessorQuery]) -> Reply:
    """Make a contact inactive at once; a successor takes its roles and its places at bill groups."""
    leaving.delete_contact(
        request.call,
        request.path["account_id"],
        request.path["contact_id"],
        request.query.successor,
        request.if_match,
    )
    return Reply(status=204)


@routes.post(
    "/v1/accounts/{account_id}/contacts/{contact_id}/restore",
    may="contacts.write",
    returns={200: ContactWritten},
    raises=("email_taken",),
    tagged=True,
    replay=_rebuild,
)
def restore_contact(request: Request[None, None]) -> Reply:
    """Bring an inactive contact back, with those of its former roles that still fit."""
    return _written(leaving.restore_contact(request.call, request.path["account_id"], request.path["contact_id"]))


@routes.get("/v1/erasures/{erasure_id}", may="contacts.erase", returns={200: ErasureView})
def get_erasure(request: Request[None, None]) -> Reply:
    """Read how far an erasure is: `requested` or `finished`."""
    return Reply(ErasureView(**vars(erasure.get_erasure(request.path["erasure_id"]))))


@routes.post(
    "/v1/accounts/{account_id}/contacts/{contact_id}/erase",
    may="contacts.erase",
    body=ErasureBody,
    returns={202: ErasureView},
    replay=get_erasure,
)
def erase_contact(request: Request[ErasureBody, None]) -> Reply:
    """Erase a contact's personal data for good. It may leave a role without holder; issued invoices stay."""
    requested = erasure.request_erasure(request.call, request.path["account_id"], request.path["contact_id"])
    return Reply(ErasureView(**vars(requested)), status=202)


@routes.get(
    "/v1/accounts/{account_id}/contacts/{contact_id}/shared-records",
    may="contacts.read",
    returns={200: Listing[SharedRecord]},
)
def list_shared_records(request: Request[None, None]) -> Reply:
    """List the active records with the same email, at this and other accounts."""
    found = service.shared_records(request.path["account_id"], request.path["contact_id"])
    return Reply(Listing(items=[SharedRecord(account_id=one, contact_id=other) for one, other in found]))
