"""How long a row of an import takes: ``python -m tests.bench.imports [ROWS]``, on the local engine.

It imports the table of ``tests/receivables.py``, first as a dry run, then for real, then again, and prints the
milliseconds and the AWS calls of a row.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from chalicelib.entities import service as entities
from infra.local.engine import start
from tests.aws import forget
from tests.aws_calls import counted
from tests.engine import make_environment
from tests.integration.imports.imports import CALL, ENTITY, mapping, prepare, run
from tests.receivables import receivables, receivables_kinds

_DEFAULT_ROWS = 200


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else _DEFAULT_ROWS
    content = receivables(rows).encode()
    with tempfile.TemporaryDirectory() as folder:
        engine = start(Path(folder) / "state", Path(folder) / "logs", saves=False)
        try:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                del os.environ[name]
            os.environ.update(make_environment(engine))
            forget()
            entities.put_entity(CALL, "acme", ENTITY)
            wanted = mapping(*receivables_kinds())
            first = 0.0
            for name, dry_run in (("dry run", True), ("written", False), ("again", False)):
                import_id = prepare(content, wanted, dry_run=dry_run)
                began = time.perf_counter()
                with counted() as calls:
                    found = run(import_id)
                taken = (time.perf_counter() - began) * 1000 / rows
                made = ", ".join(f"{count / rows:.2f} {call}" for call, count in Counter(calls.names).most_common())
                first = first or taken
                print(f"{name:8} {found.status} {taken / first:5.2f} of a dry run; calls a row: {made}; {found.counts}")
        finally:
            engine.stop()


if __name__ == "__main__":
    main()
