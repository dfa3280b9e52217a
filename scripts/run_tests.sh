#!/usr/bin/env bash
# Checks and tests everything, in this checkout's environment, which is made on the first start.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail

usage() {
  cat <<'END'
Usage: ./scripts/run_tests.sh [--long] [PYTEST_ARGUMENTS...]

Without arguments: ruff, mypy and the import contracts, then the whole test suite in two processes.
With arguments: pytest alone with these arguments, in the root of the checkout, for example tests/scripts -k quoting.

--long: the long forms of the tests that have one, which take hours: a run is killed 100 times instead of 3, every
algorithm is resumed instead of one of each kind, and so on. Alone it is like no arguments, else like any other one:
--long tests/faults runs the long forms of the fault tests.

The environment is found or made as ./scripts/run_training.sh --help says, with the dev extra.

Exit status: 0 everything passed, 1 something failed, 2 wrong usage or no environment can be made; with arguments, that
of pytest.
END
}

case ${1-} in -h | --help)
  usage
  exit 0
  ;;
esac

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
# shellcheck source=scripts/lib/environment.sh
. "$root/scripts/lib/environment.sh"

use_environment dev
cd "$root"
# One thread a process: two test processes that each start a thread per core slow each other down.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

long=()
if [[ $# == 1 && $1 == --long ]]; then
  long=(--long)
elif (($#)); then
  exec "$python" -m pytest "$@"
fi

failed=
check() { # NAME COMMAND...
  local name=$1
  shift
  printf '== %s\n' "$name"
  "$@" || failed+="${failed:+, }$name"
}
check 'ruff check' "$python" -m ruff check
check 'ruff format' "$python" -m ruff format --check
check mypy "$python" -m mypy
check 'import contracts' "$python" -c \
  'from importlinter.cli import lint_imports_command; lint_imports_command()' --no-logo

printf '== pytest\n'
status=0
"$python" -m pytest -n 2 --dist loadgroup ${long[@]+"${long[@]}"} || status=$?
# On stderr: the last line of the output stays the one in which pytest counts.
if [[ $failed ]]; then
  say "failed besides pytest: $failed (shown above)."
  exit 1
fi
exit "$status"
