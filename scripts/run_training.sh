#!/usr/bin/env bash
# Trains what a recipe says: `recipe train` in this checkout's environment, which is made on the first start.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail

usage() {
  cat <<'END'
Usage: ./scripts/run_training.sh --config CONFIG_FILE [OPTIONS] [KEY=VALUE...]

Options:
  --config CONFIG_FILE                   Path to configuration YAML file (required)
  --num-gpus NUM_GPUS                    Number of GPUs to use (required); 0 trains on the CPU
  --num-nodes N                          Number of machines; --num-gpus counts the GPUs of each
  --node-rank R                          Which of them this is, from 0
  --rendezvous HOST:PORT                 Where they meet: at the machine of rank 0
  --nohup                                Run in background with nohup
  -h, --help                             Show help message

KEY=VALUE replaces a value of the recipe, for example training.learning_rate=1e-5. Every other option of `recipe train`
is passed on as it is; `.venv/bin/recipe train --help` lists them.

The environment: .venv beside this script's folder if it is there; else the active environment if recipe-engine with its
train extra is installed in it; else .venv is made with Python 3.11 or 3.12 and the versions of constraints.txt. The
first start installs 2 to 6 GB. pip is asked for torch first and by itself, and heeds PIP_INDEX_URL, PIP_EXTRA_INDEX_URL
and PIP_FIND_LINKS: on a machine without a GPU, point one of them at a CPU build of torch.

Exit status: 0 trained, 1 the recipe has mistakes or the run failed, 2 wrong usage or no environment can be made, 3 a
bug in the engine (with a log file), 130 interrupted, 143 stopped by SIGTERM; 128 + n where signal n ended it.
END
}

if (($# == 0)); then
  usage >&2
  exit 2
fi
# Help must come at once, so it is not left to `recipe`, which may have to be installed first.
previous=
for argument in "$@"; do
  case $argument in
    --) break ;;
    -h | --help)
      if [[ $previous != --config && $previous != --num-gpus && $previous != --rendezvous ]]; then
        usage
        exit 0
      fi
      ;;
  esac
  previous=$argument
done

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
# shellcheck source=scripts/lib/environment.sh
. "$root/scripts/lib/environment.sh"

use_environment train
exec "$recipe" train "$@"
