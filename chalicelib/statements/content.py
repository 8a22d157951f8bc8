"""What a statement of account says, taken when it is asked for: its PDF and its mail show these figures."""

import zlib
from dataclasses import dataclass
from datetime import date

from chalicelib.accounts.rules import Address
from chalicelib.invoices.rules import Seller
from chalicelib.shapes import adapter
from chalicelib.statements.rules import Section


@dataclass(frozen=True)
class StatementContent:
    """A statement of one issuing entity and currency as of a local date, with sender and addressee as they were."""

    statement_id: str
    account_id: str
    account_name: str
    as_of: date
    locale: str
    seller: Seller
    section: Section
    address: Address | None = None
    """Where all bill groups of the open items have the same."""
    bill_group_ids: tuple[str, ...] = ()
    """Of what it tells: those that a portal user could see when it was asked for, or all of the account."""
    portal_url: str | None = None


def pack(content: StatementContent) -> bytes:
    """Return the content as compressed JSON."""
    return zlib.compress(adapter(StatementContent).dump_json(content), 9)


def unpack(packed: bytes) -> StatementContent:
    """Return the content that ``pack`` has packed."""
    content: StatementContent = adapter(StatementContent).validate_json(zlib.decompress(packed))
    return content
