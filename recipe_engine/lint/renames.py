"""Old and foreign spellings: what they are called here, and what to write where their meaning changed."""

from __future__ import annotations

from recipe_engine.lint.dialects import launching, openrlhf, verl
from recipe_engine.lint.dialects.spelling import Removed, Rename

PPO_RENAMES = tuple(
    Rename(("training", old), ("training", new), origin)
    for old, new, origin in (
        ("critic_lr", "critic_learning_rate", "verl: critic.optim.lr"),
        ("critic_model_path", "critic_init", "verl: critic.model.path"),
        ("critic_pretrain", "critic_init", "OpenRLHF"),
        ("value_model_path", "critic_init", "earlier TRL"),
        ("value_clip", "cliprange_value", "OpenRLHF"),
        ("lambd", "lam", "OpenRLHF"),
        ("horizon", "kl_horizon", "verl: kl_ctrl.horizon"),
        ("num_ppo_epochs", "num_iterations", "earlier TRL"),
        ("cliprange", "epsilon", "earlier TRL"),
        ("response_length", "max_completion_length", "earlier TRL"),
        ("reward_dpo_coef", "process_reward_coef", "verl"),
        ("reward_gt_coef", "outcome_reward_coef", "verl"),
    )
)

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
    Rename(("training", "resume_from_checkpoint"), ("training", "resume"), "transformers"),
    Rename(("training", "evaluation_strategy"), ("training", "eval_strategy"), "earlier transformers"),
    Rename(("training", "warmup_ratio"), ("training", "warmup_steps"), "earlier transformers: a share of the steps"),
    Rename(("training", "per_gpu_train_batch_size"), ("training", "per_device_train_batch_size"), "transformers"),
    Rename(("training", "per_gpu_eval_batch_size"), ("training", "per_device_eval_batch_size"), "transformers"),
    Rename(("training", "lr"), ("training", "learning_rate"), "the field"),
    Rename(("training", "epochs"), ("training", "num_train_epochs"), "the field"),
    Rename(("training", "num_epochs"), ("training", "num_train_epochs"), "Axolotl"),
    Rename(("training", "simpo_gamma"), ("training", "gamma"), "TRL"),
    Rename(("training", "pref_beta"), ("training", "beta"), "LLaMA-Factory"),
    Rename(("training", "orpo_alpha"), ("training", "beta"), "Axolotl"),
    Rename(("training", "ref_model_name_or_path"), ("training", "ref_model_name"), "the field"),
    Rename(("training", "ref_model"), ("training", "ref_model_name"), "LLaMA-Factory"),
    *openrlhf.RENAMES,
    Rename(("training", "num_return_sequences"), ("training", "num_generations"), "transformers"),
    Rename(("training", "eval_split_ratio"), ("data", "eval_holdout"), "FAI-RL"),
    *PPO_RENAMES,
    Rename(("training", "teacher_model_name_or_path"), ("training", "teacher_model"), "TRL"),
    Rename(("training", "teacher_model_revision"), ("training", "teacher_revision"), "TRL"),
    Rename(("training", "kd_ratio"), ("training", "kd_coef"), "MiniLLM's code"),
    Rename(("training", "lambda"), ("training", "lmbda"), "the field"),
    Rename(("training", "length_norm"), ("training", "length_normalization"), "MiniLLM's code"),
    Rename(("training", "single_step_reg"), ("training", "single_step_decomposition"), "MiniLLM's code"),
    Rename(("training", "max_new_tokens"), ("training", "max_completion_length"), "transformers"),
    Rename(("wandb", "run_name"), ("wandb", "name"), "wandb"),
    *verl.RENAMES,
    *launching.RENAMES,
)

_VISION = "vision models (sft_vlm) are not supported: this engine trains on text"

_CRITIC_WARMUP = (
    "write critic_warmup_steps, which counts optimizer steps: rounds x steps_per_generation x num_iterations / "
    "gradient_accumulation_steps"
)
_ADAPTIVE = "write kl_in_reward: true, kl_controller: adaptive, target_kl (per token) and kl_horizon"
PPO_REMOVED = (
    Removed(("critic",), "write critic_learning_rate, critic_init and cliprange_value in the training block"),
    Removed(("training", "critic"), "write critic_learning_rate, critic_init and cliprange_value"),
    Removed(("training", "critic_warmup"), _CRITIC_WARMUP),
    Removed(("training", "freezing_actor_steps"), "write critic_warmup_steps, which counts optimizer steps"),
    Removed(("training", "kl_ctrl"), "write beta and kl_in_reward: true; for type adaptive " + _ADAPTIVE),
    Removed(("training", "kl_target"), _ADAPTIVE),
    Removed(("training", "init_kl_coef"), "write beta, with kl_in_reward: true where it is not in the loss"),
    Removed(("training", "vf_coef"), "leave it out: the critic has weights and a critic_learning_rate of its own"),
    Removed(("training", "whiten_rewards"), "leave it out: advantages are whitened, rewards are not"),
    Removed(("training", "sft_model_path"), "write model.base_model_name: the reference model is the policy's start"),
    Removed(("training", "filter_accuracy"), "write accuracy_lower_bound and accuracy_upper_bound"),
)

REMOVED = (
    Removed(
        ("training", "cpo_alpha"),
        "write nll_loss_coef, which averages over sequences; TRL's cpo_alpha averages over the tokens of a micro-batch",
    ),
    Removed(("training", "sft_weight"), "write nll_loss_coef, which averages over sequences; sft_weight over tokens"),
    Removed(("training", "rpo_alpha"), "write loss_type: [sigmoid, sft] and loss_weights: [1.0, <alpha>]"),
    Removed(
        ("training", "group_by_length"),
        "write train_sampling_strategy: group_by_length, which kto and algorithms that sample do not take",
    ),
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
    *PPO_REMOVED,
    Removed(("training", "teacher_model_init_kwargs"), "write teacher_torch_dtype and teacher_revision"),
    Removed(
        ("training", "seq_kd"),
        "have the teacher write the completions first, and train on them: algorithm: sft, or gkd with lmbda: 0.0",
    ),
    Removed(("model", "device_map"), "leave it out: the launcher places the model"),
    Removed(("model", "freeze_vision_tower"), _VISION),
    Removed(
        ("reward_api",),
        "write rewards: [{type: http, url: ADDRESS}], with api_key_env naming the variable that holds the key; the "
        'service is posted {"prompts", "completions", "columns"} and answers {"scores"}',
    ),
    Removed(
        ("local_reward_function",),
        "write rewards: [{type: function, path: FILE.py, name: FUNCTION}], with the file beside the recipe",
    ),
    Removed(("training", "reward_funcs"), "write a `rewards` list"),
    Removed(("training", "reward_model_path"), "write rewards: [{type: reward_model, model: NAME}]"),
    *openrlhf.REMOVED,
    *verl.REMOVED,
    *launching.REMOVED,
)
VISION_PREFIXES = ("image_", "video_")
VISION = _VISION
