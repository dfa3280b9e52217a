# shellcheck shell=bash disable=SC2034,SC2154 # root comes from the entry point, python and recipe go to it
# The Python environment of this checkout. Sourced by the entry points, which set `root` to the checkout first.
#
#     use_environment EXTRA    sets `python` and `recipe` to the interpreter and the command of an environment that has
#                              the package with EXTRA: .venv of the checkout if it is there; else the active
#                              environment if it has the package already; else a new .venv
#
# A .venv that lacks the extra, or was made for other pins, is completed. Written for bash 3.2, which macOS has.

venv=$root/.venv
state=$venv/recipe-engine # what this file keeps: EXTRA.stamp once an extra is installed, and the installer's log
lock=$root/.venv.lock
unfit=10 # how check_environment.py ends where something is missing

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "$@"
  exit 2
}

use_environment() {
  local extra=$1
  if [[ ! -e $venv && ! -L $venv ]] && use_active "$extra"; then return; fi
  if ! is_stamped "$extra"; then locked complete "$extra" || exit; fi
  python=$venv/bin/python recipe=$venv/bin/recipe
  # As if activated: DeepSpeed looks for ninja, and torch for compilers' helpers, on the PATH.
  export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
  unset PYTHONHOME
}

# The first of the active environments that has the package with the extra. One that has the package but does not fit
# is named: its user expects it to be taken.
use_active() {
  local candidate answer status said=
  for candidate in ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin/python"} ${CONDA_PREFIX:+"$CONDA_PREFIX/bin/python"} \
    python python3; do
    status=0
    answer=$("$candidate" -P "$root/scripts/lib/check_environment.py" "$root" "$1" 2>&1) || status=$?
    if ((status == 0)); then
      python=$candidate recipe=$answer
      return
    elif ((status == unfit)) && [[ $answer != "recipe-engine is not installed" && $answer != "$said" ]]; then
      said=$answer
      say "the active environment ($candidate) is not used: $said."
    fi
  done
  return 1
}

# What .venv was made from: the checkout's path, as a copied or moved .venv still runs the code of the old place.
fingerprint() { cksum "$root/pyproject.toml" "$root/constraints.txt"; }

is_stamped() {
  [[ -x $venv/bin/python && -x $venv/bin/recipe && -f $state/$1.stamp ]] &&
    [[ $(fingerprint) == "$(<"$state/$1.stamp")" ]]
}

# Makes .venv if it is not there, and installs what it lacks. The stamp comes last: an interrupted installation has
# none, and the next start goes on with it.
complete() {
  local extra=$1 reason status=0 seconds=$SECONDS
  if is_stamped "$extra"; then return; fi # by the start that held the lock before this one
  ensure_venv
  mkdir -p "$state" || die "cannot write into $venv."
  reason=$("$venv/bin/python" -I "$root/scripts/lib/check_environment.py" "$root" "$extra" --pinned 2>&1) || status=$?
  if ((status != 0)); then
    ((status == unfit)) || reason="an earlier installation was interrupted"
    install "$extra" "$reason"
    say "installed in $((SECONDS - seconds)) s."
  fi
  if ! { fingerprint >"$state/$extra.stamp.new" && mv "$state/$extra.stamp.new" "$state/$extra.stamp"; }; then
    die "cannot write into $state."
  fi
}

# Leaves .venv with a Python that fits and pip, or ends. A .venv that cannot be used is not deleted: it may hold more
# than this file put there.
ensure_venv() {
  local base away="Move that folder away and start again: a new one is made."
  # activate is the last thing that making one writes
  if [[ ! -e $venv/bin/python && ! -L $venv/bin/python ]] || [[ -f $venv/pyvenv.cfg && ! -e $venv/bin/activate ]]; then
    base=$(find_python) || exit
    say "making .venv with $("$base" -V 2>&1) ($base)."
    "$base" -m venv "$venv" >&2 || die "Python could not make the virtual environment $venv; its message stands above."
  fi
  "$venv/bin/python" -I -c '' || die "$venv/bin/python does not run: the Python it was made with may be gone. $away"
  fits "$venv/bin/python" || die "$venv has $("$venv/bin/python" -V 2>&1); Python 3.11 or 3.12 is needed. $away"
  if ! "$venv/bin/python" -I -c 'import pip' 2>/dev/null; then
    "$venv/bin/python" -I -m ensurepip >&2 || die "$venv has no pip and Python could not put it there. $away"
  fi
}

install() {
  local extra=$1 reason=$2 torch log=$state/install.log
  torch=$(grep '^torch==' "$root/constraints.txt")
  say "installing $torch and recipe-engine[$extra] into .venv: $reason."
  say "The first time this takes minutes and 2 to 6 GB. Log: $log"
  true >"$log"
  # torch first and by itself: pip then takes the build that PIP_INDEX_URL, PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS point
  # at, a CPU build for a machine without a GPU.
  if ! { run_pip "$torch" && run_pip -e ".[$extra]"; }; then explain_failure; fi
}

# PIP_USER=0: a user's setting that every installation goes to the home directory, which pip refuses in a .venv.
run_pip() {
  (cd "$root" && PIP_USER=0 "$venv/bin/python" -I -m pip install --no-input --disable-pip-version-check \
    --progress-bar off -c constraints.txt "$@" >>"$log" 2>&1)
}

explain_failure() {
  local unreachable='connection\|timed out\|name resolution\|proxyerror\|network is unreachable'
  unreachable+='\|no matching distribution\|resolutionimpossible' # what pip says of a pin that it cannot find
  local advice="Mend what it names and start again: what is installed already is kept."
  if grep -qi 'no space left\|disk quota exceeded' "$log"; then
    advice="The disk is full: 2 GB are needed with a CPU build of torch, 6 GB with CUDA. Make room and start again."
  elif grep -qi "$unreachable" "$log"; then
    advice="The package index cannot be reached or lacks a pinned version. Check the network, or where pip looks"
    advice+=" (pip config list), and start again."
  fi
  tail -n 25 "$log" >&2
  die "pip could not install the package; its last lines stand above, all of them in $log. $advice"
}

# Prints the name of a Python that fits. Names are tried out, not trusted: a version manager's shim may be there without
# its Python, and a distribution's Python without venv.
find_python() {
  local name found=
  for name in python3.11 python3.12 python3 python; do
    command -v "$name" >/dev/null || continue
    if ! fits "$name"; then
      found+="; $name is $("$name" -V 2>&1 | head -n 1)"
    elif ! "$name" -c 'import venv, ensurepip' 2>/dev/null; then
      found+="; $name lacks the venv module (a package of its own in Debian and Ubuntu: $name-venv)"
    else
      printf '%s\n' "$name"
      return
    fi
  done
  die "Python 3.11 or 3.12 is needed and none is on the PATH${found:- (no Python is)}." \
    "Install one, or activate an environment that has recipe-engine, and start again."
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; }

# Runs a function while no other start prepares this .venv. In a subshell: the lock ends with it, however it ends.
locked() {
  local holder waiting="another start is preparing .venv; waiting for it."
  true >>"$lock" || die "cannot write into $root, where .venv belongs."
  if command -v flock >/dev/null; then
    (
      flock -n 9 || { say "$waiting" && flock 9; }
      "$@" # and a pip that outlives a killed start keeps the lock until it is done
    ) 9>"$lock"
  else
    (
      # A link is made in one step together with what it says: the process that holds the lock.
      until ln -s "$$" "$lock.pid" 2>/dev/null; do
        [[ -w $root ]] || die "cannot write into $root, where .venv belongs."
        holder=$(readlink "$lock.pid") || continue # released in between
        if kill -0 "$holder" 2>/dev/null; then
          say "$waiting"
          sleep 2
        else
          rm -f "$lock.pid" # it was killed
        fi
      done
      trap 'rm -f "$lock.pid"' EXIT
      "$@"
    )
  fi
}
