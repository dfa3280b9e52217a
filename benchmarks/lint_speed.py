"""How long `recipe lint` takes from a cold process: one recipe, and 200 in one call. Run by hand, on a quiet machine:

    python benchmarks/lint_speed.py

Everything is run in turns, so that what else the machine does weighs on all alike; the ratio says more than seconds do.
"""

from __future__ import annotations

import compileall
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPES = sorted([*ROOT.glob("recipes/training/**/*.yaml"), *ROOT.glob("tests/fixtures/recipes/*.yaml")])
MANY = 200
RUNS = 10
LINT = ["-m", "recipe_engine.cli", "lint"]


def seconds(*arguments: str) -> float:
    """Wall-clock seconds of one Python process."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} ended with exit code {done.returncode}:\n{done.stdout}")
    return time.perf_counter() - start


def main() -> None:
    """Measure and print medians, and the ratios that the project promises."""
    # An installed package is compiled; a checkout is too, after its first use.
    compileall.compile_dir(ROOT / "recipe_engine", quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(MANY):
            shutil.copy(RECIPES[number % len(RECIPES)], Path(folder, f"{number:03}.yaml"))
        cases = {
            "python -c pass": ["-c", "pass"],
            "python -c 'import pydantic, yaml, typer, rich'": ["-c", "import pydantic, yaml, typer, rich"],
            "recipe lint, one recipe": [*LINT, str(RECIPES[0])],
            f"recipe lint, {MANY} recipes": [*LINT, folder, "--at-least", str(MANY)],
        }
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(RUNS):
            for name, arguments in cases.items():
                times[name].append(seconds(*arguments))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for name, median in medians.items():
        print(f"{name:<50} {median:6.3f} s  (fastest {min(times[name]):.3f} s)")
    _, imports, one, many = medians.values()
    print(f"one recipe takes {one / imports:.2f} times as long as the imports (promised: below 3)")
    print(f"{MANY} recipes take {many - one:.2f} s more than one (promised: below 3 s)")


if __name__ == "__main__":
    main()
