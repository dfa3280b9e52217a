"""Old and foreign spellings: what they are called here, and what to write where their meaning changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rename:
    """A key that has another name here, with the same meaning: it is understood, with a note."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A key whose meaning changed or that nothing here reads: an error that says what to write."""

    key: tuple[str, ...]
    instead: str


RENAMES = (
    Rename(("model", "dtype"), ("model", "torch_dtype"), "transformers 5"),
    Rename(("model", "model_name_or_path"), ("model", "base_model_name"), "TRL"),
    Rename(("model", "base_model"), ("model", "base_model_name"), "Axolotl"),
    Rename(("model", "model_revision"), ("model", "revision"), "TRL"),
    Rename(("model", "use_peft"), ("model", "use_lora"), "TRL"),
    Rename(("model", "flash_attention"), ("model", "use_flash_attention"), "Axolotl"),
    Rename(("data", "max_seq_length"), ("data", "max_length"), "earlier TRL"),
    Rename(("data", "packing"), ("training", "packing"), "earlier TRL"),
    Rename(("training", "group_size"), ("training", "num_generations"), "earlier FAI-RL"),
    Rename(("training", "max_length"), ("data", "max_length"), "TRL"),
    Rename(("training", "max_seq_length"), ("data", "max_length"), "earlier TRL"),
    Rename(("training", "max_prompt_length"), ("data", "max_prompt_length"), "earlier TRL"),
    Rename(("training", "dataset_num_proc"), ("data", "dataset_num_proc"), "TRL"),
    Rename(("training", "remove_unused_columns"), ("data", "remove_unused_columns"), "transformers"),
    Rename(("training", "chat_template_path"), ("model", "chat_template"), "TRL"),
    Rename(("training", "eos_token"), ("model", "eos_token"), "TRL"),
    Rename(("training", "pad_token"), ("model", "pad_token"), "TRL"),
    Rename(("training", "trust_remote_code"), ("model", "trust_remote_code"), "TRL"),
    Rename(("training", "deepspeed"), ("training", "deepspeed_config"), "transformers"),
    Rename(("training", "evaluation_strategy"), ("training", "eval_strategy"), "earlier transformers"),
    Rename(("training", "warmup_ratio"), ("training", "warmup_steps"), "earlier transformers: a share of the steps"),
    Rename(("training", "per_gpu_train_batch_size"), ("training", "per_device_train_batch_size"), "transformers"),
    Rename(("training", "per_gpu_eval_batch_size"), ("training", "per_device_eval_batch_size"), "transformers"),
    Rename(("training", "lr"), ("training", "learning_rate"), "the field"),
    Rename(("training", "epochs"), ("training", "num_train_epochs"), "the field"),
    Rename(("training", "num_epochs"), ("training", "num_train_epochs"), "Axolotl"),
    Rename(("training", "kl_coef"), ("training", "beta"), "verl"),
    Rename(("training", "num_return_sequences"), ("training", "num_generations"), "transformers"),
    Rename(("training", "eval_split_ratio"), ("data", "eval_holdout"), "FAI-RL"),
    Rename(("training", "teacher_model_name_or_path"), ("training", "teacher_model"), "TRL"),
    Rename(("training", "teacher_model_revision"), ("training", "teacher_revision"), "TRL"),
    Rename(("training", "kd_ratio"), ("training", "kd_coef"), "MiniLLM's code"),
    Rename(("training", "lambda"), ("training", "lmbda"), "the field"),
    Rename(("training", "length_norm"), ("training", "length_normalization"), "MiniLLM's code"),
    Rename(("training", "single_step_reg"), ("training", "single_step_decomposition"), "MiniLLM's code"),
    Rename(("training", "max_new_tokens"), ("training", "max_completion_length"), "transformers"),
    Rename(("wandb", "run_name"), ("wandb", "name"), "wandb"),
)

_VISION = "vision models (sft_vlm) are not supported: this engine trains on text"

REMOVED = (
    Removed(("training", "rpo_alpha"), "write loss_type: [sigmoid, sft] and loss_weights: [1.0, <alpha>]"),
    Removed(("training", "group_by_length"), "write train_sampling_strategy: group_by_length"),
    Removed(("training", "logging_dir"), "set the environment variable TENSORBOARD_LOGGING_DIR"),
    Removed(("training", "no_cuda"), "start with --num-gpus 0"),
    Removed(("training", "use_cpu"), "start with --num-gpus 0; the recipe itself runs on any number of GPUs"),
    Removed(("training", "save_safetensors"), "leave it out: models are always saved as safetensors"),
    Removed(("training", "tokenizer"), "write model.tokenizer_name"),
    Removed(("training", "truncation_mode"), "write data.overlong_rows: right (keep the start) or left (keep the end)"),
    Removed(("training", "dataset_text_field"), "write text_column in the entry of data.datasets"),
    Removed(("training", "dataset_kwargs"), "leave it out: rows are always prepared by the engine"),
    Removed(("training", "reward_weights"), "write weight: in each entry of rewards"),
    Removed(("training", "model_init_kwargs"), "write the keys of the model block"),
    Removed(("training", "hub_token"), "set the environment variable HF_TOKEN"),
    Removed(("training", "disable_tqdm"), "leave it out: bars are shown in a terminal, plain lines in a log"),
    Removed(("training", "early_stopping"), "early stopping is not supported yet: write load_best_model_at_end: true"),
    Removed(("training", "early_stopping_patience"), "early stopping is not supported yet"),
    Removed(("training", "early_stopping_threshold"), "early stopping is not supported yet"),
    Removed(("training", "do_train"), "leave it out"),
    Removed(("training", "do_eval"), "write eval_strategy and data.eval_datasets"),
    Removed(("training", "do_predict"), "leave it out"),
    Removed(("training", "local_rank"), "leave it out: the launcher sets it"),
    Removed(("training", "parallelism_config"), "leave it out: a YAML file cannot hold it"),
    Removed(("training", "teacher_model_init_kwargs"), "write teacher_torch_dtype and teacher_revision"),
    Removed(
        ("training", "seq_kd"),
        "have the teacher write the completions first, and train on them: algorithm: sft, or gkd with lmbda: 0.0",
    ),
    Removed(("model", "device_map"), "leave it out: the launcher places the model"),
    Removed(("model", "freeze_vision_tower"), _VISION),
    Removed(("reward_api",), "a remote reward service is not supported yet: write a `rewards` list"),
    Removed(
        ("local_reward_function",),
        "write rewards: [{type: function, path: FILE.py, name: FUNCTION}], with the file beside the recipe",
    ),
)
VISION_PREFIXES = ("image_", "video_")
VISION = _VISION
