"""What a statement of account says, taken when it is asked for: its PDF and its mail show these figures."""

import zlib
from dataclasses import dataclass
from datetime import date

from chalicelib.invoices.rules import Seller
from chalicelib.postal_address import PostalAddress
from chalicelib.serialization import get_type_adapter
from chalicelib.statements.rules import StatementSection


@dataclass(frozen=True)
class StatementContent:
    """A statement of one issuing entity and currency as of a local date, with sender and addressee as they were."""

    statement_id: str
    account_id: str
    account_name: str
    as_of: date
    locale: str
    seller: Seller
    section: StatementSection
    address: PostalAddress | None = None
    """Where all bill groups of the open items have the same."""
    bill_group_ids: tuple[str, ...] = ()
    """Of what it tells: those that a portal user could see when it was asked for, or all of the account."""
    portal_url: str | None = None


def pack_statement_content(content: StatementContent) -> bytes:
    """Return the content as compressed JSON."""
    return zlib.compress(get_type_adapter(StatementContent).dump_json(content), 9)


def unpack_statement_content(packed: bytes) -> StatementContent:
    """Return the content that ``pack`` has packed."""
    content: StatementContent = get_type_adapter(StatementContent).validate_json(zlib.decompress(packed))
    return content
