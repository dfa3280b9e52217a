"""OpenRLHF's flags (its commands train_sft, train_dpo, train_kto and train_kd), as keys of a recipe."""

from __future__ import annotations

from recipe_engine.lint.dialects.spelling import EACH, Removed, Rename

ORIGIN = "OpenRLHF"

_KEYS = (
    ("chosen_key", "chosen_column"),
    ("rejected_key", "rejected_column"),
    ("prompt_key", "prompt_column"),
    ("output_key", "completion_column"),
    ("label_key", "label_column"),
)
"""Flags that name a column, with one meaning everywhere."""
_DATASETS = ("datasets", "eval_datasets")

RENAMES = (
    Rename(("model", "pretrain"), ("model", "base_model_name"), ORIGIN),
    Rename(("model", "ref_pretrain"), ("training", "ref_model_name"), ORIGIN),
    Rename(("model", "flash_attn"), ("model", "use_flash_attention"), ORIGIN),
    Rename(("data", "max_len"), ("data", "max_length"), ORIGIN),
    Rename(("training", "max_len"), ("data", "max_length"), ORIGIN),
    Rename(("training", "ref_pretrain"), ("training", "ref_model_name"), ORIGIN),
    Rename(("training", "save_path"), ("training", "output_dir"), ORIGIN),
    Rename(("training", "max_epochs"), ("training", "num_train_epochs"), ORIGIN),
    Rename(("training", "micro_train_batch_size"), ("training", "per_device_train_batch_size"), ORIGIN),
    Rename(("training", "lr_warmup_ratio"), ("training", "warmup_steps"), f"{ORIGIN}: a share of the steps"),
    Rename(("training", "max_norm"), ("training", "max_grad_norm"), ORIGIN),
    Rename(("training", "attn_implementation"), ("model", "attn_implementation"), ORIGIN),
    Rename(("training", "flash_attn"), ("model", "use_flash_attention"), ORIGIN),
    Rename(("training", "wandb_project"), ("wandb", "project"), ORIGIN),
    Rename(("training", "wandb_group"), ("wandb", "group"), ORIGIN),
    Rename(("training", "wandb_org"), ("wandb", "entity"), ORIGIN),
    Rename(("training", "wandb_run_name"), ("wandb", "name"), ORIGIN),
    *(
        Rename(("data", datasets, EACH, key), ("data", datasets, EACH, column), ORIGIN)
        for datasets in _DATASETS
        for key, column in _KEYS
    ),
)

_INPUT = (
    "write prompt_column (the prompt, where the response or a label has a column of its own), messages_column (whole "
    "conversations) or text_column (plain text) in the entry of data.datasets"
)
_TEMPLATE = (
    "its {} is the column of input_key. For chat messages write data.user_prompt: '{COLUMN}', with more text around it "
    "if you like, and data.assistant_prompt: '{COLUMN}'; for text that no chat template renders, such as 'User: {}', "
    "put the words into a Jinja file and name it in model.chat_template. An empty template is no template: leave it out"
)
_MAX_SAMPLES = "write max_samples in each entry of data.datasets"

_IN_TRAINING = {
    "train_batch_size": (
        "write gradient_accumulation_steps: train_batch_size / (per_device_train_batch_size x GPUs); OpenRLHF's "
        "micro_train_batch_size is per_device_train_batch_size. 256 in micro-batches of 1 on 8 GPUs: 32"
    ),
    "ipo": (
        "write loss_type: ipo_sum, which is OpenRLHF's --ipo, on summed log-probabilities (loss_type: ipo is the "
        "length-normalised one of TRL); for ipo: false leave it out"
    ),
    "packing_samples": (
        "leave it out: it packs a micro-batch without padding, and the loss is the same without it. Under sft, "
        "packing: true puts several rows into each sequence, which changes how many rows a step has; padding_free: "
        "true does not. Preference algorithms pad their rows: lower per_device_train_batch_size saves padding"
    ),
    "pretrain": "write model.base_model_name",
    "dataset": "write data.datasets: [{name: ...}]",
    "use_wandb": (
        "write wandb: {enabled: true}; its key belongs into the environment variable WANDB_API_KEY, never into a recipe"
    ),
    "load_checkpoint": "write training.resume: FOLDER/checkpoint-N",
    "pretrain_mode": "write algorithm: cpt",
    "multiturn": "write assistant_only_loss: true: every assistant message of a conversation is trained",
}
_IN_DATA = {
    "dataset": "write datasets: [{name: ...}], one entry a dataset",
    "dataset_probs": (
        "write weight in each entry of data.datasets, and mixing: interleave_over, which like OpenRLHF repeats the "
        "short datasets until the longest ran out; without dataset_probs leave mixing out"
    ),
    "apply_chat_template": (
        "leave it out: messages are always rendered with the chat template. For prompts that are plain text write "
        "data.wrap_in_chat: true"
    ),
    "tokenizer_chat_template": (
        "put the template into a Jinja file beside the recipe and write model.chat_template: FILE"
    ),
    "input_template": _TEMPLATE,
    "max_samples": _MAX_SAMPLES,
    "input_key": _INPUT,
    **{key: f"write {column} in the entry of data.datasets" for key, column in _KEYS},
}


def _where_it_goes(rename: Rename) -> str:
    return f"write {'.'.join(rename.new)}"


_AT_THE_ROOT = {
    **{rename.old[-1]: _where_it_goes(rename) for rename in RENAMES if EACH not in rename.old},
    **_IN_TRAINING,
    **_IN_DATA,
    **{
        name: f"write it in the block training: training.{name}"
        for name in ("ref_offload", "nll_loss_coef", "label_smoothing", "teacher_model", "teacher_offload", "kd_coef")
    },
}

REMOVED = (
    *(Removed(("training", name), instead) for name, instead in {**_IN_DATA, **_IN_TRAINING}.items()),
    *(
        Removed(("data", name), instead)
        for name, instead in {
            **_IN_DATA,
            **{name: _IN_TRAINING[name] for name in ("packing_samples", "pretrain_mode", "multiturn")},
        }.items()
    ),
    Removed(("model", "tokenizer_chat_template"), _IN_DATA["tokenizer_chat_template"]),
    *(
        Removed(("data", datasets, EACH, key), instead)
        for datasets in _DATASETS
        for key, instead in (("input_key", _INPUT), ("input_template", _TEMPLATE))
    ),
    *(Removed((name,), instead) for name, instead in _AT_THE_ROOT.items()),
)
