"""stub"""
from __future__ import annotations
from recipe_engine.pipeline.checks import Findings
def check(findings: Findings) -> None:
    """Stub."""

