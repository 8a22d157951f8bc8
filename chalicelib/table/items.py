"""Every item of the table. PynamoDB omits items whose class was never imported, so all of them live here."""

from datetime import UTC, date, datetime
from threading import Lock
from typing import Any

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.connection.table import TableConnection
from pynamodb.constants import STRING
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from chalicelib.config import settings
from chalicelib.table.keys import Key, format_instant

_CONNECTION_LOCK = Lock()


class InstantAttribute(Attribute[datetime]):
    """An instant in UTC, to the millisecond, as text that sorts by time."""

    attr_type = STRING

    def serialize(self, value: datetime) -> str:
        """Write the instant in UTC."""
        return format_instant(value)

    def deserialize(self, value: str) -> datetime:
        """Read the instant."""
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


class DateAttribute(Attribute[date]):
    """A calendar date as ISO 8601 text."""

    attr_type = STRING

    def serialize(self, value: date) -> str:
        """Write the date."""
        return value.isoformat()

    def deserialize(self, value: str) -> date:
        """Read the date."""
        return date.fromisoformat(value)


class FirstIndex(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    """The index that lists things."""

    class Meta:
        """Name and projection."""

        index_name = "GSI1"
        projection = KeysOnlyProjection()

    gsi1_pk = UnicodeAttribute(hash_key=True, attr_name="GSI1PK")
    gsi1_sk = UnicodeAttribute(range_key=True, attr_name="GSI1SK")


class SecondIndex(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    """The second index, for lists by another order."""

    class Meta:
        """Name and projection."""

        index_name = "GSI2"
        projection = KeysOnlyProjection()

    gsi2_pk = UnicodeAttribute(hash_key=True, attr_name="GSI2PK")
    gsi2_sk = UnicodeAttribute(range_key=True, attr_name="GSI2SK")


class Item(Model):
    """What all rows share: keys, the class, the schema version, and the version that writes condition on."""

    class Meta:
        """Time limits in seconds; the table's name comes from the settings."""

        table_name = "set by the settings"
        connect_timeout_seconds = 2
        read_timeout_seconds = 5
        max_retry_attempts = 3
        max_pool_connections = 32

    pk = UnicodeAttribute(hash_key=True, attr_name="PK")
    sk = UnicodeAttribute(range_key=True, attr_name="SK")
    gsi1_pk = UnicodeAttribute(null=True, attr_name="GSI1PK")
    gsi1_sk = UnicodeAttribute(null=True, attr_name="GSI1SK")
    gsi2_pk = UnicodeAttribute(null=True, attr_name="GSI2PK")
    gsi2_sk = UnicodeAttribute(null=True, attr_name="GSI2SK")
    cls = DiscriminatorAttribute()
    schema_version = NumberAttribute(default=1)
    version = NumberAttribute(default=1)
    expires_at = NumberAttribute(null=True)
    """Epoch seconds after which DynamoDB may remove the row; code never relies on it."""

    first_index = FirstIndex()
    second_index = SecondIndex()

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """Share one connection among all classes: PynamoDB would make a client, and its sockets, for each."""
        with _CONNECTION_LOCK:
            Item.Meta.table_name = settings().table_name
            if Item._connection is None or Item._connection.table_name != Item.Meta.table_name:
                Item._connection = None
                Item._connection = super()._get_connection.__func__(Item)  # type: ignore[attr-defined]
            return Item._connection

    @property
    def key(self) -> Key:
        """Return the primary key."""
        return Key(self.pk, self.sk)


def forget_connection() -> None:
    """Drop the shared connection, so that the next use reads the environment afresh (tests, snapshots)."""
    with _CONNECTION_LOCK:
        Item._connection = None


class EntityItem(Item, discriminator="entity"):
    """An issuing entity."""

    entity_id = UnicodeAttribute()
    name = UnicodeAttribute()
    legal_name = UnicodeAttribute(null=True)
    colour = UnicodeAttribute()
    address: Any = JSONAttribute(null=True)
    tax_numbers: Any = JSONAttribute(default=list)
    registration_number = UnicodeAttribute(null=True)
    bank_details: Any = JSONAttribute(null=True)
    sender_name = UnicodeAttribute(null=True)
    sender_email = UnicodeAttribute()
    reply_to = UnicodeAttribute(null=True)
    website = UnicodeAttribute(null=True)
    support_email = UnicodeAttribute(null=True)
    locale = UnicodeAttribute()
    time_zone = UnicodeAttribute()
    contact_cell_required = BooleanAttribute(default=False)
    access_delay_hours = NumberAttribute(default=0)
    contact_mails: Any = JSONAttribute(default=dict)
    logo: Any = JSONAttribute(null=True)
    """Of the picture in the bucket: {"key", "sha256", "media_type", "width", "height"}."""
    invoice_mail: Any = JSONAttribute(null=True)
    """How far the entity's invoice mail has gone live (R9)."""
    reminder_mail: Any = JSONAttribute(null=True)
    live_from = DateAttribute(null=True)
    invoice_addressing = UnicodeAttribute(default="together")


class AccountItem(Item, discriminator="account"):
    """An account."""

    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    name = UnicodeAttribute()
    country = UnicodeAttribute(null=True)
    subdivision = UnicodeAttribute(null=True)
    payment_terms: Any = JSONAttribute()
    cost_center_billing = BooleanAttribute(default=False)
    currency = UnicodeAttribute()
    locale = UnicodeAttribute(null=True)
    time_zone = UnicodeAttribute(null=True)
    owner_contact_id = UnicodeAttribute(null=True)
    upstream: Any = JSONAttribute(default=dict)


class AccountWordItem(Item, discriminator="account_word"):
    """One word of an account's name."""

    account_id = UnicodeAttribute()


class BillGroupItem(Item, discriminator="bill_group"):
    """A bill group."""

    bill_group_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    name = UnicodeAttribute()
    po_number = UnicodeAttribute(null=True)
    vat_number = UnicodeAttribute(null=True)
    registration_number = UnicodeAttribute(null=True)
    billing_address: Any = JSONAttribute(null=True)
    shipping_address: Any = JSONAttribute(null=True)
    billing_frequency = UnicodeAttribute(null=True)
    next_billing_date = DateAttribute(null=True)
    auto_pay = BooleanAttribute(default=False)
    contract_start = DateAttribute(null=True)
    contract_end = DateAttribute(null=True)
    billing_contact_id = UnicodeAttribute(null=True)
    shipping_contact_id = UnicodeAttribute(null=True)
    invoicing_contact_ids: Any = JSONAttribute(default=list)
    accounts_payable_contact_ids: Any = JSONAttribute(default=list)
    portal_token = UnicodeAttribute(null=True)
    upstream: Any = JSONAttribute(default=dict)


class InvoiceItem(Item, discriminator="invoice"):
    """The head of an invoice or credit note. Amounts are minor units of its currency."""

    invoice_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    number = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    bill_group_id = UnicodeAttribute()
    currency = UnicodeAttribute()
    issue_date = DateAttribute()
    due_date = DateAttribute(null=True)
    po_number = UnicodeAttribute(null=True)
    net_total = NumberAttribute()
    tax_total = NumberAttribute()
    total = NumberAttribute()
    time_zone = UnicodeAttribute(default="UTC")
    prepaid = NumberAttribute(default=0)
    paid = NumberAttribute(default=0)
    credited = NumberAttribute(default=0)
    status = UnicodeAttribute()
    dispute: Any = JSONAttribute(null=True)
    promise: Any = JSONAttribute(null=True)
    content_hash = UnicodeAttribute()
    content_parts = NumberAttribute()
    pdf_expected = UnicodeAttribute(default="made")
    """``made`` here, or ``supplied`` by the billing system."""
    pdf: Any = JSONAttribute(null=True)
    delivery_wanted = BooleanAttribute(default=False)
    recorded_at = InstantAttribute()
    settled_on = DateAttribute(null=True)
    line_count = NumberAttribute(default=0)
    upstream: Any = JSONAttribute(default=dict)
    applications: Any = JSONAttribute(default=dict)
    """Of a credit note: amounts by invoice id."""


class InvoiceContentItem(Item, discriminator="invoice_content"):
    """A part of what an invoice says, compressed; it never changes."""

    content = BinaryAttribute(legacy_encoding=False)


class InvoicePointerItem(Item, discriminator="invoice_pointer"):
    """Leads to an invoice: from its number, its PO number, as one that is open, disputed or promised."""

    invoice_id = UnicodeAttribute()
    bill_group_id = UnicodeAttribute(null=True)


class SettlementItem(Item, discriminator="settlement"):
    """What a payment or a credit note has settled of an invoice, in minor units."""

    invoice_id = UnicodeAttribute()
    source_kind = UnicodeAttribute()
    source_id = UnicodeAttribute()
    amount = NumberAttribute()
    settled_on = DateAttribute()


class AccountBalanceItem(Item, discriminator="account_balance"):
    """What an account owes an issuing entity in a currency, and what it has paid and not yet allocated."""

    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    currency = UnicodeAttribute()
    open_invoices = NumberAttribute(default=0)
    open_balance = NumberAttribute(default=0)
    unallocated = NumberAttribute(default=0)
    """Of payments and credit notes."""


class BillGroupBalanceItem(Item, discriminator="bill_group_balance"):
    """What is owed for a bill group, by currency."""

    bill_group_id = UnicodeAttribute()
    open_invoices = NumberAttribute(default=0)
    open_balances: Any = JSONAttribute(default=dict)


class PaymentItem(Item, discriminator="payment"):
    """A payment, and how it is spread over invoices. Amounts are minor units."""

    payment_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    currency = UnicodeAttribute()
    amount = NumberAttribute()
    received_on = DateAttribute()
    method = UnicodeAttribute(null=True)
    reference = UnicodeAttribute(null=True)
    note = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    allocations: Any = JSONAttribute(default=dict)
    """Invoice id: amount."""
    content_hash = UnicodeAttribute()
    reversal: Any = JSONAttribute(null=True)
    recorded_at = InstantAttribute()


class UnallocatedPaymentItem(Item, discriminator="unallocated_payment"):
    """Leads to a payment of which something is not allocated."""

    payment_id = UnicodeAttribute()


class DeliveryItem(Item, discriminator="delivery"):
    """One invoice mailed to the invoicing contacts, or planned to be. Where its mails stand is read from them."""

    delivery_id = UnicodeAttribute()
    invoice_id = UnicodeAttribute()
    reason = UnicodeAttribute()
    """``issued``, or ``sent_again``."""
    outcome = UnicodeAttribute()
    """``mailed``, ``waiting`` in a bundle, ``shadow``, or why nobody was mailed."""
    at = InstantAttribute()
    requested_by: Any = JSONAttribute(null=True)
    """Of whoever asked for it: {"kind", "name"}; the name of a portal user stands in the audit event alone."""
    recipients: Any = JSONAttribute(default=list)
    """Of each: {"contact_id", "state", "email_id", "copy"}. Addresses stand in the emails, which an erasure finds."""


class BundleItem(Item, discriminator="bundle"):
    """Invoices that wait to go to a contact in one mail."""

    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    contact_id = UnicodeAttribute()
    invoices: Any = JSONAttribute(default=list)
    """Of each: {"invoice_id", "delivery_id", "bill_group_id"}."""
    due = InstantAttribute()


class StatementItem(Item, discriminator="statement"):
    """A statement of account that was asked for: its figures, its PDF, and whom it was mailed to."""

    statement_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    currency = UnicodeAttribute()
    as_of = DateAttribute()
    content = BinaryAttribute(legacy_encoding=False)
    pdf: Any = JSONAttribute(null=True)
    send_to: Any = JSONAttribute(default=list)
    email_ids: Any = JSONAttribute(default=list)
    bill_group_ids: Any = JSONAttribute(null=True)
    """Those that a portal user may see; null for all of the account."""
    requested_by: Any = JSONAttribute()
    created_at = InstantAttribute()


class ReminderPolicyItem(Item, discriminator="reminder_policy"):
    """The reminder policy of an entity, or what an account or bill group has otherwise (R1)."""

    policy: Any = JSONAttribute(default=dict)


class ReminderTemplateItem(Item, discriminator="reminder_template"):
    """An entity's own words for steps of its reminders (R1)."""

    entity_id = UnicodeAttribute()
    template_id = UnicodeAttribute()
    texts: Any = JSONAttribute(default=dict)
    """By language: {"subject", "opening"}."""


class InvoiceRemindersItem(Item, discriminator="reminders"):
    """Where the reminders of an invoice stand."""

    invoice_id = UnicodeAttribute()
    due_date = DateAttribute(null=True)
    """The due date that was last planned for."""
    due_since = DateAttribute(null=True)
    """When that due date was recorded here."""
    next_on = DateAttribute(null=True)
    pause: Any = JSONAttribute(null=True)
    auto_pay_failure: Any = JSONAttribute(null=True)
    reasons: Any = JSONAttribute(default=list)
    """Why it was not reminded of: {"code", "since", "last_on"}, the newest last."""


class ReminderStepItem(Item, discriminator="reminder_step"):
    """One step of an invoice's reminders: sent, shadow, superseded or skipped (R5)."""

    invoice_id = UnicodeAttribute()
    due_date = DateAttribute()
    step = UnicodeAttribute()
    outcome = UnicodeAttribute()
    digest_id = UnicodeAttribute(null=True)
    on = DateAttribute()
    at = InstantAttribute()


class ReminderPlanItem(Item, discriminator="reminder_plan"):
    """Says on which local day an invoice is to be looked at next. It is a hint: the decision is made afresh."""

    invoice_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    on = DateAttribute()


class ReminderDueItem(Item, discriminator="reminder_due"):
    """An account some of whose invoices are to be looked at from an instant on."""

    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    due = InstantAttribute()


class DigestItem(Item, discriminator="digest"):
    """The reminders of one account, entity, currency and run, frozen when it was put (R3, R5)."""

    digest_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    currency = UnicodeAttribute()
    on = DateAttribute()
    at = InstantAttribute()
    status = UnicodeAttribute()
    """``claiming``, then ``mailed`` or ``shadow``; ``empty`` if nothing was left to send, ``stopped`` if reminders were
    switched off meanwhile."""
    shadow = BooleanAttribute(default=False)
    """Whether it was put while reminders were not sent yet; then it never is."""
    tone = UnicodeAttribute()
    template = UnicodeAttribute(null=True)
    invoices: Any = JSONAttribute(default=list)
    """Of each: {"invoice_id", "due_date", "step", "tone", "template", "superseded", "next_on"}, frozen."""
    claimed: Any = JSONAttribute(default=list)
    """The ids of those invoices whose step this digest has taken."""
    recipients: Any = JSONAttribute(default=list)
    """Of each: {"contact_id", "email_id", "invoice_ids"}."""


class AccountRemindersItem(Item, discriminator="account_reminders"):
    """What holds for all reminders of an account."""

    account_id = UnicodeAttribute()
    pause: Any = JSONAttribute(null=True)
    last_reminded_on = DateAttribute(null=True)
    unfinished: Any = JSONAttribute(default=list)
    """The sort keys of digests whose mails are not written yet."""
    released: Any = JSONAttribute(default=dict)
    """Issuing entity: the day on which staff released the invoices from before it went live (R9)."""


class BillGroupRemindersItem(Item, discriminator="bill_group_reminders"):
    """What holds for all reminders of a bill group."""

    bill_group_id = UnicodeAttribute()
    pause: Any = JSONAttribute(null=True)


class ReplyLinkItem(Item, discriminator="reply_link"):
    """A link in one contact's copy of a reminder, by which they reply without signing in (R6)."""

    email_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    entity_id = UnicodeAttribute()
    contact_id = UnicodeAttribute()
    digest: Any = JSONAttribute()
    """The key of the digest."""
    invoice_ids: Any = JSONAttribute(default=list)
    """Those that the mail told of."""
    until = InstantAttribute()
    used: Any = JSONAttribute(default=list)


class ReminderRunItem(Item, discriminator="reminder_run"):
    """A run of an entity that is larger than its limit, and waits for a yes (R9)."""

    entity_id = UnicodeAttribute()
    run_hour = UnicodeAttribute()
    """The UTC hour in which it was held for the first time, as ``2026-01-31T09``."""
    started = InstantAttribute()
    accounts = NumberAttribute()
    limit = NumberAttribute()
    status = UnicodeAttribute()
    """``waiting``, then ``approved``, or ``lapsed`` when it came within the limit."""
    decided_by = UnicodeAttribute(null=True)
    decided_at = InstantAttribute(null=True)


class ReleaseItem(Item, discriminator="release"):
    """How an entity's invoices from before it went live are released, some accounts a day (R9)."""

    entity_id = UnicodeAttribute()
    accounts_a_day = NumberAttribute()
    on = DateAttribute(null=True)
    """The day of the entity to which ``released_today`` belongs."""
    released_today = NumberAttribute(default=0)
    released = NumberAttribute(default=0)
    released_in_pass = NumberAttribute(default=0)
    """Since the cursor was at the beginning; a pass in which nobody is found is the last."""
    cursor = UnicodeAttribute(null=True)
    finished = BooleanAttribute(default=False)


class PaymentsAsOfItem(Item, discriminator="payments_as_of"):
    """Up to when the billing system has reported an entity's payments (R2)."""

    entity_id = UnicodeAttribute()
    as_of = InstantAttribute()


class SubscriptionItem(Item, discriminator="subscription"):
    """A subscription of a bill group."""

    subscription_id = UnicodeAttribute()
    bill_group_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    name = UnicodeAttribute()
    product_code = UnicodeAttribute(null=True)
    description = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    quantity = UnicodeAttribute(null=True)
    unit_amount = NumberAttribute(null=True)
    currency = UnicodeAttribute(null=True)
    billing_frequency = UnicodeAttribute(null=True)
    start_date = DateAttribute(null=True)
    end_date = DateAttribute(null=True)
    renews_on = DateAttribute(null=True)


class ContactItem(Item, discriminator="contact"):
    """A contact. Its roles stand in the account's roles item and nowhere else."""

    contact_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    status = UnicodeAttribute()
    first_name = UnicodeAttribute(null=True)
    last_name = UnicodeAttribute(null=True)
    display_name = UnicodeAttribute(null=True)
    email = UnicodeAttribute()
    cell = UnicodeAttribute(null=True)
    company = UnicodeAttribute(null=True)
    address: Any = JSONAttribute(null=True)
    job_title = UnicodeAttribute(null=True)
    locale = UnicodeAttribute(null=True)
    external_id = UnicodeAttribute(null=True)
    billing_for: Any = JSONAttribute(default=list)
    shipping_for: Any = JSONAttribute(default=list)
    former_roles: Any = JSONAttribute(default=list)
    access: Any = JSONAttribute(default=dict)
    """What the row of its address holds too, by which a sign-in finds it."""
    preferences: Any = JSONAttribute(default=dict)
    """Category: on or off, for those that were chosen (C7)."""
    delivery_style: Any = JSONAttribute(default=dict)
    created_at = InstantAttribute()
    updated_at = InstantAttribute()
    deleted_at = InstantAttribute(null=True)
    upstream: Any = JSONAttribute(default=dict)


class ContactRolesItem(Item, discriminator="contact_roles"):
    """Who holds the contact roles of an account: two sets of ids and the latch of C2."""

    account_id = UnicodeAttribute()
    invoicing = UnicodeSetAttribute(null=True)
    accounts_payable = UnicodeSetAttribute(null=True)
    both_held = BooleanAttribute(default=False)
    copies: Any = JSONAttribute(default=dict)
    """Category: ids of the contacts that may have chosen it (C7); each contact's own row tells whether it has."""
    unreachable: Any = JSONAttribute(default=dict)
    """Role: who held it when it was told that it reaches nobody any more (C9)."""


class ContactAddressItem(Item, discriminator="contact_address"):
    """Says which active contact of the account has this email (C3), and what it may do at bill groups.

    Access goes with the address: whoever deletes the contact or changes its email ends it in the same write.
    """

    contact_id = UnicodeAttribute()
    access: Any = JSONAttribute(default=dict)
    """Bill group id: {"permissions": […], "starts_at": instant}."""
    user_name = UnicodeAttribute(null=True)


class ContactExternalIdItem(Item, discriminator="contact_external_id"):
    """Says which contact of the account has this external id (C1)."""

    contact_id = UnicodeAttribute()


class ErasureItem(Item, discriminator="erasure"):
    """The state of an erasure (C4). It names ids only."""

    erasure_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    contact_id = UnicodeAttribute()
    status = UnicodeAttribute()
    requested_at = InstantAttribute()
    finished_at = InstantAttribute(null=True)


class AuditEventItem(Item, discriminator="audit_event"):
    """Who changed what, when, from what to what."""

    audit_event_id = UnicodeAttribute()
    at = InstantAttribute()
    actor_kind = UnicodeAttribute()
    actor_id = UnicodeAttribute()
    actor_name = UnicodeAttribute()
    action = UnicodeAttribute()
    resource_kind = UnicodeAttribute()
    resource_id = UnicodeAttribute()
    account_id = UnicodeAttribute(null=True)
    bill_group_id = UnicodeAttribute(null=True)
    changes: Any = JSONAttribute(default=list)
    correlation_id = UnicodeAttribute()


class IdempotencyItem(Item, discriminator="idempotency"):
    """What an idempotency key was used for. It lapses after 24 hours."""

    body_hash = UnicodeAttribute()
    resource_id = UnicodeAttribute()
    status = NumberAttribute()
    lapses_at = InstantAttribute()


class EmailItem(Item, discriminator="email"):
    """An email: first the outbox, later the history (I4)."""

    email_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    urgent = BooleanAttribute(default=False)
    security = BooleanAttribute(default=False)
    status = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    entity_id = UnicodeAttribute()
    account_id = UnicodeAttribute(null=True)
    bill_group_id = UnicodeAttribute(null=True)
    bill_group_ids: Any = JSONAttribute(default=list)
    """Those that it is about, where there are several: who may not see each of them may not see the mail."""
    contact_id = UnicodeAttribute(null=True)
    to: Any = JSONAttribute(default=list)
    cc: Any = JSONAttribute(default=list)
    locale = UnicodeAttribute()
    context: Any = JSONAttribute(default=dict)
    subject = UnicodeAttribute(null=True)
    created_at = InstantAttribute()
    not_after = InstantAttribute()
    attempts = NumberAttribute(default=0)
    refusals = NumberAttribute(default=0)
    not_before = InstantAttribute(null=True)
    lease_until = InstantAttribute(null=True)
    claimed_at = InstantAttribute(null=True)
    claim_id = UnicodeAttribute(null=True)
    sent_at = InstantAttribute(null=True)
    message_id = UnicodeAttribute(null=True)
    events: Any = JSONAttribute(default=list)
    recipients: Any = JSONAttribute(default=list)
    """What was reported of each recipient: {"email", "kinds": {kind: [instant, detail]}}."""
    withheld: Any = JSONAttribute(default=dict)
    """Address: why it does not get the mail, although it was meant to."""
    redirected_to = UnicodeAttribute(null=True)
    recipient_count = NumberAttribute(default=0)
    attachments: Any = JSONAttribute(default=list)
    """Of each: {"name", "media_type", "size"}."""
    resent_from = UnicodeAttribute(null=True)
    """The email that this one repeats."""
    resent_at: Any = JSONAttribute(default=list)
    """The instants at which it was asked to be sent again."""
    correlation_id = UnicodeAttribute()


class EmailContentItem(Item, discriminator="email_content"):
    """What an email said, compressed. Security mails have none."""

    content = BinaryAttribute(legacy_encoding=False)


class TaskItem(Item, discriminator="duty"):
    """Work that follows a write or falls due later. It is a hint: whoever takes it decides afresh."""

    duty_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    subject = UnicodeAttribute()
    due = InstantAttribute()
    tries = NumberAttribute(default=0)
    correlation_id = UnicodeAttribute()


class DomainAccessItem(Item, discriminator="access"):
    """What one domain may do at a bill group: its rule, or the rules of its addresses; and who is denied (A1)."""

    bill_group_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    domain = UnicodeAttribute()
    domain_rule: Any = JSONAttribute(null=True)
    addresses: Any = JSONAttribute(default=dict)
    denied: Any = JSONAttribute(default=dict)


class AccessPointerItem(Item, discriminator="access_pointer"):
    """Leads a sign-in from an address or a domain to a bill group that may admit it."""

    bill_group_id = UnicodeAttribute()
    account_id = UnicodeAttribute()


class PortalLinkItem(Item, discriminator="portal_link"):
    """Leads from a portal link to its bill group (A3). It is not a credential."""

    bill_group_id = UnicodeAttribute()
    account_id = UnicodeAttribute()


class FlowItem(Item, discriminator="flow"):
    """An attempt to sign in by email (A4): secrets are hashed, made when the mail is claimed."""

    flow_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    email = UnicodeAttribute()
    bill_group_id = UnicodeAttribute(null=True)
    """The bill group of the portal link that the attempt came by."""
    target = UnicodeAttribute(null=True)
    """The page to go to once signed in; a path of our own."""
    created_at = InstantAttribute()
    ends_at = InstantAttribute()
    proofs: Any = JSONAttribute(default=list)
    """Of each mail that was made: {"link": hash, "code": hash, "until": instant}."""
    tries = NumberAttribute(default=0)
    bill_groups: Any = JSONAttribute(default=list)
    """Pairs of bill group id and account id that admitted the address when the mail was made."""
    used_at = InstantAttribute(null=True)


class SessionItem(Item, discriminator="session"):
    """A signed-in browser or API client (A8); only the hash of its token is kept."""

    session_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    email = UnicodeAttribute()
    bill_groups: Any = JSONAttribute(default=list)
    """Pairs of bill group id and account id that admitted the person at sign-in; grants are read afresh."""
    origin = UnicodeAttribute()
    client = UnicodeAttribute(null=True)
    created_at = InstantAttribute()
    last_seen_at = InstantAttribute()
    ends_at = InstantAttribute()
    preview: Any = JSONAttribute(null=True)


class IdentityItem(Item, discriminator="identity"):
    """What holds for a person whatever their access is: sessions from before this instant are over."""

    sessions_not_before = InstantAttribute()


class UserNameItem(Item, discriminator="user_name"):
    """A user name and its password (A6)."""

    user_name = UnicodeAttribute()
    account_id = UnicodeAttribute()
    contact_id = UnicodeAttribute()
    email = UnicodeAttribute()
    password_hash = UnicodeAttribute(null=True)
    temporary_hash = UnicodeAttribute(null=True)
    temporary_until = InstantAttribute(null=True)
    ticket = UnicodeAttribute(null=True)
    """Names the mail that may make the temporary password; gone once something else was decided."""
    used_at = InstantAttribute(null=True)
    changed_at = InstantAttribute(null=True)


class PasswordResetItem(Item, discriminator="password_reset"):
    """A mailed link by which a password can be set anew, once."""

    user_name = UnicodeAttribute()
    created_at = InstantAttribute()
    ends_at = InstantAttribute()


class StaffItem(Item, discriminator="staff"):
    """One of the vendor's people."""

    email = UnicodeAttribute()
    name = UnicodeAttribute()
    role = UnicodeAttribute()
    status = UnicodeAttribute()
    created_at = InstantAttribute()


class StaffAdminsItem(Item, discriminator="staff_admins"):
    """Who of the staff is admin: never nobody."""

    emails: Any = JSONAttribute(default=list)


class RateLimitItem(Item, discriminator="limit"):
    """When something happened that is limited, newest last; behind a space, if it matters, what it was about."""

    instants: Any = JSONAttribute(default=list)


class SuppressionItem(Item, discriminator="suppression"):
    """An address that gets no mail until a person clears it (I6)."""

    email = UnicodeAttribute()
    reason = UnicodeAttribute()
    since = InstantAttribute()
    email_id = UnicodeAttribute(null=True)
    """The mail whose bounce or complaint it was."""
    detail = UnicodeAttribute(null=True)


class MailHealthItem(Item, discriminator="mail_health"):
    """One shard of what became of an entity's mails of a UTC day. All but ``mails`` count recipients."""

    mails = NumberAttribute(default=0)
    sent = NumberAttribute(default=0)
    delivered = NumberAttribute(default=0)
    bounced = NumberAttribute(default=0)
    bounced_for_now = NumberAttribute(default=0)
    complained = NumberAttribute(default=0)
    rejected = NumberAttribute(default=0)


class SendingPaceItem(Item, discriminator="sending_pace"):
    """When the next bulk mail may be handed to SES (I7), and how many turns were given so far."""

    next_at = NumberAttribute(null=True)
    """Milliseconds since the epoch."""
    given = NumberAttribute(default=0)


class ApiKeyItem(Item, discriminator="api_key"):
    """An API key (A11); only the hash of its secret is kept."""

    key_id = UnicodeAttribute()
    name = UnicodeAttribute()
    scopes: Any = JSONAttribute(default=list)
    secret_hash = UnicodeAttribute()
    created_at = InstantAttribute()
    created_by = UnicodeAttribute()
    last_used_at = InstantAttribute(null=True)
    revoked_at = InstantAttribute(null=True)


class ApiKeyNameItem(Item, discriminator="api_key_name"):
    """Which API keys of one name are valid: at most two, while one replaces the other (A11)."""

    name = UnicodeAttribute()
    key_ids: Any = JSONAttribute(default=list)


class ImportItem(Item, discriminator="import"):
    """An import: what it is to read, how far it is, and what it found."""

    import_id = UnicodeAttribute()
    status = UnicodeAttribute()
    mapping: Any = JSONAttribute(default=dict)
    dry_run = BooleanAttribute(default=True)
    mail = BooleanAttribute(default=False)
    actor: Any = JSONAttribute(default=dict)
    correlation_id = UnicodeAttribute()
    source = UnicodeAttribute()
    """Where in the bucket the file is."""
    size = NumberAttribute(null=True)
    etag = UnicodeAttribute(null=True)
    lines_source = UnicodeAttribute(null=True)
    """Where in the bucket the second file is that the mapping joins."""
    lines_size = NumberAttribute(null=True)
    lines_etag = UnicodeAttribute(null=True)
    created_at = InstantAttribute()
    started_at = InstantAttribute(null=True)
    finished_at = InstantAttribute(null=True)
    lease_id = UnicodeAttribute(null=True)
    lease_until = InstantAttribute(null=True)
    attempts = NumberAttribute(default=0)
    """Runs since the last progress."""
    next_row = NumberAttribute(default=0)
    """Where a run goes on."""
    rows_read = NumberAttribute(default=0)
    """How far the present run is; of a dry run that dies, this is lost."""
    counts: Any = JSONAttribute(default=dict)
    refusals: Any = JSONAttribute(default=list)
    warnings: Any = JSONAttribute(default=list)
    parts: Any = JSONAttribute(default=list)
    """Where in the bucket all refusals and warnings so far are."""
    rehearsal = UnicodeAttribute(null=True)
    """Where in the bucket the rows are that a dry run would have written."""
    reason = UnicodeAttribute(null=True)
