"""The settings that a DeepSpeed file may hold, by name: those that DeepSpeed 0.19.8 and transformers read.

DeepSpeed passes over a name at the top that it does not know, so that a misspelt section would leave its default in
force; one under ``zero_optimization`` ends the training process. Sources: deepspeed/runtime/config.py and the modules
that it reads from, deepspeed/runtime/zero/config.py (fields and their aliases).
"""

from __future__ import annotations

KEYS = frozenset(
    {
        *("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps"),
        *("managed_gradient_accumulation", "gradient_clipping", "prescale_gradients", "gradient_predivide_factor"),
        *("gradient_allreduce_op", "disable_allgather", "communication_data_type"),
        *("seq_parallel_communication_data_type", "zero_optimization", "zero_allow_untested_optimizer"),
        *("zero_force_ds_cpu_optimizer", "fp16", "bf16", "bfloat16", "torch_autocast", "data_types", "optimizer"),
        *("scheduler", "activation_checkpointing", "checkpoint", "datastates_ckpt", "aio", "compile", "timers"),
        *("steps_per_print", "wall_clock_breakdown", "memory_breakdown", "dump_state", "log_level"),
        *("flops_profiler", "comms_logger", "tensorboard", "wandb", "csv_monitor", "comet", "autotuning"),
        *("disable_python_gc", "dataloader_drop_last", "data_efficiency", "vocabulary_size"),
        *("tensor_parallel", "expert_parallel", "use_data_before_expert_parallelism", "pipeline"),
        *("data_parallel_size", "sequence_parallel_size", "hybrid_engine", "weight_quantization"),
    }
)
"""Names at the top of the file."""

ZERO_KEYS = frozenset(
    {
        *("stage", "contiguous_gradients", "reduce_scatter", "reduce_bucket_size", "use_multi_rank_bucket_allreduce"),
        *("allgather_partitions", "allgather_bucket_size", "overlap_comm", "compute_grad_norm"),
        *("load_from_fp32_weights", "elastic_checkpoint", "offload_param", "offload_optimizer", "zenflow"),
        *("sub_group_size", "cpu_offload_param", "cpu_offload_use_pin_memory", "cpu_offload"),
        *("prefetch_bucket_size", "param_persistence_threshold", "model_persistence_threshold"),
        *("max_live_parameters", "max_reuse_distance", "gather_16bit_weights_on_model_save"),
        *("module_granularity_threshold", "use_all_reduce_for_fetch_params", "allgather_sequential"),
        *("stage3_prefetch_bucket_size", "stage3_param_persistence_threshold", "stage3_model_persistence_threshold"),
        *("stage3_max_live_parameters", "stage3_max_reuse_distance", "stage3_gather_16bit_weights_on_model_save"),
        *("stage3_module_granularity_threshold", "stage3_use_all_reduce_for_fetch_params"),
        *("stage3_allgather_sequential", "stage3_gather_fp16_weights_on_model_save", "ignore_unused_parameters"),
        *("legacy_stage1", "round_robin_gradients", "parameter_alignment", "zero_hpz_partition_size"),
        *("zero_quantized_weights", "zero_quantized_nontrainable_weights", "zero_quantized_gradients"),
        *("memory_efficient_linear", "pipeline_loading_checkpoint", "override_module_apply"),
        *("log_trace_cache_warnings", "enable_sanity_checks", "save_muon_momentum_buffer_in_memory", "leaf_module"),
    }
)
"""Names under ``zero_optimization``."""

REMOVED = frozenset(
    {
        *("nebula", "compression_training", "amp", "quantize_training", "sparse_gradients", "eigenvalue"),
        *("sparse_attention", "elasticity", "graph_harvesting", "curriculum_learning", "progressive_layer_drop"),
        *("mics_shard_size", "mics_hierarchical_params_gather", "zeropp_loco_param"),
    }
)
"""Names of what DeepSpeed had once, and refuses now, in either place."""
