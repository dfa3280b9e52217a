"""What it means for an unfinished run that a setting of its recipe was changed: each setting is in one list here."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

Verdict = Literal["harmless", "said", "refused", "fixed"]

VERDICTS: dict[Verdict, tuple[str, ...]] = {
    # How a run is named, watched and kept, and where: its weights are the same.
    "harmless": (
        *("wandb.*", "s3.*", "run_name", "run_dir", "output_dir", "recipe_file", "recipe_folder", "engine", "resume"),
        *(
            "resume_changes",
            "checkpoint",
            "hands_on_to",
            "allow_*",
            "data.dataset_num_proc",
            "data.max_invalid_share",
            "model.s3_*",
            "model.trust_remote_code",
        ),
        *(
            "model.low_cpu_mem_usage",
            "launch.environment",
            "launch.strategy",
            "launch.mixed_precision",
            "planned.*",
            "launch.gpu_memory_gib",
            "launch.rendezvous",
        ),
        *("launch.*_minutes", "launch.restart*", "training.output_dir", "training.run_name", "training.log_*"),
        *("training.logging_*", "training.save_*", "training.report_to", "training.disable_tqdm", "training.project"),
        *("training.trackio_*", "training.push_to_hub", "training.hub_*", "training.num_completions_to_print"),
        *("training.per_device_eval_batch_size", "training.eval_*", "training.do_*", "training.batch_eval_metrics"),
        *("training.*_full_eval", "training.num_generations_eval", "training.load_best_model_at_end"),
        *("training.metric_for_best_model", "training.greater_is_better", "training.prediction_loss_only"),
        *("training.include_*", "training.skip_memory_metrics", "training.debug", "training.dataset_num_proc"),
        *("training.dataloader_num_workers", "training.dataloader_p*", "training.dataloader_multiprocessing_context"),
        *("training.torch_empty_cache_steps", "training.ddp_timeout", "training.local_rank", "training.ref_offload"),
        *(
            "training.teacher_offload",
            "training.vllm_server_*",
            "training.vllm_group_port",
            "training.length_column_name",
        ),
        *("training.vllm_gpu_memory_utilization", "training.vllm_enable_sleep_mode", "training.resume_from_checkpoint"),
        *("training.full_determinism", "training.trust_remote_code", "training.precompute_ref_batch_size"),
    ),
    # What may change on the way, and changes what comes after: the schedule, sampling, the shape of the computation.
    "said": (
        *("gpus", "processes", "nodes", "strategy", "launch.cpu_processes", "launch.nodes", "launch.offload_*"),
        *("data.eval_*", "model.attn_implementation", "model.use_flash_attention"),
        *("training.lr_scheduler_*", "training.warmup_steps", "training.max_steps", "training.num_train_epochs"),
        *("training.max_grad_norm", "training.beta", "training.epsilon*", "training.temperature", "training.top_[pk]"),
        *("training.min_p", "training.repetition_penalty", "training.entropy_*", "training.use_adaptive_entropy"),
        *("training.*_checkpointing", "training.*_checkpointing_kwargs", "training.activation_offloading"),
        *("training.bf16", "training.tf32", "training.use_cpu", "training.use_cache", "training.deepspeed"),
        *("training.fsdp", "training.fsdp_config", "training.ds3_*", "training.accelerator_config"),
        *("training.parallelism_config", "training.ddp_backend", "training.ddp_b*", "training.ddp_find_*"),
        *("training.ddp_static_graph", "training.torch_compile*", "training.use_liger_kernel"),
        *("training.liger_kernel_config", "training.use_vllm", "training.vllm_mode", "training.vllm_m*"),
        *("training.vllm_tensor_parallel_size", "training.vllm_importance_*", "training.use_transformers_*"),
        *("training.transformers_continuous_batching_config", "training.cache_implementation"),
        *("training.critic_warmup_steps", "training.dataloader_in_order", "training.max_sampling_rounds"),
    ),
    # What a checkpoint brings along with the optimizer's state: another value would be read by nobody.
    "fixed": (
        *("training.learning_rate", "training.*_learning_rate", "training.weight_decay", "training.adam_*"),
        *("training.optim", "training.optim_*"),
    ),
    # What makes it another run: the model, the data, the algorithm, the batch, what is optimized.
    "refused": (
        *("algorithm", "trainer", "config", "config_class", "rewards", "thinking"),
        *("data.datasets", "data.assistant_prompt", "data.user_prompt", "data.system_prompt", "data.wrap_in_chat"),
        *("data.max_length", "data.max_prompt_length", "data.mixing", "data.overlong_rows", "data.invalid_rows"),
        *("data.remove_unused_columns", "data.shuffle"),
        *("model.base_model_name", "model.tokenizer_name", "model.revision", "model.chat_template", "model.*_token"),
        *("model.torch_dtype", "model.bnb_*", "model.load_in_*", "model.lora_*", "model.use_*ora"),
        *("model.ignore_mismatched_sizes",),
        # Which weights are there, and what they are.
        *("training.model_init_kwargs", "training.fp16", "training.cast_lm_head_to_fp32", "training.critic_init"),
        *("training.critic_trained", "training.value_head_prefix", "training.ref_model_*", "training.teacher_model"),
        *("training.teacher_revision", "training.teacher_torch_dtype", "training.sync_ref_model"),
        *("training.precompute_ref_log_probs", "training.disable_dropout", "training.neftune_noise_alpha"),
        # Rows, their order, and what is read of them.
        *("training.seed", "training.data_seed", "training.max_length", "training.max_completion_length"),
        *("training.packing", "training.packing_strategy", "training.padding_free", "training.pad_to_multiple_of"),
        *("training.pad_token", "training.eos_token", "training.chat_template_*", "training.dataset_kwargs"),
        *("training.dataset_text_field", "training.truncation_mode", "training.shuffle_dataset"),
        *("training.train_sampling_strategy", "training.dataloader_drop_last", "training.ignore_data_skip"),
        *("training.remove_unused_columns", "training.label_names", "training.assistant_only_loss"),
        *("training.completion_only_loss", "training.placeholder_token", "training.reward_tokens"),
        # The size of a batch, and of a round of samples.
        *("training.per_device_train_batch_size", "training.gradient_accumulation_steps", "training.num_generations"),
        *("training.auto_find_batch_size", "training.average_tokens_across_devices", "training.num_iterations"),
        *("training.generation_batch_size", "training.steps_per_generation", "training.prompts_per_*"),
        *("training.oversample_factor", "training.dynamic_sampling", "training.unfilled_rounds", "training.lmbda"),
        *("training.generation_kwargs", "training.max_tool_calling_iterations", "training.teacher_mixed_alpha"),
        "training.vllm_structured_outputs_regex",
        # What is optimized.
        *("training.loss_type", "training.loss_weights", "training.label_smoothing*", "training.reward_weights"),
        *("training.alpha", "training.beta_train", "training.gamma", "training.gamma_beta_ratio", "training.lam"),
        *("training.delta", "training.discopop_tau", "training.f_*", "training.ld_alpha", "training.kd_*"),
        *("training.kl_*", "training.target_kl", "training.pt_coef", "training.sft_coef", "training.nll_*"),
        *("training.length_normalization", "training.use_weighting", "training.router_aux_loss_coef"),
        *("training.desirable_weight", "training.undesirable_weight", "training.center_rewards_coefficient"),
        *("training.advantage_estimator", "training.scale_rewards", "training.multi_objective_aggregation"),
        *("training.importance_sampling", "training.importance_sampling_level", "training.off_policy_mask_threshold"),
        *("training.mask_truncated_completions", "training.top_entropy_quantile", "training.use_bias_correction_kl"),
        *("training.sapo_*", "training.vespo_*", "training.cliprange_value", "training.missing_eos_penalty"),
        *("training.outcome_reward_coef", "training.process_reward_coef", "training.prime_norm"),
        *("training.accuracy_*_bound", "training.single_step_decomposition"),
        # How a run ends and goes on itself, in ways that the engine does not use.
        *("training.enable_jit_checkpoint", "training.restore_callback_states_from_checkpoint"),
    ),
}


@cache
def verdict_on(setting: str) -> Verdict:
    """The verdict on a change of a setting; ``refused`` for what is in no list, such as a changed file."""
    return next((verdict for verdict, patterns in VERDICTS.items() if _in(setting, patterns)), "refused")


def verdicts_on(setting: str) -> list[Verdict]:
    """Every list that a setting is in. That should be one."""
    return [verdict for verdict, patterns in VERDICTS.items() if _in(setting, patterns)]


def _in(setting: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(setting, pattern) for pattern in patterns)
