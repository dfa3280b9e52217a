"""S130 to S134: recipes that extend others."""

from __future__ import annotations

EXTENDS = (
    """S130 extends-form (error)

`extends` names the recipes that this one builds on: one file, a list of files, or a mapping with `from` and, if
datasets are to be merged by their names, `merge_datasets_by_name: true`. Paths are relative to the file that says
them.

Fails:
    extends: {file: base.yaml}
Passes:
    # file: base.yaml
    training:
      algorithm: sft
    # file: recipe.yaml
    extends: {from: base.yaml, merge_datasets_by_name: true}
    training:
      learning_rate: 1e-5
""",
    """S131 extends-missing (error)

A recipe that this one extends cannot be read. The path is relative to the folder of the file that says it, not to the
folder in which the command runs; only local files can be extended.

Fails:
    extends: bsae.yaml
    training:
      learning_rate: 1e-5
Passes:
    # file: base.yaml
    training:
      algorithm: sft
    # file: recipe.yaml
    extends: base.yaml
    training:
      learning_rate: 1e-5
""",
    """S132 extends-cycle (error)

A recipe extends itself, directly or by way of others, so there is nothing to start from. Remove one of the `extends`;
the finding lists the places on the way.

Fails:
    # file: base.yaml
    extends: recipe.yaml
    # file: recipe.yaml
    extends: base.yaml
Passes:
    # file: base.yaml
    training:
      algorithm: sft
    # file: recipe.yaml
    extends: base.yaml
""",
    """S133 extends-limit (error)

More than 16 recipes extend one another in a row, or one recipe extends more than 16. Nobody can tell any more where a
value comes from. Merge some of them.

Fails:
    extends: [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a]
Passes:
    # file: base.yaml
    training:
      algorithm: sft
    # file: recipe.yaml
    extends: [base.yaml]
""",
    """S134 extends-ambiguous-dataset (error)

Datasets are to be merged by name, but a name stands more than once in the parent's list or in this one, for instance
with different subsets. Which entries belong together would be a guess. Write the list out without
merge_datasets_by_name.

Fails:
    # file: base.yaml
    data:
      datasets:
        - {name: my/data, subset: a}
        - {name: my/data, subset: b}
    # file: recipe.yaml
    extends: {from: base.yaml, merge_datasets_by_name: true}
    data:
      datasets:
        - {name: my/data, max_samples: 100}
Passes:
    # file: base.yaml
    data:
      datasets:
        - {name: my/data, subset: a}
        - {name: my/other}
    # file: recipe.yaml
    extends: {from: base.yaml, merge_datasets_by_name: true}
    data:
      datasets:
        - {name: my/data, max_samples: 100}
""",
)
