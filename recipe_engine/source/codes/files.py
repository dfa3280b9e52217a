"""S101 to S109: the file, before it is YAML."""

from __future__ import annotations

FILES = (
    """S101 missing-file (error)

No file has this name. Paths are relative to the folder in which the command runs. Check the spelling, and whether the
name ends in .yaml or .yml.

Fails:
    $ recipe lint recipes/quickstart/stf.yaml
Passes:
    $ recipe lint recipes/quickstart/sft.yaml
""",
    """S102 not-a-file (error)

The name leads to a folder, a pipe or a device. A recipe is a regular file: a pipe may never end, and cannot be read
again when the run is resumed. Name the file itself.

Fails:
    $ recipe train recipes/quickstart
Passes:
    $ recipe train recipes/quickstart/sft.yaml
""",
    """S103 unreadable-file (error)

The file is there, but the system refuses to read it. The message gives the system's reason: usually missing
permission (`chmod u+r FILE`), or links that lead in a circle.

Fails:
    $ chmod a-r sft.yaml && recipe lint sft.yaml
Passes:
    $ chmod u+r sft.yaml && recipe lint sft.yaml
""",
    """S104 too-large-file (error)

The file is larger than 1 MiB. Recipes are a few kilobytes; the limit keeps a wrong file name, or a hostile file, from
filling the memory. Data goes into data files, which the recipe names under data.datasets.

Fails:
    $ recipe lint data/train.jsonl
Passes:
    $ recipe lint recipes/quickstart/sft.yaml
""",
    """S105 binary-file (error)

The file holds NUL bytes, so it is not text: perhaps an archive or a checkpoint, or text in UTF-16, which some editors
on Windows write. Name another file, or save it as UTF-8.

Fails:
    $ recipe lint models/sft/model.safetensors
Passes:
    $ recipe lint models/sft/run/recipe.yaml
""",
    """S106 not-utf-8 (error)

A byte in the file is not valid UTF-8, so the text cannot be read with certainty: it is mostly an accented letter
saved in Latin-1 or Windows-1252. Save the file as UTF-8. The locale of the machine plays no part.

Fails:
    $ printf 'wandb: {project: caf\\351}' > sft.yaml && recipe lint sft.yaml
Passes:
    $ printf 'wandb: {project: caf\\303\\251}' > sft.yaml && recipe lint sft.yaml
""",
    """S107 control-character (error)

The file holds a control character, a byte order mark that is not at its start, or one of the line breaks that only
some programs know (U+0085, U+2028, U+2029). None can be seen, and programs disagree on where the next line starts.
Remove it, or write it as an escape in double quotes.

Fails:
    $ printf 'data: {system_prompt: "Answer.\\007"}' > sft.yaml && recipe lint sft.yaml
Passes:
    $ printf 'data: {system_prompt: "Answer."}' > sft.yaml && recipe lint sft.yaml
""",
    """S108 empty-file (error)

The file holds nothing, or only comments. At least the training algorithm, a model and data must be given, here or in
a parent that the recipe extends.

Fails:
    # training:
    #   algorithm: sft
Passes:
    training:
      algorithm: sft
""",
    """S109 reordering-character (warning)

An invisible character changes the direction of the text after it. What a reviewer sees is then not what is read: a
value can look like a comment, or another value. Remove it, or write it as an escape in double quotes, where it can be
seen.

Fails:
    $ printf 'data: {system_prompt: "\\342\\200\\256abc"}' > sft.yaml && recipe lint sft.yaml
Passes:
    $ printf 'data: {system_prompt: "abc"}' > sft.yaml && recipe lint sft.yaml
""",
)
