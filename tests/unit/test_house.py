"""The rules of the house (docs/architecture.md): who may import whom, who spells keys, who reads the clock."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "chalicelib").rglob("*.py"))
EDGES = ("api", "jobs", "pages")
# What every edge of a capability may use besides its own capability.
SHARED = {
    "api", "clock", "config", "errors", "field_types", "ids", "languages", "observability", "permissions",
    "request_context", "validation", "web",
}  # fmt: skip
# What serves every capability and owns no part of the domain.
INFRASTRUCTURE = {"api", "console", "functions", "http", "portal", "table", "tasks", "web"}
ARCHITECTURE = ROOT / "docs" / "architecture.md"
KEY_TEXT = re.compile(r"[A-Z]{4,}#")
SPLITS = {"partition", "removeprefix", "removesuffix", "rpartition", "rsplit", "split"}
CLOCKS = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(")


def test_the_import_contracts_are_stored() -> None:
    # In a process of its own, since it switches the loggers of its process off.
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_an_edge_calls_its_own_capability_only() -> None:
    graph = grimp.build_graph("chalicelib")
    strangers = []
    for module in graph.modules:
        parts = module.split(".")
        if len(parts) != 3 or parts[2] not in EDGES or parts[1] in SHARED:
            continue
        for imported in graph.find_modules_directly_imported_by(module):
            there = imported.split(".")
            own = len(there) < 2 or there[1] == parts[1] or there[1] in SHARED
            # A queue function works by the consumer of tasks; the form of a field is the same everywhere.
            lent = there[1:2] == ["tasks"] or there[2:3] == ["inputs"]
            if not own and not lent:
                strangers.append(f"{module} -> {imported}")
    assert strangers == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_only_keys_handles_the_text_of_keys_and_only_clock_reads_the_clock(source: Path) -> None:
    text = source.read_text()
    if source != ROOT / "chalicelib/table/keys.py":
        assert _key_handling(ast.parse(text)) == []
    if source != ROOT / "chalicelib/clock.py":
        assert CLOCKS.search(text) is None


def _key_handling(tree: ast.AST) -> list[str]:
    """Return the expressions that spell a key or take one apart."""
    found: list[str] = []
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Constant(value=str(text)) if KEY_TEXT.search(text):
                found.append(text)
            case ast.JoinedStr(values=[_, *others]) if any("#" in _text(one) for one in others):
                found.append(ast.unparse(node))
            case ast.Call(func=ast.Attribute(attr=method), args=[part, *_]) if method in SPLITS and "#" in _text(part):
                found.append(ast.unparse(node))
            case ast.Subscript(value=ast.Attribute(attr="pk" | "sk")):
                found.append(ast.unparse(node))
        found += _key_handling(node)
    return found


def _text(node: ast.AST) -> str:
    return "".join(str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant))


@pytest.mark.parametrize(
    "line",
    [
        'Key("ACCOUNT#a1", "ROLES")',
        'Key(f"ACCOUNT#{account_id}", "ROLES")',
        'rows(pk, "AUDIT#")',
        'f"{day}#{invoice_id}"',
        'row.sk.split("#")',
        'row.sk.rpartition("#")[2]',
        'sk.removesuffix(f"{day}#")',
        "row.pk[8:]",
    ],
)
def test_keys_that_are_spelt_or_taken_apart_are_found(line: str) -> None:
    assert _key_handling(ast.parse(f"value = {line}"))


def test_only_the_store_walks_through_pages() -> None:
    """What walks on to the end uses ``store.iterate_items``."""
    queries = re.compile(r"\bstore\.query_items\w*\(")
    walking = [
        f"{source.relative_to(ROOT)}:{node.lineno}"
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and queries.search(ast.unparse(node))
    ]
    assert walking == []


def test_each_file_of_a_capability_has_a_standard_name_or_is_listed() -> None:
    """docs/architecture.md, "The house": the first table gives the standard names, the second all others."""
    house = ARCHITECTURE.read_text().partition("\n## The house\n")[2].partition("\n## ")[0]
    standard = set(re.findall(r"^\| `(\w+)\.py`", house, re.MULTILINE))
    assert {"rules", "service", "api"} <= standard
    listed = house.partition("<!-- modules: begin -->")[2].partition("<!-- modules: end -->")[0]
    documented = sorted(re.findall(r"^\| `([\w/]+)`", listed, re.MULTILINE))
    modules = [source.relative_to(ROOT / "chalicelib").with_suffix("") for source in SOURCES]
    others = sorted(
        str(module)
        for module in modules
        if len(module.parts) > 1
        and module.parts[0] not in INFRASTRUCTURE
        and module.name != "__init__"
        and not any(module.name == name or module.name.endswith(f"_{name}") for name in standard)
    )
    assert documented == others
