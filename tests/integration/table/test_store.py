"""Walking through a partition page by page."""

import pytest

from chalicelib.table import keys, store
from chalicelib.table.items import EmailContentItem
from tests.aws_calls import counted

PAGE_SIZE = 2
PARTITION = keys.account("a1").pk
ROWS = [f"EMAIL#{number}" for number in range(5)]
INDEX = keys.email_listed("a1", "").pk


@pytest.fixture
def rows(aws: None) -> None:
    for sort_key in ROWS:
        store.create_item(EmailContentItem(PARTITION, sort_key, content=b"", gsi1_pk=INDEX, gsi1_sk=sort_key))


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("by_index", [False, True])
def test_a_partition_is_read_in_order_and_page_by_page(by_index: bool) -> None:
    walk = store.iterate_items(INDEX if by_index else PARTITION, page_size=PAGE_SIZE, by_index=by_index)
    with counted() as calls:
        assert [next(walk).sk for _ in range(PAGE_SIZE)] == ROWS[:PAGE_SIZE]
        assert calls.of("dynamodb.Query") == 1
        assert [row.sk for row in walk] == ROWS[PAGE_SIZE:]
        assert calls.of("dynamodb.Query") == 3


@pytest.mark.usefixtures("rows")
def test_a_walk_begins_behind_a_place_and_keeps_to_a_prefix_or_span() -> None:
    def found(*prefix: str, after: str | None = None, span: tuple[str, str] | None = None) -> list[str]:
        return [row.sk for row in store.iterate_items(PARTITION, *prefix, page_size=PAGE_SIZE, after=after, span=span)]

    assert found(after=ROWS[1]) == ROWS[2:]
    assert found(ROWS[3]) == ROWS[3:4]
    assert found(span=(ROWS[1], ROWS[3])) == ROWS[1:4]
