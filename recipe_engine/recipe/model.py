"""The ``model`` block: which weights to start from, and how to load and adapt them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block

Dtype = Literal["auto", "bfloat16", "float16", "float32"]


class ModelBlock(Block):
    """The base model, its precision, quantization, attention, adapters, tokenizer and chat template."""

    base_model_name: Annotated[str, Field(min_length=1)]
    """Hub id, local folder, ``s3://`` address, ``builtin/tiny-chat`` (``builtin/tiny-ranker`` for rankings,
    ``builtin/tiny-reward`` for rewards). A relative folder counts from the folder the command is started in."""
    revision: str | None = None
    """Branch, tag or commit of the model on the Hub. ``trust_remote_code`` demands a full 40-character commit."""
    torch_dtype: Dtype = "auto"
    """Type of the loaded weights. ``auto``: the type the checkpoint was saved in. Mixed precision is
    ``training.bf16`` and ``training.fp16``."""
    low_cpu_mem_usage: bool = True
    """Load weights without a second copy in host memory. transformers 5 always does; ``false`` is an error."""
    ignore_mismatched_sizes: bool = False
    """Load a checkpoint some of whose shapes differ from the model's; those tensors start at random."""
    trust_remote_code: bool = False
    """Run Python code that ships with the model. Also needs ``revision`` and ``--trust-remote-code``."""

    load_in_8bit: bool = False
    """Quantize frozen weights to 8 bits with bitsandbytes (LLM.int8). Needs ``use_lora``."""
    load_in_4bit: bool = False
    """Quantize frozen weights to 4 bits with bitsandbytes (QLoRA). Needs ``use_lora``."""
    bnb_4bit_compute_dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Type that 4-bit weights are unpacked to for computing."""
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = "nf4"
    """4-bit data type: NormalFloat (QLoRA paper, arXiv 2305.14314) or float."""
    bnb_4bit_use_double_quant: bool = True
    """Quantize the quantization constants too (QLoRA paper, section 3): about 0.4 bits a parameter less."""

    use_flash_attention: bool = False
    """Use FlashAttention 3 or 2 if the package and a GPU that runs it are there, else PyTorch's SDPA; the run says
    which and why."""
    attn_implementation: str | None = None
    """Attention by transformers' name (``sdpa``, ``eager``, ``flash_attention_2``, ...). Never replaced: where it
    cannot run, the run stops."""

    use_lora: bool = False
    """Train low-rank adapters (LoRA, arXiv 2106.09685) and freeze the base weights."""
    lora_r: Annotated[int, Field(ge=1)] = 8
    """Rank of the adapters."""
    lora_alpha: Annotated[float, Field(gt=0)] = 16
    """Scale: the adapter's output is multiplied by ``lora_alpha / lora_r`` (by ``/ sqrt(lora_r)`` with rsLoRA)."""
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Dropout on the adapter's input."""
    lora_target_modules: str | Annotated[list[str], Field(min_length=1)] | None = None
    """Names of the layers to adapt, or one regular expression. Default: ``all-linear`` (every linear layer but the
    output head)."""
    lora_exclude_modules: str | list[str] | None = None
    """Names of layers to leave out."""
    lora_modules_to_save: list[str] | None = None
    """Layers trained whole and saved with the adapter, such as ``embed_tokens`` after adding tokens."""
    lora_bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases are trained."""
    use_rslora: bool = False
    """Rank-stabilised scaling (arXiv 2312.03732)."""
    use_dora: bool = False
    """Weight-decomposed adapters (DoRA, arXiv 2402.09353)."""

    tokenizer_name: str | None = None
    """Tokenizer to use in place of the model's own: Hub id or local folder."""
    chat_template: str | None = None
    """``chatml``, or a Jinja file, beside the recipe, that renders messages. Default: the tokenizer's own."""
    eos_token: str | None = None
    """Token that ends a turn, in place of the tokenizer's; it must be one token of the vocabulary."""
    pad_token: str | None = None
    """Token for padding, in place of the tokenizer's; it must be one token of the vocabulary."""

    s3_region: str | None = None
    """AWS region of an ``s3://`` model; default: the environment's."""
    s3_endpoint_url: str | None = None
    """Address of an S3-compatible service that holds an ``s3://`` model; default: AWS."""
