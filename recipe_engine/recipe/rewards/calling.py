"""How a reward function wants to be called, told from the names of its arguments: by the linter and by training."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Call = Literal["batch", "sample", "verl"]

CALLS: dict[Call, str] = {
    "batch": "with lists: f(prompts, completions, **columns)",
    "sample": "once for each completion: f(prompt, completion, **columns)",
    "verl": "as verl does: f(data_source, solution_str, ground_truth, extra_info)",
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The arguments that a function takes by name."""

    names: tuple[str, ...]
    required: tuple[str, ...]
    """Those without a default."""
    takes_any: bool
    """Whether it takes further ones, ``**columns``."""

    def accepted(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the arguments that the function takes."""
        return {name: value for name, value in arguments.items() if self.takes_any or name in self.names}


def call_of(parameters: Parameters) -> Call | None:
    """How to call a function; none where its arguments do not say."""
    names = set(parameters.names)
    if "solution_str" in names:
        return "verl"
    if "completion" in names and "completions" not in names:
        return "sample"
    if "completions" in names or (parameters.takes_any and not parameters.required):
        return "batch"
    return None


class NotPythonError(Exception):
    """A file is no Python: ``line`` is where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def names_in(source: str) -> dict[str, ast.AST]:
    """What a module defines at its top level, by name, without running it; ``*`` where an import brings any name.

    Raises:
        NotPythonError: it is no Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise NotPythonError(error.msg, error.lineno or 1) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotPythonError(str(error) or type(error).__name__, 1) from error
    found: dict[str, ast.AST] = {}
    _collect(tree.body, found)
    return found


def _collect(body: list[ast.stmt], found: dict[str, ast.AST]) -> None:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        found[name.id] = node
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                _collect(getattr(node, inner, []), found)
        for handler in getattr(node, "handlers", []):
            _collect(handler.body, found)


def parameters_in(file: Path, name: str) -> Parameters | None:
    """The arguments of a function in a file, read without running it; none where it is no plain ``def`` there."""
    try:
        node = names_in(file.read_text(encoding="utf-8")).get(name)
    except (OSError, UnicodeDecodeError, NotPythonError):
        return None
    return parameters_of_node(node)


def parameters_of_node(node: ast.AST | None) -> Parameters | None:
    """The arguments of a ``def``; none for anything else, and for one that a decorator may change."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
        return None
    arguments = node.args
    names = [one.arg for one in arguments.args]
    required = names[: len(names) - len(arguments.defaults)]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required += [one.arg for one, default in keywords if default is None]
    return Parameters(
        tuple(names + [one.arg for one in arguments.kwonlyargs]), tuple(required), arguments.kwarg is not None
    )
