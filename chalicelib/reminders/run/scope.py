"""What a console function can be narrowed to: an issuing entity, an account, or both."""

from chalicelib.errors import FieldError, NotFound
from chalicelib.table import keys, store


def check_scope_exists(entity_id: str | None, account_id: str | None) -> None:
    """Raise NotFound where one of them does not exist: an empty answer would pass a typing error off as good news.

    One read where anything is named.
    """
    named = {
        "entity_id": ("issuing entity", entity_id, keys.entity(entity_id) if entity_id is not None else None),
        "account_id": ("account", account_id, keys.account(account_id) if account_id is not None else None),
    }
    found = store.batch_get_items([key for _, _, key in named.values() if key is not None])
    faults = [
        FieldError(field, "not_found", f"There is no {what} {given!r}. Correct the id.")
        for field, (what, given, key) in named.items()
        if key is not None and key not in found
    ]
    if faults:
        raise NotFound(fields=tuple(faults))
