"""How many GPUs this machine has, found without importing torch here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import takewhile

from recipe_engine.launch.errors import LaunchError

_ASK_TORCH = "import torch; print(torch.cuda.device_count())"


def count_gpus() -> int:
    """GPUs that a training process would see (``CUDA_VISIBLE_DEVICES`` counts)."""
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
        found = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        return found if visible is None else len(_usable(visible, found))
    asked = subprocess.run([sys.executable, "-P", "-c", _ASK_TORCH], capture_output=True, text=True, check=False)
    return int(asked.stdout.strip()) if asked.returncode == 0 and asked.stdout.strip().isdigit() else 0


def _usable(visible: str, found: int) -> list[str]:
    """The devices that ``CUDA_VISIBLE_DEVICES`` names, up to the first that is not there: CUDA reads no further."""
    names = [name.strip() for name in visible.split(",")]
    return list(
        takewhile(lambda name: int(name) < found if name.isdigit() else name.startswith(("GPU-", "MIG-")), names)
    )


def demand_gpus(wanted: int) -> None:
    """Check that there are enough.

    Raises:
        LaunchError: there are fewer.
    """
    if wanted == 0:
        return
    found = count_gpus()
    if wanted > found:
        has = "no GPU" if found == 0 else "1 GPU" if found == 1 else f"{found} GPUs"
        raise LaunchError("T501", f"--num-gpus {wanted}: this machine has {has}", f"start with --num-gpus {found}")


def smaller_gpus(planned_gib: float) -> str | None:
    """A sentence where a GPU here has less memory than the plan took for granted; none where all have, or none tells.

    A GPU of 80 GB reports some 79.6 GiB: a twentieth less is no difference.
    """
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    listed = subprocess.run(query, capture_output=True, text=True, check=False)
    sizes = [int(line) / 1024 for line in listed.stdout.split() if line.isdigit()]
    least = min(sizes, default=planned_gib)
    if listed.returncode != 0 or least >= 0.95 * planned_gib:
        return None
    return (
        f"memory: a GPU here has {least:.0f} GiB, and the strategy was chosen for {planned_gib:g} "
        f"(write launch.gpu_memory_gib: {least:.0f})"
    )


def visible_devices(wanted: int) -> str:
    """The value of ``CUDA_VISIBLE_DEVICES`` for a run on ``wanted`` GPUs: the first of those that are visible now.

    Without it a single process would see all of them, and transformers would spread the model over them.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(index) for index in range(wanted)]
    return ",".join(names[:wanted])
