"""Running a pipeline: what is complete is skipped, what is ready is started, and what has ended is completed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from recipe_engine.launch.command import clean_environment, cpu_environment
from recipe_engine.launch.failure import signal_name
from recipe_engine.launch.gpus import visible_devices
from recipe_engine.launch.paths import shorten
from recipe_engine.launch.tee import Screen
from recipe_engine.pipeline.complete import begin, complete, remove_model
from recipe_engine.pipeline.decide import Decision, changed_settings, decide
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.folders import LOG, MANIFEST
from recipe_engine.pipeline.graph import Node
from recipe_engine.pipeline.instances import Instance, instances, waits_for
from recipe_engine.pipeline.kept_models import demand_models, keep_models
from recipe_engine.pipeline.manifest import Manifest, read_manifest, write_json
from recipe_engine.pipeline.processes import Child, Processes
from recipe_engine.pipeline.resolve import Work
from recipe_engine.pipeline.slices import trim_as_they_stand, trimmed

EXIT_FAILED = 1
EXIT_BUDGET = 75
"""Exit code of a stage that has cost what it may (``EX_TEMPFAIL``): it goes on once it may cost more."""
_MOST_AT_ONCE = 8
"""Stages without GPUs that run at once beside others, on a machine with GPUs."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """Which part of a pipeline is run."""

    first: str | None = None
    """Key of the first instance: those before it are taken as they stand."""
    last: str | None = None
    """Key of the last instance."""
    replace: bool = False
    """Whether results that other settings have made are replaced."""


@dataclass
class _State:
    work: Work
    limits: Limits
    say: Say
    lock: int
    begins: Callable[[], None] = lambda: None
    """Called when the first stage is about to run."""
    has_begun: bool = False
    manifests: dict[str, Manifest] = field(default_factory=dict)
    running: dict[str, tuple[Instance, Decision, float]] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    failed: bool = False
    stopped_by: str | None = None


def run_pipeline(
    work: Work, limits: Limits, say: Say, screen: Screen, lock: int, begins: Callable[[], None] = lambda: None
) -> int:
    """Run a pipeline to its end. Returns the exit code.

    ``say`` tells what is done and why; the stages write to ``screen``. ``lock`` is the descriptor that holds the
    pipeline's folder; every process inherits it. ``begins`` is called once, when the first stage is about to run:
    never where nothing has to run, or where what stands in the way is found before.

    Raises:
        PipelineError: before anything runs, a result stands in the way that other settings have made; or a stage that
            was named is not complete.
    """
    devices = visible_devices(work.gpus).split(",") if work.gpus else []
    state = _State(work, limits, say, lock, begins, free=devices)
    _demand_unchanged(state)
    processes = Processes(screen)
    with processes.passing_signals_on():
        try:
            _run(state, processes)
            # Where keep_models was lowered, or a start was killed before it removed any.
            keep_models(state.work, state.manifests, state.say)
        except PipelineError as error:
            _tell(state, error)
            _wait_for_the_rest(state, processes)
    if processes.received and not _is_done(state):
        by = signal_name(processes.received)
        say(f"{os.path.basename(work.output_dir)}: stopped by {by}; the same command goes on from here")
        return 128 + processes.received
    return EXIT_FAILED if state.failed or state.stopped_by is not None else 0


def _run(state: _State, processes: Processes) -> None:
    waiting = _planned(state)
    while waiting or processes.children:
        if not (state.failed or state.stopped_by or processes.received):
            waiting = _start_ready(state, processes, waiting)
        if not processes.children:
            if state.failed or state.stopped_by or processes.received or not waiting:
                return
            continue  # what was skipped has made others ready
        for child, code in processes.step():
            _ended(state, child, code, processes)
            waiting = _trim(state, waiting)


def _is_done(state: _State) -> bool:
    """Whether a signal came only when there was nothing left to do."""
    return all(one.key in state.manifests for one in _planned(state))


def _wait_for_the_rest(state: _State, processes: Processes) -> None:
    while processes.children:
        for child, code in processes.step():
            try:
                _ended(state, child, code, processes)
            except PipelineError as error:
                _tell(state, error)


def _tell(state: _State, error: PipelineError) -> None:
    state.failed = True
    state.say(f"error[{error.code}]: {error.message}")
    if error.hint:
        state.say(f"  = help: {error.hint}")


def _planned(state: _State) -> list[Instance]:
    """The instances that are run, in order. Those before the first are taken as they stand."""
    if state.limits.first is not None:
        trim_as_they_stand(state.work)
    everything = list(instances(state.work.graph, state.work.iterations))
    keys = [one.key for one in everything]
    if state.limits.first is not None and state.limits.first not in keys:
        message = f"--from {state.limits.first}: the loop ends before that iteration, where its slices run out"
        raise PipelineError("P203", message, "name an earlier one, counted from 0")
    start = keys.index(state.limits.first) if state.limits.first else 0
    end = keys.index(state.limits.last) + 1 if state.limits.last in keys else len(keys)
    for instance in everything[:start]:
        manifest = read_manifest(state.work.folder(instance))
        if manifest is None:
            message = f"--from {state.limits.first}: {instance.key}, which comes before it, is not complete"
            raise PipelineError("P203", message, "run the pipeline without --from")
        state.manifests[instance.key] = manifest
    return everything[start:end]


def _demand_unchanged(state: _State) -> None:
    """Look at every result that stands before any stage runs: hours may lie before one that is in the way."""
    if state.limits.replace:
        return
    for instance in _planned(state):
        changed = changed_settings(state.work, instance)
        if changed:
            raise _in_the_way(state, instance, "its result was made with other settings", changed)


def _in_the_way(state: _State, instance: Instance, why: str, changed: Sequence[str]) -> PipelineError:
    folder = shorten(state.work.folder(instance))
    lines = "".join(f"\n    {line}" for line in changed[:10])
    more = f"\n    and {len(changed) - 10} more" if len(changed) > 10 else ""
    return PipelineError(
        "P201",
        f"{instance.key}: {why}, and stands in {folder}:{lines}{more}",
        f"add --replace to make it anew; or write another {state.work.output_option}; or undo the change",
    )


def _start_ready(state: _State, processes: Processes, waiting: list[Instance]) -> list[Instance]:
    """Start what can run now; skip what is complete. Returns what is left waiting."""
    left: list[Instance] = []
    for place, instance in enumerate(waiting):
        needs = waits_for(state.work.graph, instance, state.work.iterations)
        if any(one.key not in state.manifests for one in needs):
            left.append(instance)
            continue
        before = dict(state.work.iterations)
        _trim_loop(state, instance)
        if state.work.iterations != before:
            return left + _trim(state, waiting[place:])
        devices = _devices(state, processes, instance)
        if devices is None:
            left.append(instance)
            continue
        _start(state, processes, instance, devices)
        if state.stopped_by:
            return left + waiting[place + 1 :]
    return left


def _devices(state: _State, processes: Processes, instance: Instance) -> list[str] | None:
    """The GPUs for a stage; none where it has to wait. On a CPU stages run one at a time."""
    if state.work.gpus == 0:
        return None if processes.children else []
    wanted = state.work.gpus_of(instance.node)
    if wanted == 0:
        return [] if len(processes.children) < _MOST_AT_ONCE else None
    return state.free[:wanted] if len(state.free) >= wanted else None


def _start(state: _State, processes: Processes, instance: Instance, devices: list[str]) -> None:
    decision = decide(state.work, instance, state.manifests)
    if decision.act == "skip" and decision.manifest is not None:
        state.say(f"{instance.key}: skipped: {decision.why}")
        state.manifests[instance.key] = decision.manifest
        _note_touched(state, instance, decision.manifest)
        if decision.manifest.model_removed:
            remove_model(state.work, instance)  # a start may have been killed in the midst of it
        _judge(state, instance, decision.manifest)
        return
    if decision.act == "replace" and not state.limits.replace:
        raise _in_the_way(state, instance, decision.why, decision.changed)
    why = decision.why + "".join(f"\n    {line}" for line in decision.changed[:10])
    where = f" on GPU {', '.join(devices)}" if devices else ""
    state.say(f"{instance.key}: runs{where}: {why}")
    demand_models(state.work, instance, state.manifests)
    if not state.has_begun:
        state.begins()
        state.has_begun = True
    begun = begin(state.work, instance, decision)
    started = time.time()
    if begun.ended:
        _complete(state, instance, decision, started)
        return
    state.free = [one for one in state.free if one not in devices]
    processes.start(
        instance.key,
        begun.command,
        _environment(instance, devices),
        begun.log,
        devices=devices,
        inherited=(state.lock,),
        named=state.work.gpus > 0,
    )
    state.running[instance.key] = (instance, decision, started)


def _note_touched(state: _State, instance: Instance, manifest: Manifest) -> None:
    """Note files that were touched and hold the same, so that the next start need not read them again."""
    folder = state.work.folder(instance)
    if read_manifest(folder) != manifest:
        with suppress(OSError):  # only that start is slower
            write_json(Path(folder, MANIFEST), manifest)


def _environment(instance: Instance, devices: Sequence[str]) -> dict[str, str]:
    if devices:
        return clean_environment(os.environ) | {"CUDA_VISIBLE_DEVICES": ",".join(devices)}
    # How many threads a training takes hangs on how many processes it has, which it knows.
    return clean_environment(os.environ) | ({} if instance.node.recipe is not None else cpu_environment())


def _ended(state: _State, child: Child, code: int, processes: Processes) -> None:
    instance, decision, started = state.running.pop(child.key)
    state.free = [*state.free, *child.devices]
    if code == 0:
        _complete(state, instance, decision, started)
        return
    if processes.received:
        state.say(f"{instance.key}: stopped by {signal_name(processes.received)}")
        return
    log = shorten(Path(state.work.folder(instance), LOG))
    state.failed = True
    if code == EXIT_BUDGET and instance.node.recipe is None:  # of a training it is a fault that outlasted restarts
        state.say(f"{instance.key}: stopped before it costs more than max_dollars; raise it to go on")
        return
    others = f"; waiting for {', '.join(state.running)}" if state.running else ""
    state.say(f"{instance.key}: failed (exit code {code}); its log: {log}{others}")


def _complete(state: _State, instance: Instance, decision: Decision, started: float) -> None:
    manifest = complete(state.work, instance, decision, state.manifests, started)
    state.manifests[instance.key] = manifest
    state.say(f"{instance.key}: done: {described(manifest)}")
    _judge(state, instance, manifest)
    keep_models(state.work, state.manifests, state.say)


def described(manifest: Manifest) -> str:
    """What a complete stage has done, in a line."""
    result = manifest.result
    seconds = f"{manifest.ended - manifest.started:.1f} s"
    if manifest.kind == "train":
        loss = result.summary.get("loss")
        on = f" on {result.rows_in} rows" if result.rows_in else ""  # those of other stages alone are counted
        return f"trained{on}" + (f", loss {loss:.4g}" if loss is not None else "") + f", {seconds}"
    if manifest.kind == "gate":
        return str(result.summary.get("verdict"))
    dropped = ", ".join(f"{count} {reason}" for reason, count in result.dropped.items())
    return (
        f"{result.rows_in} rows in, {result.rows_out} out"
        + (f" (dropped: {dropped})" if dropped else "")
        + f", {seconds}"
    )


def _judge(state: _State, instance: Instance, manifest: Manifest) -> None:
    """Stop where a gate says so."""
    summary = manifest.result.summary
    if manifest.kind != "gate" or summary["goes_on"]:
        return
    state.stopped_by = instance.key
    why = "".join(f"\n    {line}" for line in summary["why"])
    state.say(f"{instance.key}: {summary['verdict'].replace('_', ' ')}, so the pipeline stops{why}")


def _trim_loop(state: _State, instance: Instance) -> None:
    """End a loop early where its slices run out, now that their rows can be counted."""
    loop: Node | None = instance.node.loop
    if loop is not None and instance.iteration == 0:
        state.work.iterations[loop.id] = trimmed(state.work, loop, state.manifests)


def _trim(state: _State, waiting: list[Instance]) -> list[Instance]:
    """Leave out iterations that are not run."""
    return [
        one
        for one in waiting
        if one.node.loop is None or (one.iteration or 0) < state.work.iterations[one.node.loop.id]
    ]
