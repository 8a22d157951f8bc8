"""Reminder templates: an issuing entity's own words for steps of its reminders (R1).

A step of a policy names one. A mail takes its text for the reader's language; where there is none, or the template was
deleted since, it says what the product says in the tone of the step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import FieldError, InvalidInput, NotFound, StaleVersion
from chalicelib.field_marks import NotAudited, NotPersonal
from chalicelib.reminders.policy.wording import TemplateText
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderTemplateItem
from chalicelib.table.keys import Key


@dataclass(frozen=True)
class ReminderTemplate:
    """The words of an entity for steps of its reminders, by language (BCP 47)."""

    entity_id: NotAudited[NotPersonal[str]]
    template_id: NotAudited[NotPersonal[str]]
    texts: NotPersonal[Mapping[str, TemplateText]]
    version: NotAudited[int] = 1


@dataclass(frozen=True)
class WrittenTemplate:
    """A template after a write, and whether the write made it."""

    template: ReminderTemplate
    created: bool


def get_reminder_template(entity_id: str, template_id: str) -> ReminderTemplate:
    """Read a template of an entity. Raises NotFound."""
    item = store.get_item(ReminderTemplateItem, keys.reminder_template(entity_id, template_id))
    if item is None:
        raise NotFound()
    return store.from_item(ReminderTemplate, item)


def list_reminder_templates(entity_id: str, after: str | None, limit: int) -> tuple[list[ReminderTemplate], str | None]:
    """Return a page of an entity's templates in order of their ids. Raises NotFound without the entity."""
    if after is None and keys.entity(entity_id) not in store.batch_get_items([keys.entity(entity_id)]):
        raise NotFound()
    beginning = keys.reminder_templates(entity_id)
    page = store.query_items(beginning.pk, beginning.sk, limit=limit, after=after)
    return [store.from_item(ReminderTemplate, item) for item in page.items], page.after


def put_reminder_template(
    context: RequestContext,
    entity_id: str,
    template_id: str,
    texts: Mapping[str, Any],
    expected_version: int | None = None,
) -> WrittenTemplate:
    """Make a template or replace its texts, all of them. The same again writes nothing.

    Mails that are not claimed yet say the new words. Raises NotFound without the entity, StaleVersion.
    """

    def attempt() -> WrittenTemplate:
        key = keys.reminder_template(entity_id, template_id)
        entity, item = store.get_items_for_write(context, keys.entity(entity_id), key)
        if entity is None:
            raise NotFound()
        before = store.from_item(ReminderTemplate, item) if item else None
        version = before.version if before else 0
        if expected_version is not None and expected_version != version:
            raise StaleVersion(version)
        own = {locale: TemplateText(**text) for locale, text in texts.items()}
        after = ReminderTemplate(entity_id, template_id, own, version or 1)
        if after == before:
            return WrittenTemplate(before, created=False)
        transaction = store.Transaction(context)
        row = store.to_item(ReminderTemplateItem, key, after)
        transaction.put(row, new=before is None)
        transaction.check_exists(entity)
        _record_change(transaction, context, "changed" if before else "created", before, after, after)
        transaction.record_response(template_id, 200 if before else 201)
        transaction.commit()
        return WrittenTemplate(replace(after, version=int(row.version)), created=before is None)

    return store.retry_on_conflict(attempt)


def delete_reminder_template(context: RequestContext, entity_id: str, template_id: str) -> None:
    """Delete a template, whether steps name it or not: those fall back to the words of their tone. Raises NotFound."""

    def attempt() -> None:
        (item,) = store.get_items_for_write(context, keys.reminder_template(entity_id, template_id))
        if item is None:
            raise NotFound()
        transaction = store.Transaction(context)
        transaction.delete(item)
        before = store.from_item(ReminderTemplate, item)
        _record_change(transaction, context, "deleted", before, None, before)
        transaction.record_response(template_id, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def named_template_keys(entity_id: str, given: Mapping[str, Any]) -> list[Key]:
    """Return the keys of the templates that the steps of a policy in ``given`` name."""
    named = (step.get("template") for step in given.get("steps") or ())
    return [keys.reminder_template(entity_id, one) for one in named if one is not None]


def check_templates_exist(entity_id: str, given: Mapping[str, Any], found: Mapping[Key, Any]) -> None:
    """Raise InvalidInput that names each step in ``given`` whose template is not among the ``found`` rows."""
    faults = tuple(
        FieldError(
            f"steps[{number}].template",
            "unknown_template",
            "The issuing entity has no such reminder template. Create it first, or send null for the standard text.",
        )
        for number, step in enumerate(given.get("steps") or ())
        if step.get("template") is not None and keys.reminder_template(entity_id, step["template"]) not in found
    )
    if faults:
        raise InvalidInput("invalid", faults[0].message, fields=faults)


def _record_change(
    transaction: store.Transaction,
    context: RequestContext,
    done: str,
    before: ReminderTemplate | None,
    after: ReminderTemplate | None,
    named: ReminderTemplate,
) -> None:
    record_audit_event(
        transaction,
        context,
        f"reminder_template.{done}",
        "reminder_template",
        named.template_id,
        diff_fields(before, after),
        entity_id=named.entity_id,
    )
