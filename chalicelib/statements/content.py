"""The content of a statement of account, frozen at the request: PDF and email show these figures."""

import zlib
from dataclasses import dataclass
from datetime import date

from chalicelib.invoices.rules import Seller
from chalicelib.postal_address import PostalAddress
from chalicelib.serialization import get_type_adapter
from chalicelib.statements.rules import StatementSection


@dataclass(frozen=True)
class StatementContent:
    """A statement of one issuing entity and currency as of a local date, with sender and addressee at that time."""

    statement_id: str
    account_id: str
    account_name: str
    as_of: date
    locale: str
    seller: Seller
    section: StatementSection
    address: PostalAddress | None = None
    """The bill group, if all open items have the same."""
    bill_group_ids: tuple[str, ...] = ()
    """The bill groups covered: those visible to the portal user at the request, or all of the account."""
    portal_url: str | None = None


def pack_statement_content(content: StatementContent) -> bytes:
    """Return the content as compressed JSON."""
    return zlib.compress(get_type_adapter(StatementContent).dump_json(content), 9)


def unpack_statement_content(packed: bytes) -> StatementContent:
    """Return the content that ``pack_statement_content`` has packed."""
    content: StatementContent = get_type_adapter(StatementContent).validate_json(zlib.decompress(packed))
    return content
