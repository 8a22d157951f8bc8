"""``make import FILE=… [LINES=…] MAPPING=… [CONFIRM=1]``: import files through the API of the running service.

LINES is the second file, if the mapping joins one. Without CONFIRM it is a dry run. MAIL=1 emails the contacts.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.local.folder import DataFolder, read_json
from infra.local.sample.load import USER_AGENT

_PAUSE_SECONDS = 0.3
_SECONDS = 60
_OVER = {"finished", "failed", "expired"}
_TABLES = ("refusals", "warnings", "changes")
_CHANGES_SHOWN = 10

Data = dict[str, Any]

# Local requests never use a proxy.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_direct.addheaders = [("User-Agent", USER_AGENT)]


class ImportFileError(Exception):
    """The file is not imported; the message is for the user."""


def import_file(
    url: str, api_key: str, file: Path, mapping: Data, *, confirm: bool, mail: bool, lines: Path | None = None
) -> Data:
    """Import ``file``, and the second file ``lines``, through the API at ``url``; return the finished import.

    Raises ImportFileError.
    """
    body = {"mapping": mapping, "dry_run": not confirm, "mail": mail, "size": file.stat().st_size}
    if lines is not None:
        body["lines_size"] = lines.stat().st_size
    made = _call(url, api_key, "POST", "/v1/imports", body)
    if made["upload_lines"] is not None and lines is None:
        raise ImportFileError("The mapping joins a second file. Say LINES=…; docs/imports.md explains it.")
    for sent, upload in ((file, made["upload"]), (lines, made["upload_lines"])):
        if sent is not None:
            _send(sent, upload)
    path = f"/v1/imports/{made['import_id']}"
    found = _call(url, api_key, "POST", f"{path}/start", {})
    while found["status"] not in _OVER:
        time.sleep(_PAUSE_SECONDS)
        found = _call(url, api_key, "GET", path)
    return found


def _send(file: Path, upload: Data) -> None:
    with file.open("rb") as content:
        headers = {"Content-Length": str(file.stat().st_size), **upload["headers"]}
        _answer(urllib.request.Request(upload["url"], content, headers, method=upload["method"]))


def save_tables(found: Data, folder: Path) -> dict[str, Path]:
    """Save all refusals, warnings and changes of a finished import as CSV files in ``folder``; return their paths."""
    saved = {}
    for name in _TABLES:
        address = found["results"][f"{name}_csv"]
        if address is not None:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{found['import_id']}-{name}.csv"
            path.write_bytes(_answer(urllib.request.Request(address)))
            saved[name] = path
    return saved


def _described(cause: Data) -> list[str]:
    """Return the lines that tell of a cause: how often, where, why, and its examples."""
    kinds = " and ".join(filter(None, [cause["kind"], *cause["also"]]))
    column = f" (column {cause['column']})" if cause["column"] else ""
    place = ", ".join(filter(None, [kinds, f"{cause['field']}{column}".strip()]))
    lines = [f"  {cause['count']:,} × {place or 'the file'}: {cause['message']} [{cause['code']}]"]
    for example in cause["examples"]:
        file = "second file, " if example["file"] == "lines" else ""
        told = [f"{file}line {example['line']}" + (f' has "{example["value"]}"' if example["value"] else "")]
        if example["other_line"]:
            told.append(f'line {example["other_line"]} "{example["other_value"]}"')
        lines.append(f"      {', '.join(told)}")
    return lines


def _shown_change(change: Data) -> str:
    where = f"  line {change['line']}: {change['kind']} {change['id']}"
    if change["result"] == "created":
        return f"{where} would be created"
    before, after = ("nothing" if value is None else f'"{value}"' for value in (change["before"], change["after"]))
    return f"{where}, {change['field']}: {before} → {after}"


def show(found: Data, saved: dict[str, Path], say: Callable[[str], None] = print) -> None:
    """Print what an import did, what it rejected and warned of by cause, and what a dry run would change.

    ``saved`` are the files that hold all of it.
    """
    say(f"{found['import_id']}: {found['status']}, {found['rows_read']} rows read.")
    for kind, counts in found["counts"].items():
        if kind != "rows":
            say(f"  {kind}: " + ", ".join(f"{count} {done}" for done, count in counts.items()))
    for name, causes in (("warnings", found["warning_causes"]), ("refusals", found["refusal_causes"])):
        if causes:
            say(f"\n{name.capitalize()}: {sum(cause['count'] for cause in causes):,}")
            for line in (line for cause in causes for line in _described(cause)):
                say(line)
            say(f"  All of them: {saved[name]}")
    # Who reads a dry run looks for what would be overwritten first.
    changes = sorted(found["changes"], key=lambda change: change["result"] == "created")
    if changes:
        say("\nIt would write:")
        for change in changes[:_CHANGES_SHOWN]:
            say(_shown_change(change))
        say(f"  All of it: {saved['changes']}")
    if found["reason"]:
        say(f"\nIt failed: {found['reason']}")
    if found["dry_run"] and found["status"] == "finished":
        say("\nThis was a dry run; nothing was written. Add CONFIRM=1 to write.")


def _call(url: str, api_key: str, method: str, path: str, body: Data | None = None) -> Data:
    content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    reply: Data = json.loads(_answer(urllib.request.Request(f"{url}{path}", content, headers, method=method)))
    return reply


def _answer(request: urllib.request.Request) -> bytes:
    where = f"{request.get_method()} {request.full_url.partition('?')[0]}"
    try:
        with _direct.open(request, timeout=_SECONDS) as response:
            answer: bytes = response.read()
            return answer
    except urllib.error.HTTPError as error:
        raise ImportFileError(f"{where} was answered {error.code}:\n{_explained(error.read())}") from error
    except OSError as error:
        raise ImportFileError(f"{where} was not answered: {error}") from error


def _explained(answer: bytes) -> str:
    try:
        problem = json.loads(answer)
        faults = [f"  {fault['field']}: {fault['message']}" for fault in problem.get("errors", [])]
        return "\n".join([problem["detail"], *faults])
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.decode(errors="replace")


def _chosen() -> tuple[Path, Path | None, Data, Data]:
    """Return the file, the second file, the mapping and the URLs that the environment names."""
    named = {name: os.environ.get(name, "").strip() for name in ("FILE", "MAPPING", "LINES")}
    missing = [f"{name}=…" for name, value in named.items() if not value and name != "LINES"]
    if missing:
        raise ImportFileError(f"Say {' and '.join(missing)}; docs/imports.md explains them.")
    paths = {name: Path(value).expanduser() for name, value in named.items() if value}
    for path in paths.values():
        if not path.is_file():
            raise ImportFileError(f"There is no file {path}.")
    mapping_file = paths["MAPPING"]
    try:
        mapping = json.loads(mapping_file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ImportFileError(f"{mapping_file} is not JSON: {error}.") from error
    folder = DataFolder.chosen()
    local = read_json(folder.local)
    if local is None or not folder.is_in_use():
        raise ImportFileError(f"No service runs on {folder.root}; start it with `make run`, or name its DATA_DIR.")
    return paths["FILE"], paths.get("LINES"), mapping, local


def main() -> int:
    """Import FILE by MAPPING, both from the environment. The exit status is 1 when anything was rejected."""
    try:
        file, lines, mapping, local = _chosen()
        flags = {name: os.environ.get(name, "").strip() not in ("", "0") for name in ("CONFIRM", "MAIL")}
        url, api_key = local["api"], local["api_key"]
        confirm, mail = flags["CONFIRM"], flags["MAIL"]
        found = import_file(url, api_key, file, mapping, confirm=confirm, mail=mail, lines=lines)
        show(found, save_tables(found, DataFolder.chosen().imports))
    except ImportFileError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The import goes on without you.", file=sys.stderr)
        return 1
    refused = sum(found["counts"].get(name, {"refused": 0})["refused"] for name in ("rows", "lines"))
    return 0 if found["status"] == "finished" and not refused else 1


if __name__ == "__main__":
    sys.exit(main())
