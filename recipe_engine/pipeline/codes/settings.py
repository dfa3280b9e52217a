"""Settings of stages, and of the recipes in them."""

from __future__ import annotations

SETTINGS = (
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
