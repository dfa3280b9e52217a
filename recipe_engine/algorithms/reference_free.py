"""What ORPO, SimPO and CPO have in common: pairs of responses, DPO's config, and no reference model."""

from __future__ import annotations

UNUSED = frozenset(
    {
        *("precompute_ref_log_probs", "precompute_ref_batch_size"),
        *("sync_ref_model", "ref_model_mixup_alpha", "ref_model_sync_steps"),
        *("f_divergence_type", "f_alpha_divergence_coef", "ld_alpha", "use_weighting", "discopop_tau"),
        *("loss_weights", "padding_free"),
    }
)
"""Arguments of ``DPOConfig`` that mean nothing without a reference model, or that only TRL's own losses read."""
