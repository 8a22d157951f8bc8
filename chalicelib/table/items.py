"""Every item of the table. PynamoDB omits items whose class was never imported, so all of them live here."""

from threading import Lock
from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    DiscriminatorAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
)
from pynamodb.connection.table import TableConnection
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from chalicelib.config import settings
from chalicelib.field_marks import DataSubject
from chalicelib.table.attributes import (
    BytesAttribute,
    DateAttribute,
    InstantAttribute,
    JsonAttribute,
    TextAttribute,
    TextSetAttribute,
)
from chalicelib.table.keys import Key

NOBODY, CONTACT, PORTAL_USER, STAFF, ANYBODY = DataSubject
_CONNECTION_LOCK = Lock()


class FirstIndex(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    """The first index, for lists."""

    class Meta:
        """Name and projection."""

        index_name = "GSI1"
        projection = KeysOnlyProjection()

    gsi1_pk = UnicodeAttribute(hash_key=True, attr_name="GSI1PK")
    gsi1_sk = UnicodeAttribute(range_key=True, attr_name="GSI1SK")


class SecondIndex(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    """The second index, for lists in another order."""

    class Meta:
        """Name and projection."""

        index_name = "GSI2"
        projection = KeysOnlyProjection()

    gsi2_pk = UnicodeAttribute(hash_key=True, attr_name="GSI2PK")
    gsi2_sk = UnicodeAttribute(range_key=True, attr_name="GSI2SK")


class Item(Model):
    """The common attributes of all rows: keys, class, schema version, and the version of the optimistic lock."""

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
    expires_at = TTLAttribute(null=True)
    """After this instant DynamoDB may delete the row; code never relies on it."""

    first_index = FirstIndex()
    second_index = SecondIndex()

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """Share one connection among all classes: otherwise PynamoDB creates a client, with its sockets, for each."""
        with _CONNECTION_LOCK:
            Item.Meta.table_name = settings().table_name
            if Item._connection is None or Item._connection.table_name != Item.Meta.table_name:
                Item._connection = None
                Item._connection = super()._get_connection.__func__(Item)  # type: ignore[attr-defined]
            return Item._connection

    @classmethod
    def attributes_about(cls, data_subject: DataSubject) -> frozenset[str]:
        """Return the names of the attributes that hold personal data of ``data_subject``."""
        return frozenset(
            name
            for name, attribute in cls.get_attributes().items()
            if getattr(attribute, "data_subject", None) is data_subject
        )

    def empty(self, name: str) -> None:
        """Reset an attribute to its default, or to none."""
        default = self.get_attributes()[name].default
        setattr(self, name, default() if callable(default) else default)

    @property
    def key(self) -> Key:
        """Return the primary key."""
        return Key(self.pk, self.sk)


def table_connection() -> TableConnection:
    """Return the connection of this process to the table."""
    return Item._get_connection()


def forget_connection() -> None:
    """Drop the shared connection, so that the next use reads the environment again (tests, snapshots)."""
    with _CONNECTION_LOCK:
        Item._connection = None


class EntityItem(Item, discriminator="entity"):
    """An issuing entity."""

    entity_id = TextAttribute(NOBODY)
    name = TextAttribute(NOBODY)
    legal_name = TextAttribute(NOBODY, null=True)
    colour = TextAttribute(NOBODY)
    address: Any = JsonAttribute(NOBODY, null=True)
    tax_numbers: Any = JsonAttribute(NOBODY, default=list)
    registration_number = TextAttribute(NOBODY, null=True)
    bank_details: Any = JsonAttribute(NOBODY, null=True)
    sender_name = TextAttribute(NOBODY, null=True)
    sender_email = TextAttribute(NOBODY)
    reply_to = TextAttribute(NOBODY, null=True)
    website = TextAttribute(NOBODY, null=True)
    support_email = TextAttribute(NOBODY, null=True)
    locale = TextAttribute(NOBODY)
    time_zone = TextAttribute(NOBODY)
    contact_cell_required = BooleanAttribute(default=False)
    access_delay_hours = NumberAttribute(default=0)
    contact_mails: Any = JsonAttribute(NOBODY, default=dict)
    logo: Any = JsonAttribute(NOBODY, null=True)
    """The image in the bucket: {"key", "sha256", "media_type", "width", "height"}."""
    invoice_mail: Any = JsonAttribute(NOBODY, null=True)
    """The go-live stage of the entity's invoice mail (R9)."""
    reminder_mail: Any = JsonAttribute(NOBODY, null=True)
    live_from = DateAttribute(null=True)
    invoice_addressing = TextAttribute(NOBODY, default="each")


class AccountItem(Item, discriminator="account"):
    """An account."""

    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    name = TextAttribute(NOBODY)
    country = TextAttribute(NOBODY, null=True)
    subdivision = TextAttribute(NOBODY, null=True)
    payment_terms: Any = JsonAttribute(NOBODY)
    cost_center_billing = BooleanAttribute(default=False)
    currency = TextAttribute(NOBODY)
    locale = TextAttribute(NOBODY, null=True)
    time_zone = TextAttribute(NOBODY, null=True)
    owner_contact_id = TextAttribute(NOBODY, null=True)
    upstream: Any = JsonAttribute(NOBODY, default=dict)


class AccountWordItem(Item, discriminator="account_word"):
    """One word of an account's name."""

    account_id = TextAttribute(NOBODY)


class BillGroupItem(Item, discriminator="bill_group"):
    """A bill group."""

    bill_group_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    name = TextAttribute(NOBODY)
    po_number = TextAttribute(NOBODY, null=True)
    vat_number = TextAttribute(NOBODY, null=True)
    registration_number = TextAttribute(NOBODY, null=True)
    billing_address: Any = JsonAttribute(NOBODY, null=True)
    shipping_address: Any = JsonAttribute(NOBODY, null=True)
    billing_frequency = TextAttribute(NOBODY, null=True)
    next_billing_date = DateAttribute(null=True)
    auto_pay = BooleanAttribute(default=False)
    contract_start = DateAttribute(null=True)
    contract_end = DateAttribute(null=True)
    billing_contact_id = TextAttribute(NOBODY, null=True)
    shipping_contact_id = TextAttribute(NOBODY, null=True)
    invoicing_contact_ids: Any = JsonAttribute(NOBODY, default=list)
    accounts_payable_contact_ids: Any = JsonAttribute(NOBODY, default=list)
    portal_token = TextAttribute(NOBODY, null=True)
    upstream: Any = JsonAttribute(NOBODY, default=dict)


class InvoiceItem(Item, discriminator="invoice"):
    """The head of an invoice or credit note. Amounts are minor units of its currency."""

    invoice_id = TextAttribute(NOBODY)
    kind = TextAttribute(NOBODY)
    number = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    bill_group_id = TextAttribute(NOBODY)
    currency = TextAttribute(NOBODY)
    issue_date = DateAttribute()
    due_date = DateAttribute(null=True)
    po_number = TextAttribute(NOBODY, null=True)
    payment_reference: Any = JsonAttribute(NOBODY, null=True)
    warnings: Any = JsonAttribute(NOBODY, null=True)
    net_total = NumberAttribute()
    tax_total = NumberAttribute()
    total = NumberAttribute()
    time_zone = TextAttribute(NOBODY, default="UTC")
    prepaid = NumberAttribute(default=0)
    paid = NumberAttribute(default=0)
    credited = NumberAttribute(default=0)
    status = TextAttribute(NOBODY)
    dispute: Any = JsonAttribute(ANYBODY, null=True)
    promise: Any = JsonAttribute(PORTAL_USER, null=True)
    content_hash = TextAttribute(NOBODY)
    content_parts = NumberAttribute()
    pdf_expected = TextAttribute(NOBODY, default="made")
    missing_glyphs = TextAttribute(NOBODY, null=True)
    """``made`` (rendered here), or ``supplied`` by the billing system."""
    pdf: Any = JsonAttribute(NOBODY, null=True)
    delivery_wanted = BooleanAttribute(default=False)
    recorded_at = InstantAttribute()
    settled_on = DateAttribute(null=True)
    line_count = NumberAttribute(default=0)
    upstream: Any = JsonAttribute(NOBODY, default=dict)
    applications: Any = JsonAttribute(NOBODY, default=dict)
    """For a credit note: amounts by invoice id."""


class InvoiceContentItem(Item, discriminator="invoice_content"):
    """A part of the content of an invoice, compressed; immutable."""

    content = BytesAttribute(CONTACT)


class InvoicePointerItem(Item, discriminator="invoice_pointer"):
    """A pointer to an invoice: by number, by PO number, or as open, disputed or promised."""

    invoice_id = TextAttribute(NOBODY)
    bill_group_id = TextAttribute(NOBODY, null=True)


class SettlementItem(Item, discriminator="settlement"):
    """The part of an invoice that a payment or a credit note has settled, in minor units."""

    invoice_id = TextAttribute(NOBODY)
    source_kind = TextAttribute(NOBODY)
    source_id = TextAttribute(NOBODY)
    amount = NumberAttribute()
    settled_on = DateAttribute()


class AccountBalanceItem(Item, discriminator="account_balance"):
    """What an account owes an issuing entity in a currency, and its unallocated payments."""

    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    currency = TextAttribute(NOBODY)
    open_invoices = NumberAttribute(default=0)
    open_balance = NumberAttribute(default=0)
    unallocated = NumberAttribute(default=0)
    """Of payments and credit notes."""


class BillGroupBalanceItem(Item, discriminator="bill_group_balance"):
    """What is owed for a bill group, by currency."""

    bill_group_id = TextAttribute(NOBODY)
    open_invoices = NumberAttribute(default=0)
    open_balances: Any = JsonAttribute(NOBODY, default=dict)


class PaymentItem(Item, discriminator="payment"):
    """A payment and its allocations. Amounts are minor units."""

    payment_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    currency = TextAttribute(NOBODY)
    amount = NumberAttribute()
    received_on = DateAttribute()
    method = TextAttribute(NOBODY, null=True)
    reference = TextAttribute(ANYBODY, null=True)
    note = TextAttribute(ANYBODY, null=True)
    status = TextAttribute(NOBODY)
    allocations: Any = JsonAttribute(NOBODY, default=dict)
    """Invoice id: amount."""
    content_hash = TextAttribute(NOBODY)
    reversal: Any = JsonAttribute(ANYBODY, null=True)
    recorded_at = InstantAttribute()


class UnallocatedPaymentItem(Item, discriminator="unallocated_payment"):
    """A pointer to a payment with an unallocated part."""

    payment_id = TextAttribute(NOBODY)


class DeliveryItem(Item, discriminator="delivery"):
    """The delivery of one invoice, sent or only planned. The status of its emails is read from them."""

    delivery_id = TextAttribute(NOBODY)
    invoice_id = TextAttribute(NOBODY)
    reason = TextAttribute(NOBODY)
    """``issued``, or ``sent_again``."""
    outcome = TextAttribute(NOBODY)
    """``mailed``, ``waiting`` in a bundle, ``shadow``, or the reason why nobody was emailed."""
    at = InstantAttribute()
    requested_by: Any = JsonAttribute(STAFF, null=True)
    """Who requested it: {"kind", "name"}; the name of a portal user is in the audit event only."""
    recipients: Any = JsonAttribute(NOBODY, default=list)
    """For each recipient: {"contact_id", "state", "email_id", "copy", "cc"}. Addresses are in the emails, where an
    erasure finds them."""


class BundleItem(Item, discriminator="bundle"):
    """A bundle: invoices that wait to be sent to a contact in one email."""

    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    contact_id = TextAttribute(NOBODY)
    invoices: Any = JsonAttribute(NOBODY, default=list)
    """For each invoice: {"invoice_id", "delivery_id", "bill_group_id"}."""
    due = InstantAttribute()


class StatementItem(Item, discriminator="statement"):
    """A requested statement of account: its figures, its PDF, and its recipients."""

    statement_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    currency = TextAttribute(NOBODY)
    as_of = DateAttribute()
    content = BytesAttribute(NOBODY)
    pdf: Any = JsonAttribute(NOBODY, null=True)
    send_to: Any = JsonAttribute(NOBODY, default=list)
    email_ids: Any = JsonAttribute(NOBODY, default=list)
    bill_group_ids: Any = JsonAttribute(NOBODY, null=True)
    """The bill groups that a portal user may see; null for the whole account."""
    requested_by: Any = JsonAttribute(NOBODY)
    created_at = InstantAttribute()


class ReminderPolicyItem(Item, discriminator="reminder_policy"):
    """The reminder policy of an entity, or the overrides of an account or bill group (R1)."""

    policy: Any = JsonAttribute(NOBODY, default=dict)


class ReminderTemplateItem(Item, discriminator="reminder_template"):
    """An entity's own words for steps of its reminders (R1)."""

    entity_id = TextAttribute(NOBODY)
    template_id = TextAttribute(NOBODY)
    texts: Any = JsonAttribute(NOBODY, default=dict)
    """By language: {"subject", "opening"}."""


class InvoiceRemindersItem(Item, discriminator="reminders"):
    """The reminder state of an invoice."""

    invoice_id = TextAttribute(NOBODY)
    due_date = DateAttribute(null=True)
    """The due date of the last plan."""
    due_since = DateAttribute(null=True)
    """When that due date was recorded here."""
    next_on = DateAttribute(null=True)
    pause: Any = JsonAttribute(ANYBODY, null=True)
    auto_pay_failure: Any = JsonAttribute(NOBODY, null=True)
    reasons: Any = JsonAttribute(NOBODY, default=list)
    """The reasons of not reminding: {"code", "since", "last_on"}, the newest last."""


class ReminderStepItem(Item, discriminator="reminder_step"):
    """One step of an invoice's reminders: sent, withheld, shadow, superseded or skipped (R5)."""

    invoice_id = TextAttribute(NOBODY)
    due_date = DateAttribute()
    step = TextAttribute(NOBODY)
    outcome = TextAttribute(NOBODY)
    digest_id = TextAttribute(NOBODY, null=True)
    on = DateAttribute()
    """The day on which that was decided."""
    withheld: Any = JsonAttribute(NOBODY, default=list)
    """The ids of the emails that were withheld, or sent without the invoice; where none was sent, it is not spent."""
    planned_on = DateAttribute(null=True)
    """For a skipped step: from which day on it would have been due, which may lie ahead."""
    at = InstantAttribute()


class ReminderPlanItem(Item, discriminator="reminder_plan"):
    """The local day on which an invoice is looked at next. A hint: the decision is made on that day."""

    invoice_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    on = DateAttribute()


class ReminderDueItem(Item, discriminator="reminder_due"):
    """The due row of an account: from when some of its invoices are due to be looked at."""

    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    due = InstantAttribute()


class DigestItem(Item, discriminator="digest"):
    """A digest: the reminders of one account, entity, currency and run, frozen when it was put (R3, R5)."""

    digest_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    currency = TextAttribute(NOBODY)
    on = DateAttribute()
    at = InstantAttribute()
    status = TextAttribute(NOBODY)
    """``claiming``, then ``mailed`` or ``shadow``; ``empty`` if nothing was left to send, ``stopped`` if reminders
    were switched off meanwhile."""
    shadow = BooleanAttribute(default=False)
    """Whether it was put in shadow mode; then it is never sent."""
    tone = TextAttribute(NOBODY)
    template = TextAttribute(NOBODY, null=True)
    invoices: Any = JsonAttribute(NOBODY, default=list)
    """For each invoice: {"invoice_id", "due_date", "step", "tone", "template", "superseded", "next_on"}, frozen."""
    claimed: Any = JsonAttribute(NOBODY, default=list)
    """The ids of the invoices whose step this digest has claimed."""
    recipients: Any = JsonAttribute(NOBODY, default=list)
    """For each recipient: {"contact_id", "email_id", "invoice_ids"}."""


class AccountRemindersItem(Item, discriminator="account_reminders"):
    """Reminder settings and state of an account."""

    account_id = TextAttribute(NOBODY)
    pause: Any = JsonAttribute(ANYBODY, null=True)
    last_reminded_on = DateAttribute(null=True)
    unfinished: Any = JsonAttribute(NOBODY, default=list)
    """The sort keys of unfinished digests, whose emails are not written yet."""
    released: Any = JsonAttribute(NOBODY, default=dict)
    """By issuing entity: the day on which staff released the invoices from before it went live (R9)."""


class BillGroupRemindersItem(Item, discriminator="bill_group_reminders"):
    """Reminder settings of a bill group."""

    bill_group_id = TextAttribute(NOBODY)
    pause: Any = JsonAttribute(ANYBODY, null=True)


class ReplyLinkItem(Item, discriminator="reply_link"):
    """A reply link in one contact's copy of a reminder (R6)."""

    email_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    entity_id = TextAttribute(NOBODY)
    contact_id = TextAttribute(NOBODY)
    digest: Any = JsonAttribute(NOBODY)
    """The key of the digest."""
    invoice_ids: Any = JsonAttribute(NOBODY, default=list)
    """The invoices of the email."""
    until = InstantAttribute()
    used: Any = JsonAttribute(ANYBODY, default=list)


class ReminderRunItem(Item, discriminator="reminder_run"):
    """A run of an entity above its limit, which waits for approval (R9)."""

    entity_id = TextAttribute(NOBODY)
    run_hour = TextAttribute(NOBODY)
    """The UTC hour in which it was first held, as ``2026-01-31T09``."""
    started = InstantAttribute()
    accounts = NumberAttribute()
    limit = NumberAttribute()
    status = TextAttribute(NOBODY)
    """``waiting``, then ``approved``, or ``lapsed`` when it fell within the limit."""
    decided_by = TextAttribute(STAFF, null=True)
    decided_at = InstantAttribute(null=True)


class ReleaseItem(Item, discriminator="release"):
    """The staged release of an entity's invoices from before it went live, some accounts a day (R9)."""

    entity_id = TextAttribute(NOBODY)
    accounts_a_day = NumberAttribute()
    on = DateAttribute(null=True)
    """The day of the entity to which ``released_today`` belongs."""
    released_today = NumberAttribute(default=0)
    released = NumberAttribute(default=0)
    released_in_pass = NumberAttribute(default=0)
    """Accounts found since the cursor was at the beginning; a pass without any is the last."""
    cursor = TextAttribute(NOBODY, null=True)
    finished = BooleanAttribute(default=False)


class PaymentsAsOfItem(Item, discriminator="payments_as_of"):
    """The instant up to which the billing system has reported an entity's payments (R2)."""

    entity_id = TextAttribute(NOBODY)
    as_of = InstantAttribute()


class SubscriptionItem(Item, discriminator="subscription"):
    """A subscription of a bill group."""

    subscription_id = TextAttribute(NOBODY)
    bill_group_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    name = TextAttribute(NOBODY)
    product_code = TextAttribute(NOBODY, null=True)
    description = TextAttribute(NOBODY, null=True)
    status = TextAttribute(NOBODY)
    quantity = TextAttribute(NOBODY, null=True)
    unit_amount = NumberAttribute(null=True)
    currency = TextAttribute(NOBODY, null=True)
    billing_frequency = TextAttribute(NOBODY, null=True)
    start_date = DateAttribute(null=True)
    end_date = DateAttribute(null=True)
    renews_on = DateAttribute(null=True)


class ContactItem(Item, discriminator="contact"):
    """A contact. Its roles are in the account's roles row only."""

    contact_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    kind = TextAttribute(NOBODY)
    status = TextAttribute(NOBODY)
    first_name = TextAttribute(CONTACT, null=True)
    last_name = TextAttribute(CONTACT, null=True)
    display_name = TextAttribute(CONTACT, null=True)
    email = TextAttribute(CONTACT)
    cell = TextAttribute(CONTACT, null=True)
    company = TextAttribute(CONTACT, null=True)
    address: Any = JsonAttribute(CONTACT, null=True)
    job_title = TextAttribute(CONTACT, null=True)
    locale = TextAttribute(CONTACT, null=True)
    external_id = TextAttribute(CONTACT, null=True)
    billing_for: Any = JsonAttribute(NOBODY, default=list)
    shipping_for: Any = JsonAttribute(NOBODY, default=list)
    former_roles: Any = JsonAttribute(NOBODY, default=list)
    access: Any = JsonAttribute(NOBODY, default=dict)
    """A copy of the access in the row of its address, by which a sign-in finds it."""
    preferences: Any = JsonAttribute(NOBODY, default=dict)
    """Category: on or off, for chosen ones (C7)."""
    delivery_style: Any = JsonAttribute(NOBODY, default=dict)
    created_at = InstantAttribute()
    updated_at = InstantAttribute()
    deleted_at = InstantAttribute(null=True)
    upstream: Any = JsonAttribute(CONTACT, default=dict)


class ContactRolesItem(Item, discriminator="contact_roles"):
    """The holders of an account's contact roles: two sets of ids and the latch of C2."""

    account_id = TextAttribute(NOBODY)
    invoicing = TextSetAttribute(NOBODY)
    accounts_payable = TextSetAttribute(NOBODY)
    both_held = BooleanAttribute(default=False)
    copies: Any = JsonAttribute(NOBODY, default=dict)
    """Category: ids of the contacts that may have chosen it (C7); each contact's own row decides."""
    unreachable: Any = JsonAttribute(NOBODY, default=dict)
    """Role: its holders when it was reported as unreachable (C9)."""


class ContactAddressItem(Item, discriminator="contact_address"):
    """The lock of an email: the active contact of the account that has it (C3), and its access.

    Access belongs to the address: deleting the contact or changing its email ends it in the same write.
    """

    contact_id = TextAttribute(NOBODY)
    access: Any = JsonAttribute(NOBODY, default=dict)
    """Bill group id: {"permissions": […], "starts_at": instant}."""
    user_name = TextAttribute(CONTACT, null=True)


class ContactExternalIdItem(Item, discriminator="contact_external_id"):
    """The lock of an external id: the contact of the account that has it (C1)."""

    contact_id = TextAttribute(NOBODY)


class ErasureItem(Item, discriminator="erasure"):
    """The state of an erasure (C4). It holds ids only."""

    erasure_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    contact_id = TextAttribute(NOBODY)
    status = TextAttribute(NOBODY)
    requested_at = InstantAttribute()
    finished_at = InstantAttribute(null=True)


class AuditEventItem(Item, discriminator="audit_event"):
    """Who changed what, when, from what to what."""

    audit_event_id = TextAttribute(NOBODY)
    at = InstantAttribute()
    actor_kind = TextAttribute(NOBODY)
    actor_id = TextAttribute(PORTAL_USER)
    actor_name = TextAttribute(PORTAL_USER)
    action = TextAttribute(NOBODY)
    resource_kind = TextAttribute(NOBODY)
    resource_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY, null=True)
    bill_group_id = TextAttribute(NOBODY, null=True)
    changes: Any = JsonAttribute(CONTACT, default=list)
    correlation_id = TextAttribute(NOBODY)


class IdempotencyItem(Item, discriminator="idempotency"):
    """The use of an idempotency key. It expires after 24 hours."""

    body_hash = TextAttribute(NOBODY)
    resource_id = TextAttribute(NOBODY)
    status = NumberAttribute()
    lapses_at = InstantAttribute()


class EmailItem(Item, discriminator="email"):
    """An email: first the outbox, later the history (I4)."""

    email_id = TextAttribute(NOBODY)
    kind = TextAttribute(NOBODY)
    urgent = BooleanAttribute(default=False)
    security = BooleanAttribute(default=False)
    status = TextAttribute(NOBODY)
    reason = TextAttribute(NOBODY, null=True)
    entity_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY, null=True)
    bill_group_id = TextAttribute(NOBODY, null=True)
    bill_group_ids: Any = JsonAttribute(NOBODY, default=list)
    """The bill groups that it is about, if several: a reader needs access to each of them."""
    contact_id = TextAttribute(NOBODY, null=True)
    to: Any = JsonAttribute(CONTACT, default=list)
    cc: Any = JsonAttribute(CONTACT, default=list)
    locale = TextAttribute(NOBODY)
    context: Any = JsonAttribute(CONTACT, default=dict)
    subject = TextAttribute(CONTACT, null=True)
    created_at = InstantAttribute()
    not_after = InstantAttribute()
    attempts = NumberAttribute(default=0)
    refusals = NumberAttribute(default=0)
    not_before = InstantAttribute(null=True)
    lease_until = InstantAttribute(null=True)
    claimed_at = InstantAttribute(null=True)
    claim_id = TextAttribute(NOBODY, null=True)
    sent_at = InstantAttribute(null=True)
    message_id = TextAttribute(NOBODY, null=True)
    events: Any = JsonAttribute(CONTACT, default=list)
    recipients: Any = JsonAttribute(CONTACT, default=list)
    """The SES events of each recipient: {"email", "kinds": {kind: [instant, detail]}}."""
    withheld: Any = JsonAttribute(CONTACT, default=dict)
    """By address, why an original recipient does not get it."""
    redirected_to = TextAttribute(STAFF, null=True)
    recipient_count = NumberAttribute(default=0)
    attachments: Any = JsonAttribute(NOBODY, default=list)
    """For each attachment: {"name", "media_type", "size"}."""
    resent_from = TextAttribute(NOBODY, null=True)
    """The email that this one repeats."""
    resent_at: Any = JsonAttribute(NOBODY, default=list)
    """The instants of requests to send it again."""
    correlation_id = TextAttribute(NOBODY)


class EmailContentItem(Item, discriminator="email_content"):
    """The content of an email, compressed. Security emails have none."""

    content = BytesAttribute(CONTACT)


class TaskItem(Item, discriminator="duty"):
    """A task: work that follows a write or falls due later. A hint: its worker reads the state and decides again."""

    duty_id = TextAttribute(NOBODY)
    kind = TextAttribute(NOBODY)
    subject = TextAttribute(NOBODY)
    due = InstantAttribute()
    tries = NumberAttribute(default=0)
    correlation_id = TextAttribute(NOBODY)


class DomainAccessItem(Item, discriminator="access"):
    """The access of one domain at a bill group: its rule, or the rules of its addresses, and the denials (A1)."""

    bill_group_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)
    domain = TextAttribute(NOBODY)
    domain_rule: Any = JsonAttribute(STAFF, null=True)
    addresses: Any = JsonAttribute(PORTAL_USER, default=dict)
    denied: Any = JsonAttribute(PORTAL_USER, default=dict)


class AccessPointerItem(Item, discriminator="access_pointer"):
    """A pointer from an address or a domain to a bill group that may admit it."""

    bill_group_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)


class PortalLinkItem(Item, discriminator="portal_link"):
    """A pointer from a portal link to its bill group (A3). It is not a credential."""

    bill_group_id = TextAttribute(NOBODY)
    account_id = TextAttribute(NOBODY)


class FlowItem(Item, discriminator="flow"):
    """An attempt to sign in by email (A4): secrets are hashed, created when the email is claimed."""

    flow_id = TextAttribute(NOBODY)
    kind = TextAttribute(NOBODY)
    email = TextAttribute(PORTAL_USER)
    bill_group_id = TextAttribute(NOBODY, null=True)
    """The bill group of the portal link of the attempt."""
    target = TextAttribute(NOBODY, null=True)
    """The page after the sign-in; a path of our own."""
    created_at = InstantAttribute()
    ends_at = InstantAttribute()
    proofs: Any = JsonAttribute(NOBODY, default=list)
    """For each email: {"link": hash, "code": hash, "until": instant}."""
    tries = NumberAttribute(default=0)
    bill_groups: Any = JsonAttribute(NOBODY, default=list)
    """Pairs of bill group id and account id that admitted the address when the email was created."""
    used_at = InstantAttribute(null=True)


class SessionItem(Item, discriminator="session"):
    """A signed-in browser or API client (A8); only the hash of its token is stored."""

    session_id = TextAttribute(NOBODY)
    kind = TextAttribute(NOBODY)
    email = TextAttribute(PORTAL_USER)
    bill_groups: Any = JsonAttribute(NOBODY, default=list)
    """Pairs of bill group id and account id that admitted the person at sign-in; grants are read on each request."""
    origin = TextAttribute(NOBODY)
    client = TextAttribute(PORTAL_USER, null=True)
    created_at = InstantAttribute()
    last_seen_at = InstantAttribute()
    ends_at = InstantAttribute()
    preview: Any = JsonAttribute(STAFF, null=True)


class IdentityItem(Item, discriminator="identity"):
    """State of a person, whatever their access: sessions from before this instant have ended."""

    sessions_not_before = InstantAttribute()


class UserNameItem(Item, discriminator="user_name"):
    """A user name and its password (A6)."""

    user_name = TextAttribute(CONTACT)
    account_id = TextAttribute(NOBODY)
    contact_id = TextAttribute(NOBODY)
    email = TextAttribute(CONTACT)
    password_hash = TextAttribute(NOBODY, null=True)
    temporary_hash = TextAttribute(NOBODY, null=True)
    temporary_until = InstantAttribute(null=True)
    ticket = TextAttribute(NOBODY, null=True)
    """The email that may create the temporary password; removed once something else was decided."""
    used_at = InstantAttribute(null=True)
    changed_at = InstantAttribute(null=True)


class PasswordResetItem(Item, discriminator="password_reset"):
    """An emailed link by which a password can be reset, once."""

    user_name = TextAttribute(CONTACT)
    created_at = InstantAttribute()
    ends_at = InstantAttribute()


class StaffItem(Item, discriminator="staff"):
    """One of the vendor's people."""

    email = TextAttribute(STAFF)
    name = TextAttribute(STAFF)
    role = TextAttribute(NOBODY)
    status = TextAttribute(NOBODY)
    created_at = InstantAttribute()


class StaffAdminsItem(Item, discriminator="staff_admins"):
    """The admins among the staff: at least one."""

    emails: Any = JsonAttribute(STAFF, default=list)


class RateLimitItem(Item, discriminator="limit"):
    """Instants of rate-limited events, newest last; optionally followed by a space and what each was about."""

    instants: Any = JsonAttribute(NOBODY, default=list)


class SuppressionItem(Item, discriminator="suppression"):
    """A suppressed address, until a person clears it (I6)."""

    email = TextAttribute(CONTACT)
    reason = TextAttribute(NOBODY)
    since = InstantAttribute()
    email_id = TextAttribute(NOBODY, null=True)
    """The email whose bounce or complaint it was."""
    detail = TextAttribute(CONTACT, null=True)


class MailHealthItem(Item, discriminator="mail_health"):
    """One shard of the mail health counts of an entity and UTC day. All except ``mails`` count recipients."""

    mails = NumberAttribute(default=0)
    sent = NumberAttribute(default=0)
    delivered = NumberAttribute(default=0)
    bounced = NumberAttribute(default=0)
    bounced_for_now = NumberAttribute(default=0)
    complained = NumberAttribute(default=0)
    rejected = NumberAttribute(default=0)


class SendingPaceItem(Item, discriminator="sending_pace"):
    """The next free send slot of bulk mail (I7), and the number of slots ever reserved."""

    next_at = NumberAttribute(null=True)
    """Milliseconds since the epoch."""
    given = NumberAttribute(default=0)


class ApiKeyItem(Item, discriminator="api_key"):
    """An API key (A11); only the hash of its secret is stored."""

    key_id = TextAttribute(NOBODY)
    name = TextAttribute(NOBODY)
    scopes: Any = JsonAttribute(NOBODY, default=list)
    secret_hash = TextAttribute(NOBODY)
    created_at = InstantAttribute()
    created_by = TextAttribute(STAFF)
    last_used_at = InstantAttribute(null=True)
    revoked_at = InstantAttribute(null=True)


class ApiKeyNameItem(Item, discriminator="api_key_name"):
    """The valid API keys of one name: at most two, during rotation (A11)."""

    name = TextAttribute(NOBODY)
    key_ids: Any = JsonAttribute(NOBODY, default=list)
    scopes: Any = JsonAttribute(NOBODY, default=list)
    """All scopes that keys of this name have had."""


class ImportItem(Item, discriminator="import"):
    """An import: its input, progress and findings."""

    import_id = TextAttribute(NOBODY)
    status = TextAttribute(NOBODY)
    mapping: Any = JsonAttribute(NOBODY, default=dict)
    dry_run = BooleanAttribute(default=True)
    mail = BooleanAttribute(default=False)
    actor: Any = JsonAttribute(STAFF, default=dict)
    correlation_id = TextAttribute(NOBODY)
    source = TextAttribute(NOBODY)
    """The key of the file in the bucket."""
    size = NumberAttribute(null=True)
    etag = TextAttribute(NOBODY, null=True)
    lines_source = TextAttribute(NOBODY, null=True)
    """The key of the second file, which the mapping joins."""
    lines_size = NumberAttribute(null=True)
    lines_etag = TextAttribute(NOBODY, null=True)
    content_hash = TextAttribute(NOBODY, null=True)
    """The SHA-256 of the file that the first run read, in hex: later runs, and the confirmation, read no other."""
    lines_content_hash = TextAttribute(NOBODY, null=True)
    created_at = InstantAttribute()
    started_at = InstantAttribute(null=True)
    finished_at = InstantAttribute(null=True)
    lease_id = TextAttribute(NOBODY, null=True)
    lease_until = InstantAttribute(null=True)
    attempts = NumberAttribute(default=0)
    """Runs since the last progress."""
    next_row = NumberAttribute(default=0)
    """Where a run resumes."""
    rows_read = NumberAttribute(default=0)
    """Progress of the current run; lost if a dry run crashes."""
    counts: Any = JsonAttribute(NOBODY, default=dict)
    refusals: Any = JsonAttribute(ANYBODY, default=list)
    warnings: Any = JsonAttribute(ANYBODY, default=list)
    refusal_causes: Any = JsonAttribute(ANYBODY, default=list)
    warning_causes: Any = JsonAttribute(ANYBODY, default=list)
    changes: Any = JsonAttribute(ANYBODY, default=list)
    parts: Any = JsonAttribute(NOBODY, default=list)
    """The keys of the files with all refusals and warnings so far."""
    rehearsal = TextAttribute(NOBODY, null=True)
    """The key of the overlay of a dry run."""
    reason = TextAttribute(NOBODY, null=True)
