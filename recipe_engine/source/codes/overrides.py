"""S140 to S142: values from the command line."""

from __future__ import annotations

OVERRIDES = (
    """S140 override-form (error)

An override is a path, `=` and a value: training.learning_rate=1e-5. The path is keys joined by dots; an item of a
list is [0] or .0, or [sample] by its id or name. It has no dashes in front, which are for the command's own options.
The value is read as in the file. `extends` can only be given in the file.

Fails:
    # override: --training.learning_rate=1e-5
    training:
      algorithm: sft
Passes:
    # override: training.learning_rate=1e-5
    training:
      algorithm: sft
""",
    """S141 override-index (error)

The index in an override is beyond the end of the list, or no item, or more than one, has the id or name in brackets.
The first item has index 0; the index that equals the list's length appends an item, so a list can grow by one item at a
time.

Fails:
    # override: data.datasets[2].split=test
    data:
      datasets:
        - {name: my/data}
Fails:
    # override: data.datasets[mine/data].split=test
    data:
      datasets:
        - {name: my/data}
Passes:
    # override: data.datasets[my/data].split=test
    data:
      datasets:
        - {name: my/data}
Passes:
    # override: data.datasets[0].split=test
    data:
      datasets:
        - {name: my/data}
""",
    """S142 override-path (error)

The path of an override asks for a key of a list, an index of a mapping, or anything of a single value. Compare it
with the recipe: perhaps an index such as [0] is missing, or the block is nested differently.

Fails:
    # override: data.datasets.split=test
    data:
      datasets:
        - {name: my/data}
Passes:
    # override: data.datasets[0].split=test
    data:
      datasets:
        - {name: my/data}
""",
)
