"""S110 to S122: YAML's syntax, and the parts of YAML that a recipe does without."""

from __future__ import annotations

YAML_SUBSET = (
    """S110 yaml-syntax (error)

The text is not YAML, so nothing after this place can be understood. The commonest causes: a value with a colon and a
space in it, no space after a key's colon, a quote or a bracket that is not closed, and lines that should be indented
alike but are not.

Fails:
    data:
      system_prompt: Answer in one word: yes or no
Passes:
    data:
      system_prompt: "Answer in one word: yes or no"
""",
    """S111 tab-indentation (error)

A line is indented with a tab. YAML allows only spaces, because a tab is as wide as each editor likes.

Fails:
    training:
    \talgorithm: sft
Passes:
    training:
      algorithm: sft
""",
    """S112 not-a-mapping (error)

A recipe is a mapping from keys (model, data, training ...) to values. This file is a list or a single value: perhaps
it is another kind of file, or the space after a colon is missing.

Fails:
    - training
    - algorithm
Passes:
    training:
      algorithm: sft
""",
    """S113 duplicate-key (error)

A key is written twice in one mapping. Most programs silently take the last, and the reader of the recipe perhaps the
first. Keep one; to change a value for one run, give it on the command line.

Fails:
    training:
      learning_rate: 1e-5
      learning_rate: 1e-6
Passes:
    training:
      learning_rate: 1e-6
""",
    """S114 anchor-or-alias (error)

The value has an anchor (&name) or is an alias (*name). Aliases let a file of 400 bytes grow to gigabytes, and a value
that stands elsewhere cannot be changed without looking for its users. Write the value out; what several recipes share
belongs into a file that they extend. A text that starts with & or * must be in quotes.

Fails:
    training:
      learning_rate: &rate 1e-5
    launch:
      note: *rate
Passes:
    training:
      learning_rate: 1e-5
    launch:
      note: 1e-5
""",
    """S115 merge-key (error)

`<<` is the merge key of YAML 1.1; YAML 1.2 has none. Write the keys out, or put the shared ones into a file of their
own and name it under `extends`, which merges deeply and keeps track of where each value comes from.

Fails:
    training:
      <<: {bf16: true}
      algorithm: sft
Passes:
    training:
      bf16: true
      algorithm: sft
""",
    """S116 tag (error)

The value has a YAML tag such as !!str or !include. Tags can ask a program to run code, and a recipe's types follow
from how a value is written: text in quotes, numbers without. Remove the tag. A text that starts with ! must be in
quotes.

Fails:
    training:
      run_name: !!str 7
Passes:
    training:
      run_name: "7"
""",
    """S117 key-not-text (error)

The key is a number, a boolean or null for YAML. All keys of a recipe are text, and `1` and `"1"` are different keys
in one program and the same in another. Put the key in quotes.

Fails:
    model:
      id2label: {0: negative, 1: positive}
Passes:
    model:
      id2label: {"0": negative, "1": positive}
""",
    """S118 collection-as-key (error)

A mapping or a list stands where a key belongs. Nearly always it is a template such as {{question}} without quotes,
which YAML reads as a mapping inside a mapping. Put the text in quotes.

Fails:
    data:
      user_prompt: {{question}}
Passes:
    data:
      user_prompt: "{{question}}"
""",
    """S119 second-document (error)

A line `---` starts a second YAML document in the file. Only one recipe can be trained at a time, and silently taking
the first would ignore the rest. Keep one recipe in a file.

Fails:
    training:
      algorithm: sft
    ---
    training:
      algorithm: dpo
Passes:
    ---
    training:
      algorithm: sft
""",
    """S120 directive (error)

The file starts with a YAML directive. A recipe is always read as YAML 1.2, so `%YAML 1.2` is accepted; no other
version or tag can be chosen.

Fails:
    %YAML 1.1
    ---
    training:
      algorithm: sft
Passes:
    %YAML 1.2
    ---
    training:
      algorithm: sft
""",
    """S121 too-deep (error)

Mappings and lists are nested more than 64 deep. No setting needs that; the limit keeps a damaged or hostile file from
exhausting the programs that read it.

Fails:
    data:
      columns: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
        [[[[[[[[[[[[[[a]]]]]]]]]]]]]]
        ]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
Passes:
    data:
      columns: [a]
""",
    """S122 too-many-values (error)

The file has more than 20,000 keys and values, or the recipe and its parents together more than 20,000 values. Recipes
have some dozens. Data goes into data files, which the recipe names under data.datasets.

Fails:
    $ recipe lint data/train.json
Passes:
    $ recipe lint recipes/quickstart/sft.yaml
""",
)
