"""Findings and how they are shown."""

from recipe_engine.diagnostics.model import Diagnostic, Edit, Fix, Related, Severity, Span

__all__ = ["Diagnostic", "Edit", "Fix", "Related", "Severity", "Span"]
