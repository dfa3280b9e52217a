"""What is checked of a pipeline beside the shape of its stages, one file a subject."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_engine.diagnostics import Diagnostic, Fix, Severity
from recipe_engine.lint.report import Report
from recipe_engine.pipeline.graph import Graph
from recipe_engine.source import Document, Path


@dataclass(frozen=True)
class Findings:
    """Collects what is found about a pipeline and the recipes in it."""

    graph: Graph
    diagnostics: list[Diagnostic]
    gpus: int | None
    """How many GPUs will be used, where that is known."""

    @property
    def errors(self) -> int:
        """How many errors were found so far."""
        return sum(one.severity == "error" for one in self.diagnostics)

    def add(
        self,
        code: str,
        path: Path,
        message: str,
        *,
        hint: str | None = None,
        severity: Severity = "error",
        at_key: bool = False,
        document: Document | None = None,
        fix: Fix | None = None,
    ) -> None:
        """Add a finding at a place of the pipeline's document, or of another."""
        report = Report(document or self.graph.document, self.diagnostics)
        report.add(code, severity, path, message, at_key=at_key, hint=hint, fix=fix)
