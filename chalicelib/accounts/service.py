"""Use cases of accounts."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.accounts import reachability
from chalicelib.accounts.rules import Account, check_account, first_matching_word, matches_search_words, search_words
from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import InvalidInput, NotFound, StaleVersion
from chalicelib.field_marks import FieldUse, is_any_changed
from chalicelib.field_ownership import Override, find_upstream_differences, merge_fields
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass, dataclass_defaults, to_plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem, AccountWordItem, ContactItem, ContactRolesItem
from chalicelib.tasks.kinds import ReplanInvoices
from chalicelib.tasks.service import add_task


@dataclass(frozen=True)
class AccountWriteResult:
    """The account after a write, whether it was created, and our values that the billing system replaced."""

    account: Account
    created: bool
    overrides: tuple[Override, ...]
    changed: bool = True
    """False when nothing changed and nothing was written."""


@dataclass(frozen=True)
class RoleHolders:
    """The holders of the contact roles of an account (C2)."""

    invoicing: frozenset[str]
    accounts_payable: frozenset[str]
    both_held: bool
    reachable: frozenset[str] = frozenset()
    """The roles of which at least one holder has an address that works (C9)."""


@dataclass(frozen=True)
class AccountRead:
    """An account, its role holders, and the differences from the billing system's values."""

    account: Account
    holders: RoleHolders
    differences: dict[str, Any]


def put_account(
    context: RequestContext, account_id: str, given: dict[str, Any], expected_version: int | None = None
) -> AccountWriteResult:
    """Create an account or change the given fields (DESIGN §5 decides whose value counts).

    Raises InvalidInput naming every invalid field, StaleVersion when ``expected_version`` is not the newest.
    """

    def attempt() -> AccountWriteResult:
        key = keys.account(account_id)
        wanted_entity = given.get("entity_id")
        entity_keys = [keys.entity(wanted_entity)] if wanted_entity else []
        item, *entities = store.get_items_for_write(context, key, *entity_keys)
        before = store.from_item(Account, item) if item else None
        if expected_version is not None and (before is None or before.version != expected_version):
            raise StaleVersion(before.version if before else 0)
        merged = merge_fields(
            to_plain_fields(before) if before else None,
            before.upstream if before else {},
            given,
            from_billing=context.is_billing_system,
            defaults=dataclass_defaults(Account),
        )
        after = build_dataclass(Account, {**merged.values, "account_id": account_id, "upstream": merged.upstream})
        check_account(after)
        if after == before:
            return AccountWriteResult(after, False, merged.overrides, changed=False)
        moved = before is None or before.entity_id != after.entity_id
        entity = entities[0] if entities else None
        if moved and entity is None:
            raise InvalidInput.field(
                "entity_id", "unknown_entity", "There is no such issuing entity. Create it first, or correct the id."
            )
        transaction = store.Transaction(context)
        row = store.to_item(AccountItem, key, after, listed=keys.account_listed(account_id))
        transaction.put(row, new=before is None)
        if before is None:
            roles = keys.contact_roles(account_id)
            transaction.create(ContactRolesItem(roles.pk, roles.sk, account_id=account_id))
        if moved and entity is not None:
            transaction.check_exists(entity)
        _write_search_words(transaction, account_id, before.name if before else "", after.name)
        action = "account.changed" if before else "account.created"
        changed = diff_fields(before, after)
        record_audit_event(transaction, context, action, "account", account_id, changed, account_id=account_id)
        if before is not None and is_any_changed(before, after, FieldUse.MOVES_REMINDERS):
            add_task(transaction, context, ReplanInvoices("account", account_id))
        transaction.record_response(account_id, 200 if before else 201)
        transaction.commit()
        return AccountWriteResult(replace(after, version=int(row.version)), before is None, merged.overrides)

    return store.retry_on_conflict(attempt)


def _write_search_words(transaction: store.Transaction, account_id: str, old_name: str, new_name: str) -> None:
    old, new = set(search_words(old_name)), set(search_words(new_name))
    for word in sorted(old - new):
        transaction.delete_unconditionally(keys.account_word(word, account_id))
    for word in sorted(new - old):
        key = keys.account_word(word, account_id)
        transaction.overwrite(AccountWordItem(key.pk, key.sk, account_id=account_id))


def get_account(account_id: str) -> AccountRead:
    """Read an account with its role holders and their reachability: three reads, one without holders. Raises
    NotFound."""
    found = store.batch_get_items([keys.account(account_id), keys.contact_roles(account_id)])
    item, roles = found.get(keys.account(account_id)), found.get(keys.contact_roles(account_id))
    if item is None or roles is None:
        raise NotFound()
    account = store.from_item(Account, item)
    by_role = {
        "invoicing": frozenset[str](roles.invoicing or ()),
        "accounts_payable": frozenset[str](roles.accounts_payable or ()),
    }
    known = reachability.get_contact_emails(account_id, frozenset[str]().union(*by_role.values()))
    working = {contact_id for contact_id, address in known.items() if address.works}
    reachable = frozenset(role for role, ids in by_role.items() if ids & working)
    holders = RoleHolders(**by_role, both_held=bool(roles.both_held), reachable=reachable)
    return AccountRead(account, holders, find_upstream_differences(account))


def list_accounts(
    name: str | None, email: str | None, after: str | None, limit: int
) -> tuple[list[Account], str | None]:
    """Return a page of accounts, and where the next one begins.

    By prefixes of the words of their name, by the email of an active contact, or all in order of their ids. Raises
    InvalidInput when ``name`` has no word.
    """
    if name is not None and email is not None:
        raise InvalidInput.field("q", "not_together", "Search by name or by email, not both.")
    if email is not None:
        return _list_by_email(email, after, limit)
    if name is not None:
        return _list_by_name(name, after, limit)
    page = store.query_items_by_index(keys.account_listed("").pk, limit=limit, after=after)
    return [store.from_item(Account, item) for item in page.items], page.after


def _list_by_email(email: str, after: str | None, limit: int) -> tuple[list[Account], str | None]:
    page = store.query_items_by_index(keys.contact_by_email(email, "", "").pk, limit=limit, after=after)
    ids = [item.account_id for item in page.items if isinstance(item, ContactItem) and _is_active_at(item, email)]
    return get_accounts(ids), page.after


def _is_active_at(item: ContactItem, email: str) -> bool:
    return item.status == "active" and item.email == email


def _list_by_name(name: str, after: str | None, limit: int) -> tuple[list[Account], str | None]:
    wanted = search_words(name)
    if not wanted:
        raise InvalidInput.field("q", "too_short", "Send at least one letter or digit of the name.")
    # The longest word is the most selective.
    longest = max(filter(keys.is_searchable, wanted), key=len, default=None)
    if longest is None:
        raise InvalidInput.field("q", "too_short", "Send at least two letters of a word of the name.")

    def fitting(rows: list[AccountWordItem]) -> list[Account | None]:
        accounts = {account.account_id: account for account in get_accounts([row.account_id for row in rows])}
        return [_select_account(accounts.get(row.account_id), keys.word_of(row.key), wanted, longest) for row in rows]

    return store.filter_pages(keys.account_word(longest, "").pk, longest, fitting, limit=limit, after=after)


def _select_account(account: Account | None, word: str, wanted: tuple[str, ...], longest: str) -> Account | None:
    # An account with two matching words is found twice; return it at the first one only.
    if account and matches_search_words(account.name, wanted) and first_matching_word(account.name, longest) == word:
        return account
    return None


def get_accounts(ids: list[str]) -> list[Account]:
    """Return the existing accounts with these ids, without duplicates."""
    wanted = [keys.account(account_id) for account_id in dict.fromkeys(ids)]
    found = store.batch_get_items(wanted)
    return [store.from_item(Account, found[key]) for key in wanted if key in found]
