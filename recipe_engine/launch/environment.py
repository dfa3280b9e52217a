"""``launch.environment``: which variables of this process's environment the training processes are given."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from recipe_engine.compiled import CompiledRun

SYSTEM = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "TMPDIR", "TEMP", "TMP", "XDG_*"),
    *("LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "CONDA_*", "PYTHON*"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
"""Where programs, libraries and files are, how text is shown, and how the network is reached."""
COMPUTING = (
    *("CUDA*", "NVIDIA*", "NCCL_*", "GLOO_*", "UCX_*", "FI_*", "MELLANOX_*", "HIP_*", "ROCR_*"),
    *("OMP_*", "MKL_*", "KMP_*", "GOMP_*", "OPENBLAS_*", "NUMEXPR_*", "MALLOC_*"),
    *("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "MAX_JOBS", "NINJA_*"),  # kernels that are compiled on first use
)
"""GPUs, the network between them, threads, and compilers."""
LIBRARIES = (
    *("TORCH*", "PYTORCH_*", "TRITON_*", "DS_*", "DEEPSPEED_*", "BNB_*", "BITSANDBYTES_*", "VLLM_*"),
    *("HF_*", "HUGGINGFACE_*", "TRANSFORMERS_*", "TOKENIZERS_*", "DATASETS_*", "TRL_*", "TQDM_*", "SAFETENSORS_*"),
    *("WANDB_*", "TRACKIO_*", "TENSORBOARD_*", "MPLBACKEND", "MPLCONFIGDIR"),
)
"""Settings of the libraries, with the tokens for the Hub and for Weights & Biases."""
ENGINE = ("RECIPE_ENGINE_*",)
STORAGE = ("AWS_*", "S3_*", "FSSPEC_*")
"""For the s3 block and for data in a bucket."""


def kept_environment(run: CompiledRun, environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that the run's processes are given: all, without ``launch.environment``."""
    allowed = run.launch.environment
    if allowed is None:
        return dict(environment)
    # A recipe that names the variable of a key has said that a reward needs it.
    keys = [key for reward in run.rewards if (key := getattr(reward, "api_key_env", None))]
    patterns = [*SYSTEM, *COMPUTING, *LIBRARIES, *ENGINE, *STORAGE, *keys, *allowed]
    return {
        name: value for name, value in environment.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def left_out_line(run: CompiledRun, environment: Mapping[str, str]) -> str | None:
    """What is said of the variables that are not passed on; nothing where all are."""
    if run.launch.environment is None:
        return None
    left_out = len(environment) - len(kept_environment(run, environment))
    return f"environment: {left_out} of {len(environment)} variables are left out (launch.environment)"
