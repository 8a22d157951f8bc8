"""Contacts over HTTP."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.api.views import AddressView
from chalicelib.contacts import deletion, erasure, service
from chalicelib.contacts.inputs import AccessBody, ContactWrite, ErasureBody
from chalicelib.contacts.rows import ContactRead
from chalicelib.contacts.rules import CONTACT_ROLES
from chalicelib.errors import Forbidden
from chalicelib.field_types import ContactId
from chalicelib.permissions import Principal, is_permitted

contacts_routes = Routes("contacts")


class SharedRecord(View):
    """The record of the same person at another account."""

    account_id: str
    contact_id: str


class AccessAtView(View):
    """What a contact may do at a bill group by its own access."""

    permissions: list[str]
    starts_at: datetime = Field(description="When it takes effect.")


class AccessView(View):
    """A contact's own access; rules of its address or domain may give more."""

    contact_id: str
    email: str
    bill_groups: dict[str, AccessAtView]
    version: int = Field(description="Of the contact.")


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
    access: dict[str, AccessAtView] = Field(
        description="Its own access by bill group. A role gives no access, and access gives no role."
    )
    former_roles: list[str] = Field(description="Of an inactive contact: the roles it held when it was deleted.")
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    differences: dict[str, Any] = Field(
        description="Fields that were changed here, with the value that the billing system last sent."
    )
    version: int


class ContactWritten(ContactView):
    """A contact after a change."""

    others: list[SharedRecord] = Field(
        description="Records with the same email at other accounts, which this change did not touch."
    )


class ErasureView(View):
    """The status of an erasure."""

    erasure_id: str
    status: str


class StatusQuery(Query):
    """Which contacts are listed."""

    status: Literal["active", "inactive", "all"] = "active"


class SuccessorQuery(Query):
    """Who takes the deleted contact's roles and its places at bill groups."""

    successor: ContactId | None = None


def _contact_fields(found: ContactRead, principal: Principal) -> dict[str, Any]:
    shown = {name: value for name, value in vars(found.contact).items() if name in ContactView.model_fields}
    shown |= {
        "address": vars(found.contact.address) if found.contact.address else None,
        "roles": [role for role in CONTACT_ROLES if role in found.roles],
        "access": _to_access_views(found.contact.access),
        "differences": found.differences,
    }
    if principal.is_portal:
        # The contact belongs to the account. Its bill groups are shown where they are granted (A9).
        shown |= {
            "differences": {},
            "access": {group: at for group, at in shown["access"].items() if group in principal.grants},
            "billing_for": [group for group in found.contact.billing_for if group in principal.grants],
            "shipping_for": [group for group in found.contact.shipping_for if group in principal.grants],
        }
    return shown


def _to_access_views(stored: dict[str, Any]) -> dict[str, AccessAtView]:
    return {
        bill_group_id: AccessAtView(
            permissions=at["permissions"], starts_at=datetime.fromisoformat(at["starts_at"]).astimezone(UTC)
        )
        for bill_group_id, at in stored.items()
    }


def _write_reply(request: Request[Any, Any], found: ContactRead, status: int = 200) -> Reply:
    others = [] if request.principal.is_portal else list(found.others)
    view = ContactWritten(
        **_contact_fields(found, request.principal),
        others=[SharedRecord(account_id=account, contact_id=contact) for account, contact in others],
    )
    return Reply(view, status=status, version=found.contact.version)


def _rebuild(request: Request[Any, Any]) -> Reply:
    return _write_reply(request, service.get_contact(request.path["account_id"], request.path["contact_id"]))


def _requested_access(request: Request[ContactWrite, None]) -> dict[str, list[str] | None] | None:
    """Return the access that the body asks for. Raises Forbidden unless the caller may give access (A9)."""
    wanted = request.body.wanted_access()
    if wanted is not None and not is_permitted(request.principal, "contact_access.write"):
        raise Forbidden("access_not_yours", "You do not have permission to change access. Leave out access.")
    return wanted


@contacts_routes.get(
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
    return Reply(Listing(items=[ContactView(**_contact_fields(one, request.principal)) for one in found]), after=after)


@contacts_routes.get(
    "/v1/accounts/{account_id}/contacts/{contact_id}",
    may="contacts.read",
    returns={200: ContactView},
    tagged=True,
)
def get_contact(request: Request[None, None]) -> Reply:
    """Read a contact, active or inactive."""
    found = service.get_contact(request.path["account_id"], request.path["contact_id"])
    return Reply(ContactView(**_contact_fields(found, request.principal)), version=found.contact.version)


@contacts_routes.post(
    "/v1/accounts/{account_id}/contacts",
    may="contacts.write",
    body=ContactWrite,
    returns={201: ContactWritten},
    raises=("role_is_full", "email_taken", "external_id_taken", "address_denied"),
    tagged=True,
    replay=_rebuild,
)
def create_contact(request: Request[ContactWrite, None]) -> Reply:
    """Add a contact, with its roles and access. At most 5 contacts hold a role."""
    made = service.create_contact(
        request.context,
        request.path["account_id"],
        request.body.details(),
        frozenset(request.body.roles or ()),
        _requested_access(request),
    )
    return _write_reply(request, made, status=201)


@contacts_routes.patch(
    "/v1/accounts/{account_id}/contacts/{contact_id}",
    may="contacts.write",
    body=ContactWrite,
    returns={200: ContactWritten},
    raises=(
        "role_is_full",
        "role_needs_holder",
        "email_taken",
        "external_id_taken",
        "contact_is_inactive",
        "address_denied",
        "stale_version",
    ),
    tagged=True,
    replay=_rebuild,
)
def patch_contact(request: Request[ContactWrite, None]) -> Reply:
    """Change the details that are sent, and roles and access if they are sent.

    A new email ends the access of the old one, except access granted in the same request.
    """
    changed = service.patch_contact(
        request.context,
        request.path["account_id"],
        request.path["contact_id"],
        request.body.details(),
        frozenset(request.body.roles or ()) if "roles" in request.body.model_fields_set else None,
        request.if_match,
        wanted_access=_requested_access(request),
    )
    return _write_reply(request, changed)


@contacts_routes.delete(
    "/v1/accounts/{account_id}/contacts/{contact_id}",
    may="contacts.write",
    query=SuccessorQuery,
    returns={204: None},
    raises=("role_needs_holder", "role_is_full", "successor_needed", "owner_needs_successor", "stale_version"),
    versioned=True,
)
def delete_contact(request: Request[None, SuccessorQuery]) -> Reply:
    """Deactivate a contact immediately. A successor can take over its roles, its bill groups and ownership.

    Its access and the access rules of its email end; where its domain has a rule, a denial is added.
    """
    deletion.delete_contact(
        request.context,
        request.path["account_id"],
        request.path["contact_id"],
        request.query.successor,
        request.if_match,
    )
    return Reply(status=204)


@contacts_routes.post(
    "/v1/accounts/{account_id}/contacts/{contact_id}/restore",
    may="contacts.write",
    returns={200: ContactWritten},
    raises=("email_taken",),
    tagged=True,
    replay=_rebuild,
)
def restore_contact(request: Request[None, None]) -> Reply:
    """Restore an inactive contact, with those of its former roles that have room left."""
    found = deletion.restore_contact(request.context, request.path["account_id"], request.path["contact_id"])
    return _write_reply(request, found)


def _access_reply(found: ContactRead) -> Reply:
    contact = found.contact
    view = AccessView(
        contact_id=contact.contact_id,
        email=contact.email,
        bill_groups=_to_access_views(contact.access),
        version=contact.version,
    )
    return Reply(view, version=contact.version)


@contacts_routes.get(
    "/v1/accounts/{account_id}/contacts/{contact_id}/access",
    may="contact_access.read",
    returns={200: AccessView},
    tagged=True,
)
def get_access(request: Request[None, None]) -> Reply:
    """Read a contact's own access."""
    return _access_reply(service.get_contact(request.path["account_id"], request.path["contact_id"]))


@contacts_routes.put(
    "/v1/accounts/{account_id}/contacts/{contact_id}/access",
    may="contact_access.write",
    body=AccessBody,
    returns={200: AccessView},
    raises=("address_denied", "contact_is_inactive", "stale_version"),
    tagged=True,
    versioned=True,
    replay=get_access,
)
def put_access(request: Request[AccessBody, None]) -> Reply:
    """Replace a contact's access with what is sent."""
    changed = service.patch_contact(
        request.context,
        request.path["account_id"],
        request.path["contact_id"],
        {},
        None,
        request.if_match,
        wanted_access=request.body.wanted(),
    )
    return _access_reply(changed)


@contacts_routes.delete(
    "/v1/accounts/{account_id}/contacts/{contact_id}/access",
    may="contact_access.write",
    returns={204: None},
    raises=("contact_is_inactive", "stale_version"),
    versioned=True,
)
def delete_access(request: Request[None, None]) -> Reply:
    """Remove all of a contact's own access immediately."""
    service.patch_contact(
        request.context,
        request.path["account_id"],
        request.path["contact_id"],
        {},
        None,
        request.if_match,
        wanted_access={},
    )
    return Reply(status=204)


@contacts_routes.get("/v1/erasures/{erasure_id}", may="contacts.erase", returns={200: ErasureView})
def get_erasure(request: Request[None, None]) -> Reply:
    """Read the status of an erasure: `requested` or `finished`."""
    return Reply(ErasureView(**vars(erasure.get_erasure(request.path["erasure_id"]))))


@contacts_routes.post(
    "/v1/accounts/{account_id}/contacts/{contact_id}/erase",
    may="contacts.erase",
    body=ErasureBody,
    returns={202: ErasureView},
    replay=get_erasure,
)
def erase_contact(request: Request[ErasureBody, None]) -> Reply:
    """Permanently erase a contact's personal data. A role may be left without a holder. Issued invoices stay."""
    requested = erasure.request_erasure(request.context, request.path["account_id"], request.path["contact_id"])
    return Reply(ErasureView(**vars(requested)), status=202)


@contacts_routes.get(
    "/v1/accounts/{account_id}/contacts/{contact_id}/shared-records",
    may="contacts.shared",
    returns={200: Listing[SharedRecord]},
)
def list_shared_records(request: Request[None, None]) -> Reply:
    """List the active records with the same email, at this and other accounts."""
    found = service.find_shared_records(request.path["account_id"], request.path["contact_id"])
    return Reply(Listing(items=[SharedRecord(account_id=one, contact_id=other) for one, other in found]))
