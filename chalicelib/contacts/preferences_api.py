"""What contacts choose to be mailed, and how, over HTTP (C7)."""

from pydantic import Field

from chalicelib.api import Reply, Request, Routes, View
from chalicelib.contacts import preference_rules, preferences, service
from chalicelib.contacts.inputs import PreferencesBody
from chalicelib.contacts.rows import ContactRead
from chalicelib.contacts.rules import MAIL_CATEGORIES

preferences_routes = Routes("contacts")


class DeliveryStyleView(View):
    """How a contact wants its invoices."""

    grouping: str = Field(description="`one_per_mail` or `together`.")
    pdf_only: bool
    size_limit_kib: int | None


class PreferencesView(View):
    """Which emails a contact receives, and how."""

    contact_id: str
    email: str
    invoices: bool
    reminders: bool
    general: bool
    support: bool
    product: bool
    required: list[str] = Field(description="Emails that come with its roles. They are on while it has the role.")
    delivery_style: DeliveryStyleView
    version: int = Field(description="Of the contact.")


def _reply(found: ContactRead) -> Reply:
    contact = found.contact
    view = PreferencesView(
        contact_id=contact.contact_id,
        email=contact.email,
        **{
            category: preference_rules.receives_category(contact, found.roles, category) for category in MAIL_CATEGORIES
        },
        required=list(preference_rules.required_categories(found.roles)),
        delivery_style=DeliveryStyleView.model_validate(contact.delivery_style, from_attributes=True),
        version=contact.version,
    )
    return Reply(view, version=contact.version)


@preferences_routes.get(
    "/v1/accounts/{account_id}/contacts/{contact_id}/preferences",
    may="contacts.read",
    returns={200: PreferencesView},
    tagged=True,
)
def get_preferences(request: Request[None, None]) -> Reply:
    """Read which emails a contact receives, because of its roles or by choice, and how."""
    return _reply(service.get_contact(request.path["account_id"], request.path["contact_id"]))


@preferences_routes.put(
    "/v1/accounts/{account_id}/contacts/{contact_id}/preferences",
    may="contacts.write",
    body=PreferencesBody,
    returns={200: PreferencesView},
    raises=("role_mail_stays", "copies_are_full", "contact_is_inactive", "stale_version"),
    tagged=True,
    versioned=True,
    replay=get_preferences,
)
def put_preferences(request: Request[PreferencesBody, None]) -> Reply:
    """Choose which emails a contact receives, and how. Null restores the default.

    Without the role `invoicing`, `invoices` sends copies; the same applies to `reminders`. Emails that come with a
    role cannot be switched off while the contact has the role.
    """
    chosen = preferences.put_preferences(
        request.context,
        request.path["account_id"],
        request.path["contact_id"],
        request.body.given(),
        request.if_match,
    )
    return _reply(chosen)
