"""The base of trainers that train a companion beside the policy: one optimizer, one step, one checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_scheduler
from trl.trainer.utils import disable_dropout_in_model

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.trainers.companion import Both, Companion, apart, attach
from recipe_engine.runtime.trainers.rollout import RolloutTrainer


class CompanionTrainer(RolloutTrainer):
    """One optimizer and one step; learning rates and gradient norms apart.

    A subclass names the companion, which is also its folder beside the model, and makes it.
    """

    companion_name: str
    lr_scheduler: Any
    settings: Any

    def __init__(self, *, model: str, args: Any, settings: Any, **others: Any) -> None:
        deepspeed = args.hf_deepspeed_config.config if getattr(args, "hf_deepspeed_config", None) else {}
        if "optimizer" in deepspeed:
            raise ValueError(
                "the DeepSpeed configuration has an optimizer, which knows one learning rate: leave it out"
            )
        if self.needs_reference:
            args.beta = settings.beta or 1.0  # TRL has a reference model where beta is not 0
        super().__init__(model=model, args=args, settings=settings, **others)
        companion = self.make_companion(model)
        disable_dropout_in_model(companion.model)
        if args.gradient_checkpointing:
            companion.model.gradient_checkpointing_enable(args.gradient_checkpointing_kwargs)
        companion.to(self.args.device)
        attach(self.model, self.companion_name, companion)

    def make_companion(self, policy: str) -> Companion:
        """The companion at the start; ``policy`` is where the policy's weights are."""
        raise NotImplementedError

    @property
    def companion_learning_rate(self) -> float:
        """The companion's peak learning rate."""
        raise NotImplementedError

    needs_reference = False
    """Whether there is a reference model without a penalty too."""

    @property
    def loss_beta(self) -> float:
        """Weight of the KL penalty that the loss sees."""
        return self.beta

    warmup_steps = 0
    """Optimizer steps at the start in which the companion alone is trained."""

    @property
    def companion(self) -> Companion:
        """The companion, wherever the policy is wrapped."""
        found: Companion = getattr(self.model, self.companion_name)
        return found

    @property
    def warming_up(self) -> bool:
        """Whether the companion alone is trained in this step."""
        return self.state.global_step < self.warmup_steps

    # One optimizer

    def create_optimizer(self, model: Any = None) -> Any:
        if self.optimizer is not None:
            return self.optimizer
        with apart(self.model if model is None else model, self.companion_name) as companion:
            optimizer = super().create_optimizer(model)
        decayed = self.get_decay_parameter_names(companion)
        named = [(name, p) for name, p in companion.named_parameters() if p.requires_grad]
        for weight_decay, wanted in ((self.args.weight_decay, True), (0.0, False)):
            parameters = [p for name, p in named if (name in decayed) == wanted]
            if parameters:
                rate = self.companion_learning_rate
                group = {"params": parameters, "weight_decay": weight_decay, "lr": rate, "companion": True}
                optimizer.add_param_group(group)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Both follow the schedule that the recipe names; after a warm-up of the companion, the policy what is left."""
        late = self.warmup_steps
        if late == 0 or self.lr_scheduler is not None:
            return super().create_scheduler(num_training_steps, optimizer)
        optimizer = self.optimizer if optimizer is None else optimizer
        whole, rest = (self._factor(steps) for steps in (num_training_steps, num_training_steps - late))
        factors = [
            whole if group.get("companion") else lambda step: rest(step - late) if step >= late else 0.0
            for group in optimizer.param_groups
        ]
        self.lr_scheduler = LambdaLR(optimizer, factors)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def _factor(self, steps: int) -> Callable[[int], float]:
        """The schedule over that many steps, as a factor of the peak."""
        made = get_scheduler(
            self.args.lr_scheduler_type,
            optimizer=torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0),
            num_warmup_steps=self.args.get_warmup_steps(steps),
            num_training_steps=steps,
            scheduler_specific_kwargs=self.args.lr_scheduler_kwargs,
        )
        if not isinstance(made, LambdaLR):
            raise RunError(f"lr_scheduler_type {self.args.lr_scheduler_type} cannot begin after critic_warmup_steps")
        factor: Callable[[int], float] = made.lr_lambdas[0]
        return factor

    def _clip_grad_norm(self, model: Any) -> Any:
        """Each model's gradient is clipped by its own norm; DeepSpeed clips the norm of both."""
        if self.is_deepspeed_enabled:
            return super()._clip_grad_norm(model)
        companion = [p for p in self.companion.parameters() if p.requires_grad]
        ours = {id(p) for p in companion}
        policy = [p for p in self.model.parameters() if id(p) not in ours]
        norm = self.accelerator.clip_grad_norm_(policy, self.args.max_grad_norm)
        other = torch.nn.utils.clip_grad_norm_(companion, self.args.max_grad_norm)
        other = other.full_tensor() if hasattr(other, "full_tensor") else other
        self._metrics["train"][f"{self.companion_name}/grad_norm"].append(other.item())
        return norm

    # Two forwards

    def companion_says(self, inputs: dict[str, Tensor]) -> Tensor:
        """What the companion says of each token of the completions of a round, (B, T), without a gradient."""
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        width = inputs["completion_ids"].size(1)
        size = self.args.per_device_train_batch_size if self.model.training else self.args.per_device_eval_batch_size
        said = []
        with torch.no_grad(), self.accelerator.autocast():
            for rows in torch.arange(len(ids)).split(size):
                labels = ids[rows].masked_fill(attention[rows] == 0, -100)
                labels[:, :-width] = -100
                part = {"input_ids": ids[rows], "attention_mask": attention[rows], "labels": labels}
                said.append(self.model(**part, companion="only")[:, -width:].float())
        return torch.cat(said)

    def loss_of_both(self, model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Tensor, Any]:
        """The policy's loss, what the companion says (B, T), and the policy's outputs, with one forward of each.

        The entropy bonus is a mean over the tokens of the global batch: TRL's is the mean of the micro-batches' means.
        """
        both, rollout_beta = Both(model), self.beta
        self.beta, self._entropy_bonus_enabled = self.loss_beta, False
        try:
            loss = super()._compute_loss(both, inputs)
        finally:
            self.beta = rollout_beta
        width = inputs["completion_ids"].size(1)
        if self.settings.entropy_coef:
            loss = loss - self.settings.entropy_coef * self.averaged(both.outputs.entropy[:, -width:], inputs)
        if self.warming_up and self.model.training:
            loss = 0.0 * loss
        return loss, both.said[:, -width:].float(), both.outputs

    def demanded_scores(self) -> Tensor:
        """The scores of the round on any process, (N,). Raises ``RunError`` where a completion was given none."""
        scores = self.scores()
        if scores.isnan().any():
            raise RunError(
                f"{int(scores.isnan().sum())} completions of the round have no score from any reward, and each token "
                "needs one here",
                hint="where a reward drops completions, have it score them: malformed: null_text, or on_error: 0.0",
            )
        return scores

    def reduced(self, *values: Tensor) -> list[float]:
        """Sums of scalars over all processes."""
        totals: list[float] = self.total(torch.stack([value.detach().double() for value in values])).tolist()
        return totals

    def note_all(self, **metrics: float) -> None:
        """Metrics for the log; a name's double underscore is a slash."""
        for name, value in metrics.items():
            self.note(name.replace("__", "/"), value)

    # One model to the outside

    def _generate_single_turn(self, *args: Any, **options: Any) -> Any:
        if not self.use_vllm:
            return super()._generate_single_turn(*args, **options)
        with apart(self.model, self.companion_name):  # whose weights vLLM does not know
            return super()._generate_single_turn(*args, **options)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """The policy as a model of its own, and the companion as another in a folder beside it."""
        output_dir = output_dir or self.args.output_dir
        folder, prefix = os.path.join(output_dir, self.companion_name), f"{self.companion_name}.model."
        theirs = None
        if state_dict is not None:
            theirs = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
            state_dict = {name: value for name, value in state_dict.items() if not name.startswith(prefix)}
        with apart(self.model, self.companion_name) as companion:
            super()._save(output_dir, state_dict)
        if self.args.should_save:
            companion.model.save_pretrained(folder, state_dict=theirs)
            self.processing_class.save_pretrained(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:  # its checkpoint holds both
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        with apart(self.model if model is None else model, self.companion_name) as companion:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        self._load_companion(companion, resume_from_checkpoint)

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:  # their checkpoints hold both
            super()._load_best_model()
            return
        with apart(self.model, self.companion_name) as companion:
            super()._load_best_model()
        self._load_companion(companion, str(self.state.best_model_checkpoint))

    def _load_companion(self, companion: Companion, checkpoint: str) -> None:
        folder = os.path.join(checkpoint, self.companion_name)
        if not os.path.isfile(os.path.join(folder, "config.json")):
            raise RunError(f"{checkpoint} holds no {self.companion_name}", "it is no checkpoint of this algorithm")
        saved = type(companion.model).from_pretrained(folder, dtype=companion.model.dtype)
        companion.model.load_state_dict(saved.state_dict())
