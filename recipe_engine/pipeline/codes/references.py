"""What `$name` refers to, and in which order stages can run."""

from __future__ import annotations

REFERENCES = (
    """P101 unknown-name (error)

A `$name` stands for what another stage made, for a name of `models`, or for what a loop carries or slices. This one
stands for nothing here: misspelt, or made in a loop, of which only what it carries is seen outside.

Fails:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $prompt}
Passes:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $prompts}
""",
    """P102 duplicate-name (error)

Two stages have one id, or a loop carries or slices something under the id of a stage. Ids are the names of folders and
what `$id` refers to, also across loops, so each may be given once.

Fails:
    stages:
      - {id: rows, kind: prepare, rows: builtin/questions}
      - {id: rows, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
Passes:
    stages:
      - {id: rows, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $rows}
""",
    """P103 cycle (error)

Stages wait for one another, so that none of them can begin.

Fails:
    stages:
      - {id: first, kind: prepare, rows: $second}
      - {id: second, kind: prepare, rows: $first}
Passes:
    stages:
      - {id: first, kind: prepare, rows: builtin/questions}
      - {id: second, kind: prepare, rows: $first}
""",
    """P104 used-before-made (error)

A stage reads what a stage below it makes. Stages stand in the order in which they can run, so that the file reads as it
happens.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $prompts}
      - {id: prompts, kind: prepare, rows: builtin/questions}
Passes:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $prompts}
""",
    """P105 not-a-model (error)

A model is asked for, and the name stands for rows.

Fails:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: $prompts, rows: $prompts}
Passes:
    models: {policy: builtin/tiny-chat}
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: $policy, rows: $prompts}
""",
    """P106 not-rows (error)

Rows are asked for, or an evaluation, and the name stands for something else: a model, or a stage that makes no rows.

Fails:
    models: {policy: builtin/tiny-chat}
    stages:
      - {id: sample, kind: generate, model: $policy, rows: $policy}
Fails:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: enough, kind: gate, evaluation: $prompts, conditions: [{metric: candidate.eos, at_least: 0.9}]}
Passes:
    models: {policy: builtin/tiny-chat}
    stages:
      - {id: sample, kind: generate, model: $policy, rows: builtin/questions}
""",
    """P107 carried-not-made (error)

What a loop carries over is the model of one of its train stages, and `from_stage` names none of them: the next
iteration would begin with the same model.

Fails:
    stages:
      - id: again
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        stages:
          - {id: sample, kind: generate, model: $policy, rows: builtin/questions}
          - id: tune
            kind: train
            recipe: {training: {algorithm: sft, learning_rate: 1e-4}}
            model: $policy
            rows: $sample
Passes:
    stages:
      - id: again
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        stages:
          - {id: sample, kind: generate, model: $policy, rows: builtin/questions}
          - id: sft
            kind: train
            recipe: {training: {algorithm: sft, learning_rate: 1e-4}}
            model: $policy
            rows: $sample
""",
    """P119 loop-in-loop (error)

Loops cannot stand in loops: an iteration would have two numbers, and what is carried two meanings.

Fails:
    stages:
      - id: outer
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        stages:
          - id: inner
            kind: loop
            iterations: 2
            carry: {model: {start: $policy, from_stage: more}}
            stages:
              - {id: more, kind: train, recipe: {training: {algorithm: sft}}, model: $model, rows: builtin/alpaca}
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: builtin/conversations}
Passes:
    stages:
      - id: once
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        stages:
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: builtin/conversations}
""",
    """P121 carried-unused (warning)

No stage of a loop uses what it carries or slices. Every iteration would do the same as the first, at the same cost.

Fails:
    stages:
      - id: again
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        stages:
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: builtin/tiny-chat, rows: builtin/text}
Passes:
    stages:
      - id: again
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        stages:
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: builtin/conversations}
""",
    """P124 slice-trained (error)

A train stage reads whole datasets, and a slice is a part of one. A prepare stage makes rows of their own of it.

Fails:
    stages:
      - id: again
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        slices: {batch: {rows: builtin/conversations, take: 100}}
        stages:
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: $batch}
Passes:
    stages:
      - id: again
        kind: loop
        iterations: 2
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        slices: {batch: {rows: builtin/conversations, take: 100}}
        stages:
          - {id: rows, kind: prepare, rows: $batch}
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: $rows}
""",
    """P128 dollar-missing (error)

A name of the pipeline stands where rows or a model are asked for, without its `$`: it would be taken for a name of the
Hub. `./name` is a folder of that name. `recipe fix` writes the `$`.

Fails:
    models: {base: builtin/tiny-chat}
    stages:
      - {id: sample, kind: generate, model: base, rows: builtin/questions}
Fails:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: prompts}
Passes:
    models: {base: builtin/tiny-chat}
    stages:
      - {id: sample, kind: generate, model: $base, rows: builtin/questions}
""",
)
