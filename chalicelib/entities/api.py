"""Issuing entities over HTTP."""

from datetime import date

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.api.views import AddressView, LogoView
from chalicelib.entities import service
from chalicelib.entities.inputs import EntityBody
from chalicelib.entities.rules import Entity

entities_routes = Routes("entities")


class TaxNumberView(View):
    """A tax number and its kind."""

    kind: str
    number: str


class BankDetailsView(View):
    """Where the vendor is paid by bank transfer."""

    account_holder: str
    bank_name: str | None
    iban: str | None
    bic: str | None
    account_number: str | None
    routing_number: str | None


class RolloutView(View):
    """Mode of one sort of email: `off`, `shadow`, `pilot` (to the named accounts) or `live`."""

    mode: str
    pilot_account_ids: list[str]


class EntityView(View):
    """An issuing entity: a legal entity or brand of the vendor."""

    entity_id: str
    name: str
    legal_name: str | None
    colour: str
    address: AddressView | None
    tax_numbers: list[TaxNumberView]
    registration_number: str | None
    bank_details: BankDetailsView | None
    logo: LogoView | None = Field(description="It is sent to an address of its own.")
    sender_name: str | None
    sender_email: str
    reply_to: str | None
    website: str | None
    support_email: str | None
    locale: str
    time_zone: str
    contact_cell_required: bool
    access_delay_hours: int
    contact_mails: dict[str, bool]
    invoice_mail: RolloutView
    reminder_mail: RolloutView
    live_from: date | None = Field(
        description="Invoices dated before this day are never delivered, and reminded only after release."
    )
    invoice_addressing: str = Field(description="`each`: an email per contact, or `together`: one email to all.")
    version: int


def _view(entity: Entity) -> EntityView:
    return EntityView.model_validate(entity, from_attributes=True)


@entities_routes.get("/v1/entities", may="entities.read", returns={200: Listing[EntityView]}, paged=True)
def list_entities(request: Request[None, None]) -> Reply:
    """List the issuing entities in order of their ids."""
    entities, after = service.list_entities(request.page.after, request.page.limit)
    return Reply(Listing(items=[_view(entity) for entity in entities]), after=after)


@entities_routes.get("/v1/entities/{entity_id}", may="entities.read", returns={200: EntityView}, tagged=True)
def get_entity(request: Request[None, None]) -> Reply:
    """Read an issuing entity."""
    entity = service.get_entity(request.path["entity_id"])
    return Reply(_view(entity), version=entity.version)


@entities_routes.put(
    "/v1/entities/{entity_id}",
    may="entities.write",
    body=EntityBody,
    returns={200: EntityView, 201: EntityView},
    raises=("stale_version",),
    tagged=True,
    versioned=True,
    replay=get_entity,
)
def put_entity(request: Request[EntityBody, None]) -> Reply:
    """Create an issuing entity or change the fields that are sent; null clears a field."""
    written = service.put_entity(request.context, request.path["entity_id"], request.body.given(), request.if_match)
    return Reply(_view(written.entity), status=201 if written.created else 200, version=written.entity.version)
