"""The rules of the house (docs/architecture.md): who may import whom, who spells keys, who reads the clock."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "chalicelib").rglob("*.py"))
# What serves every capability and owns no part of the domain.
INFRASTRUCTURE = {"api", "console", "functions", "http", "portal", "table", "tasks", "web"}
ARCHITECTURE = ROOT / "docs" / "architecture.md"
KEY_TEXT = re.compile(r"[A-Z]{4,}#")
SPLITS = {"partition", "removeprefix", "removesuffix", "rpartition", "rsplit", "split"}
CLOCKS = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(")


def test_the_import_contracts_hold() -> None:
    # In a process of its own, since it switches the loggers of its process off.
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def _imports() -> Iterator[tuple[list[str], list[str]]]:
    """Yield every direct import of a module of a package, both names split at their dots."""
    graph = grimp.build_graph("chalicelib")
    for module in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            if module.count(".") > 1:
                yield module.split("."), imported.split(".")


def _is_edge(module: list[str]) -> bool:
    return module[-1] in ("api", "jobs") or module[-1].endswith("_api")


def test_an_api_and_a_job_call_their_own_capability_only() -> None:
    strangers = []
    for module, imported in _imports():
        if module[1] in INFRASTRUCTURE or not _is_edge(module):
            continue
        own = imported[1] in (module[1], "api")
        beside_the_packages = len(imported) == 2
        inputs_of_another = imported[-1] == "inputs"
        # A queue function runs the consumer of tasks.
        consumer = module[-1] == "jobs" and imported[1] == "tasks"
        if not (own or beside_the_packages or inputs_of_another or consumer):
            strangers.append(f"{'.'.join(module)} -> {'.'.join(imported)}")
    assert strangers == []


def test_json_is_for_apis_and_html_for_the_portal_and_the_console() -> None:
    html = {module[1] for module, imported in _imports() if imported[1] == "web" != module[1]}
    assert html == {"console", "http", "portal"}
    json = [module for module, imported in _imports() if imported[1] == "api" != module[1]]
    # A form refuses a bad request with the same errors.
    others = {".".join(module[1:]) for module in json if not _is_edge(module) and module[-1] != "views"}
    assert {name for name in others if not name.startswith("http.")} == {"web.forms"}


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


def test_documentation_names_existing_files() -> None:
    """Decisions are dated and may name files of their day."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    places = (ROOT, ROOT / "chalicelib")
    missing = []
    for page in pages:
        for path in re.findall(r"`((?:[\w.-]+/)+[\w-]+\.\w+)`", page.read_text()):
            if not path.startswith("build/") and not any((place / path).exists() for place in places):
                missing.append(f"{page.name}: {path}")
    assert missing == []


def test_only_staff_lists_the_staff() -> None:
    strangers = [source for source in SOURCES if "keys.staff_listed(" in source.read_text()]
    assert strangers == [ROOT / "chalicelib/staff/service.py"]


def test_every_decision_is_indexed() -> None:
    folder = ROOT / "docs" / "decisions"
    decisions = sorted(page.name for page in folder.glob("2*.md"))
    assert sorted(re.findall(r"\]\((2[\w-]+\.md)\)", (folder / "README.md").read_text())) == decisions


def test_every_email_is_sent_by_somebody() -> None:
    """A function of ``emails.py`` that returns a mail is called by another module."""
    trees = {source: ast.parse(source.read_text()) for source in SOURCES}
    unsent = [
        f"{source.relative_to(ROOT)}: {node.name}"
        for source, tree in trees.items()
        if source.name == "emails.py"
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and "Mail" in _returned(node)
        if not any(_calls(other, node.name) for place, other in trees.items() if place != source)
    ]
    assert unsent == []


def _returned(function: ast.FunctionDef) -> set[str]:
    return {node.id for node in ast.walk(function.returns or ast.Pass()) if isinstance(node, ast.Name)}


def _calls(tree: ast.AST, name: str) -> bool:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(name == (one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "")) for one in called)
