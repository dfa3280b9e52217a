"""What is found when a pipeline is run."""

from __future__ import annotations

RUNNING = (
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
