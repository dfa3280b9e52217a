"""L397 reward-function-missing (error)

The file of a ``function`` reward must be there, be Python, and define the function. The file is read, not run. How the
function is called is told from the names of its arguments: ``completions`` (lists), ``completion`` (one at a time) or
verl's ``solution_str``; where they do not say, ``call`` does.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: function
        path: rewards.py
        name: brevity
Fails:
    # beside: rewards.py def brevity(completions, **columns) return []
    training:
      algorithm: grpo
    rewards:
      - type: function
        path: rewards.py
        name: brevity
Fails:
    # beside: rewards.py def brevity(responses): return []
    training:
      algorithm: grpo
    rewards:
      - type: function
        path: rewards.py
        name: brevity
Passes:
    # beside: rewards.py def brevity(completion, **columns): return 1 / (1 + len(completion))
    training:
      algorithm: grpo
    rewards:
      - type: function
        path: rewards.py
        name: brevity
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.lint.rules.reward_outside_folder import wrong_path
from recipe_engine.recipe.rewards import FunctionReward
from recipe_engine.recipe.rewards.calling import NotPythonError, call_of, names_in, parameters_of_node


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        if isinstance(reward, FunctionReward) and not wrong_path(context.folder, reward.path):
            yield from _check(index, reward, Path(context.folder, reward.path))


def _check(index: int, reward: FunctionReward, file: Path) -> Iterator[Finding]:
    path, named = ("rewards", index, "path"), ("rewards", index, "name")
    try:
        names = names_in(file.read_text(encoding="utf-8"))
    except OSError:
        hint = "write the function there; the path counts from the recipe's folder"
        yield Finding(path, f"there is no file {shown(reward.path)} in the recipe's folder", hint=hint)
        return
    except UnicodeDecodeError:
        yield Finding(path, f"{shown(reward.path)} is not UTF-8 text", hint="save the file as UTF-8")
        return
    except NotPythonError as error:
        message = f"{shown(reward.path)}, line {error.line}: {error}"
        yield Finding(path, message, hint="mend the file: it is not Python as it stands")
        return
    if reward.name not in names:
        if "*" in names:
            return
        close = nearest(reward.name, names)
        hint = f"did you mean {close}?" if close else f"define it: def {reward.name}(completions, **columns)"
        yield Finding(named, f"{shown(reward.path)} has no function {shown(reward.name)}", hint=hint)
        return
    node = names[reward.name]
    parameters = parameters_of_node(node)
    if parameters is not None and reward.call is None and call_of(parameters) is None:
        message = (
            f"{shown(reward.path)}, line {getattr(node, 'lineno', 1)}: the arguments of {reward.name} "
            f"({', '.join(parameters.names)}) do not say how to call it"
        )
        hint = "name one of them completions, completion or solution_str, or write call: batch, sample or verl"
        yield Finding(named, message, hint=hint)
