"""The generate stage: completions of prompts, by a model on this machine or behind an address."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import DataBlock
from recipe_engine.recipe.patterns import ADDRESS, VARIABLE
from recipe_engine.recipe.stages.base import Model, Rows, Stage


class SamplingBlock(Block):
    """How completions are drawn."""

    n: Annotated[int, Field(ge=1, le=1024)] = 1
    """Completions of each prompt."""
    max_tokens: Annotated[int, Field(ge=1)] = 512
    """Most tokens of a completion. One that is cut there has the finish reason ``length``."""
    max_prompt_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longer prompts are dropped and counted. Default: what the model's context leaves."""
    temperature: Annotated[float, Field(ge=0, le=10)] = 1.0
    """0 takes the likeliest token each time (greedy)."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw from the likeliest tokens that hold this probability together."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Draw from so many of the likeliest tokens; 0: from all."""
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Leave out tokens less likely than this share of the likeliest."""
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    """Above 1, tokens that were there already are made less likely."""
    stop: list[Annotated[str, Field(min_length=1)]] = []
    """Texts that end a completion; they are not part of it."""


class HfEngine(Block):
    """transformers' own generation, in batches."""

    type: Literal["hf"] = "hf"
    """Generates with transformers."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Completions that are generated at once."""
    torch_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Type of the weights. ``auto``: the type they were saved in."""


class VllmEngine(Block):
    """vLLM, in the stage's own process."""

    type: Literal["vllm"]
    """Generates with vLLM, which needs its extra and a GPU."""
    tensor_parallel_size: Annotated[int, Field(ge=1)] = 1
    """GPUs that hold one copy of the model together."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of a GPU's memory that it may take."""
    max_num_seqs: Annotated[int, Field(ge=1)] = 256
    """Completions at once."""
    enable_prefix_caching: bool = True
    """Compute what prompts have in common once."""
    max_model_len: Annotated[int, Field(ge=2)] | None = None
    """Most tokens of prompt and completion. Default: the model's context."""
    torch_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Type of the weights."""


class HttpEngine(Block):
    """Any service that speaks OpenAI's chat completions: a running vLLM, another server, or a provider."""

    type: Literal["http"]
    """Asks a service over HTTP."""
    base_url: Annotated[str, Field(pattern=ADDRESS)]
    """Its address up to, not including, ``/chat/completions``."""
    api_key_env: Annotated[str, Field(pattern=VARIABLE)] | None = None
    """Environment variable that holds its key."""
    samples: Literal["requests", "parameter"] = "requests"
    """How several completions of a prompt are asked for: a request each, with a seed each; or one request with the
    parameter ``n``, where the service honours it (what it leaves out is asked for by further requests)."""
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the service calls the most tokens of a completion."""
    extra_body: dict[str, Any] = {}
    """Further keys of every request, such as ``chat_template_kwargs``."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    """Requests at once."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """No more requests are begun than this. Default: no limit."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """How long one request may take."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """How often a request is tried: again after a dropped connection, a time-out, 429, a 5xx or an answer that is no
    JSON; after 429 as long as the service asks for."""
    dollars_per_million_input: Annotated[float, Field(ge=0)] | None = None
    """Price, for the count of costs."""
    dollars_per_million_output: Annotated[float, Field(ge=0)] | None = None
    """Price, for the count of costs."""
    max_dollars: Annotated[float, Field(gt=0)] | None = None
    """The stage stops before it could cost more, and goes on from there when this is raised. Needs both prices."""


ENGINES: dict[str, type[Block]] = {"hf": HfEngine, "vllm": VllmEngine, "http": HttpEngine}
Engine = Annotated[HfEngine | VllmEngine | HttpEngine, Field(discriminator="type")]


class GenerateStage(Stage):
    """Samples completions. Each row it makes is the prompt's row with ``prompt_id``, ``sample_idx``, ``prompt``,
    ``completion``, ``finish_reason`` (``stop``, ``length``, or what a service says), ``completion_tokens``, ``model``
    and, in a loop, ``iteration``."""

    kind: Literal["generate"]
    model: Model
    """Whose completions they are."""
    rows: Rows | None = None
    """The prompts: short for ``data: {datasets: [{name: ...}]}``."""
    data: DataBlock | None = None
    """The prompts, with templates and column names as in a recipe."""
    engine: Engine = HfEngine()
    """What generates."""
    sampling: SamplingBlock = SamplingBlock()
    """How completions are drawn."""
    chat_template: str | None = None
    """``chatml``, or a Jinja file beside the pipeline. Default: the tokenizer's own."""
    keep: Literal["all", "finished"] = "all"
    """``finished`` drops, and counts, completions that were cut at ``max_tokens``."""
    answers: Literal["completion", "thought_and_response"] = "completion"
    """``thought_and_response``: each completion is split by the pipeline's ``thinking`` block into ``thought`` and
    ``response``, beside ``messages`` and ``id``, as ``format: thought_response`` reads them; one that is malformed is
    sampled once more, then dropped and counted."""
    shard_rows: Annotated[int, Field(ge=1)] = 1000
    """Prompts of one shard. A stage that was stopped goes on from its last whole shard."""
