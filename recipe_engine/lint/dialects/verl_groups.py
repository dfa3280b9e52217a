"""verl's settings that mean something only together, and those in rollouts, which are steps by an example's sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recipe_engine.lint.report import Report, dotted, shown
from recipe_engine.source import Path

KL_TYPES = {"low_var_kl": "k3", "k3": "k3", "mse": "k2", "k2": "k2", "kl": "k1", "k1": "k1", "abs": "abs"}
AVERAGES = {"token-mean": "dapo", "seq-mean-token-mean": "grpo", "seq-mean-token-sum-norm": "dr_grpo"}

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Values:
    """What a key may be there, whatever it then means here."""

    schema: Schema
    hint: str


_SWITCH: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "number"}  # its bounds are those of the setting that it is here
_KL_TYPE = _Values({"enum": list(KL_TYPES)}, f"write kl_type: {', '.join(dict.fromkeys(KL_TYPES.values()))}")
_VALUES: dict[tuple[str, str], _Values] = {
    ("training", "use_kl_loss"): _Values(_SWITCH, "write true or false"),
    ("training", "use_kl_in_reward"): _Values(_SWITCH, "write true or false"),
    ("training", "kl_loss_coef"): _Values(_NUMBER, "write beta, a number"),
    ("training", "kl_coef"): _Values(_NUMBER, "write beta, a number"),
    ("training", "kl_loss_type"): _KL_TYPE,
    ("training", "kl_penalty"): _KL_TYPE,
    ("training", "loss_mode"): _Values(
        {"enum": ["vanilla", "gspo", "cispo", "gpg"]}, "write loss_type and importance_sampling_level"
    ),
    ("training", "loss_agg_mode"): _Values(
        {"enum": list(AVERAGES)}, f"write loss_type: one of {', '.join(AVERAGES.values())}"
    ),
    ("training", "clip_ratio_high"): _Values(_NUMBER, "write epsilon_high, a number"),
    ("training", "min_lr_ratio"): _Values({"type": "number", "minimum": 0, "maximum": 1}, "write a share of the peak"),
    ("training", "warmup_style"): _Values(
        {"type": "string"}, "write lr_scheduler_type: cosine or constant_with_warmup"
    ),
    ("training", "val_kwargs"): _Values(
        {"type": "object"}, "write eval_temperature, eval_top_p, eval_top_k and num_generations_eval"
    ),
    ("data", "filter_overlong_prompts"): _Values(_SWITCH, "write true or false"),
    ("data", "truncation"): _Values(
        {"enum": ["error", "left", "right"]},
        "write data.overlong_rows: left, right, error or drop; a prompt is not cut in its middle",
    ),
}
SCHEMAS = {place: values.schema for place, values in _VALUES.items()}
"""What ``read`` understands, as the published schema has it."""


def read(report: Report) -> None:
    """Write such keys as they are called here; what cannot be is an error that says what to write."""
    training = report.document.tree.get("training")
    if not isinstance(training, dict):
        return
    keys = _Keys(report)
    bad = [place for place, one in _VALUES.items() if keys.given(*place) and not _is_one(keys.get(*place), one.schema)]
    for place in bad:
        if place not in report.document.unreadable:  # which has a finding of its own
            message = f"`{dotted(place)}` is {shown(keys.get(*place))}: no such value is understood"
            keys.refuse(place, _VALUES[place].hint, message)
    for place in _VALUES if bad else ():
        keys.take(*place)  # what they mean together is not known
    for step in (_kl, _loss, _schedule, _overlong, _evaluation, _estimator):
        step(keys)
    _in_rollouts(keys)


def _is_one(value: Any, schema: Schema) -> bool:
    """Whether a value is one that the schema of a key allows."""
    if "enum" in schema:
        return value in schema["enum"]
    types = {"boolean": bool, "number": int | float, "string": str, "object": dict}
    if not isinstance(value, types[schema["type"]]) or (isinstance(value, bool) and schema is not _SWITCH):
        return False
    return "minimum" not in schema or bool(schema["minimum"] <= value <= schema["maximum"])


class _Keys:
    """The keys of a recipe, taken and put with their places."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.document = report.document

    def given(self, *path: str) -> bool:
        block = self.document.tree.get(path[0])
        return isinstance(block, dict) and path[1] in block

    def get(self, *path: str) -> Any:
        return self.document.tree[path[0]][path[1]] if self.given(*path) else None

    def take(self, *path: str) -> Any:
        """The value of a key, which is removed; none where it is not there."""
        return self.document.tree[path[0]].pop(path[1]) if self.given(*path) else None

    def put(self, place: Path, new: tuple[str, str], value: Any) -> None:
        """Set a key as if it stood at ``place``, with a note; an error where the recipe says otherwise."""
        if self.given(*new) and self.get(*new) != value:
            message = f"`{dotted(place)}` means `{new[1]}: {shown(value)}` here, and the recipe has another {new[1]}"
            self.report.add("R207", "error", place, message, at_key=True, hint=f"keep {dotted(new)}")
            return
        self.note(place, f"is `{dotted(new)}: {shown(value).strip(chr(39))}` here")
        self.document.tree.setdefault(new[0], {})[new[1]] = value
        self.document.marks.setdefault(new, self.document.marks[place])
        if place in self.document.unreadable:
            self.document.unreadable |= {new}

    def note(self, place: Path, text: str) -> None:
        self.report.add("R206", "note", place, f"`{dotted(place)}` (verl) {text}", at_key=True)

    def refuse(self, place: Path, hint: str, message: str | None = None) -> None:
        text = message or f"`{dotted(place)}` is not a setting of this engine"
        self.report.add("R207", "error", place, text, at_key=True, hint=hint)


def _kl(keys: _Keys) -> None:
    """One weight, ``beta``, and one place, ``kl_in_reward``, of two switches with a weight and a type each."""
    places = {
        name: ("training", name)
        for name in ("use_kl_loss", "kl_loss_coef", "kl_loss_type", "use_kl_in_reward", "kl_coef", "kl_penalty")
        if keys.given("training", name)
    }
    if not places:
        return
    values = {name: keys.take(*place) for name, place in places.items()}
    in_loss = values.get("use_kl_loss") is True
    # A weight whose switch is not there is meant.
    in_reward = values.get("use_kl_in_reward", "kl_coef" in values and not in_loss) is True
    if in_loss and in_reward:
        hint = "write one beta, and kl_in_reward: true or false"
        message = "use_kl_loss and use_kl_in_reward together subtract the penalty twice"
        keys.refuse(places.get("use_kl_in_reward", places["use_kl_loss"]), hint, message)
        return
    if "kl_loss_coef" in values and "use_kl_loss" not in values:
        keys.refuse(places["kl_loss_coef"], "write beta, or use_kl_loss: true with it")
        return
    on, weight, kind = ("use_kl_loss", "kl_loss_coef", "kl_loss_type")
    if in_reward:
        on, weight, kind = ("use_kl_in_reward", "kl_coef", "kl_penalty")
    if not in_loss and not in_reward:
        keys.put(next(iter(places.values())), ("training", "beta"), 0.0)
    elif weight in values:
        keys.put(places[weight], ("training", "beta"), values[weight])
        if in_reward and "use_kl_in_reward" in places:
            keys.put(places[on], ("training", "kl_in_reward"), True)
        if kind in values:
            keys.put(places[kind], ("training", "kl_type"), KL_TYPES[values[kind]])
        if in_loss and not keys.given("training", "use_bias_correction_kl"):
            # verl does not weight the penalty by the importance ratio.
            keys.put(places[on], ("training", "use_bias_correction_kl"), False)
    else:
        keys.refuse(places[on], f"write beta: the weight of the penalty (verl's {weight})")
    read = {on, weight, kind} if in_loss or in_reward else {next(iter(places))}
    for name, place in places.items():
        if name not in read:
            keys.note(place, "has no effect there, nor here")


def _loss(keys: _Keys) -> None:
    """The ratio and the average of the loss, of ``loss_mode`` and ``loss_agg_mode``."""
    mode_place, average_place = ("training", "loss_mode"), ("training", "loss_agg_mode")
    high_place = ("training", "clip_ratio_high")
    mode = keys.take(*mode_place)
    average = keys.take(*average_place)
    cispo = mode == "cispo" or keys.get("training", "algorithm") == "cispo"
    if keys.given(*high_place):
        high = keys.take(*high_place)
        keys.put(high_place, ("training", "epsilon_high"), 1 + high if cispo else high)
    match mode:
        case None:
            pass
        case "vanilla":
            keys.note(mode_place, "is the default here")
        case "gspo":
            keys.put(mode_place, ("training", "importance_sampling_level"), "sequence")
            if average is None:
                keys.put(mode_place, ("training", "loss_type"), "grpo")
        case "cispo":
            keys.put(mode_place, ("training", "loss_type"), "cispo")
            if average == "token-mean":
                keys.note(average_place, "is the average of loss_type cispo")
                average = None
        case "gpg":
            keys.put(mode_place, ("training", "importance_sampling"), False)
    if average is not None:
        keys.put(average_place, ("training", "loss_type"), AVERAGES[average])


def _schedule(keys: _Keys) -> None:
    """A cosine that ends at a share of the peak."""
    style, ratio = ("training", "warmup_style"), ("training", "min_lr_ratio")
    if keys.given(*style):
        keys.put(style, ("training", "lr_scheduler_type"), keys.take(*style))
    if not keys.given(*ratio):
        return
    share = keys.take(*ratio)
    if keys.get("training", "lr_scheduler_type") not in ("cosine", "cosine_with_min_lr"):
        keys.refuse(ratio, "write lr_scheduler_type: cosine with it, or leave it out: only a cosine ends above 0")
        return
    del keys.document.tree["training"]["lr_scheduler_type"]
    keys.put(ratio, ("training", "lr_scheduler_type"), "cosine_with_min_lr")
    keys.put(ratio, ("training", "lr_scheduler_kwargs"), {"min_lr_rate": share})


def _overlong(keys: _Keys) -> None:
    """Rows over a limit: dropped where they are filtered, else as ``truncation`` says."""
    dropped, cut = ("data", "filter_overlong_prompts"), ("data", "truncation")
    filtered, side = keys.take(*dropped), keys.take(*cut)
    if filtered:
        keys.put(dropped, ("data", "overlong_rows"), "drop")
        if side is not None:
            keys.note(cut, "has no effect: overlong rows are dropped")
    elif side is not None:
        keys.put(cut, ("data", "overlong_rows"), side)
    elif filtered is False:
        keys.put(dropped, ("data", "overlong_rows"), "error")


def _evaluation(keys: _Keys) -> None:
    """``val_kwargs``, or its parts under a name of their own."""
    place, sample = ("training", "val_kwargs"), ("training", "val_do_sample")
    settings = dict(keys.take(*place) or {})
    sampled = settings.pop("do_sample", True)
    sample_place: Path = (*place, "do_sample")
    if keys.given(*sample):
        sampled, sample_place = keys.take(*sample), sample
    names = {"temperature": "eval_temperature", "top_p": "eval_top_p", "top_k": "eval_top_k"}
    if sampled is False:
        for name in names:
            settings.pop(name, None)
            if keys.given("training", f"val_{name}"):
                keys.take("training", f"val_{name}")
        keys.put(sample_place, ("training", "eval_temperature"), 0.0)
    for name, value in settings.items():
        new = {**names, "n": "num_generations_eval"}.get(name)
        if new is None:
            keys.refuse((*place, name), "write eval_temperature, eval_top_p, eval_top_k or num_generations_eval")
        else:
            keys.put((*place, name), ("training", new), 0 if name == "top_k" and value == -1 else value)


def _estimator(keys: _Keys) -> None:
    place = ("training", "adv_estimator")
    if keys.get(*place) == "gae":
        keys.take(*place)
        if keys.get("training", "algorithm") == "ppo":
            return
        keys.refuse(place, "write algorithm: ppo", "adv_estimator gae is the advantage of PPO")


def _in_rollouts(keys: _Keys) -> None:
    """Numbers of rollouts, where Hugging Face has optimizer steps."""
    never = "save_strategy: 'no'", "eval_strategy: 'no'"
    units: dict[str, tuple[str, Callable[[str], str]]] = {
        "save_freq": (never[0], lambda n: f"save_strategy: steps and save_steps: {n}"),
        "test_freq": (never[1], lambda n: f"eval_strategy: steps and eval_steps: {n}"),
        "total_training_steps": ("max_steps: -1", lambda n: f"max_steps: {n}"),
        "lr_warmup_steps": ("warmup_steps: its lr_warmup_steps_ratio", lambda n: f"warmup_steps: {n}"),
    }
    updates = _updates_of_a_rollout(keys)
    for name, (off, instead) in units.items():
        place = ("training", name)
        if not keys.given(*place):
            continue
        value = keys.take(*place)
        if value is None or value == -1:
            keys.refuse(place, f"write {off}")
        elif updates is None or not isinstance(value, int):
            keys.refuse(place, f"write {instead(f'{shown(value)} x the updates of a rollout')}")
        else:
            counted = f"{value} rollouts of {updates} update{'' if updates == 1 else 's'} each"
            keys.refuse(place, f"write {instead(str(value * updates))} ({counted})")


def _updates_of_a_rollout(keys: _Keys) -> int | None:
    def first(*names: str) -> Any:
        blocks = ("training", "data")
        return next((keys.get(block, name) for name in names for block in blocks if keys.given(block, name)), None)

    rollout, update = (
        first("train_batch_size", "prompts_per_rollout"),
        first("ppo_mini_batch_size", "prompts_per_update"),
    )
    passes = first("ppo_epochs", "num_iterations") or 1
    sizes = (rollout, update, passes)
    if not all(isinstance(size, int) and size > 0 for size in sizes) or rollout % update:
        return None
    return int(rollout // update * passes)
