"""What every D code means, in the form of the rules' docstrings. `recipe lint --data` and training find them.

In the examples a line `# beside: NAME CONTENT` gives a data file of one line that lies in the current folder.
"""

from __future__ import annotations

_TEXTS = (
    """D401 dataset-not-found (error)

There is no such file, folder, embedded dataset or split. A relative path counts from the folder in which the command is
started, not from the recipe's. A name that is no path is looked for on the Hub.

Fails:
    data:
      datasets:
        - name: ./rows.jsonl
Passes:
    # beside: rows.jsonl {"text": "Water boils at 100 degrees."}
    data:
      datasets:
        - name: ./rows.jsonl
""",
    """D402 unreadable-data (error)

The dataset is there, but is not what its name says: a line is no JSON object, a row of a csv file has more fields than
the header, the text is not UTF-8, a column holds numbers in one row and text in another. The message names the file,
and the line where there is one.

Fails:
    # beside: rows.jsonl {"text": "Water boils at
    data:
      datasets:
        - name: rows.jsonl
Passes:
    # beside: rows.jsonl {"text": "Water boils at 100 degrees."}
    data:
      datasets:
        - name: rows.jsonl
""",
    """D403 missing-column (error)

The recipe names a column that the dataset has not, or the format that it names needs one. The message lists the columns
that there are.

Fails:
    # beside: rows.jsonl {"question": "2 + 2?", "reply": "4"}
    data:
      datasets:
        - name: rows.jsonl
          prompt_column: question
          completion_column: answer
Passes:
    # beside: rows.jsonl {"question": "2 + 2?", "reply": "4"}
    data:
      datasets:
        - name: rows.jsonl
          prompt_column: question
          completion_column: reply
""",
    """D404 format-does-not-fit (error)

Nothing that the algorithm can be trained on can be made of these columns: DPO needs chosen and rejected responses, GRPO
prompts, continued pre-training plain text. Name the columns, choose another dataset, or another algorithm.

Fails:
    # beside: rows.jsonl {"text": "Water boils at 100 degrees."}
    data:
      datasets:
        - name: rows.jsonl
    training:
      algorithm: dpo
Passes:
    # beside: rows.jsonl {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
    data:
      datasets:
        - name: rows.jsonl
    training:
      algorithm: dpo
""",
    """D405 invalid-row (error)

A row cannot be trained on: a column is empty or null, holds a number where text is needed, or a chat message has an
unknown role. The message names the row, counted from 1, and the column. With data.invalid_rows: drop such rows are left
out and counted, and this is a note.

Fails:
    # beside: rows.jsonl {"prompt": "2 + 2?", "completion": ""}
    data:
      datasets:
        - name: rows.jsonl
Passes:
    # beside: rows.jsonl {"prompt": "2 + 2?", "completion": "4"}
    data:
      datasets:
        - name: rows.jsonl
""",
    """D406 no-rows (error)

The dataset holds no row, or none that can be used.

Fails:
    # beside: rows.json []
    data:
      datasets:
        - name: rows.json
Passes:
    # beside: rows.json [{"text": "Water boils at 100 degrees."}]
    data:
      datasets:
        - name: rows.json
""",
    """D407 template-names-missing-column (error)

A prompt template names a column in braces that the dataset has not. Training on the literal text {column} would teach
the model nonsense. Braces that are meant literally are doubled.

Fails:
    # beside: rows.jsonl {"question": "2 + 2?", "reply": "4"}
    data:
      datasets:
        - name: rows.jsonl
      user_prompt: "Question: {qestion}"
      assistant_prompt: "{reply}"
Passes:
    # beside: rows.jsonl {"question": "2 + 2?", "reply": "4"}
    data:
      datasets:
        - name: rows.jsonl
      user_prompt: "Question: {question}"
      assistant_prompt: "{reply}"
""",
    """D408 not-checked (note)

The dataset is on the Hub or in a bucket, or in a format that only the package's `train` extra can read, so its rows are
not checked here. Training checks them before the model is loaded.

Fails:
    data:
      datasets:
        - name: trl-lib/Capybara
Passes:
    # beside: rows.jsonl {"text": "Water boils at 100 degrees."}
    data:
      datasets:
        - name: rows.jsonl
""",
    """D409 overlong-row (error)

A row has more tokens than data.max_length, or its prompt more than data.max_prompt_length, and the recipe says to stop
then. Only the model's tokenizer can tell: `recipe inspect` shows all lengths. Raise the limit, or say which end to cut,
or leave overlong_rows out to drop such rows and count them.

Fails:
    data:
      max_length: 16
      overlong_rows: error
Passes:
    data:
      max_length: 512
      overlong_rows: error
""",
    """D410 too-few-rows (error)

There are fewer rows than one step takes: one batch where dataloader_drop_last leaves an incomplete one out, one round
of prompts under GRPO and GSPO. A round is per_device_train_batch_size x processes x steps_per_generation completions
(by default gradient_accumulation_steps), in groups of num_generations. The trainer would do nothing, and report
success. Add rows, or make the batch smaller. Where the number of GPUs is not known (--num-gpus), one is assumed.

Fails:
    # beside: rows.json [{"text": "Water boils at 100 degrees."}]
    data:
      datasets:
        - name: rows.json
    training:
      per_device_train_batch_size: 8
      dataloader_drop_last: true
Fails:
    # beside: rows.jsonl {"prompt": "2 + 2?", "answer": "4"}
    data:
      datasets:
        - name: rows.jsonl
    training:
      algorithm: grpo
      num_generations: 8
      per_device_train_batch_size: 8
      gradient_accumulation_steps: 4
Passes:
    # beside: rows.json [{"text": "Water boils at 100 degrees."}]
    data:
      datasets:
        - name: rows.json
    training:
      per_device_train_batch_size: 1
      dataloader_drop_last: true
Passes:
    # beside: rows.jsonl {"prompt": "2 + 2?", "answer": "4"}
    data:
      datasets:
        - name: rows.jsonl
    training:
      algorithm: grpo
      num_generations: 8
      per_device_train_batch_size: 8
      gradient_accumulation_steps: 1
""",
    """D415 scores-without-threshold (error)

KTO reads from each row whether its answer is good: true or false, 1 or 0. This column holds other numbers, so scores,
and only you can say from which score on an answer is good: label_threshold. Training says how many answers are then
good and how many bad.

Fails:
    # beside: rows.jsonl {"prompt": "2 + 2?", "completion": "4", "score": 8.5}
    data:
      datasets:
        - name: rows.jsonl
          label_column: score
    training:
      algorithm: kto
Passes:
    # beside: rows.jsonl {"prompt": "2 + 2?", "completion": "4", "score": true}
    data:
      datasets:
        - name: rows.jsonl
          label_column: score
    training:
      algorithm: kto
""",
    """D416 one-label (warning)

Every answer of a dataset for KTO is labelled good, or every one bad. Unless another dataset brings the other kind, the
model learns only to say these answers more often, or less often than the reference; it has nothing to tell apart.

Fails:
    # beside: rows.json [{"prompt": "2 + 2?", "completion": "4", "label": true}]
    data:
      datasets:
        - name: rows.json
    training:
      algorithm: kto
Passes:
    # beside: rows.json [{"prompt": "a", "completion": "b", "label": 1}, {"prompt": "a", "completion": "c", "label": 0}]
    data:
      datasets:
        - name: rows.json
    training:
      algorithm: kto
""",
    """D417 bad-answers-as-demonstrations (warning)

The rows have a column `label` that is false in some of them, which marks their answers as bad, as data for KTO does.
Supervised fine-tuning does not read it: it would teach the bad answers like the good ones.

Fails:
    # beside: rows.jsonl {"prompt": "2 + 2?", "completion": "5", "label": false}
    data:
      datasets:
        - name: rows.jsonl
    training:
      algorithm: sft
Passes:
    # beside: rows.jsonl {"prompt": "2 + 2?", "completion": "4", "label": true}
    data:
      datasets:
        - name: rows.jsonl
    training:
      algorithm: sft
""",
    """D418 kto-weights (warning)

The good and the bad answers should weigh about the same: the KTO paper (arXiv 2402.01306, section 4.2) advises that
desirable_weight times the number of good answers be from 1 to 4/3 times undesirable_weight times that of bad ones.

Fails:
    data:
      datasets:
        - name: builtin/unpaired
    training:
      algorithm: kto
      desirable_weight: 3.0
Passes:
    data:
      datasets:
        - name: builtin/unpaired

    training:
      algorithm: kto
      desirable_weight: 1.0
      undesirable_weight: 1.0
""",
    """D419 too-many-invalid (error)

data.invalid_rows: drop leaves out the few bad rows of a dataset. Where they are more than data.max_invalid_share of it
(a tenth, unless the recipe says otherwise), a wrong column or format is more likely than a bad dataset.

Fails:
    # beside: rows.json [{"prompt": "1 + 1?", "completion": "2"}, {"prompt": "2 + 2?", "completion": ""}]
    data:
      invalid_rows: drop
      datasets:
        - name: rows.json
Passes:
    # beside: rows.json [{"prompt": "1 + 1?", "completion": "2"}, {"prompt": "2 + 2?", "completion": ""}]
    data:
      invalid_rows: drop
      max_invalid_share: 0.5
      datasets:
        - name: rows.json
""",
)

CODES: dict[str, str] = {text[:4]: text for text in _TEXTS}
