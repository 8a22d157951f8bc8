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
_COLUMNS = ("file", "line", "kind", "field", "column", "code", "message")

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


def all_of(found: Data, name: str) -> list[Data]:
    """Return all refusals, or all warnings, of a finished import."""
    address = found["results"][name]
    if address is None:
        return list(found[name])
    return [json.loads(line) for line in _answer(urllib.request.Request(address)).splitlines()]


def table(rows: list[Data]) -> str:
    """Return refusals or warnings as a table for people."""
    cells = [[str(row[column]) for column in _COLUMNS] for row in rows]
    cells.insert(0, list(_COLUMNS))
    widths = [max(len(line[place]) for line in cells) for place in range(len(_COLUMNS) - 1)]
    return "\n".join("  ".join([*map(str.ljust, line, widths), line[-1]]).rstrip() for line in cells)


def show(found: Data, say: Callable[[str], None] = print) -> None:
    """Print what an import did and what it rejected."""
    say(f"{found['import_id']}: {found['status']}, {found['rows_read']} rows read.")
    for kind, counts in found["counts"].items():
        if kind != "rows":
            say(f"  {kind}: " + ", ".join(f"{count} {done}" for done, count in counts.items()))
    for name in ("warnings", "refusals"):
        rows = all_of(found, name)
        if rows:
            say(f"\n{name.capitalize()}:\n{table(rows)}")
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
        show(found)
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
