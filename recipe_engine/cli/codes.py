"""The documentation of every code, gathered from the packages that give them."""

from __future__ import annotations

from recipe_engine.data.codes import CODES as DATA
from recipe_engine.diagnostics.sarif import RuleHelp
from recipe_engine.launch.codes import CODES as LAUNCH
from recipe_engine.lint.codes import CODES as SHAPE
from recipe_engine.lint.docs import Documentation, parse
from recipe_engine.lint.rules import RULES
from recipe_engine.pipeline.codes import CODES as PIPELINE
from recipe_engine.source.codes import CODES as SOURCE


def documentation() -> dict[str, Documentation]:
    """What there is to say of each code, in the order of the codes."""
    texts = {**SOURCE, **SHAPE, **{rule.code: rule.text for rule in RULES}, **PIPELINE, **DATA, **LAUNCH}
    order = "SRLPDT"
    return {code: parse(texts[code]) for code in sorted(texts, key=lambda code: (order.index(code[0]), code))}


def rule_help() -> dict[str, RuleHelp]:
    """The same for SARIF, whose readers know no examples."""
    return {code: RuleHelp(doc.name, doc.severity, _markdown(doc)) for code, doc in documentation().items()}


def _markdown(doc: Documentation) -> str:
    examples = [f"{'Passes' if one.passes else 'Fails'}:\n\n```yaml\n{one.text}```" for one in doc.examples]
    return "\n\n".join([doc.prose, *examples])
