"""The script that Slurm is given, run by a real shell; Slurm's own commands are stood in for by ones that tell what
they were called with. tests/e2e/test_slurm.py has a real Slurm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.slurm import Resources, request, seconds_before_limit
from tests.compile.support import SFT, compilation, compiled

# srun tells its arguments, and runs what it is given as Slurm runs it: without a shell.
SRUN = """\
#!{python}
import os, sys
arguments = sys.argv[1:]
while arguments[0].startswith("-"): arguments.pop(0)
os.environ["SLURM_NODEID"] = "1"
os.execvp(arguments[0], arguments)
"""
# In the place of the Python that trains.
PROGRAM = """\
#!{python}
import os, sys
open("told", "w").write("\\0".join([os.environ["RECIPE_ENGINE_JOB"], *sys.argv[1:]]))
sys.exit(int(os.environ.get("CODE", "0")))
"""
SCONTROL = """\
#!/bin/sh
case "$1" in
  show) echo node7; echo node8 ;;
  --oneliner) echo "NodeName=$4 Arch=x86_64 NodeAddr=10.1.2.$4 NodeHostName=$4 Version=22" ;;
  requeue) echo "$@" >requeued ;;
esac
"""
HOSTILE = [
    "a'; touch pwned; '",
    "$(touch pwned)",
    "`touch pwned`",
    "a\ntouch pwned\n#SBATCH --wrap=x",
    '"; touch pwned; "',
    "a b\tc \\ * ? ~ é ${HOME}",
    "%j%x%%",
    "-- --allow-reward-code",
    "!pwned",
    "a\n\\x27'\t",
]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"srun": SRUN, "python": PROGRAM, "scontrol": SCONTROL, "scancel": "#!/bin/sh\n"}.items():
        (folder / name).write_text(text.format(python=sys.executable) if "{python}" in text else text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return folder


def script(*overrides: str, file: str = "recipe.yaml", **resources: object) -> str:
    run = compilation(SFT, *overrides, file=file).run
    return request(run, Path(file), overrides, Resources(**resources)).text  # type: ignore[arg-type]


def told(text: str, **variables: str) -> list[str]:
    """What the program was called with in a job that runs the script."""
    Path("job").write_text(text)
    environment = {**os.environ, "SLURM_JOB_ID": "40001", "SLURM_JOB_NODELIST": "node[7-8]", **variables}
    done = subprocess.run(["bash", "job"], env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == int(variables.get("CODE", "0")), done.stderr
    return Path("told").read_text().split("\0")


@pytest.mark.usefixtures("programs")
class TestTheScript:
    def test_it_trains_the_recipe_and_says_which_job_it_is(self) -> None:
        job, *arguments = told(script("training.max_steps=3"))
        assert job == "slurm:40001"
        assert arguments[:5] == ["-P", "-m", "recipe_engine.cli", "train", "--config"]
        assert arguments[5:] == [str(Path("recipe.yaml").absolute()), "--num-gpus", "0", "--", "training.max_steps=3"]

    @pytest.mark.parametrize("nodes", ["1", "2"])
    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_no_name_and_no_value_is_ever_run(self, hostile: str, nodes: str) -> None:
        overrides = [f"training.run_name={hostile}", f"launch.nodes={nodes}"]
        text = script(*overrides)
        assert told(text)[-3:] == ["--", *overrides]
        assert not Path("pwned").exists()
        directives = [line for line in text.splitlines() if line.startswith("#SBATCH")]
        assert len(directives) == 8

    def test_a_hostile_file_name_is_a_file_name(self) -> None:
        name = "a'; touch pwned; $(touch pwned).yaml"
        assert told(script(file=name))[6] == str(Path(name).absolute())
        assert not Path("pwned").exists()

    def test_several_machines_meet_at_the_first_one_under_a_port_of_the_job(self) -> None:
        text = script("launch.nodes=2")
        arguments = told(text)
        place = arguments[arguments.index("--node-rank") : arguments.index("--")]
        assert place == ["--node-rank", "1", "--rendezvous", "10.1.2.node7:25001"]
        assert "#SBATCH --nodes=2\n" in text

    @pytest.mark.parametrize("code", ["0", "1", "143"])
    def test_its_exit_code_is_the_runs(self, code: str) -> None:
        told(script(), CODE=code)
        assert not Path("requeued").exists()

    def test_a_job_that_begins_again_goes_on(self) -> None:
        assert told(script("training.resume=never"), SLURM_RESTART_COUNT="1")[-2:] == [
            "training.resume=never",
            "training.resume=auto",
        ]
        assert "training.resume=auto" not in told(script())


class TestWhatIsAskedFor:
    def test_every_resource_has_its_line(self) -> None:
        text = script(
            time="8:00:00",
            partition="gpu",
            account="lab",
            mem="200G",
            cpus=16,
            further=("constraint=a100", "exclusive"),
        )
        asked = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]
        for line in ("time=8:00:00", "partition=gpu", "account=lab", "mem=200G", "cpus-per-task=16", "requeue"):
            assert line in asked
        assert {"constraint=a100", "exclusive", "open-mode=append", "ntasks-per-node=1"} <= set(asked)

    def test_a_cpu_run_has_a_core_for_each_process_unless_it_is_said_otherwise(self) -> None:
        run = compilation(SFT, "launch.cpu_processes=3").run
        for resources, line in (
            (Resources(), "cpus-per-task=3"),
            (Resources(cpus=8), "cpus-per-task=8"),
            (Resources(further=("cpus-per-task=5",)), "cpus-per-task=5"),
        ):
            text = request(run, Path("r.yaml"), [], resources).text
            assert re.findall("#SBATCH --(cpus.*)", text) == [line]

    def test_gpus_are_asked_for_once(self) -> None:
        from recipe_engine.compile import Options

        run = compilation(SFT, options=Options(gpus=4)).run
        assert "#SBATCH --gpus-per-node=4\n" in request(run, Path("r.yaml"), [], Resources()).text
        other = request(run, Path("r.yaml"), [], Resources(further=("gres=gpu:a100:4",))).text
        assert "gpus-per-node" not in other
        assert "#SBATCH --gres=gpu:a100:4\n" in other

    @pytest.mark.parametrize(
        ("resources", "said"),
        [
            ({"partition": "a b"}, "partition: 'a b' holds signs"),
            ({"account": "x\n#SBATCH --wrap=y"}, "account"),
            ({"mem": "1G'"}, "mem"),
            ({"further": ("array=0-9",)}, "--sbatch array: the script sets this itself"),
            ({"further": ("--nice",)}, "by its long name, without dashes"),
            ({"further": ("comment=$(x)",)}, "comment"),
            ({"time": "soon"}, "'soon' is no time limit"),
            ({"time": ""}, "time is empty"),
            ({"partition": ""}, "partition is empty"),
            ({"mem": "200GB"}, "mem: '200GB' is no size that Slurm reads"),
            ({"mem": "lots"}, "mem: 'lots' is no size"),
            ({"mem": ""}, "mem: '' is no size"),
        ],
    )
    def test_what_sbatch_would_read_as_something_else_is_refused(self, resources: dict[str, object], said: str) -> None:
        with pytest.raises(LaunchError) as error:
            script(**resources)
        assert said in error.value.message

    @pytest.mark.parametrize(
        ("limit", "seconds"),
        [
            (None, 630),  # the grace time of the recipe, and what comes around it
            ("UNLIMITED", 630),
            ("1-0", 630),
            ("2-12", 630),
            ("8:00:00", 630),
            ("20", 300),  # a quarter of the limit: the rest is for training
            ("20:00", 300),
            ("0:10:00", 150),
            ("1", 15),
            ("0", 630),
        ],
    )
    def test_the_run_is_told_in_time_to_save(self, limit: str | None, seconds: int) -> None:
        assert seconds_before_limit(compiled(SFT), limit) == seconds
