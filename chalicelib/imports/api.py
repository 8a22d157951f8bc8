"""Imports over HTTP."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.errors import Forbidden
from chalicelib.imports import rules, service
from chalicelib.imports.inputs import ImportBody, StartBody
from chalicelib.imports.rows.kinds import KINDS
from chalicelib.imports.rules import Import, ImportSource
from chalicelib.permissions import Principal, is_permitted

imports_routes = Routes("imports")


class FindingView(View):
    """Why something of a row was refused, or what is to be warned of."""

    line: int = Field(description="Where in the file the row begins, from 1; 0 where it is about the whole file.")
    kind: str
    file: Literal["file", "lines"] = Field(description="In which file: `lines` is the second one.")
    field: str
    column: str = Field(description="The columns that the field came of.")
    code: str = Field(description="Stable; for programs.")
    message: str = Field(description="For people; says the way out.")
    value: str = Field(description=f"What the row has there, at most {rules.MAX_VALUE_SHOWN} characters of it.")
    other_line: int = Field(description="Where two rows differ, the line of the other one; else 0.")
    other_value: str = Field(description="What that row has there.")
    also: list[str] = Field(
        description="Further kinds of the row that have the same fault, or are refused because of it."
    )


class ExampleView(View):
    """Where a cause was met."""

    line: int
    file: Literal["file", "lines"]
    value: str
    other_line: int
    other_value: str


class CauseView(View):
    """Refusals, or warnings, of one cause."""

    kind: str
    also: list[str] = Field(description="Further kinds of the same rows that have it, or fail by it.")
    field: str
    column: str
    code: str
    message: str
    count: int
    examples: list[ExampleView] = Field(description=f"The first {rules.MAX_EXAMPLES}.")


class ImportChangeView(View):
    """What a dry run would write: a created record, or a field of one that exists, from `before` to `after`."""

    line: int
    kind: str
    id: str
    result: Literal["created", "changed"]
    field: str = Field(description="Empty for a record that is created.")
    before: str | None = Field(description="Null where it has no value.")
    after: str | None


class ImportListed(View):
    """An import."""

    import_id: str
    status: Literal["waiting_for_upload", "queued", "running", "finished", "failed", "expired"]
    dry_run: bool
    mail: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    rows_read: int
    counts: dict[str, dict[str, int]] = Field(
        description="Rows read and refused; of each kind what was created, changed, unchanged and refused."
    )
    reason: str | None = Field(description="Why it failed.")


class ResultsView(View):
    """Addresses of files, JSON Lines and CSV, good for 15 minutes; null where there is nothing to tell."""

    refusals: str | None
    warnings: str | None
    changes: str | None = Field(description="Of a dry run.")
    refusals_csv: str | None
    warnings_csv: str | None
    changes_csv: str | None


class ImportView(ImportListed):
    """An import, and what it found."""

    refusals: list[FindingView] = Field(description=f"The first {rules.MAX_FINDINGS_SHOWN}; `results` leads to all.")
    warnings: list[FindingView] = Field(description=f"The first {rules.MAX_FINDINGS_SHOWN}; `results` leads to all.")
    refusal_causes: list[CauseView] = Field(
        description=f"All refusals by cause. Beyond {rules.MAX_CAUSES_SHOWN} causes, the rest is counted as one."
    )
    warning_causes: list[CauseView] = Field(description="All warnings, in the same form.")
    changes: list[ImportChangeView] = Field(
        description=f"What a dry run would write, the first {rules.MAX_FINDINGS_SHOWN}; `results` leads to all."
    )
    results: ResultsView


class ImportUploadView(View):
    """Where and how to send the file."""

    url: str
    method: Literal["PUT"]
    headers: dict[str, str] = Field(description="Send these fields with the file.")
    expires_at: datetime


class ImportMade(ImportListed):
    """An import, and where to send its file."""

    upload: ImportUploadView | None = Field(description="Null once the file is not waited for any more.")
    upload_lines: ImportUploadView | None = Field(description="The same for the second file. Null if there is none.")


def _listed_values(request: Request[Any, Any], found: Import) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in ImportListed.model_fields}
    return {**told, "status": found.state(request.context.now)}


def _import_view(request: Request[Any, Any], found: Import) -> ImportView:
    addresses = service.get_result_urls(found)
    return ImportView(
        **_listed_values(request, found),
        refusals=[FindingView(**asdict(one)) for one in found.refusals],
        warnings=[FindingView(**asdict(one)) for one in found.warnings],
        refusal_causes=[CauseView(**asdict(one)) for one in found.refusal_causes],
        warning_causes=[CauseView(**asdict(one)) for one in found.warning_causes],
        changes=[ImportChangeView(**asdict(one)) for one in found.changes],
        results=ResultsView(**{name: addresses.get(name) for name in ResultsView.model_fields}),
    )


def _created_view(request: Request[Any, Any], found: Import) -> ImportMade:
    def upload(url: str | None, size: int | None) -> ImportUploadView | None:
        if url is None:
            return None
        headers = {"Content-Length": str(size)} if size is not None else {}
        return ImportUploadView(
            url=url, method="PUT", headers=headers, expires_at=request.context.now + rules.UPLOAD_LIFETIME
        )

    return ImportMade(
        **_listed_values(request, found),
        upload=upload(service.get_upload_url(found), found.size),
        upload_lines=upload(service.get_lines_upload_url(found), found.lines_size),
    )


def _rebuild(request: Request[Any, Any]) -> Reply:
    return Reply(_created_view(request, service.get_import(request.path["import_id"])))


def _check_permission(principal: Principal, kinds: Iterable[str]) -> None:
    """Raise Forbidden when the caller could not write by itself what the import is to write."""
    for name in kinds:
        kind = KINDS.get(name)
        if kind is not None and not is_permitted(principal, kind.may):
            raise Forbidden("forbidden", f"To import {kind.name}, use a key that may write them.")


@imports_routes.get("/v1/imports", may="imports.read", returns={200: Listing[ImportListed]}, paged=True)
def list_imports(request: Request[None, None]) -> Reply:
    """List the imports, newest first."""
    found, after = service.list_imports(request.page.after, request.page.limit)
    return Reply(Listing(items=[ImportListed(**_listed_values(request, one)) for one in found]), after=after)


@imports_routes.get("/v1/imports/{import_id}", may="imports.read", returns={200: ImportView})
def get_import(request: Request[None, None]) -> Reply:
    """Read the progress and findings of an import."""
    return Reply(_import_view(request, service.get_import(request.path["import_id"])))


@imports_routes.post(
    "/v1/imports",
    may="imports.write",
    body=ImportBody,
    returns={202: ImportMade},
    raises=("invalid_mapping",),
    replay=_rebuild,
)
def create_import(request: Request[ImportBody, None]) -> Reply:
    """Create an import. Upload its file to the returned address, then start it.

    The mapping defines how columns become fields; see docs/imports.md. A second file has its own upload address.
    Nothing is written unless `dry_run` is false, here or at the start, and no one is emailed unless `mail` is true.
    """
    body = request.body
    _check_permission(request.principal, (wanted.kind for wanted in body.mapping.kinds))
    made = service.create_import(
        request.context,
        body.mapping,
        dry_run=body.dry_run,
        mail=body.mail,
        file=ImportSource(size=body.size),
        lines=ImportSource(size=body.lines_size),
    )
    return Reply(_created_view(request, made), status=202)


@imports_routes.post(
    "/v1/imports/{import_id}/start",
    may="imports.write",
    body=StartBody,
    body_optional=True,
    returns={202: ImportView},
    raises=(
        "upload_missing",
        "import_is_running",
        "import_is_finished",
        "import_is_failed",
        "import_is_expired",
        "file_changed",
        "invalid",
    ),
    replay=get_import,
)
def start_import(request: Request[StartBody, None]) -> Reply:
    """Start an import once its file is uploaded. Confirm a finished dry run with `dry_run` false."""
    body: StartBody | None = request.body
    import_id = request.path["import_id"]
    # Whoever starts an import acts in it, and may be somebody else than who made it.
    made = service.get_import(import_id)
    _check_permission(request.principal, (wanted["kind"] for wanted in made.mapping["kinds"]))
    started = service.start_import(request.context, import_id, body.dry_run if body else None)
    return Reply(_import_view(request, started), status=202)
