"""Tells what the last run of mutmut found: the share of mutants that tests caught, by module, and what survived.

``python -m infra.mutants`` reads what ``mutmut run`` has left in ``mutants``. docs/testing.md tells how to read it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

FOLDER = Path("mutants")
CAUGHT = {"killed", "timeout", "segfault", "caught by type check"}
UNTESTED = "no tests"
UNTRIED = {"not checked", "skipped", "check was interrupted by user"}

_TEXT = re.compile(r'f?"[^"]*"')
_WORDS = re.compile(r"\w[,.;:]? +\w")


@dataclass(frozen=True)
class Mutant:
    """One fault that was made, and what became of it."""

    name: str
    source: str
    fate: str
    change: str
    """The lines that it took away and put in their place."""


def main() -> None:
    """Print the score of each module and of all, then the survivors, then what no test reaches."""
    mutants = [mutant for mutant in _tried() if not _changes_words_only(mutant.change)]
    print(f"{'':40}mutants  caught  survived  untested   score")
    for source in sorted({mutant.source for mutant in mutants}):
        print(_score(source, [mutant for mutant in mutants if mutant.source == source]))
    print(_score("all", mutants))
    for mutant in mutants:
        if mutant.fate not in CAUGHT and mutant.fate != UNTESTED:
            print(f"\n{mutant.name}{'' if mutant.fate == 'survived' else f' ({mutant.fate})'}\n{mutant.change}")
    untested = Counter(mutant.name.rpartition("__mutmut_")[0] for mutant in mutants if mutant.fate == UNTESTED)
    print("\nNot reached by these tests, with the number of mutants:")
    for function, count in sorted(untested.items()):
        print(f"{count:6}  {function}")


def _tried() -> Iterator[Mutant]:
    for kept in sorted(FOLDER.rglob("*.meta")):
        source = str(kept.relative_to(FOLDER)).removesuffix(".meta")
        for name, code in json.loads(kept.read_text())["exit_code_by_key"].items():
            fate = status_by_exit_code[code]
            if fate not in UNTRIED:
                lines = get_diff_for_mutant(name, path=source).splitlines()[2:]
                yield Mutant(name, source, fate, "\n".join(line for line in lines if line.startswith(("-", "+"))))


def _changes_words_only(change: str) -> bool:
    """Tell whether nothing but a text that people read has changed, which tests leave alone."""
    masked = _TEXT.sub(lambda text: "None" if _WORDS.search(text[0]) else text[0], change)
    before = [line[1:].strip() for line in masked.splitlines() if line[0] == "-"]
    after = [line[1:].strip() for line in masked.splitlines() if line[0] == "+"]
    # A text may go over several lines.
    return re.sub(r"None (?=None)", "", " ".join(before)) == re.sub(r"None (?=None)", "", " ".join(after))


def _score(name: str, mutants: list[Mutant]) -> str:
    fates = Counter(mutant.fate for mutant in mutants)
    caught = sum(fates[fate] for fate in CAUGHT)
    survived = fates.total() - caught - fates[UNTESTED]
    share = f"{caught / fates.total():7.1%}" if fates else ""
    return f"{name:40}{fates.total():7}{caught:8}{survived:10}{fates[UNTESTED]:10} {share}"


if __name__ == "__main__":
    main()
