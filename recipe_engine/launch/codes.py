"""What every T code means, in the form of the rules' docstrings: what only this machine and this moment can tell."""

from __future__ import annotations

_TEXTS = (
    """T501 too-few-gpus (error)

More GPUs are asked for than this machine has, or PyTorch sees. With 0 the CPU trains.

Fails:
    $ recipe train --config recipes/quickstart/sft.yaml --num-gpus 64
Passes:
    $ recipe train --config recipes/quickstart/sft.yaml --num-gpus 0
""",
    """T502 output-in-use (error)

The folder that the result would go to is a file, or holds something already: an earlier run, which is only replaced if
training.overwrite_output_dir says so; a run that is going on; or files that are not of a run, which are never touched.

Fails:
    $ recipe train --config sft.yaml --num-gpus 1 && recipe train --config sft.yaml --num-gpus 1
Passes:
    $ recipe train --config sft.yaml --num-gpus 1 training.run_name=second
""",
    """T503 output-not-writable (error)

The system does not let this user write where the result would go, or to logs/ in the current folder. Choose another
training.output_dir, or start the run from another folder.

Fails:
    $ recipe train --config sft.yaml --num-gpus 1 training.output_dir=/proc/model
Passes:
    $ recipe train --config sft.yaml --num-gpus 1 training.output_dir=models/sft
""",
    """T504 deepspeed-file-gone (error)

The file that training.deepspeed_config names was there when the recipe was checked (L428), and is not where it is
trained: it went away since, or another machine does not see it.

Fails:
    $ recipe submit --config sft.yaml --on slurm --num-gpus 2 training.deepspeed_config=/tmp/zero3.json
Passes:
    $ recipe train --config sft.yaml --num-gpus 2 training.deepspeed_config=zero3.json
""",
    """T505 model-missing (error)

model.base_model_name is a local folder that does not exist or holds no model. Perhaps the run that makes it has not
been started, or what is there is an adapter, which must be merged into its base model first.

Fails:
    $ recipe train --config grpo.yaml --num-gpus 0 model.base_model_name=./models/not-trained-yet
Passes:
    $ recipe train --config grpo.yaml --num-gpus 0 model.base_model_name=builtin/tiny-chat
""",
    """T506 recipe-file-missing (error)

A file that belongs to the recipe is not there: the template that model.chat_template names. Its path counts from the
recipe's folder.

Fails:
    $ recipe train --config sft.yaml --num-gpus 0 model.chat_template=chat.jinja
Passes:
    $ touch chat.jinja && recipe train --config sft.yaml --num-gpus 0 model.chat_template=chat.jinja
""",
    """T507 reward-code-not-allowed (error)

The recipe has a reward of type function: training would run a Python file that came with it. A recipe is data, but this
is a program, so whoever starts the run has to say that it may be run. Read the file first. The same goes for a reward
of type code: training would run the programs that the model writes, in confined processes.

Fails:
    $ recipe train --config grpo.yaml --num-gpus 0
Passes:
    $ recipe train --config grpo.yaml --num-gpus 0 --allow-reward-code
""",
    """T508 remote-code-not-allowed (error)

The recipe sets model.trust_remote_code: loading the model would run Python code that ships with it. Read that code at
the pinned revision, then allow it on the command line.

Fails:
    $ recipe train --config sft.yaml --num-gpus 1
Passes:
    $ recipe train --config sft.yaml --num-gpus 1 --trust-remote-code
""",
    """T509 run-ended-at-once (error)

A run in the background ended in its first seconds. The end of its log is shown above the message.

Fails:
    $ recipe train --config sft.yaml --num-gpus 0 --nohup model.base_model_name=no-such/model
Passes:
    $ recipe train --config recipes/quickstart/sft.yaml --num-gpus 0 --nohup
""",
    """T510 extra-missing (error)

The command needs a package that the linter does without: those of the extra `train`, or what the recipe asks for beside
them, deepspeed and bitsandbytes (extra `gpu`) and s3fs (extra `s3`).

Fails:
    $ pip install recipe-engine && recipe inspect sft.yaml
Passes:
    $ pip install -e ".[train]" -c constraints.txt && recipe inspect sft.yaml
""",
    """T511 checkpoint-unusable (error)

The checkpoint that training.resume gives is not there, holds no trainer state, or is damaged: each checkpoint lists its
files with their sizes, and one of them is missing or was cut off. Or it holds the model alone, as
training.save_only_model leaves it: then nothing can go on from it. A relative path counts from the folder in which the
command is started.

Fails:
    $ recipe train --config sft.yaml --num-gpus 1 training.resume=models/sft/checkpoint-9999
Passes:
    $ recipe train --config sft.yaml --num-gpus 1 training.resume=models/sft/checkpoint-200
""",
    """T512 resumed-recipe-changed (error)

The output folder holds an unfinished run, which would be gone on with, and the recipe is not the one that run was
started with: another model, other data, another batch. What comes out would be neither run. Changes of what a run is
watched and kept by (logging, saving, evaluation, tracking) are always allowed, and those of the schedule, of sampling
and the like are allowed and said. The learning rate and other settings of the optimizer come with the checkpoint, so
that a change of them cannot be had.

Fails:
    $ recipe train --config sft.yaml --num-gpus 1 data.max_length=1024   # after a start without the override
Passes:
    $ recipe train --config sft.yaml --num-gpus 1 data.max_length=1024 'training.resume_changes=[data.max_length]'
""",
    """T513 run-missing (error)

The folder that `recipe logs`, `stop`, `resume` or `wait` is given holds no run, or one that this version of the engine
cannot read. A run is named by its output folder, or by that folder's name under models/.

Fails:
    $ recipe stop no-such-run
Passes:
    $ recipe status
""",
    """T514 run-not-in-that-state (error)

What is asked for does not fit the state that a run is in: one that has ended cannot be stopped, one that is going on or
done cannot be resumed. `recipe status` shows the state. A run on another machine is stopped there.

Fails:
    $ recipe stop finished-run
Passes:
    $ recipe status && recipe stop running-run
""",
    """T515 not-submitted (error)

`recipe submit` could not give the run to Slurm or Ray: their commands or packages are not on this machine, nothing
answers at the address, or the scheduler refused. What it said is in the message. The script stays in logs/.

Fails:
    $ recipe submit --on slurm --config sft.yaml --num-gpus 8 --partition no-such
Passes:
    $ recipe submit --on slurm --config sft.yaml --num-gpus 8 --partition gpu
""",
    """T516 scheduler-option (error)

An option of `recipe submit` cannot be passed on as it stands: it holds blanks, quotes or other signs that sbatch would
read as something else; it is set by the script itself; or the scheduler that was chosen does not know it.

Fails:
    $ recipe submit --on slurm --config sft.yaml --num-gpus 8 --sbatch array=0-9
Passes:
    $ recipe submit --on slurm --config sft.yaml --num-gpus 8 --sbatch constraint=a100
""",
    """T517 machines-do-not-meet (error)

Several machines were to train together, and one is missing, does not see the run's folder, or runs something else:
another recipe, other overrides or options, another version of the engine, or a rank that another one has. The message
says which machine, and what differs. docs/clusters.md shows how they are started.

Fails:
    $ recipe train --config sft.yaml --num-gpus 8 --num-nodes 2 --node-rank 1 --rendezvous node0:29400  # node0 is off
Passes:
    $ recipe train --config sft.yaml --num-gpus 8 --num-nodes 2 --node-rank 0 --rendezvous node0:29400  # and 1 on node1
""",
    """T518 place-missing (error)

A run on several machines has to be told which of them this is, and where they meet: --node-rank, from 0, and
--rendezvous, the name or address of the machine of rank 0 with a free port there. The recipe may name the second
(launch.rendezvous). `recipe submit` gives both by itself.

Fails:
    $ recipe train --config sft.yaml --num-gpus 8 --num-nodes 2
Passes:
    $ recipe train --config sft.yaml --num-gpus 8 --num-nodes 2 --node-rank 0 --rendezvous node0:29400
""",
    """T530 disk-too-full (error)

The disk of training.output_dir has less room than the model and its checkpoints need at once: one more checkpoint than
training.save_total_limit, for the oldest is removed after the newest is whole. The sizes are worked out from the
model's (`recipe plan` shows them); where nothing tells how many checkpoints there will be, two are counted.

Fails:
    $ recipe train --config 70B.yaml --num-gpus 8 training.output_dir=/tmp/model   # on a disk with 40 GiB left
Passes:
    $ recipe train --config 70B.yaml --num-gpus 8 training.output_dir=/data/model training.save_total_limit=2
""",
)

CODES: dict[str, str] = {text[:4]: text for text in _TEXTS}
