"""How the code is built, in figures: ``python -m tests.bench.house [PATH]``.

Of the checkout below PATH, or of this one. Nothing of it is run, so another commit is measured by this same file:
``git worktree add ../before HEAD~9 && python -m tests.bench.house ../before``.

An import is a pair of modules, of which one imports the other anywhere, be it in a function; an arrow is a pair of
packages between whose modules there is at least one.
"""

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import grimp

ROOT = "chalicelib"
OURS = (ROOT, "app", "infra", "tests")
LONG = 50
"""A function of more lines is long."""
NAMED = 5
"""So many of a kind are named."""

Row = tuple[str, object]


@dataclass(frozen=True)
class Module:
    """A module as it is written."""

    name: str
    path: Path
    text: str

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))


class House:
    """The modules of a checkout, and who imports whom."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.modules = {one.name: one for one in _modules(path, path / ROOT)}
        # grimp looks for the package where Python would.
        sys.path.insert(0, str(path))
        self.graph = grimp.build_graph(ROOT, include_external_packages=True, cache_dir=None)
        found = {name for name in self.graph.modules if _inside(name, ROOT)}
        assert found == set(self.modules), f"no module for grimp: {sorted(found ^ set(self.modules))}"

    @property
    def packages(self) -> list[str]:
        """All packages below the root, at every depth."""
        return sorted(name for name, one in self.modules.items() if one.is_package and name != ROOT)

    def imports(self, inside: str = ROOT) -> set[tuple[str, str]]:
        """Return every pair of modules inside a package of which the first imports the second."""
        names = [name for name in self.modules if _inside(name, inside)]
        return {
            (one, other)
            for one in names
            for other in self.graph.find_modules_directly_imported_by(one)
            if _inside(other, inside)
        }

    def between(self, parent: str) -> list[tuple[str, str]]:
        """Return, for each import between two different children of a package, which two these are."""
        pairs = ((_child(one, parent), _child(other, parent)) for one, other in self.imports(parent))
        return [(one, other) for one, other in pairs if one != other]

    def cycles(self, graph: grimp.ImportGraph) -> list[list[str]]:
        """Return the groups of modules in which each one leads to each other, the largest first."""
        ahead = {
            name: {one for one in graph.find_upstream_modules(name) if _inside(one, ROOT)}
            for name in graph.modules
            if _inside(name, ROOT)
        }
        groups = {frozenset({name, *(one for one in behind if name in ahead[one])}) for name, behind in ahead.items()}
        return sorted((sorted(group) for group in groups if len(group) > 1), key=lambda group: (-len(group), group))

    def knots(self, parent: str = ROOT) -> list[list[str]]:
        """Return the cycles among the children of a package, each of which counts as one module."""
        graph = deepcopy(self.graph)
        for package in self.packages:
            if package.rpartition(".")[0] == parent:
                graph.squash_module(package)
        return [group for group in self.cycles(graph) if all(_inside(one, parent) for one in group)]


def _modules(root: Path, *places: Path) -> Iterator[Module]:
    for place in places:
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path, path.read_text())


def _inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _child(name: str, parent: str) -> str:
    """Return the child of a package in which a module lies; the package's own ``__init__`` is one, as the package."""
    return ".".join(name.split(".")[: parent.count(".") + 2])


def _short(names: Iterable[str]) -> str:
    return ", ".join(name.removeprefix(f"{ROOT}.") for name in names)


def sizes(house: House) -> Iterator[Row]:
    """How much there is."""
    every = list(house.modules.values())
    yield "modules", len(every)
    yield "lines", sum(one.lines for one in every)
    top = [package for package in house.packages if package.count(".") == 1]
    yield "packages at top level", len(top)
    beside = [name for name, one in house.modules.items() if name.count(".") == 1 and not one.is_package]
    yield "modules beside them", f"{len(beside)}: {_short(sorted(beside))}"
    yield "packages below them", len(house.packages) - len(top)
    rows = house.modules.get(f"{ROOT}.table.items")
    yield "lines of table/items.py", rows.lines if rows else "no such file"
    largest = sorted(every, key=lambda one: -one.lines)[:NAMED]
    yield "largest modules", ", ".join(f"{_short([one.name])} {one.lines}" for one in largest)
    functions = sorted(_functions(every), reverse=True)
    yield "longest function", "{} lines: {}".format(*functions[0])
    long = [f"{name} {lines}" for lines, name in functions if lines > LONG]
    yield f"functions over {LONG} lines", f"{len(long)} of {len(functions)}" + "".join(f"\n{one}" for one in long)


def _functions(modules: Iterable[Module]) -> Iterator[tuple[int, str]]:
    """Return the lines of each function, its decorators not counted, and its name."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{_short([module.name])}.{node.name}"


def names(house: House) -> Iterator[Row]:
    """Whether a name says which module is meant."""
    counted = Counter(name.rpartition(".")[2] for name, one in house.modules.items() if not one.is_package)
    once = sum(number == 1 for number in counted.values())
    yield "module names that occur once", f"{once} of {len(counted)} names, {once} of {counted.total()} modules"
    often = [f"{name} {number}" for name, number in counted.most_common(NAMED) if number > 1]
    yield "names that occur most often", ", ".join(often) or "none"
    yield f"import aliases in {ROOT}", _aliases(house, [house.path / ROOT])
    yield "import aliases in app, infra, tests", _aliases(house, [house.path / one for one in ("app.py", *OURS[2:])])


def _aliases(house: House, places: Iterable[Path]) -> str:
    """Count the imports under another name; a name that is re-exported as ``x as x`` is none."""
    found = Counter[str]()
    known = {one.name for one in _modules(house.path, *(house.path / place for place in ("app.py", ROOT, *OURS[2:])))}
    for module in _modules(house.path, *places):
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            source = "" if isinstance(node, ast.Import) else f"{node.module or ''}."
            ours = isinstance(node, ast.ImportFrom) and node.level > 0
            for alias in node.names:
                if alias.asname in (None, alias.name):
                    continue
                whole = f"{source}{alias.name}"
                if ours or whole.partition(".")[0] in OURS:
                    found["modules" if whole in known else "names"] += 1
                else:
                    found["foreign"] += 1
    total = found.total()
    return f"{total}: {found['modules']} of our modules, {found['names']} of our names, {found['foreign']} of others'"


def imports(house: House) -> Iterator[Row]:
    """Who imports whom."""
    packages = set(house.packages)
    between = house.between(ROOT)
    yield "imports between modules", len(house.imports())
    yield "imports between packages", sum({one, other} <= packages for one, other in between)
    yield "arrows between packages", len({pair for pair in between if packages.issuperset(pair)})
    yield "the same, modules beside them included", len(set(between))
    yield "packages (and modules beside) in a cycle", _told(house.knots())
    yield "modules in a cycle", _told(house.cycles(house.graph))


def _told(groups: list[list[str]]) -> str:
    return str(sum(map(len, groups))) + "".join(f"\n{_short(group)}" for group in groups)


def insides(house: House) -> Iterator[Row]:
    """What the packages are like inside."""
    for package in house.packages:
        rooms = {one for one in house.packages if one.rpartition(".")[0] == package}
        if rooms:
            between = house.between(package)
            within = [pair for pair in between if rooms.issuperset(pair)]
            yield (
                f"inside {_short([package])}",
                f"{len(rooms)} sub-packages, between them {len(within)} imports in {len(set(within))} arrows;"
                f" {len(between) - len(within)} imports to or from modules beside them;"
                f" in a cycle: {_told(house.knots(package))}",
            )
    inside = {package: len(house.imports(package)) for package in house.packages}
    reminders = [package for package in house.packages if package.rpartition(".")[2] == "reminders"]
    most = sorted(inside, key=lambda package: (-inside[package], package))[:NAMED]
    for package in dict.fromkeys(reminders + most):
        files = sum(_inside(name, package) for name in house.modules)
        yield f"imports between files of {_short([package])}", f"{inside[package]}, of {files} files"


def exceptions(house: House) -> Iterator[Row]:
    """What the contracts of import-linter leave out."""
    rules = tomllib.loads((house.path / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    left = [expression for rule in rules for expression in rule.get("ignore_imports", [])]
    matched = {
        (one["importer"], one["imported"])
        for expression in left
        for one in house.graph.find_matching_direct_imports(expression)
    }
    yield "contracts of import-linter", len(rules)
    yield "exceptions in them", f"{len(left)} lines, which leave out {len(matched)} imports"


def main(path: Path) -> None:
    """Print a table."""
    house = House(path)
    for chapter in (sizes, names, imports, insides, exceptions):
        for word, figure in chapter(house):
            first, *others = str(figure).split("\n")
            print(f"{word:44}{first}")
            for other in others:
                print(f"{'':46}{other}")
        print()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve())
