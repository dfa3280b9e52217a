"""What one GPU holds at its peak, by strategy: worked out from sizes, before anything is loaded.

States are those of ZeRO (arXiv 1910.02054, section 3.1: 2 + 2 + 12 bytes a weight for AdamW in mixed precision, of
which each stage splits one more part), activations those of Korthikanti et al. (arXiv 2205.05198, sections 4 and 5),
with the gated feed-forward network of today's models in place of GELU's and without the scores of attention, which
no kernel but ``eager`` keeps. What a library keeps beside that is read from its source; where it is, a comment says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recipe_engine.parallel.deepspeed import deepspeed_config
from recipe_engine.parallel.optimizers import is_paged, state_bytes
from recipe_engine.parallel.workload import Held, Workload
from recipe_engine.recipe.launch import LaunchBlock, Strategy

GIB = 1 << 30
_CONTEXT = int(0.75 * GIB)
"""CUDA's context with the kernels of torch and cuBLAS."""
_NCCL = 1 * GIB
_LOST = 0.05
"""Share that the allocator cannot hand out, because what is free lies in pieces."""
_HEAD_TILE = 4096 * 16_384 * 4
"""Logits are made in tiles of 4,096 tokens (TRL's ``chunked_logprob``): the whole is never held."""
_BUCKET = 5 * 10**8
"""Elements of DeepSpeed's ``reduce_bucket_size`` and ``allgather_bucket_size``."""
_LIVE = 10**9
"""Elements of DeepSpeed's ``stage3_max_live_parameters``."""


def in_bytes(size: float) -> str:
    """A number of bytes for people: ``61.2 GiB``, ``2.4 MiB``."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.1f} MiB"


@dataclass(frozen=True, slots=True)
class Line:
    """One part of what is held, in bytes for each process."""

    what: str
    device: float
    host: float = 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds on its GPU and in its machine's memory."""

    states: tuple[Line, ...]
    """Held all the time."""
    training: tuple[Line, ...]
    """Held while a step is computed."""
    sampling: tuple[Line, ...]
    """Held while completions are sampled, or another model has its turn. Not at the same time as ``training``."""
    overhead: Line

    @property
    def device(self) -> float:
        """Bytes on the GPU at the peak."""
        states = sum(line.device for line in self.states)
        return states + max(self.during_training, self.during_sampling) + self.overhead.device

    @property
    def host(self) -> float:
        """Bytes in the machine's memory, of one process."""
        return sum(line.host for line in (*self.states, *self.training, *self.sampling))

    @property
    def during_training(self) -> float:
        """Bytes that a step adds to the states."""
        return sum(line.device for line in self.training)

    @property
    def during_sampling(self) -> float:
        """Bytes that sampling adds to the states."""
        return sum(line.device for line in self.sampling)


@dataclass(frozen=True, slots=True)
class Placement:
    """How a model is spread: over how many processes, and what lies in host memory."""

    strategy: Strategy
    processes: int
    offload_optimizer: bool = False
    offload_parameters: bool = False

    @property
    def stage(self) -> int:
        """DeepSpeed's stage; 0 without DeepSpeed."""
        return int(self.strategy.removeprefix("zero")) if self.strategy.startswith("zero") else 0

    @property
    def splits_weights(self) -> bool:
        return self.strategy in {"zero3", "fsdp2"}


def memory_of(work: Workload, place: Placement, gpu_gib: float) -> Memory:
    """What one process holds. ``gpu_gib`` is the memory of its GPU, of which vLLM takes a share."""
    states = [*_states(work.policy, work, place)]
    for other in work.others:
        states += _states(other, work, place) if other.trained else _frozen(other, work, place)
    states += _buffers(work, place)
    if work.vllm_share and not work.vllm_sleeps:
        states.append(Line("vLLM", work.vllm_share * gpu_gib * GIB))
    training, sampling = tuple(_training(work, place)), tuple(_sampling(work, place, gpu_gib))
    held = sum(line.device for line in states)
    held += max(sum(line.device for line in training), sum(line.device for line in sampling))
    overhead = _CONTEXT + (_NCCL if place.processes > 1 else 0) + _LOST * held
    return Memory(tuple(states), training, sampling, Line("CUDA, communication and what lies in pieces", overhead))


def weight_bytes(model: Held, work: Workload, place: Placement) -> tuple[float, float, float]:
    """Bytes of weights, gradients and optimizer of a trained model, over all that it is split into.

    ``single`` and ``ddp`` train the weights as they are loaded. DeepSpeed computes with 16-bit weights and steps on a
    float32 copy. accelerate turns what FSDP2 trains into float32 where a 16-bit type is computed in.
    """
    trained = model.trained
    frozen = model.base_bytes - trained * model.trained_width
    if place.stage:
        width = 2 if work.mixed else 4
        if not model.quantized:
            frozen = (model.size.parameters - (trained if trained == model.size.parameters else 0)) * width
        return frozen + trained * width, trained * width, trained * (4 + state_bytes(work.optim, 4))
    width = 4 if place.strategy == "fsdp2" and work.mixed and not model.quantized else model.trained_width
    return frozen + trained * width, trained * width, trained * state_bytes(work.optim, width)


def _states(model: Held, work: Workload, place: Placement) -> Iterator[Line]:
    weights, gradients, optimizer = weight_bytes(model, work, place)
    shards = place.processes
    of = "" if model.name == "policy" else f" of the {model.name}"
    fsdp = place.strategy == "fsdp2"
    if place.splits_weights and not model.quantized:
        weights /= shards
    if place.stage >= 2 or fsdp:
        gradients /= shards
    if place.stage or fsdp:
        optimizer /= shards
    all_to_host = fsdp and (place.offload_optimizer or place.offload_parameters)
    steps_on_host = all_to_host or (place.stage >= 2 and place.offload_optimizer)
    kept_on_host = all_to_host or (place.stage == 3 and place.offload_parameters)
    yield _placed(f"weights{of}", weights, on_host=kept_on_host and not model.quantized)
    if steps_on_host and place.stage:
        # DeepSpeed hands each gradient to the CPU, where its optimizer holds them in float32.
        yield Line(f"gradients{of}", 0.0, gradients + 4 * model.trained / shards)
    else:
        yield _placed(f"gradients{of}", gradients, on_host=steps_on_host)
    on_host = steps_on_host or is_paged(work.optim)
    yield _placed(f"optimizer ({work.optim}){of}", optimizer, on_host=on_host)


def _placed(what: str, size: float, *, on_host: bool) -> Line:
    return Line(what, 0.0, size) if on_host else Line(what, size)


def _frozen(model: Held, work: Workload, place: Placement) -> Iterator[Line]:
    """A model that is only read. It keeps the type it was loaded in, but for DeepSpeed's stage 3."""
    size = model.base_bytes
    if model.spread == "as the policy" and place.splits_weights and not model.quantized:
        size = (model.size.parameters * 2 if place.stage == 3 and work.mixed else size) / place.processes
    on_host = place.stage == 3 and place.offload_parameters and model.spread == "as the policy"
    if model.offloaded == "for its turn":
        yield Line(model.name, 0.0, size)
    elif model.offloaded == "for the step":
        yield Line(model.name, size, size)
    else:
        yield _placed(model.name, size, on_host=on_host)


def _buffers(work: Workload, place: Placement) -> Iterator[Line]:
    """Copies for communication and for computing in 16 bits."""
    policy, shape = work.policy, work.policy.size.shape
    width = 2 if work.mixed else policy.width
    models = (policy, *(other for other in work.others if other.trained))
    trained = sum(model.trained for model in models)
    whole = sum(model.size.parameters for model in models)
    if place.strategy == "ddp":
        # torch: gradients are copied into buckets, unless gradient_as_bucket_view.
        yield Line("gradient buckets of DDP", sum(model.trained * model.trained_width for model in models))
    elif place.stage:
        zero = deepspeed_config(place.strategy, LaunchBlock())["zero_optimization"]
        bucket = min(_number(zero.get("reduce_bucket_size")), trained)
        if place.stage == 3:
            yield Line("weights gathered for computing, and gradient buckets", (min(_LIVE, whole) + bucket) * width)
        else:
            twice = 2 if zero.get("overlap_comm") else 1
            yield Line("buckets of DeepSpeed", (twice * bucket + min(_BUCKET, trained)) * width)
    elif place.strategy == "fsdp2":
        # Two layers, the one computed and the next; what is no layer stays gathered; one layer's gradients.
        yield Line(
            "weights gathered for computing, and a layer's gradients", (3 * shape.layer + shape.head_weights) * width
        )
    if place.strategy in {"single", "ddp"} and work.mixed and policy.trained_width == 4 and not policy.quantized:
        # torch keeps a 16-bit copy of each trained float32 weight that autocast has cast, until the forward ends.
        yield Line("16-bit copies of the weights", 2.0 * trained)


def _number(value: object) -> int:
    return value if isinstance(value, int) else _BUCKET


def _training(work: Workload, place: Placement) -> Iterator[Line]:
    policy, shape = work.policy, work.policy.size.shape
    tokens = work.rows * work.length
    width = 2 if work.mixed or policy.width == 2 else 4
    # The residual stream is as wide as the embeddings, which single and ddp leave in float32.
    residual = 4 if policy.width == 4 and place.strategy in {"single", "ddp"} else width
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    # Inputs of both norms in float32, both outputs; queries, keys, values; attention's output; gate, its activation,
    # up and their product.
    layer = width * (6 * shape.hidden + 2 * queries + 2 * keys + 4 * shape.intermediate) * tokens
    if work.eager:
        layer += 5 * shape.heads * work.length * tokens
    rows = f"{work.rows} x {work.length} tokens"
    if work.checkpointing:
        stored = float(shape.layers * tokens * shape.hidden * residual)
        on_host = work.activations_offloaded
        yield Line(f"inputs of the layers ({rows})", 0.0 if on_host else stored, stored if on_host else 0.0)
        yield Line("activations of one layer, computed again", float(layer))
    else:
        stored = float(shape.layers * layer)
        on_host = work.activations_offloaded
        yield Line(f"activations ({rows})", 0.0 if on_host else stored, stored if on_host else 0.0)
    if work.has_vocabulary_loss:
        # TRL's fused head: hidden states and their float32 gradient, a float32 gradient of the head where it is
        # trained, and that in the weight's own type.
        head = tokens * shape.hidden * (4 + 2 * width) + min(_HEAD_TILE, tokens * shape.vocabulary * 4)
        if policy.trained == policy.size.parameters:
            head += shape.vocabulary * shape.hidden * (4 + width)
        yield Line("output head, in tiles", float(head))


def _sampling(work: Workload, place: Placement, gpu_gib: float) -> Iterator[Line]:
    shape = work.policy.size.shape
    width = 2 if work.mixed or work.policy.width == 2 else 4
    if work.sampled_rows:
        keys = 2 * shape.layers * shape.kv_heads * shape.head_dim * width
        rows = f"{work.sampled_rows} completions"
        yield Line(f"keys and values of {rows}", float(work.sampled_rows * work.length * keys))
        # Logits of the last token in float32, and what sampling sorts.
        yield Line("logits of the next token", 3.0 * 4 * work.sampled_rows * shape.vocabulary)
        if place.stage == 3:
            # ds3_gather_for_generation: all weights on each GPU while completions are sampled.
            yield Line("all weights, gathered for sampling", float(work.policy.size.parameters * width))
    if work.vllm_share and work.vllm_sleeps:
        yield Line("vLLM", work.vllm_share * gpu_gib * GIB)
    for other in work.others:
        if other.offloaded == "for its turn":
            yield Line(f"{other.name}, for its turn", other.base_bytes)
