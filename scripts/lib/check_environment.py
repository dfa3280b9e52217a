"""Say whether the Python that runs this file has an extra of recipe-engine, ready to use from this checkout.

    python scripts/lib/check_environment.py CHECKOUT EXTRA [--pinned]

Prints the path of the `recipe` command and exits 0, or says on stderr what is missing and exits 10. With --pinned every
package that the extra leads to must have the version of constraints.txt, and the package must be installed editable;
without, the ranges of pyproject.toml are enough, and a copy of the same version will do.

Run it with `python -I` or `-P`, so that a recipe_engine in the current directory does not count as installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PACKAGE = "recipe-engine"


class Missing(Exception):
    """What the environment lacks, in words."""


def declared(project: dict[str, object], extra: str) -> Iterator[Requirement]:
    """The requirements that pyproject.toml states for the package and one extra.

    Not those of the installed metadata, which a changed pyproject.toml leaves behind.
    """
    from packaging.requirements import Requirement

    dependencies: list[str] = project["dependencies"]  # type: ignore[assignment]
    extras: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    for text in dependencies + extras[extra]:
        requirement = Requirement(text)
        if requirement.name == PACKAGE:
            for inner in sorted(requirement.extras):
                yield from declared(project, inner)
        else:
            yield requirement


def pins(text: str) -> dict[str, Requirement]:
    """The lines of a constraints file, by normalised name."""
    from packaging.requirements import Requirement

    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {normalised(requirement.name): requirement for requirement in map(Requirement, filter(None, lines))}


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def require(
    requirement: Requirement, constraints: dict[str, Requirement], seen: set[tuple[str, str]], *, deep: bool
) -> None:
    """Raise Missing unless the requirement is installed in a fitting version, and with `deep` all that it leads to."""
    from packaging.requirements import Requirement

    key = (normalised(requirement.name), ",".join(sorted(requirement.extras)))
    if key in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
        return
    seen.add(key)
    try:
        found = distribution(requirement.name)
    except PackageNotFoundError:
        raise Missing(f"{requirement.name} is not installed") from None
    for wanted in (requirement, constraints.get(key[0])):
        if wanted and not wanted.specifier.contains(found.version, prereleases=True):
            raise Missing(f"{requirement.name} is {found.version}, wanted is {wanted.specifier}")
    if not deep:
        return
    for text in found.requires or ():
        inner = Requirement(text)
        if inner.marker and not any(inner.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
            continue
        inner.marker = None
        require(inner, constraints, seen, deep=True)


def command(checkout: Path, scripts: dict[str, str], *, editable: bool) -> Path:
    """The installed `recipe` command. Raises Missing where it would run other code than the checkout's."""
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise Missing(f"{PACKAGE} is not installed") from None
    spec = find_spec("recipe_engine")
    if spec is None or spec.origin is None:
        raise Missing("recipe_engine cannot be imported")
    source = Path(spec.origin).resolve()
    if checkout.resolve() not in source.parents:
        site_packages = Path(str(package.locate_file(""))).resolve()
        if editable or site_packages not in source.parents:
            raise Missing(f"recipe_engine is installed from {source.parent.parent}")
        version = re.search(r'__version__ = "(.+)"', (checkout / "recipe_engine/__init__.py").read_text("utf-8"))
        if version is None or version[1] != package.version:
            raise Missing(f"{PACKAGE} is {package.version}, another version than this checkout's")
    if {entry.name: entry.value for entry in package.entry_points.select(group="console_scripts")} != scripts:
        raise Missing(f"the commands of {PACKAGE} have changed since it was installed")
    return script(package, "recipe")


def script(package: Distribution, name: str) -> Path:
    """Where the installer put a console script: it differs between virtual, user and system-wide installations."""
    for file in package.files or ():
        if file.stem == name and file.parent.name in ("bin", "Scripts"):
            return Path(str(package.locate_file(file))).resolve()
    raise Missing(f"{PACKAGE} is installed without its `{name}` command")


def main(checkout: Path, extra: str, *, pinned: bool) -> Path:
    """The path of the `recipe` command. Raises Missing."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = command(checkout, project["scripts"], editable=pinned)
    if find_spec("packaging") is None:
        raise Missing("packaging is not installed")
    constraints = pins((checkout / "constraints.txt").read_text("utf-8")) if pinned else {}
    seen: set[tuple[str, str]] = set()
    for requirement in declared(project, extra):
        require(requirement, constraints, seen, deep=pinned)
    return recipe


if __name__ == "__main__":
    try:
        print(main(Path(sys.argv[1]), sys.argv[2], pinned="--pinned" in sys.argv[3:]))
    except Missing as missing:
        print(missing, file=sys.stderr)
        sys.exit(10)
