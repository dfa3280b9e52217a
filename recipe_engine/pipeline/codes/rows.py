"""Rows that a stage reads, and what the one before gives."""

from __future__ import annotations

ROWS = (
    """P108 column-missing (error)

A stage needs a column that the rows it is given do not have. What columns a stage makes follows from what it reads and
what it does; where it reads a dataset that is not on this machine nothing is said.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: best, kind: select, rows: $sample, how: best_of_n}
Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match, answer_column: solution}]}
Passes:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: best, kind: select, rows: $scored, how: best_of_n}
""",
    """P109 rows-not-trainable (error)

The algorithm of a train stage cannot take rows that were selected so: pairs are for dpo and its like, single
completions for sft, prompts for reinforcement learning.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions, sampling: {n: 4}}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: chosen, kind: select, rows: $scored, how: best_of_n}
      - {id: dpo, kind: train, recipe: {training: {algorithm: dpo}}, model: builtin/tiny-chat, rows: $chosen}
Passes:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions, sampling: {n: 4}}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: chosen, kind: select, rows: $scored, how: best_worst}
      - {id: dpo, kind: train, recipe: {training: {algorithm: dpo}}, model: builtin/tiny-chat, rows: $chosen}
""",
    """P110 slices-run-out (error)

A loop takes more rows than there are, and `at_end` is error. `wrap` begins again from the first row, `stop` ends the
loop.

Fails:
    stages:
      - id: again
        kind: loop
        iterations: 10
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        slices: {batch: {rows: builtin/questions, take: 100}}
        stages:
          - {id: sample, kind: generate, model: $policy, rows: $batch}
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: $sample}
Passes:
    stages:
      - id: again
        kind: loop
        iterations: 10
        carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
        slices: {batch: {rows: builtin/questions, take: 100, at_end: wrap}}
        stages:
          - {id: sample, kind: generate, model: $policy, rows: $batch}
          - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: $sample}
""",
    """P120 rows-missing (error)

A stage has nothing to read, or the same thing is said twice. `rows` is short for a single dataset.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat}
Passes:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
""",
    """P123 no-iterations (error)

A select stage outside of a loop asks for the rows of all iterations.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: best, kind: select, rows: $scored, how: best_of_n, iterations: all}
Passes:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: best, kind: select, rows: $scored, how: best_of_n}
""",
    """P125 unknown-split (error)

`$name.split` names one of the splits that a stage makes: train, those of a prepare stage's `splits`, and eval where a
select stage has an `eval_share`.

Fails:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $prompts.eval}
Passes:
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions, splits: {eval: 0.1}}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $prompts.eval}
""",
)
