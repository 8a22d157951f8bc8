"""The entity chart: every row of the table, and the only place that spells a key.

One table, ``PK``/``SK``, and the indexes ``GSI1`` and ``GSI2`` (keys only: a list reads the keys from the
index and the items, strongly, from the table).

=====================  ===============================  ======================  =====================================
row                    PK                               SK                      GSI1 (PK / SK)
=====================  ===============================  ======================  =====================================
issuing entity         ENTITY#<entity>                  ENTITY                  ENTITIES / <entity>
account                ACCOUNT#<account>                ACCOUNT                 ACCOUNTS / <account>
word of account name   WORD#<first letters>             <word>#<account>
contact                ACCOUNT#<account>                CONTACT#<contact>       ADDRESS#<email> / <account>#<contact>
contact roles          ACCOUNT#<account>                ROLES
address in use (C3)    ACCOUNT#<account>                ADDRESS#<email>
external id (C1)       ACCOUNT#<account>                EXTERNAL#<external id>
erasure (C4)           ERASURE#<erasure>                ERASURE
bill group             BILLGROUP#<bill group>           BILLGROUP               ACCOUNT#<account>#BILLGROUPS / <id>
subscription           BILLGROUP#<bill group>           SUBSCRIPTION#<id>
invoice, credit note   INVOICE#<invoice>                INVOICE                 BILLGROUP#<id>#INVOICES / <day>#<id>
content of an invoice  INVOICE#<invoice>                CONTENT#<part>
settlement of it       INVOICE#<invoice>                SETTLEMENT#<payment|credit_note>#<its id>
delivery of it         INVOICE#<invoice>                DELIVERY#<delivery>
invoice number (I1)    NUMBER#<entity>#<folded number>  NUMBER
invoice of a PO        PO#<folded PO number>            <invoice>
disputed invoice       DISPUTED#<entity>                <invoice>
open invoice           ACCOUNT#<account>                OPEN#<entity>#<currency>#<due date>#<invoice>
balance of an account  ACCOUNT#<account>                BALANCE#<entity>#<currency>
balance of bill group  BILLGROUP#<bill group>           BALANCE
payment                ACCOUNT#<account>                PAYMENT#<payment>       ACCOUNT#<account>#PAYMENTS / <day>#<id>
unallocated payment    ACCOUNT#<account>                UNALLOCATED#<entity>#<currency>#<payment>
bundle (C7)            ACCOUNT#<account>                BUNDLE#<entity>#<contact>
statement              STATEMENT#<statement>            STATEMENT
reminder policy        <ENTITY#…, ACCOUNT#…, BILLGROUP#…>  POLICY
reminder template      ENTITY#<entity>                  TEMPLATE#<template>
reminders of invoice   INVOICE#<invoice>                REMINDERS
step of a reminder     INVOICE#<invoice>                REMINDER#<due date>#<step>
planned reminder       ACCOUNT#<account>                REMIND#<entity>#<day>#<invoice>
due row of an account  WORK#reminder#<shard>            <instant>#<account>#<entity>
digest (R3)            ACCOUNT#<account>                DIGEST#<day>#<entity>#<currency>
reminders of account   ACCOUNT#<account>                REMINDERS
reminders of group     BILLGROUP#<bill group>           REMINDERS
reply link (R6)        REPLY#<hash of the link>         REPLY
promised invoice       PROMISED#<entity>                <day>#<invoice>
waiting run (R9)       RUN#<entity>                     <hour>                  RUNS / <hour>#<entity>
staged release (R9)    ENTITY#<entity>                  RELEASE                 RELEASES / <entity>
payments reported      ENTITY#<entity>                  PAYMENTSASOF
audit event            <owner: ACCOUNT#…, ENTITY#…>     AUDIT#<audit event>     CHANGES#<UTC day> / <audit event>
email (outbox)         EMAIL#<email>                    EMAIL                   ACCOUNT#<account>#EMAILS / <email>
content of an email    EMAIL#<email>                    CONTENT
task                   WORK#<kind>#<shard>              <due instant>#<task>
idempotency record     IDEMPOTENCY#<principal>          <key>
access of a domain     BILLGROUP#<bill group>           ACCESS#<domain>
rule by address        RULEADDRESS#<email>              <bill group>
rule by domain         RULEDOMAIN#<domain>              <bill group>
portal link            PORTAL#<token>                   PORTAL
sign-in flow           FLOW#<hash of its secret>        FLOW
session                SESSION#<hash of its token>      SESSION                 SESSIONS#<email> / <session>
identity               IDENTITY#<email>                 IDENTITY
user name              USERNAME#<folded user name>      USERNAME
password reset link    PASSWORDRESET#<hash of the link> PASSWORDRESET
staff member           STAFF#<email>                    STAFF                   STAFF / <email>
admins                 STAFFADMINS                      STAFFADMINS
rate limit             LIMIT#<kind>#<whom>              LIMIT
suppressed address     SUPPRESSED#<email>               SUPPRESSED              SUPPRESSIONS / <email>
mail health of a day   MAILHEALTH#<entity>              <day>#<shard>
send slots (I7)        SENDINGPACE                      SENDINGPACE
API key                APIKEY#<key id>                  APIKEY                  APIKEYS / <name>#<key id>
names of API keys      APIKEYNAME#<name>                APIKEYNAME
import                 IMPORT#<import>                  IMPORT                  IMPORTS / <import>
=====================  ===============================  ======================  =====================================

An invoice is in GSI2 too: INVOICES#<entity>#<status> / <due date, once settled: day of issue>#<invoice>; a
credit note under CREDITNOTES#. A credit note with a balance has the pointer of an open invoice.

Access patterns: a record by its id (GetItem, BatchGetItem); an account's contacts, its audit events, a bill
group's subscriptions, an entity's reminder templates (Query of a partition by prefix); entities, accounts, an
account's bill groups and emails, contacts by email, changes by day, API keys, imports (Query of GSI1, then
BatchGetItem); accounts by word prefix (Query of a WORD# partition); due tasks (Query of a WORK# partition up to an
instant); a bill group's invoices by day (Query of GSI1); the invoices of an entity by status and date (Query of
GSI2); an account's open invoices, balances and unallocated payments (Query of its partition by prefix), its payments
by day (Query of GSI1); an invoice by its number, invoices by PO number, disputed ones (GetItem, Query of their
pointers); mail health (Query of a MAILHEALTH# partition).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

WORD_PARTITION_LETTERS = 2
_AFTER_EVERY_ID = "~"
"""Sorts after every id, day and number."""
NO_DUE_DATE = "9999-12-31"
"""In place of a due date where there is none, so that it sorts last."""
REMINDER_SHARDS = 8
"""In how many partitions the hourly run finds accounts. The other tasks have theirs in ``tasks.kinds``."""


@dataclass(frozen=True, order=True)
class Key:
    """The primary key of one row, or the key of one row in an index."""

    pk: str
    sk: str


def entity(entity_id: str) -> Key:
    """Return the key of an issuing entity."""
    return Key(f"ENTITY#{entity_id}", "ENTITY")


def entity_listed(entity_id: str) -> Key:
    """Return the index key under which issuing entities are listed."""
    return Key("ENTITIES", entity_id)


def account(account_id: str) -> Key:
    """Return the key of an account."""
    return Key(f"ACCOUNT#{account_id}", "ACCOUNT")


def account_listed(account_id: str) -> Key:
    """Return the index key under which accounts are listed."""
    return Key("ACCOUNTS", account_id)


def account_word(word: str, account_id: str) -> Key:
    """Return the key of one word of an account's name; ``word`` is folded as ``accounts.rules`` does."""
    # Names in scripts without spaces are one long word, of which people search the first letter.
    letters = WORD_PARTITION_LETTERS if word[:1].isascii() else 1
    return Key(f"WORD#{word[:letters]}", f"{word}#{account_id}")


def word_of(key: Key) -> str:
    """Return the word of an account's name that stands at ``key``."""
    return key.sk.rsplit("#", 1)[0]


def is_searchable(beginning: str) -> bool:
    """Tell whether all words with this beginning lie in one partition."""
    return bool(beginning) and (not beginning[0].isascii() or len(beginning) >= WORD_PARTITION_LETTERS)


def contact(account_id: str, contact_id: str) -> Key:
    """Return the key of a contact."""
    return Key(f"ACCOUNT#{account_id}", f"CONTACT#{contact_id}")


def contact_by_email(email: str, account_id: str, contact_id: str) -> Key:
    """Return the index key under which the contacts with one email are listed (C6)."""
    return Key(f"ADDRESS#{email}", f"{account_id}#{contact_id}")


def contact_roles(account_id: str) -> Key:
    """Return the key of the item that holds an account's contact roles (C2)."""
    return Key(f"ACCOUNT#{account_id}", "ROLES")


def contact_address(account_id: str, email: str) -> Key:
    """Return the key whose existence says that an active contact of the account has this email (C3)."""
    return Key(f"ACCOUNT#{account_id}", f"ADDRESS#{email}")


def contact_external_id(account_id: str, external_id: str) -> Key:
    """Return the key whose existence says that a contact of the account has this external id (C1)."""
    return Key(f"ACCOUNT#{account_id}", f"EXTERNAL#{external_id}")


def erasure(erasure_id: str) -> Key:
    """Return the key of the state of an erasure."""
    return Key(f"ERASURE#{erasure_id}", "ERASURE")


def bill_group(bill_group_id: str) -> Key:
    """Return the key of a bill group."""
    return Key(f"BILLGROUP#{bill_group_id}", "BILLGROUP")


def bill_group_listed(account_id: str, bill_group_id: str) -> Key:
    """Return the index key under which an account's bill groups are listed."""
    return Key(f"ACCOUNT#{account_id}#BILLGROUPS", bill_group_id)


def subscription(bill_group_id: str, subscription_id: str) -> Key:
    """Return the key of a subscription."""
    return Key(f"BILLGROUP#{bill_group_id}", f"SUBSCRIPTION#{subscription_id}")


def invoice(invoice_id: str) -> Key:
    """Return the key of an invoice or credit note."""
    return Key(f"INVOICE#{invoice_id}", "INVOICE")


def invoice_id_of(key: Key) -> str:
    """Return the id of the invoice or credit note that stands at ``key``."""
    return key.pk.removeprefix("INVOICE#")


def invoice_listed(bill_group_id: str, issue_date: date, invoice_id: str) -> Key:
    """Return the index key under which a bill group's invoices are listed, by the day of issue."""
    return Key(invoices_of_bill_group(bill_group_id), f"{issue_date.isoformat()}#{invoice_id}")


def invoices_of_bill_group(bill_group_id: str) -> str:
    """Return the partition of the first index that lists a bill group's invoices."""
    return f"BILLGROUP#{bill_group_id}#INVOICES"


def invoice_by_status(entity_id: str, kind: str, status: str, day: date | None, invoice_id: str) -> Key:
    """Return the key in the second index under which an entity's invoices, or credit notes, of a status are listed.

    ``day`` is the due date while something is open, else the day of issue; None, which sorts last: there is none.
    """
    partition = invoices_by_status(entity_id, kind, status)
    return Key(partition, f"{day.isoformat() if day else NO_DUE_DATE}#{invoice_id}")


def invoices_by_status(entity_id: str, kind: str, status: str) -> str:
    """Return the partition of the second index that lists an entity's invoices, or credit notes, of a status."""
    return f"{'CREDITNOTES' if kind == 'credit_note' else 'INVOICES'}#{entity_id}#{status}"


def invoice_content(invoice_id: str, part: int) -> Key:
    """Return the key of one part of an invoice's content."""
    return Key(f"INVOICE#{invoice_id}", f"CONTENT#{part}")


def settlement(invoice_id: str, source_kind: str, source_id: str) -> Key:
    """Return the key of what a ``payment`` or a ``credit_note`` has settled of an invoice."""
    return Key(f"INVOICE#{invoice_id}", f"SETTLEMENT#{source_kind}#{source_id}")


def settlements(invoice_id: str) -> Key:
    """Return the partition of the settlements of an invoice, and how their sort keys begin."""
    return Key(f"INVOICE#{invoice_id}", "SETTLEMENT#")


def delivery(invoice_id: str, delivery_id: str) -> Key:
    """Return the key of a delivery of an invoice."""
    return Key(f"INVOICE#{invoice_id}", f"DELIVERY#{delivery_id}")


def invoice_number(entity_id: str, folded: str) -> Key:
    """Return the key whose existence says that an entity has used an invoice number (I1)."""
    return Key(f"NUMBER#{entity_id}#{folded}", "NUMBER")


def invoice_by_po(folded: str, invoice_id: str) -> Key:
    """Return the key by which an invoice is found by its PO number."""
    return Key(f"PO#{folded}", invoice_id)


def disputed_invoice(entity_id: str, invoice_id: str) -> Key:
    """Return the key by which an entity's disputed invoices are found."""
    return Key(f"DISPUTED#{entity_id}", invoice_id)


def disputed_invoices(entity_id: str) -> str:
    """Return the partition of the pointers to an entity's disputed invoices."""
    return disputed_invoice(entity_id, "").pk


def promised_invoices(entity_id: str) -> str:
    """Return the partition of the pointers to an entity's open invoices that were promised, the earliest day first."""
    return f"PROMISED#{entity_id}"


def open_invoice(account_id: str, entity_id: str, currency: str, due: date | None, invoice_id: str) -> Key:
    """Return the key of the row that exists while an invoice is open or part paid; without a due date it is last."""
    day = due.isoformat() if due else NO_DUE_DATE
    return Key(f"ACCOUNT#{account_id}", f"OPEN#{entity_id}#{currency}#{day}#{invoice_id}")


def open_invoices(account_id: str) -> Key:
    """Return the partition of the pointers to an account's open invoices, and how their sort keys begin."""
    return Key(f"ACCOUNT#{account_id}", "OPEN#")


def open_invoices_in_currency(account_id: str, entity_id: str, currency: str) -> Key:
    """Return the same of those to an entity in a currency, which stand in order of their due dates."""
    return Key(f"ACCOUNT#{account_id}", f"OPEN#{entity_id}#{currency}#")


def open_invoices_to_entity(account_id: str, entity_id: str) -> Key:
    """Return the same of those to an entity, in any currency."""
    return Key(f"ACCOUNT#{account_id}", f"OPEN#{entity_id}#")


def account_balance(account_id: str, entity_id: str, currency: str) -> Key:
    """Return the key of what an account owes an issuing entity in a currency."""
    return Key(f"ACCOUNT#{account_id}", f"BALANCE#{entity_id}#{currency}")


def bill_group_balance(bill_group_id: str) -> Key:
    """Return the key of what is owed for a bill group (A3)."""
    return Key(f"BILLGROUP#{bill_group_id}", "BALANCE")


def payment(account_id: str, payment_id: str) -> Key:
    """Return the key of a payment."""
    return Key(f"ACCOUNT#{account_id}", f"PAYMENT#{payment_id}")


def payment_listed(account_id: str, received_on: date, payment_id: str) -> Key:
    """Return the index key under which an account's payments are listed, by the day of receipt."""
    return Key(payments_of_account(account_id).pk, f"{received_on.isoformat()}#{payment_id}")


def payments_of_account(account_id: str) -> Key:
    """Return the partition in the index that lists an account's payments."""
    return Key(f"ACCOUNT#{account_id}#PAYMENTS", "")


def unallocated_payment(account_id: str, entity_id: str, currency: str, payment_id: str) -> Key:
    """Return the key of the row that exists while something of a payment is not allocated."""
    return Key(f"ACCOUNT#{account_id}", f"UNALLOCATED#{entity_id}#{currency}#{payment_id}")


def unallocated_payments(account_id: str) -> Key:
    """Return the partition of the pointers to payments not all allocated, and how their sort keys begin."""
    return Key(f"ACCOUNT#{account_id}", "UNALLOCATED#")


def bundle(account_id: str, entity_id: str, contact_id: str) -> Key:
    """Return the key of the invoices that wait to be sent to a contact in one mail (C7)."""
    return Key(f"ACCOUNT#{account_id}", f"BUNDLE#{entity_id}#{contact_id}")


def statement(statement_id: str) -> Key:
    """Return the key of a requested statement of account."""
    return Key(f"STATEMENT#{statement_id}", "STATEMENT")


def reminder_policy(owner_pk: str) -> Key:
    """Return the key of the reminder policy of an entity, account or bill group, whose partition is given (R1)."""
    return Key(owner_pk, "POLICY")


def reminder_template(entity_id: str, template_id: str) -> Key:
    """Return the key of an entity's own words for steps of its reminders (R1)."""
    return Key(f"ENTITY#{entity_id}", f"TEMPLATE#{template_id}")


def reminder_templates(entity_id: str) -> Key:
    """Return the partition of an entity's reminder templates, and how their sort keys begin."""
    return Key(f"ENTITY#{entity_id}", "TEMPLATE#")


def invoice_reminders(invoice_id: str) -> Key:
    """Return the key of the state of an invoice's reminders."""
    return Key(f"INVOICE#{invoice_id}", "REMINDERS")


def reminder_step(invoice_id: str, due: date, step: str) -> Key:
    """Return the key of one step of an invoice's reminders, which is claimed at most once (R5)."""
    return Key(f"INVOICE#{invoice_id}", f"REMINDER#{due.isoformat()}#{step}")


def reminder_plan(account_id: str, entity_id: str, day: date, invoice_id: str) -> Key:
    """Return the key of the local day on which an invoice is evaluated next."""
    return Key(f"ACCOUNT#{account_id}", f"REMIND#{entity_id}#{day.isoformat()}#{invoice_id}")


def reminder_plans(account_id: str, entity_id: str) -> Key:
    """Return the partition of the days on which an account's invoices are evaluated, and how their sort keys begin."""
    return Key(f"ACCOUNT#{account_id}", f"REMIND#{entity_id}#")


def reminder_plans_until(account_id: str, entity_id: str, last: date) -> tuple[Key, Key]:
    """Return the bounds of those up to a day, which is included."""
    end = reminder_plan(account_id, entity_id, last, _AFTER_EVERY_ID)
    return reminder_plans(account_id, entity_id), end


def reminder_plans_after_entity(account_id: str, entity_id: str | None) -> tuple[Key, Key]:
    """Return the bounds of those to the entities that sort behind one, or to any."""
    first = f"REMIND#{entity_id}$" if entity_id is not None else "REMIND#"
    return Key(f"ACCOUNT#{account_id}", first), Key(f"ACCOUNT#{account_id}", f"REMIND#{_AFTER_EVERY_ID}")


def reminder_due(account_id: str, entity_id: str, due: datetime) -> Key:
    """Return the key by which the hourly run finds an account with invoices to evaluate."""
    shard = _shard(account_id, REMINDER_SHARDS)
    return Key(task_partition("reminder", shard), f"{format_instant(due)}#{account_id}#{entity_id}")


def parse_reminder_due(sort_key: str) -> tuple[str, str, str]:
    """Return the instant, as text that sorts by time, the account and the entity of an account that is due."""
    due, account_id, entity_id = sort_key.split("#")
    return due, account_id, entity_id


def reminder_due_partitions() -> tuple[str, ...]:
    """Return the partitions in which the hourly run finds accounts, the earliest first in each."""
    return tuple(task_partition("reminder", shard) for shard in range(REMINDER_SHARDS))


def digest(account_id: str, day: date, entity_id: str, currency: str) -> Key:
    """Return the key of the digest of one run, which is put once (R3, R5)."""
    return Key(f"ACCOUNT#{account_id}", f"DIGEST#{day.isoformat()}#{entity_id}#{currency}")


def parse_digest(sort_key: str) -> tuple[date, str, str]:
    """Return the day, the entity and the currency of a digest."""
    _, day, entity_id, currency = sort_key.split("#")
    return date.fromisoformat(day), entity_id, currency


def account_reminders(account_id: str) -> Key:
    """Return the key of what holds for all reminders of an account."""
    return Key(f"ACCOUNT#{account_id}", "REMINDERS")


def bill_group_reminders(bill_group_id: str) -> Key:
    """Return the key of what holds for all reminders of a bill group."""
    return Key(f"BILLGROUP#{bill_group_id}", "REMINDERS")


def reply_link(link_hash: str) -> Key:
    """Return the key of a link by which a reminder is replied to (R6)."""
    return Key(f"REPLY#{link_hash}", "REPLY")


def promised_invoice(entity_id: str, day: date, invoice_id: str) -> Key:
    """Return the key by which an invoice is found whose payment is promised for ``day``."""
    return Key(promised_invoices(entity_id), f"{day.isoformat()}#{invoice_id}")


def reminder_run(entity_id: str, run_hour: str) -> Key:
    """Return the key of a run that waits for approval, named by an hour in UTC (R9)."""
    return Key(f"RUN#{entity_id}", run_hour)


def reminder_run_listed(entity_id: str, run_hour: str) -> Key:
    """Return the index key under which runs that waited are listed."""
    return Key("RUNS", f"{run_hour}#{entity_id}")


def format_hour(moment: datetime) -> str:
    """Return the hour of ``moment`` (aware) in UTC, as text that sorts by time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H")


def release(entity_id: str) -> Key:
    """Return the key of how an entity's old invoices are released (R9)."""
    return Key(f"ENTITY#{entity_id}", "RELEASE")


def releases() -> str:
    """Return the partition of the first index that lists the releases that go on."""
    return "RELEASES"


def payments_as_of(entity_id: str) -> Key:
    """Return the key of up to when the billing system has reported an entity's payments (R2)."""
    return Key(f"ENTITY#{entity_id}", "PAYMENTSASOF")


def account_audit_event(account_id: str, audit_event_id: str) -> Key:
    """Return the key of an audit event of an account."""
    return Key(f"ACCOUNT#{account_id}", f"AUDIT#{audit_event_id}")


def entity_audit_event(entity_id: str, audit_event_id: str) -> Key:
    """Return the key of an audit event of an issuing entity."""
    return Key(f"ENTITY#{entity_id}", f"AUDIT#{audit_event_id}")


def deployment_audit_event(audit_event_id: str) -> Key:
    """Return the key of an audit event of the deployment itself (API keys, imports)."""
    return Key("DEPLOYMENT", f"AUDIT#{audit_event_id}")


def audit_event_listed(day: date, audit_event_id: str) -> Key:
    """Return the index key under which the audit events of a UTC day are listed."""
    return Key(f"CHANGES#{day.isoformat()}", audit_event_id)


def email(email_id: str) -> Key:
    """Return the key of an email."""
    return Key(f"EMAIL#{email_id}", "EMAIL")


def email_content(email_id: str) -> Key:
    """Return the key of the content of an email that was sent."""
    return Key(f"EMAIL#{email_id}", "CONTENT")


def email_listed(account_id: str, email_id: str) -> Key:
    """Return the index key under which an account's emails are listed."""
    return Key(f"ACCOUNT#{account_id}#EMAILS", email_id)


def task(kind: str, shards: int, subject: str, due: datetime, task_id: str) -> Key:
    """Return the key of a task that falls due at ``due`` (UTC), of a kind that has so many shards."""
    return Key(task_partition(kind, _shard(subject, shards)), f"{format_instant(due)}#{task_id}")


def task_id_of(key: Key) -> str:
    """Return the id of the task that stands at ``key``."""
    return key.sk.partition("#")[2]


def task_partition(kind: str, shard: int) -> str:
    """Return the partition key of one shard of a kind of task."""
    return f"WORK#{kind}#{shard}"


def _shard(text: str, shards: int) -> int:
    return sum(text.encode()) % shards


def format_instant(moment: datetime) -> str:
    """Return ``moment`` (aware) as text in UTC that sorts by time, to the millisecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def idempotency(principal: str, key: str) -> Key:
    """Return the key of the record of an idempotency key."""
    return Key(f"IDEMPOTENCY#{principal}", key)


def domain_access(bill_group_id: str, domain: str) -> Key:
    """Return the key of what one domain's rule or addresses may do at a bill group (A1)."""
    return Key(f"BILLGROUP#{bill_group_id}", f"ACCESS#{domain}")


def access_rule_by_address(email: str, bill_group_id: str) -> Key:
    """Return the key by which a sign-in finds the bill groups that admit an address."""
    return Key(f"RULEADDRESS#{email}", bill_group_id)


def access_rule_by_domain(domain: str, bill_group_id: str) -> Key:
    """Return the key by which a sign-in finds the bill groups that admit a domain."""
    return Key(f"RULEDOMAIN#{domain}", bill_group_id)


def portal_link(token: str) -> Key:
    """Return the key of a portal link (A3)."""
    return Key(f"PORTAL#{token}", "PORTAL")


def flow(secret_hash: str) -> Key:
    """Return the key of a sign-in flow (A4)."""
    return Key(f"FLOW#{secret_hash}", "FLOW")


def flow_hash_of(key: Key) -> str:
    """Return the hash of the secret of the sign-in flow that stands at ``key``."""
    return key.pk.removeprefix("FLOW#")


def session(token_hash: str) -> Key:
    """Return the key of a session (A8)."""
    return Key(f"SESSION#{token_hash}", "SESSION")


def session_listed(email: str, session_id: str) -> Key:
    """Return the index key under which a person's sessions are listed."""
    return Key(f"SESSIONS#{email}", session_id)


def identity(email: str) -> Key:
    """Return the key of what holds for a person in every account, such as since when sessions count."""
    return Key(f"IDENTITY#{email}", "IDENTITY")


def user_name(folded: str) -> Key:
    """Return the key of a user name and its password (A6)."""
    return Key(f"USERNAME#{folded}", "USERNAME")


def password_reset(token_hash: str) -> Key:
    """Return the key of an emailed link that resets a password."""
    return Key(f"PASSWORDRESET#{token_hash}", "PASSWORDRESET")


def staff(email: str) -> Key:
    """Return the key of a staff member."""
    return Key(f"STAFF#{email}", "STAFF")


def staff_listed(email: str) -> Key:
    """Return the index key under which staff are listed."""
    return Key("STAFF", email)


def staff_admins() -> Key:
    """Return the key of the item that holds who of the staff is admin."""
    return Key("STAFFADMINS", "STAFFADMINS")


def rate_limit(kind: str, whom: str) -> Key:
    """Return the key of what counts towards a limit (A5)."""
    return Key(f"LIMIT#{kind}#{whom}", "LIMIT")


def suppression(email: str) -> Key:
    """Return the key whose existence says that an address gets no mail (I6)."""
    return Key(f"SUPPRESSED#{email}", "SUPPRESSED")


def suppression_listed(email: str) -> Key:
    """Return the index key under which suppressed addresses are listed."""
    return Key("SUPPRESSIONS", email)


def mail_health(entity_id: str, day: date, shard: int) -> Key:
    """Return the key of one shard of the counts of an entity's mails of a UTC day."""
    return Key(f"MAILHEALTH#{entity_id}", f"{day.isoformat()}#{shard}")


def mail_health_days(entity_id: str, first: date, last: date) -> tuple[Key, Key]:
    """Return the bounds of the counts of an entity's mails of some days, both included."""
    pk = mail_health(entity_id, first, 0).pk
    return Key(pk, first.isoformat()), Key(pk, f"{last.isoformat()}#{_AFTER_EVERY_ID}")


def mail_health_day_of(key: Key) -> date:
    """Return the UTC day of the counts that stand at ``key``."""
    return date.fromisoformat(key.sk.partition("#")[0])


def sending_pace() -> Key:
    """Return the key of the row that paces bulk mail (I7)."""
    return Key("SENDINGPACE", "SENDINGPACE")


def api_key(key_id: str) -> Key:
    """Return the key of an API key."""
    return Key(f"APIKEY#{key_id}", "APIKEY")


def api_key_listed(name: str, key_id: str) -> Key:
    """Return the index key under which API keys are listed."""
    return Key("APIKEYS", f"{name}#{key_id}")


def api_key_name(name: str) -> Key:
    """Return the key of the item that holds the valid API keys of one name."""
    return Key(f"APIKEYNAME#{name}", "APIKEYNAME")


def import_(import_id: str) -> Key:
    """Return the key of an import."""
    return Key(f"IMPORT#{import_id}", "IMPORT")


def import_listed(import_id: str) -> Key:
    """Return the index key under which imports are listed."""
    return Key("IMPORTS", import_id)
