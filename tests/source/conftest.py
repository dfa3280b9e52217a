from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from recipe_engine.diagnostics import Diagnostic, Edit, Span
from recipe_engine.source import Document, load, parse


@dataclass
class Outcome:
    """What ``load`` gave, with the file names cut to their last part and the texts at hand."""

    document: Document | None
    findings: list[Diagnostic]
    texts: dict[str, str]

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.findings]

    @property
    def only(self) -> Diagnostic:
        assert len(self.findings) == 1, self.findings
        return self.findings[0]

    @property
    def tree(self) -> dict[str, object]:
        assert self.document is not None, self.findings
        return self.document.tree

    def at(self, span: Span) -> str:
        """The text that a span covers."""
        lines = self.texts[span.file].split("\n")[span.line - 1 : span.end_line]
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return "\n".join(lines)

    def value(self, *path: str | int) -> str:
        assert self.document is not None, self.findings
        return self.at(self.document.marks[path].value)

    def key(self, *path: str | int) -> str:
        assert self.document is not None, self.findings
        key = self.document.marks[path].key
        assert key is not None
        return self.at(key)

    def origin(self, *path: str | int) -> str:
        """Where a value came from: the last part of the file's name."""
        assert self.document is not None, self.findings
        mark = self.document.marks[path]
        return f"{mark.origin}: {Path(mark.value.file).name}"

    def fixed(self, finding: Diagnostic) -> str:
        """The text of the finding's file after its fix."""
        assert finding.fix is not None, finding
        text = self.texts[finding.span.file]
        starts = [0]
        for line in text.split("\n"):
            starts.append(starts[-1] + len(line) + 1)

        def start(edit: Edit) -> int:
            return starts[edit.span.line - 1] + edit.span.column - 1

        for edit in sorted(finding.fix.edits, key=start, reverse=True):
            end = starts[edit.span.end_line - 1] + edit.span.end_column - 1
            text = text[: start(edit)] + edit.replacement + text[end:]
        return text


Read = Callable[..., Outcome]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Load ``recipe.yaml`` holding the text or the bytes given, beside the files given by name."""

    def read(content: str | bytes, *overrides: str, **files: str) -> Outcome:
        for name, text in {"recipe": content, **files}.items():
            data = text if isinstance(text, bytes) else text.encode()
            (tmp_path / f"{name}.yaml").write_bytes(data)
        texts: dict[str, str] = {}
        document, findings = load(tmp_path / "recipe.yaml", overrides, texts=texts)
        return Outcome(document, findings, texts)

    return read


@pytest.fixture(params=["libyaml", "python"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with libyaml and with PyYAML's own parser, which machines without libyaml use."""
    if request.param == "libyaml" and not yaml.__with_libyaml__:
        pytest.skip("PyYAML is built without libyaml here")
    monkeypatch.setattr(parse, "PARSER", yaml.CBaseLoader if request.param == "libyaml" else yaml.BaseLoader)
    return str(request.param)
