"""How far a student's next-token distribution is from its teacher's, and the losses of distillation made of that.

Shapes: N tokens, V vocabulary. Logits are (N, V); a student and a teacher may embed a different number of padding rows
behind the vocabulary that they share, and both are then cut to the smaller number. A loss is (N,), differentiable in
the student's logits; what is logged beside it is (N, M), one column a name, without gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TokenLoss = Callable[..., tuple[Tensor, Tensor]]
"""A loss of each token, and what is logged of it, from student logits, teacher logits, and columns of length N."""


def log_distributions(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """``log q`` of the student and ``log p`` of the teacher, over the vocabulary that both embed."""
    size = min(student.shape[-1], teacher.shape[-1])
    log_q = (student[..., :size] / temperature).log_softmax(-1)
    log_p = (teacher[..., :size] / temperature).log_softmax(-1)
    return log_q, log_p


def kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """KL(a || b) of each token, in nats."""
    return (log_a.exp() * (log_a - log_b)).sum(-1)


def generalized_jsd(log_p: Tensor, log_q: Tensor, beta: float) -> Tensor:
    """The generalized Jensen-Shannon divergence of GKD (arXiv 2306.13649, equation 1), p the teacher, q the student.

    JSD(p, q) = beta KL(p || m) + (1 - beta) KL(q || m) with m = beta p + (1 - beta) q. At its ends it is zero
    everywhere; there it stands for what it tends to once divided by beta or by 1 - beta, as the paper has it: 0 is the
    forward KL(p || q), 1 the reverse KL(q || p).
    """
    if beta == 0:
        return kl(log_p, log_q)
    if beta == 1:
        return kl(log_q, log_p)
    share = log_p.new_tensor(beta)
    log_m = torch.logaddexp(log_p + share.log(), log_q + torch.log1p(-share))
    return beta * kl(log_p, log_m) + (1 - beta) * kl(log_q, log_m)


def chosen(log_probs: Tensor, ids: Tensor) -> Tensor:
    """The log-probability of each token's id."""
    return log_probs.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def word_level(coefficient: float, temperature: float) -> TokenLoss:
    """Word-level distillation beside cross-entropy with the label (Hinton et al., arXiv 1503.02531, section 2).

    (1 - c) (-log q(label)) + c T^2 (-sum_v p_T(v) log q_T(v)), where p_T and q_T are the softmax at temperature T. The
    factor T^2 keeps the gradient's size, which falls as 1 / T^2. Columns: the labels.
    """

    def loss(student: Tensor, teacher: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        whole = student.log_softmax(-1)
        cross_entropy = -chosen(whole, labels)
        log_q, log_p = log_distributions(student, teacher, temperature)
        p = log_p.exp()
        distilled = -(p * log_q).sum(-1)
        total = (1 - coefficient) * cross_entropy + coefficient * temperature**2 * distilled
        with torch.no_grad():
            divergence = distilled + (p * log_p).sum(-1)
            right = student.argmax(-1) == labels
            entropy = -(whole.exp() * whole).sum(-1)
            measured = torch.stack([divergence, cross_entropy, distilled, entropy, right.to(whole.dtype)], dim=-1)
        return total, measured

    return loss


WORD_LEVEL_MEASURES = ("kl", "ce_loss", "kd_loss", "entropy", "mean_token_accuracy")


def divergence_loss(beta: float, temperature: float, sft_coef: float) -> TokenLoss:
    """GKD's loss of a token: T^2 JSD_beta(p_T, q_T) + sft_coef * given * (-log q(label)).

    Columns: the labels, and ``given``, 1 where the completion is from the data and 0 where the student sampled it.
    """

    def loss(student: Tensor, teacher: Tensor, labels: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        log_q, log_p = log_distributions(student, teacher, temperature)
        total = temperature**2 * generalized_jsd(log_p, log_q, beta)
        with torch.no_grad():
            both = torch.stack([kl(log_p, log_q), kl(log_q, log_p), -(log_q.exp() * log_q).sum(-1)], dim=-1)
        if sft_coef:
            total = total - sft_coef * given * chosen(student.log_softmax(-1), labels)
        return total, both

    return loss


DIVERGENCE_MEASURES = ("kl/forward", "kl/reverse", "entropy")


def policy_gradient(low: float, high: float, *, single_step: bool) -> TokenLoss:
    """MiniLLM's loss of a sampled token (arXiv 2306.08543): its gradient is that of equations 3 and 5.

    -min(rho A, clip(rho, 1 - low, 1 + high) A) + w KL(q || p), where rho = q(y) / p~(y) is the ratio to the
    distribution sampled from, A the normalised return of the tokens that follow (equation 6), and w = rho without
    gradient. The second term, the expected reward of this one step summed over the whole vocabulary, is left out
    without the single-step decomposition. Columns: sampled ids, ``log p~(y)``, A.
    """

    def loss(
        student: Tensor, teacher: Tensor, ids: Tensor, log_mixed: Tensor, returns: Tensor
    ) -> tuple[Tensor, Tensor]:
        log_q, log_p = log_distributions(student, teacher)
        ratio = torch.exp(chosen(log_q, ids) - log_mixed)
        clipped = ratio.clamp(1 - low, 1 + high)
        total = -torch.minimum(ratio * returns, clipped * returns)
        reverse = kl(log_q, log_p)
        if single_step:
            total = total + ratio.detach() * reverse
        with torch.no_grad():
            met = (clipped != ratio) & (clipped * returns < ratio * returns)
            entropy = -(log_q.exp() * log_q).sum(-1)
            measured = torch.stack([reverse, entropy, met.to(ratio.dtype), ratio], dim=-1)
        return total, measured.detach()

    return loss


POLICY_GRADIENT_MEASURES = ("kl/reverse", "entropy", "clip_ratio", "importance_weight")


def log_probabilities(student: Tensor, teacher: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """No loss: ``log q`` and ``log p`` of the tokens, as what is measured."""
    log_q, log_p = log_distributions(student, teacher)
    both = torch.stack([chosen(log_q, ids), chosen(log_p, ids)], dim=-1)
    return both.new_zeros(len(both)), both
