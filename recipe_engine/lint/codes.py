"""What every R code means, in the form of the rules' docstrings: the shape of a recipe, checked before any rule."""

from __future__ import annotations

from recipe_engine.lint import secrets

_SHAPE = (
    """R201 unknown-key (error)

No setting has this name here. Nothing in a recipe is ignored, because a misspelt key would silently leave the default
in force. The message names the nearest key that exists; `recipe schema --algorithm NAME` lists all that may stand in
training.

Fails:
    training:
      learning_rte: 1e-5
Passes:
    training:
      learning_rate: 1e-5
""",
    """R202 missing-key (error)

A key or a block that a recipe cannot do without is missing: the blocks model, data and training,
model.base_model_name, data.datasets with a name in each entry, training.algorithm, and a type in each reward. A file
that only holds what several recipes share, to be extended, need not be complete: begin its name with _ and
`recipe lint FOLDER` leaves it to the recipes that extend it.

Fails:
    data:
      datasets:
        - split: train
Passes:
    data:
      datasets:
        - name: builtin/conversations
          split: train
""",
    """R203 wrong-type (error)

The value is of another kind than the key takes. Types are strict: text in quotes is text, whatever it looks like, and
`yes` is text too, for YAML 1.2 knows only true and false. An integer may stand where a number is meant.

Fails:
    training:
      learning_rate: "1e-5"
Fails:
    model:
      use_lora: yes
Passes:
    model:
      use_lora: true
    training:
      learning_rate: 1e-5
""",
    """R204 unknown-choice (error)

The key takes one of a few words, and this is none of them. The message lists them.

Fails:
    model:
      torch_dtype: bf16
Passes:
    model:
      torch_dtype: bfloat16
""",
    """R205 invalid-value (error)

The value is of the right kind, but outside what the setting can mean: a rate below 0, an empty name, a list without
entries.

Fails:
    model:
      use_lora: true
      lora_r: 0
Passes:
    model:
      use_lora: true
      lora_r: 8
""",
    """R206 renamed-key (note)

Another framework, or an earlier version, calls this setting so. It is understood, and means the same; the message says
its name here.

Fails:
    training:
      algorithm: grpo
      group_size: 4
      per_device_train_batch_size: 4
Passes:
    training:
      algorithm: grpo
      num_generations: 4
      per_device_train_batch_size: 4
""",
    """R207 removed-key (error)

The key exists elsewhere, but here it would mean something else, or nothing reads it; or it is given together with the
name that it has here, and the two disagree; or it has no value that is understood. The hint says what to write instead.

Fails:
    training:
      group_by_length: true
Passes:
    training:
      train_sampling_strategy: group_by_length
""",
    """R208 foreign-setting (error)

The key is a setting of other algorithms: the chosen one would not read it. That goes for arguments of transformers
too, such as label_smoothing_factor, which no loss but that of sft and cpt reads. The settings that templates carry for
every algorithm (num_generations, beta, epsilon, epsilon_high, steps_per_generation, importance_sampling_level) are
a warning under an algorithm without groups; they have no effect there.

Fails:
    training:
      algorithm: sft
      temperature: 0.7
Fails:
    training:
      algorithm: dpo
      label_smoothing_factor: 0.1
Fails:
    training:
      algorithm: grpo
      train_sampling_strategy: group_by_length
Passes:
    training:
      algorithm: grpo
      temperature: 0.7
Passes:
    training:
      algorithm: sft
      label_smoothing_factor: 0.1
""",
    """R209 beta-zero-under-dpo (warning)

DPO's loss is a function of beta times a difference of log-probabilities, so with beta 0 there is no gradient. Templates
that serve several algorithms carry `beta: 0`, which means "no KL penalty" to GRPO. Here it is taken as not given.

Fails:
    training:
      algorithm: dpo
      beta: 0
Passes:
    training:
      algorithm: dpo
      beta: 0.1
""",
    """R212 unused-allowance (note)

A comment `# lint: allow CODE` silences a warning or a note on its own line, for an author who has seen it and means
what is written. This one silences nothing: what it was for has gone, stands on another line, or is an error, which
cannot be allowed. Remove it.

Fails:
    training:
      learning_rate: 1e-5  # lint: allow L321
Passes:
    training:
      learning_rate: 0.5  # lint: allow L321
""",
)

CODES: dict[str, str] = {text[:4]: text for text in (*_SHAPE, secrets.__doc__ or "")}
