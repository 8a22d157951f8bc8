"""Console functions of imports."""

from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib import clock, ids
from chalicelib.errors import FieldError, InvalidInput, NotFound
from chalicelib.functions.console_function import ConfirmedInput, Invocation, Output, console_function
from chalicelib.imports import service
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.rules import Import, ImportSource
from chalicelib.json_values import to_json_value

import_functions = Blueprint(__name__)

FileKey = Annotated[str, StringConstraints(pattern=r"^imports/[^\x00-\x1f]{1,900}$")]


class ImportFileInput(ConfirmedInput):
    """Files of the bucket with their mapping; or the id of an import that exists."""

    key: FileKey | None = None
    lines_key: FileKey | None = Field(default=None, description="Of the second file that the mapping joins.")
    mapping: Mapping | None = None
    mail: bool = False
    import_id: Annotated[str, StringConstraints(max_length=40)] | None = None


def _start_dry_run(request: ImportFileInput, invocation: Invocation) -> Output:
    if request.import_id is not None:
        return _describe_import(service.get_import(_check_import_id(request)))
    return _describe_import(_start_import(request, invocation))


@console_function(import_functions, ImportFileInput, dry_run=_start_dry_run)
def import_file(request: ImportFileInput, invocation: Invocation) -> Output:
    """Import a file that was put into the bucket under ``imports/``.

    ``{"key": "imports/customers.csv", "mapping": {…}}`` starts an import as a dry run; with ``"confirm": true`` it
    writes, and with ``"mail": true`` it mails too. ``"lines_key"`` names the second file, where the mapping joins one.
    ``{"import_id": "imp_…"}`` shows an import, with its refusals and warnings by cause, what a dry run would change,
    and the files of the bucket that have all of it; and with ``"confirm": true`` confirms a finished dry run.
    """
    if request.import_id is not None:
        import_id = _check_import_id(request)
        return _describe_import(service.start_import(invocation.context, import_id, dry_run=False))
    return _describe_import(_start_import(request, invocation))


def _start_import(request: ImportFileInput, invocation: Invocation) -> Import:
    if request.key is None or request.mapping is None:
        missing = [name for name in ("key", "mapping") if getattr(request, name) is None]
        raise _invalid(missing, "required", "This field is required, or import_id instead. Send it.")
    created = service.create_import(
        invocation.context,
        request.mapping,
        dry_run=not request.confirm,
        mail=request.mail,
        file=ImportSource(source=request.key),
        lines=ImportSource(source=request.lines_key),
    )
    return service.start_import(invocation.context, created.import_id)


def _check_import_id(request: ImportFileInput) -> str:
    further = sorted(request.model_fields_set - {"import_id", "confirm"})
    if further:
        raise _invalid(further, "not_together", "The import of this id has its files and mapping. Leave this out.")
    if request.import_id is None or not ids.is_generated_id(ids.IMPORT_PREFIX, request.import_id):
        raise NotFound("There is no such import.")
    return request.import_id


def _invalid(fields: list[str], code: str, message: str) -> InvalidInput:
    faults = tuple(FieldError(field, code, message) for field in fields)
    return InvalidInput(
        "invalid_body", "Send the key of a file with its mapping, or the id of an import.", fields=faults
    )


def _describe_import(found: Import) -> Output:
    status = found.state(clock.utc_now())
    shown: Output = {
        "import_id": found.import_id,
        "status": status,
        "dry_run": found.dry_run,
        "rows_read": found.rows_read,
        "counts": found.counts,
        "refusals": to_json_value(found.refusal_causes),
        "warnings": to_json_value(found.warning_causes),
        "changes": to_json_value(found.changes),
        "files": service.get_result_keys(found),
        "reason": found.reason,
    }
    if status in ("queued", "running"):
        return {**shown, "next": f'Send {{"import_id": "{found.import_id}"}} to see how far it is.'}
    if status == "finished" and found.dry_run:
        confirm = f'Send {{"import_id": "{found.import_id}", "confirm": true}} to write what was found.'
        return {**shown, "next": confirm}
    return shown
