"""What a stage that asks a service has cost so far."""

from __future__ import annotations

import json
from pathlib import Path

from recipe_engine.runtime.generation.chat import bill_of


def spent_so_far(folder: Path) -> float:
    """Dollars of every answer that is kept under the folder of a stage."""
    bills = [bill_of(path) for path in (folder / "work" / "kept").glob("*.jsonl")]
    for path in (folder / "work" / "counts").glob("*.json"):
        bills.append(json.loads(path.read_text(encoding="utf-8"))["totals"])
    return sum(bill.get("dollars", 0.0) for bill in bills)
