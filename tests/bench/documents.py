"""How fast PDFs are made, and with how much memory: ``python -m tests.bench.documents``.

Each size runs in a process of its own, for memory is a peak. Times are processor time of one core. So that figures of
two machines can be compared, they stand as ratios too: to a yardstick of plain Python, and of one size to the other.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from chalicelib.invoices.pdf.layout import render_invoice
from chalicelib.invoices.rules import Content
from tests.unit.invoices.contents import content, line

ROUNDS = {20: 60, 400: 12}


def invoice(lines: int) -> Content:
    """Return an invoice of so many lines of the usual kind."""
    made = (
        line(str(number % 9 + 1), "49.90", description=f"Service {number}, monthly", details="Project Phoenix")
        for number in range(lines)
    )
    return content(*made, locale="en-GB", portal_url="https://pay.example/x")


def measured(lines: int) -> dict[str, float]:
    """Return seconds for the first PDF and for each later one, bytes, and the peak of memory in MB."""
    made = invoice(lines)
    first = _seconds(lambda: render_invoice(made))
    # Each has a number of its own, as in life: nothing comes from a cache of the same document.
    others = [_seconds(lambda number=number: render_invoice(replace(made, number=f"N-{number}")))  # type: ignore[misc]
              for number in range(ROUNDS[lines])]  # fmt: skip
    return {
        "first": first,
        "seconds": sorted(others)[len(others) // 2],
        "bytes": len(render_invoice(made)),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def yardstick() -> float:
    """Return the seconds of a fixed piece of work in plain Python."""
    return min(_seconds(lambda: [sha256(str(number).encode()).digest() for number in range(100_000)]) for _ in range(5))


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _apart(lines: int) -> dict[str, float]:
    ran = subprocess.run([sys.executable, "-m", __spec__.name, str(lines)], capture_output=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def main() -> None:
    """Print a table, and what it comes to in ratios."""
    unit = yardstick()
    found = {lines: _apart(lines) for lines in ROUNDS}
    print("lines  first ms  each ms  a second  KB  peak MB  yardsticks")
    for lines, one in found.items():
        print(
            f"{lines:5}  {one['first'] * 1000:8.0f}  {one['seconds'] * 1000:7.1f}  {1 / one['seconds']:8.1f}"
            f"  {one['bytes'] / 1024:.0f}  {one['peak']:7.0f}  {one['seconds'] / unit:.2f}"
        )
    few, many = found[20], found[400]
    print(f"time for 400 lines to 20 lines: {many['seconds'] / few['seconds']:.1f}")
    print(f"memory for 400 lines to 20 lines: {many['peak'] / few['peak']:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(int(sys.argv[1]))))
    else:
        main()
