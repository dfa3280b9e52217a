"""vLLM in the stage's own process: continuous batching, prefix caching, tensor parallelism."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.recipe.stages.generate import GenerateStage, VllmEngine
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.prompts import Prompts
from recipe_engine.runtime.generation.requests import Answer, Refused, Request, Say

_SECONDS_TO_END = 30.0


def load(
    settings: VllmEngine, stage: GenerateStage, prompts: Prompts, compiled: CompiledStage, say: Say
) -> VllmGeneration:
    """The engine, its model loaded.

    Raises:
        RunError: vLLM is not installed, or cannot load the model.
    """
    if find_spec("vllm") is None:
        raise RunError("engine vllm needs the package vllm, which is not installed", "install the extra `vllm`")
    vllm: Any = import_module("vllm")
    arguments: dict[str, Any] = {
        "model": prompts.source,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "max_num_seqs": settings.max_num_seqs,
        "enable_prefix_caching": settings.enable_prefix_caching,
        "max_model_len": settings.max_model_len,
        "dtype": settings.torch_dtype,
        "seed": compiled.seed % 2**32,
        "trust_remote_code": compiled.allow_remote_code and Path(prompts.source).is_dir(),
        # Prompts come as token ids, and answers are decoded here: vLLM's own tokenizer would be one more to agree with.
        "skip_tokenizer_init": not stage.sampling.stop,
        "generation_config": "vllm",  # not the model's own sampling settings
    }
    try:
        engine = vllm.LLM(**arguments)
    except (ValueError, RuntimeError, OSError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RunError(f"vLLM cannot load {stage.model}: {reason}") from error
    say(f"generating with {stage.model} in vLLM {vllm.__version__}, on {settings.tensor_parallel_size} GPU(s)")
    return VllmGeneration(stage, prompts, engine, vllm.SamplingParams)


class VllmGeneration:
    """Generates with a model that vLLM has loaded."""

    def __init__(self, stage: GenerateStage, prompts: Prompts, engine: Any, parameters: Any) -> None:
        self.sampling = stage.sampling
        self.prompts = prompts
        self.engine = engine
        self.parameters = parameters
        try:
            own: Any = GenerationConfig.from_pretrained(prompts.source)
        except OSError:  # many models have none
            own = prompts.config
        self.ends = prompts.ends(own)
        self._counted: dict[str, float] = {}

    def complete(self, requests: Sequence[Request], ledger: Path) -> list[Answer]:
        """An answer for each request, in order. Each completion is a request of its own, with its seed: what the
        prompts have in common is computed once by the prefix cache."""
        ids = [self.prompts.ids(request) for request in requests]
        known = [place for place, one in enumerate(ids) if not isinstance(one, Refused)]
        answers: dict[int, Answer] = {place: one for place, one in enumerate(ids) if isinstance(one, Refused)}
        if known:
            made = self.engine.generate(
                [{"prompt_token_ids": ids[place]} for place in known],
                [self._parameters(requests[place].seed) for place in known],
                use_tqdm=False,
            )
            for place, output in zip(known, made, strict=True):
                answers[place] = self._answer(output)
        return [answers[place] for place in range(len(requests))]

    def totals(self, ledger: Path) -> dict[str, float]:
        """Tokens of prompts and of completions."""
        counted, self._counted = self._counted, {}
        return counted

    def close(self) -> None:
        """Let the model go, and its memory: vLLM's processes have ended when this returns."""
        self.engine.llm_engine.engine_core.shutdown(timeout=_SECONDS_TO_END)
        del self.engine

    def _parameters(self, seed: int) -> Any:
        sampling = self.sampling
        return self.parameters(
            n=1,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            repetition_penalty=sampling.repetition_penalty,
            stop=sampling.stop or None,
            stop_token_ids=self.ends,
            seed=seed,
            detokenize=bool(sampling.stop),
            skip_special_tokens=False,
        )

    def _answer(self, output: Any) -> Answer:
        one = output.outputs[0]
        ids = list(one.token_ids)
        at_text = one.finish_reason == "stop" and not (ids and ids[-1] in self.ends)
        made = self.prompts.completion(ids, self.ends, len(ids) if at_text else None)
        self._count("prompt_tokens", len(output.prompt_token_ids))
        self._count("completion_tokens", made.tokens or 0)
        return made

    def _count(self, name: str, number: int) -> None:
        self._counted[name] = self._counted.get(name, 0) + number
