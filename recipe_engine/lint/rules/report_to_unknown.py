"""L327 report-to-unknown (error)

``report_to`` names trackers as transformers knows them, or ``none``, or ``all`` that are installed. Weights & Biases
has a block of its own: with ``wandb.enabled: false`` and ``report_to: wandb`` the recipe says both no and yes.

Fails:
    training:
      report_to: tensorbord
Fails:
    training:
      report_to: [tensorboard, none]
Fails:
    training:
      report_to: [wandb]
    wandb:
      enabled: false
Passes:
    training:
      report_to: [tensorboard, trackio]
Passes:
    training:
      report_to: none
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.report import replace_value, shown
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.source import Path

# transformers.integrations.integration_utils.INTEGRATION_TO_CALLBACK; a test holds this list against it.
TRACKERS = (
    *("azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "flyte", "kubeflow", "mlflow"),
    *("neptune", "swanlab", "tensorboard", "trackio", "wandb"),
)
ALONE = ("none", "all")


def check(context: Context) -> Iterator[Finding]:
    path: Path = ("training", "report_to")
    value = context.argument("report_to")
    entries: list[tuple[Path, str | None]] = [(path, value)]
    if isinstance(value, list):
        entries = [((*path, index), name) for index, name in enumerate(value)]
    known = (*TRACKERS, *ALONE) if len(entries) == 1 else TRACKERS
    for place, name in entries:
        if name not in known:
            yield _unknown(context, place, name, known)
        elif name == "wandb" and context.given("wandb", "enabled") and not context.recipe.wandb.enabled:
            message = "report_to names wandb, and wandb.enabled is false"
            yield Finding(place, message, hint="write wandb.enabled: true, or take wandb out of report_to")


def _unknown(context: Context, place: Path, name: str | None, known: tuple[str, ...]) -> Finding:
    if name in ALONE:
        return Finding(place, f"`{name}` stands for a list of its own", hint="remove it, or what stands beside it")
    guess = nearest(name, known) if name else "none"
    return Finding(
        place,
        f"there is no tracker {shown(name)}",
        hint=f"did you mean `{guess}`?" if guess else f"known are {', '.join(known)}",
        fix=replace_value(context.document, place, guess) if guess else None,
    )
