"""verl's settings under their last names (``kl_loss_coef``, ``n``), where a recipe writes them in a block of its own.

What is equal in meaning and unit is understood, with a note; of the rest an error says what to write. verl counts
prompts and rollouts where Hugging Face counts completions and optimizer steps. Keys that mean something only together
are read in ``verl_groups.py``.
"""

from __future__ import annotations

from recipe_engine.lint.dialects.spelling import Removed, Rename

ESTIMATORS = {"grpo": "group"}
TOP_K = {-1: 0}
_SAME = (
    # old block and key, new block and key
    ("data", "train_batch_size", "training", "prompts_per_rollout"),
    ("training", "train_batch_size", "training", "prompts_per_rollout"),
    ("training", "ppo_mini_batch_size", "training", "prompts_per_update"),
    ("training", "ppo_micro_batch_size_per_gpu", "training", "per_device_train_batch_size"),
    ("training", "ppo_epochs", "training", "num_iterations"),
    ("training", "n", "training", "num_generations"),
    ("training", "rollout_n", "training", "num_generations"),
    ("data", "max_response_length", "training", "max_completion_length"),
    ("training", "max_response_length", "training", "max_completion_length"),
    ("training", "clip_ratio", "training", "epsilon"),
    ("training", "clip_ratio_low", "training", "epsilon"),
    ("training", "clip_ratio_c", "training", "delta"),
    ("training", "entropy_coeff", "training", "entropy_coef"),
    ("training", "grad_clip", "training", "max_grad_norm"),
    ("training", "lr_warmup_steps_ratio", "training", "warmup_steps"),
    ("training", "total_epochs", "training", "num_train_epochs"),
    ("training", "val_before_train", "training", "eval_on_start"),
    ("training", "val_temperature", "training", "eval_temperature"),
    ("training", "val_top_p", "training", "eval_top_p"),
    ("training", "gpu_memory_utilization", "training", "vllm_gpu_memory_utilization"),
    ("training", "tensor_model_parallel_size", "training", "vllm_tensor_parallel_size"),
    ("training", "free_cache_engine", "training", "vllm_enable_sleep_mode"),
    ("training", "enable_gradient_checkpointing", "training", "gradient_checkpointing"),
    ("model", "enable_gradient_checkpointing", "training", "gradient_checkpointing"),
    ("training", "experiment_name", "training", "run_name"),
    ("training", "default_local_dir", "training", "output_dir"),
    ("training", "project_name", "wandb", "project"),
    ("model", "path", "model", "base_model_name"),
)
RENAMES = (
    *(Rename((block, key), (to, name), "verl") for block, key, to, name in _SAME),
    Rename(("training", "adv_estimator"), ("training", "advantage_estimator"), "verl", ESTIMATORS),
    Rename(
        ("training", "norm_adv_by_std_in_grpo"),
        ("training", "scale_rewards"),
        "verl",
        {True: "group", False: "none"},
    ),
    Rename(("training", "top_k"), ("training", "top_k"), "verl", TOP_K),
    Rename(("training", "eval_top_k"), ("training", "eval_top_k"), "verl", TOP_K),
    Rename(("training", "val_top_k"), ("training", "eval_top_k"), "verl", TOP_K),
    Rename(("training", "rollout_mode"), ("training", "vllm_mode"), "verl", {"sync": "colocate"}),
)

_PROMPTS = "write per_device_eval_batch_size, which counts completions on each process"
_LEAVE_OUT = "leave it out: "
REMOVED = (
    *(
        Removed((name,), "write its settings in the training block, under their last names (kl_loss_coef, n, ...)")
        for name in ("actor_rollout_ref", "algorithm", "trainer")
    ),
    Removed(
        ("custom_reward_function",),
        "write rewards: [{type: function, path: FILE.py, name: FUNCTION}]; a function of verl's arguments is called as "
        "verl does",
    ),
    Removed(
        ("reward_model",),
        "write rewards: [{type: reward_model, model: NAME}]; for verl's reward_kwargs, max_resp_len and "
        "overlong_buffer_cfg.len and .penalty_factor: {type: overlong_penalty, max_resp_len: N, buffer: N, factor: X}",
    ),
    Removed(
        ("training", "overlong_buffer_cfg"),
        "write rewards: [..., {type: overlong_penalty, max_resp_len: N, buffer: N, factor: X}]",
    ),
    Removed(("training", "max_resp_len"), "write it in rewards: [..., {type: overlong_penalty, max_resp_len: N}]"),
    Removed(
        ("training", "reward_manager"),
        "leave it out: write a `rewards` list; `only` in a reward chooses its rows, as data_source does in verl",
    ),
    Removed(("training", "val_batch_size"), _PROMPTS),
    Removed(("data", "val_batch_size"), _PROMPTS),
    Removed(("data", "train_files"), "write data.datasets: [{name: FILE}]"),
    Removed(("data", "val_files"), "write data.eval_datasets: [{name: FILE}]"),
    Removed(("data", "reward_fn_key"), _LEAVE_OUT + "rewards read every column of a row"),
    Removed(("data", "return_raw_chat"), _LEAVE_OUT + "rewards read every column of a row"),
    Removed(
        ("training", "ppo_micro_batch_size"),
        "write per_device_train_batch_size, which counts completions on one process",
    ),
    Removed(
        ("training", "ppo_max_token_len_per_gpu"),
        "write per_device_train_batch_size: batches are counted in completions, not in tokens",
    ),
    Removed(("training", "use_dynamic_bsz"), _LEAVE_OUT + "write per_device_train_batch_size, which always counts"),
    Removed(("training", "log_prob_use_dynamic_bsz"), _LEAVE_OUT + "per_device_train_batch_size counts here too"),
    Removed(("training", "log_prob_micro_batch_size_per_gpu"), _LEAVE_OUT + "it is per_device_train_batch_size here"),
    Removed(("training", "log_prob_max_token_len_per_gpu"), _LEAVE_OUT + "it is per_device_train_batch_size here"),
    Removed(
        ("training", "calculate_log_probs"), "write vllm_importance_sampling_correction: true, which measures them"
    ),
    Removed(("training", "use_remove_padding"), _LEAVE_OUT + "completions are padded to the longest of their batch"),
    Removed(("model", "use_remove_padding"), _LEAVE_OUT + "completions are padded to the longest of their batch"),
    Removed(("training", "ulysses_sequence_parallel_size"), _LEAVE_OUT + "sequences are not split over GPUs"),
    Removed(("training", "model_dtype"), "write model.torch_dtype, such as bfloat16"),
    Removed(("training", "enforce_eager"), _LEAVE_OUT + "vLLM is set up by TRL"),
    Removed(("training", "resume_mode"), "write training.resume: FOLDER to go on from there, else leave it out"),
    Removed(("training", "n_gpus_per_node"), "start with --num-gpus"),
    Removed(("training", "logger"), "write wandb.enabled: true, or report_to"),
    Removed(("training", "overlong_buffer"), "write a reward of type overlong_penalty"),
)
