"""The embedded models: a tiny chat model with its tokenizer, one that knows the words of rankings, and a reward model.
Each is built from a fixed seed on first use, without a download."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import tokenizers
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast, Qwen3Config

from recipe_engine.data import builtin
from recipe_engine.data.rankings import Group, question, verdict
from recipe_engine.runtime import builtin_reward

NAME = "builtin/tiny-chat"
RANKER = "builtin/tiny-ranker"
REWARD = "builtin/tiny-reward"
NAMES = (NAME, RANKER, REWARD)

# Part of the cache folder's name, with all that is below: raise it when the code that builds changes.
_VERSION = 1
_SEED = 0

_PAD, _END = "<|pad|>", "<|end|>"
_ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
_VOCABULARY_LIMIT = 512

# Roles and ends are single tokens, and nothing stands between them and the text: so no token spans the border, and
# a prompt is always a token prefix of the conversation that goes on from it.
_CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {%- if message.role not in ['system', 'user', 'assistant'] -%}
        {{- raise_exception('builtin/tiny-chat knows the roles system, user and assistant, not ' ~ message.role) -}}
    {%- endif -%}
    {{- '<|' ~ message.role ~ '|>' -}}
    {%- if message.role == 'assistant' -%}
        {%- generation -%}{{- message.content ~ '<|end|>' -}}{%- endgeneration -%}
    {%- else -%}
        {{- message.content ~ '<|end|>' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"""

_ARCHITECTURE: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 64,  # a size that every attention kernel serves, vLLM's too
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
    # With the usual 0.02 and 10,000 a model this small is slow to find out where a token stands, and learns how often
    # an answer occurs before it learns why.
    "initializer_range": 0.06,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100.0},
    "dtype": "float32",
}


class UnknownBuiltinModelError(KeyError):
    """There is no embedded model of this name."""

    def __str__(self) -> str:  # KeyError would print the message in quotation marks
        return str(self.args[0])


def ensure(name: str = NAME) -> Path:
    """The folder of an embedded model, built first if it is not there yet; ``from_pretrained`` loads it.

    It lies in ``$RECIPE_ENGINE_CACHE``, else ``$XDG_CACHE_HOME/recipe-engine``, else ``~/.cache/recipe-engine``.
    Several processes may ask at once: each builds aside, and the first to rename its folder into place wins.

    Raises:
        UnknownBuiltinModelError: there is no such model.
        OSError: the cache folder cannot be written.
    """
    if name == NAME:
        corpus = _corpus()
        return _made(f"tiny-chat-{_fingerprint(corpus)}", lambda folder: _build(folder, corpus))
    if name == RANKER:
        corpus = [*_corpus(), *_corpus_of_rankings()]
        return _made(f"tiny-ranker-{_fingerprint(corpus)}", lambda folder: _build(folder, corpus))
    if name == REWARD:
        trained = hashlib.sha256(json.dumps(builtin_reward.recipe_of_the_judge()).encode()).hexdigest()[:12]
        build = partial(builtin_reward.build, tiny_chat=ensure(NAME))
        return _made(f"tiny-reward-{_fingerprint(_corpus())}-{trained}", build)
    raise UnknownBuiltinModelError(f"there is no model {name!r}; the embedded ones are {', '.join(NAMES)}")


def _made(name: str, build: Callable[[Path], None]) -> Path:
    """The folder of that name in the cache, built first if it is not there."""
    folder = cache_folder() / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as scratch:
            aside = Path(scratch) / "model"
            build(aside)
            try:
                aside.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was first, with the same content
                    raise
    return folder


def cache_folder() -> Path:
    """Where embedded models are kept."""
    if given := os.environ.get("RECIPE_ENGINE_CACHE"):
        return Path(given).expanduser().absolute()
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "recipe-engine"
    return Path.home() / ".cache" / "recipe-engine"


def _fingerprint(corpus: list[str]) -> str:
    content = (
        _VERSION,
        _SEED,
        _VOCABULARY_LIMIT,
        _CHAT_TEMPLATE,
        _ARCHITECTURE,
        corpus,
        # "+cpu" and the like are cut off: every build of a version draws the weights on the CPU.
        [torch.__version__.partition("+")[0], transformers.__version__, tokenizers.__version__],
    )
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def _build(folder: Path, corpus: list[str]) -> None:
    folder.mkdir()
    tokenizer = _tokenizer(corpus)
    config = Qwen3Config(
        **_ARCHITECTURE,
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # Written one by one, for save_pretrained shows a progress bar.
    tokenizer.save_pretrained(folder)
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    weights = safetensors.torch.save(_weights(config), metadata={"format": "pt"})
    (folder / "model.safetensors").write_bytes(weights)


def _weights(config: Qwen3Config) -> dict[str, torch.Tensor]:
    # Not torch.manual_seed, which would also seed the caller's generators on every GPU.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(_SEED)
        model = AutoModelForCausalLM.from_config(config)
    weights: dict[str, torch.Tensor] = model.state_dict()
    del weights["lm_head.weight"]  # the embedding's own, under a second name
    return weights


def _tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY_LIMIT,
        special_tokens=[_PAD, _END, *_ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=_PAD,  # another than the end, or the loss would leave out the token that teaches to stop
        eos_token=_END,
        additional_special_tokens=list(_ROLES),
        chat_template=_CHAT_TEMPLATE,
        model_max_length=_ARCHITECTURE["max_position_embeddings"],
    )


def _corpus() -> list[str]:
    conversations = [row["messages"] for row in builtin.rows("builtin/conversations", "train")]
    spoken = [message["content"] for conversation in conversations for message in conversation]
    return spoken + [row["text"] for row in builtin.rows("builtin/text", "train")]


def _corpus_of_rankings() -> list[str]:
    """What is asked about ``builtin/rankings`` and answered: each word of it becomes one token or few."""
    spoken: list[str] = []
    for row in builtin.rows("builtin/rankings", "train"):
        group = Group(row["src_text"], ("English", "German"), tuple(row["mt_texts"]), tuple(row["scores"]))
        spoken += [question(group), f"{row['analysis']}\n\n{verdict(group)}"]
    return spoken
