"""How a model is spread over processes: which strategy, why, and what DeepSpeed and FSDP are told. Without torch."""
