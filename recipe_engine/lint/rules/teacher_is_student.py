"""L392 teacher-is-student (warning)

The teacher is the model that training starts from. Its distribution is the student's, so their divergence is zero and
so is its gradient: nothing is learned from it.

Fails:
    model:
      base_model_name: Qwen/Qwen2.5-7B-Instruct
    training:
      algorithm: gkd
      teacher_model: Qwen/Qwen2.5-7B-Instruct
Passes:
    model:
      base_model_name: Qwen/Qwen2.5-0.5B-Instruct
    training:
      algorithm: gkd
      teacher_model: Qwen/Qwen2.5-7B-Instruct
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.data.location import locate
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if "teacher_model" not in context.algorithm.own_settings:
        return
    recipe = context.recipe
    names = [(recipe.model.base_model_name, recipe.model.revision)]
    names += [(recipe.argument("teacher_model"), recipe.argument("teacher_revision"))]
    student, teacher = ((locate(name).value, revision) for name, revision in names)
    if student == teacher:
        yield Finding(
            ("training", "teacher_model"),
            "the teacher is the model that training starts from: there is nothing to learn from it",
            hint="name a larger or a better trained model of the same family",
        )
