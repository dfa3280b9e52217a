"""What a rule is: a file in lint/rules/ whose docstring documents it and whose ``check`` yields findings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.base import Algorithm
from recipe_engine.diagnostics import Fix, Severity
from recipe_engine.lint.docs import heading
from recipe_engine.recipe.root import Recipe
from recipe_engine.schemas import trl_arguments
from recipe_engine.source import Document, Path


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: a place, a message, and what to write instead."""

    path: Path
    message: str
    hint: str | None = None
    fix: Fix | None = None
    at_key: bool = False
    severity: Severity | None = None
    """Default: the severity in the rule's docstring."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may look at."""

    recipe: Recipe
    document: Document
    gpus: int | None = None
    """How many GPUs will be used, where that is known (``--num-gpus``): lint alone does not know it."""

    @property
    def processes(self) -> int | None:
        """How many processes will train: on each machine one a GPU, or ``launch.cpu_processes``."""
        launch = self.recipe.launch
        per_node = launch.cpu_processes if self.gpus == 0 else self.gpus
        return None if per_node is None else per_node * launch.nodes

    @property
    def algorithm(self) -> Algorithm:
        return algorithm(self.recipe.training.algorithm)

    @property
    def folder(self) -> str:
        """The recipe's folder: files that belong to the recipe are found from here."""
        return os.path.dirname(os.path.abspath(self.document.file))

    def given(self, *path: str | int) -> bool:
        """Whether the recipe itself, a parent or the command line gives a value for ``path``."""
        return path in self.document.marks

    def argument(self, name: str) -> Any:
        """The value that training will use for a key of ``training``: as given, else its default.

        Where it follows from sizes in prompts and the number of processes is not known, it is that of one process.
        """
        recipe = self.recipe
        sizes = self.algorithm.sizes(recipe, self.processes or 1)
        if name in sizes:
            return sizes[name].value
        if name in type(recipe.settings).model_fields or name in recipe.arguments:
            return recipe.argument(name)
        return trl_arguments(self.algorithm.config)[name]["default"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, with the parts of its docstring."""

    code: str
    name: str
    severity: Severity
    text: str
    check: Callable[[Context], Iterable[Finding]]


def rule_of(module: ModuleType) -> Rule:
    """The rule that a module of lint/rules/ holds.

    Raises:
        ValueError: its docstring does not begin with a code, a name and a severity.
    """
    text = module.__doc__ or ""
    code, name, severity = heading(text)
    return Rule(code, name, severity, text, module.check)
