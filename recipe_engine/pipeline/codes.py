"""What every P code means, in the form of the rules' docstrings. Examples are pipelines, which the tests check."""

from __future__ import annotations

_CHECKED = (
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
    """P111 setting-of-another-how (error)

A select stage has a setting that its `how` does not read, or the `data` of prompts one that is about training: nothing
in a pipeline is ignored.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: best, kind: select, rows: $scored, how: best_of_n, k: 100}
Passes:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: best, kind: select, rows: $scored, how: top_k, k: 100}
""",
    """P112 prices-missing (error)

`max_dollars` stops a stage before it has cost more. What it has cost can only be counted with both prices.

Fails:
    stages:
      - id: ask
        kind: generate
        model: strong-model
        rows: builtin/questions
        engine: {type: http, base_url: "https://host/v1", max_dollars: 20}
Passes:
    stages:
      - id: ask
        kind: generate
        model: strong-model
        rows: builtin/questions
        engine:
          type: http
          base_url: https://host/v1
          max_dollars: 20
          dollars_per_million_input: 3
          dollars_per_million_output: 15
""",
    """P113 thinking-missing (error)

Thoughts are to be told from answers, and the pipeline has no `thinking` block that says how they are marked.

Fails:
    stages:
      - id: ask
        kind: generate
        model: builtin/tiny-chat
        rows: builtin/questions
        answers: thought_and_response
Passes:
    thinking: {open: <think>, close: </think>}
    stages:
      - id: ask
        kind: generate
        model: builtin/tiny-chat
        rows: builtin/questions
        answers: thought_and_response
""",
    """P114 metric-unknown (error)

A gate looks at a number that the evaluation will not have: there is no base to compare with, there are no rewards, no
held-out rows.

Fails:
    stages:
      - {id: verdict, kind: evaluate, model: builtin/tiny-chat, rows: builtin/questions, rewards: [{type: exact_match}]}
      - {id: better, kind: gate, evaluation: $verdict, conditions: [{metric: difference.reward.mean, at_least: 0}]}
Passes:
    stages:
      - {id: verdict, kind: evaluate, model: builtin/tiny-chat, rows: builtin/questions, rewards: [{type: exact_match}]}
      - {id: good, kind: gate, evaluation: $verdict, conditions: [{metric: candidate.reward.mean, at_least: 0.5}]}
""",
    """P115 folder-clash (error)

A name would stand for two things in the pipeline's folder; or a stage reads, by its path, what the pipeline itself
writes, so that nothing says that it must be made first.

Fails:
    output_dir: models/mine
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: ./models/mine/prompts/rows/train}
Passes:
    output_dir: models/mine
    stages:
      - {id: prompts, kind: prepare, rows: builtin/questions}
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: $prompts}
""",
    """P116 given-by-the-pipeline (error)

A recipe in a pipeline says where its result goes, or how it is resumed. Each stage has its own folder, and the pipeline
goes on by itself. In a recipe's own file these keys may stand: they count where it is trained alone.

Fails:
    stages:
      - id: sft
        kind: train
        recipe: {training: {algorithm: sft, output_dir: models/mine}}
        model: builtin/tiny-chat
        rows: builtin/conversations
Passes:
    stages:
      - id: sft
        kind: train
        recipe: {training: {algorithm: sft}}
        model: builtin/tiny-chat
        rows: builtin/conversations
""",
    """P117 recipe-unreadable (error)

The file that a train stage names as its recipe is not there, cannot be read, or is a pipeline. Its path counts from the
pipeline's file.

Fails:
    stages:
      - {id: sft, kind: train, recipe: no-such.yaml, model: builtin/tiny-chat, rows: builtin/conversations}
Passes:
    stages:
      - id: sft
        kind: train
        recipe: {training: {algorithm: sft}}
        model: builtin/tiny-chat
        rows: builtin/conversations
""",
    """P118 override-misplaced (error)

An override of a train stage is named by the dotted path of a setting, such as training.learning_rate or
data.datasets[0].name, and the recipe has no such place.

Fails:
    stages:
      - id: sft
        kind: train
        recipe: {training: {algorithm: sft}}
        model: builtin/tiny-chat
        rows: builtin/conversations
        overrides: {"training learning_rate": 1e-4}
Passes:
    stages:
      - id: sft
        kind: train
        recipe: {training: {algorithm: sft}}
        model: builtin/tiny-chat
        rows: builtin/conversations
        overrides: {training.learning_rate: 1e-4}
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
    """P120 rows-missing (error)

A stage has nothing to read, or the same thing is said twice. `rows` is short for a single dataset.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat}
Passes:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
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
    """P122 too-few-gpus-for-a-stage (error)

A stage needs more GPUs than the pipeline is given: its own `gpus`, or vLLM, which runs on none.

Fails:
    # with --num-gpus 0
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions, engine: {type: vllm}}
Passes:
    # with --num-gpus 0
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions, engine: {type: hf}}
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
    """P126 setting-incomplete (error)

Settings of a stage contradict each other, or one that the others need is missing: `top_k` without `k`, a gate's
condition without a bound, shares that add up to all rows, a template that leaves out the prompt.

Fails:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: best, kind: select, rows: $scored, how: threshold}
Passes:
    stages:
      - {id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}]}
      - {id: best, kind: select, rows: $scored, how: threshold, at_least: 1}
""",
    """P127 several-machines (error)

A train stage's recipe, or an override, asks for several machines (`launch.nodes`), and a pipeline runs on one. A recipe
that needs more is submitted by itself (`recipe submit`); another pipeline goes on from the model that it has made.

Fails:
    stages:
      - id: sft
        kind: train
        recipe: {training: {algorithm: sft}, launch: {nodes: 2}}
        model: builtin/tiny-chat
        rows: builtin/conversations
Passes:
    stages:
      - id: sft
        kind: train
        recipe: {training: {algorithm: sft}}
        model: builtin/tiny-chat
        rows: builtin/conversations
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
    """P129 given-twice (error)

A train stage says its model or its rows itself, and the recipe that stands in it, or an override, says them too: one of
the two would be without effect. In a recipe's own file they may stand: they count where it is trained alone.

Fails:
    stages:
      - id: sft
        kind: train
        recipe: {data: {datasets: [{name: builtin/alpaca, max_samples: 7}]}, training: {algorithm: sft}}
        model: builtin/tiny-chat
        rows: builtin/conversations
Passes:
    stages:
      - id: sft
        kind: train
        recipe: {data: {datasets: [{name: builtin/alpaca, max_samples: 7}]}, training: {algorithm: sft}}
        model: builtin/tiny-chat
""",
)

_RUN = (
    """P201 result-in-the-way (error)

A stage is complete, or has got far, and what it was made of is not what the file says now. The message names what
differs. A result is never replaced unasked, since hours may be in it.

Fails:
    $ recipe run raft.yaml --num-gpus 1 && recipe run raft.yaml --num-gpus 1 seed=7
Passes:
    $ recipe run raft.yaml --num-gpus 1 && recipe run raft.yaml --num-gpus 1 seed=7 --replace
""",
    """P202 no-row-made (error)

A stage was to make rows and has made none. The message says how many were left out, and why. What reads them would
train on nothing and report success, so the pipeline stops.

Fails:
    $ recipe run raft.yaml --num-gpus 1 'stages[raft].stages[chosen].min_group=9'
Passes:
    $ recipe run raft.yaml --num-gpus 1
""",
    """P203 stage-not-complete (error)

`--from` or `--until` names a stage that the pipeline does not have, or one before it is not complete.

Fails:
    $ recipe run raft.yaml --num-gpus 1 --from verdict
Passes:
    $ recipe run raft.yaml --num-gpus 1
""",
    """P204 model-removed (error)

A stage has to run again, and the model it starts from was removed, as `keep_models` says.

Fails:
    $ rm -r models/raft/raft/0001/sample && recipe run raft.yaml --num-gpus 1
Passes:
    $ recipe run raft.yaml --num-gpus 1 'stages[raft].stages[sft].keep_models=all' output_dir=models/again
""",
    """P205 slices-ran-out (error)

Now that the rows are there, a loop's slices take more than there are, or they cannot be counted.

Fails:
    $ recipe run raft.yaml --num-gpus 1 'stages[raft].iterations=100'
Passes:
    $ recipe run raft.yaml --num-gpus 1 'stages[raft].iterations=100' 'stages[raft].slices.batch.at_end=wrap'
""",
    """P206 wrong-kind-of-file (error)

`recipe run` runs pipelines, files with the key `stages`; `recipe train` trains recipes.

Fails:
    $ recipe train --config recipes/pipelines/quickstart/raft.yaml --num-gpus 0
Passes:
    $ recipe run recipes/pipelines/quickstart/raft.yaml --num-gpus 0
""",
    """P207 key-not-set (error)

A stage asks a service whose key stands in an environment variable, and that is not set.

Fails:
    $ recipe run thinking.yaml --num-gpus 8
Passes:
    $ export SERVICE_API_KEY=... && recipe run thinking.yaml --num-gpus 8
""",
)

CHECKED: dict[str, str] = {text[:4]: text for text in _CHECKED}
"""What `recipe lint` finds."""
CODES: dict[str, str] = {**CHECKED, **{text[:4]: text for text in _RUN}}
