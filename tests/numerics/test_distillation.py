"""The whole way of each trainer on real models in float32, against the formulas on copies of the models in float64.

Rows are ragged, one has a single trained token; padding stands on either side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recipe_engine.runtime.trainers.minillm import TeacherMix, processed
from recipe_engine.runtime.trainers.online_dpo import pair_losses
from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import relative_error, token_log_probs
from tests.numerics.teacher import teacher_in
from tests.runtime.support import Row, user

ROWS = [{"prompt": f"Say {n}:", "completion": " " + "yes " * (n % 3 + 1)} for n in range(8)]
PROMPTS = [{"prompt": [user(f"Repeat: {n}")]} for n in range(16)]
IDS = [[11, 12, 13, 14, 15, 16], [21, 22, 23], [31, 32], [41, 42, 43, 44]]
LABELS = [[-100, -100, 13, 14, -100, 16], [-100, 22, 23], [-100, 32], [-100] * 4]


def padded(rows: list[list[int]], value: int, *, left: bool) -> Tensor:
    width = max(map(len, rows)) + 1
    return torch.tensor([[value] * (width - len(r)) + r if left else r + [value] * (width - len(r)) for r in rows])


def batch_of(*, left: bool) -> dict[str, Tensor]:
    mask = padded([[1] * len(row) for row in IDS], 0, left=left)
    return {"input_ids": padded(IDS, 0, left=left), "attention_mask": mask, "labels": padded(LABELS, -100, left=left)}


def exactly(model: Any) -> Any:
    """A copy in float64 with the forward of its class, which gives logits."""
    copied = copy.deepcopy(model)
    copied.__dict__.pop("forward", None)
    return copied.double().eval()


def distributions(student: Any, teacher: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """``log q`` and ``log p`` of the next token, (B, T - 1, V)."""
    read = {name: batch[name] for name in ("input_ids", "attention_mask")}
    said = student(**read).logits[:, :-1]
    with torch.no_grad():
        told = teacher(**read).logits[:, :-1]
    size = min(said.shape[-1], told.shape[-1])
    return said[..., :size].log_softmax(-1), told[..., :size].log_softmax(-1)


def assert_same_gradient(trainer: Any, value: Tensor, student: Any, expected: Tensor) -> None:
    value.backward()
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < 1e-4
    for (name, found), exact in zip(trainer.model.named_parameters(), student.parameters(), strict=True):
        assert exact.grad.norm() > 0, name
        assert relative_error(found.grad, exact.grad) < 1e-4, name


class TestDistill:
    def trainer(self, make_trainer: MakeTrainer, folder: Path, further_rows: int = 0, **settings: Any) -> Any:
        teacher = teacher_in(folder / "teacher", further_rows=further_rows)
        return make_trainer("distill", ROWS, training={"teacher_model": teacher, **settings})

    @pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
    @pytest.mark.parametrize("further_rows", [0, 3])
    def test_loss_and_gradient_are_those_of_the_formula(
        self, make_trainer: MakeTrainer, tmp_path: Path, further_rows: int, left: bool
    ) -> None:
        trainer = self.trainer(make_trainer, tmp_path, further_rows, kd_coef=0.7)
        batch = batch_of(left=left)
        student, teacher = exactly(trainer.model), exactly(trainer.teacher.plain)
        log_q, log_p = distributions(student, teacher, batch)
        labels = batch["labels"][:, 1:]
        kept = labels != -100
        cross_entropy = -log_q.gather(-1, labels.clamp(min=0)[..., None]).squeeze(-1)
        per_token = 0.3 * cross_entropy - 0.7 * (log_p.exp() * log_q).sum(-1)
        value = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=kept.sum())
        assert int(kept.sum()) == 6
        assert_same_gradient(trainer, value, student, per_token[kept].mean())

    def test_chunks_padding_and_masked_rows_change_nothing(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        trainer = self.trainer(make_trainer, tmp_path)
        whole = trainer.compute_loss(trainer.model, batch_of(left=False)).detach()
        trainer.chunk = 2
        chunked = trainer.compute_loss(trainer.model, batch_of(left=False)).detach()
        shorter = {name: tensor[:3, :-1] for name, tensor in batch_of(left=False).items()}
        assert relative_error(chunked, whole) < 1e-6
        assert relative_error(trainer.compute_loss(trainer.model, shorter).detach(), whole) < 1e-5

    def test_a_batch_that_trains_nothing_has_a_loss_and_a_gradient_of_zero(
        self, make_trainer: MakeTrainer, tmp_path: Path
    ) -> None:
        trainer = self.trainer(make_trainer, tmp_path)
        batch = batch_of(left=False)
        loss = trainer.compute_loss(trainer.model, {**batch, "labels": torch.full_like(batch["labels"], -100)})
        loss.backward()
        assert float(loss.detach()) == 0
        assert all(parameter.grad.norm() == 0 for parameter in trainer.model.parameters())

    def test_the_teacher_is_frozen_and_in_evaluation_mode(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        teacher = self.trainer(make_trainer, tmp_path).teacher.plain
        assert not teacher.training
        assert not any(parameter.requires_grad for parameter in teacher.parameters())

    def test_what_is_logged_is_a_mean_over_the_tokens(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        trainer = self.trainer(make_trainer, tmp_path, kd_coef=0.25)
        batch = batch_of(left=False)
        loss = float(trainer.compute_loss(trainer.model, batch).detach())
        log_q, log_p = distributions(exactly(trainer.model), exactly(trainer.teacher.plain), batch)
        kept = batch["labels"][:, 1:] != -100
        logged = {name: values[-1] for name, values in trainer._metrics["train"].items()}
        assert logged["kl"] == pytest.approx(float((log_p.exp() * (log_p - log_q)).sum(-1)[kept].mean()), rel=1e-4)
        assert loss == pytest.approx(0.75 * logged["ce_loss"] + 0.25 * logged["kd_loss"], rel=1e-5)


def sampled_batch(trainer: Any, rows: list[Row]) -> dict[str, Tensor]:
    """A round of real samples, before it is cut into micro-batches."""
    trainer.current_gradient_accumulation_steps = 1
    batch: dict[str, Tensor] = trainer._generate_and_score_completions(rows)
    return batch


def read_by_models(batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    kept = torch.cat([torch.zeros_like(batch["prompt_mask"]), batch["completion_mask"]], dim=1)[:, 1:].bool()
    return {"input_ids": ids, "attention_mask": mask}, kept


SAMPLING = {"per_device_train_batch_size": 8, "max_completion_length": 6, "gradient_accumulation_steps": 1}
ROOM = {"max_length": 64, "max_prompt_length": 48}


class TestGkd:
    def trainer(self, make_trainer: MakeTrainer, folder: Path, rows: list[Row], **settings: Any) -> Any:
        training = {"teacher_model": teacher_in(folder / "teacher"), **SAMPLING, **settings}
        return make_trainer("gkd", rows, training=training, data=ROOM)

    @pytest.mark.parametrize(("lmbda", "sft"), [(1.0, 0.0), (0.0, 0.4)], ids=["own samples", "data"])
    def test_loss_and_gradient_are_those_of_the_formula(
        self, make_trainer: MakeTrainer, tmp_path: Path, lmbda: float, sft: float
    ) -> None:
        trainer = self.trainer(make_trainer, tmp_path, ROWS, lmbda=lmbda, sft_coef=sft, beta=0.3)
        batch = sampled_batch(trainer, list(trainer.train_dataset))
        read, kept = read_by_models(batch)
        student, teacher = exactly(trainer.model), exactly(trainer.teacher.plain)
        log_q, log_p = distributions(student, teacher, read)
        middle = (0.3 * log_p.exp() + 0.7 * log_q.exp()).log()
        divergence = 0.3 * (log_p.exp() * (log_p - middle)).sum(-1) + 0.7 * (log_q.exp() * (log_q - middle)).sum(-1)
        label = log_q.gather(-1, read["input_ids"][:, 1:, None]).squeeze(-1)
        assert_same_gradient(
            trainer, trainer.compute_loss(trainer.model, batch), student, (divergence - sft * label)[kept].mean()
        )

    def test_a_round_of_the_data_has_its_completions(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        trainer = self.trainer(make_trainer, tmp_path, ROWS, lmbda=0.0)
        rows = list(trainer.train_dataset)
        batch = sampled_batch(trainer, rows)
        for index, row in enumerate(rows):
            prompt = batch["prompt_ids"][index][batch["prompt_mask"][index].bool()].tolist()
            completion = batch["completion_ids"][index][batch["completion_mask"][index].bool()].tolist()
            assert prompt + completion == row["input_ids"]
            assert completion == [label for label in row["labels"] if label != -100]

    def test_the_share_of_sampled_rounds_is_lambda(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        trainer = self.trainer(make_trainer, tmp_path, ROWS, lmbda=0.3)
        drawn = []
        for step in range(2000):
            trainer.state.global_step = step
            drawn.append(trainer._samples(given=True))
        assert sum(drawn) / len(drawn) == pytest.approx(0.3, abs=0.03)

    def test_no_reference_model_is_loaded(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        assert self.trainer(make_trainer, tmp_path, PROMPTS, lmbda=1.0).ref_model is None


class TestMinillm:
    def trainer(self, make_trainer: MakeTrainer, folder: Path, rows: list[Row], **settings: Any) -> Any:
        training = {"teacher_model": teacher_in(folder / "teacher", further_rows=3), **SAMPLING, **settings}
        return make_trainer("minillm", rows, training=training, data=ROOM)

    @pytest.mark.parametrize("alpha", [0.0, 0.2])
    def test_loss_and_gradient_are_those_of_the_equations(
        self, make_trainer: MakeTrainer, tmp_path: Path, alpha: float
    ) -> None:
        trainer = self.trainer(make_trainer, tmp_path, ROWS, teacher_mixed_alpha=alpha, pt_coef=0.5)
        rows = list(trainer.train_dataset)
        batch = sampled_batch(trainer, rows)
        read, kept = read_by_models(batch)
        student, teacher = exactly(trainer.model), exactly(trainer.teacher.plain)
        log_q, log_p = distributions(student, teacher, read)
        ids = read["input_ids"][:, 1:, None]
        q, p = (one.gather(-1, ids).squeeze(-1) for one in (log_q, log_p))
        mixed = (alpha * p.exp() + (1 - alpha) * q.exp()).log().detach()
        rewards = (p - q).detach()
        loss = torch.zeros((), dtype=torch.float64)
        for row, places in enumerate(kept):
            where = places.nonzero().flatten().tolist()
            for number, place in enumerate(where):
                later = [rewards[row, other] for other in where[number + 1 :]]
                credit = sum(later) / len(later) if later else torch.zeros((), dtype=torch.float64)
                ratio = (q[row, place] - mixed[row, place]).exp()
                surrogate = torch.min(ratio * credit, ratio.clip(0.8, 1.2) * credit)
                single = (log_q[row, place].exp() * (log_p[row, place] - log_q[row, place])).sum()
                loss = loss - surrogate - ratio.detach() * single
        loss = loss / kept.sum()
        given = [torch.tensor([row["input_ids"]]) for row in rows]
        known = [token_log_probs(student(input_ids=one).logits, one)[0] for one in given]
        trained = [one[torch.tensor(row["labels"][1:]) != -100] for one, row in zip(known, rows, strict=True)]
        loss = loss - 0.5 * torch.cat(trained).mean()
        assert_same_gradient(trainer, trainer.compute_loss(trainer.model, batch), student, loss)

    def test_the_teacher_has_its_share_in_every_token(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        """The processor keeps a cache; here each distribution is worked out from the whole row."""
        trainer = self.trainer(make_trainer, tmp_path, PROMPTS)
        ids = torch.tensor([[0, 0, 11, 12], [0, 21, 22, 23], [31, 32, 33, 34]])
        mask = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
        processor = TeacherMix(trainer.teacher.model, 0.2, mask)
        for token in ([41, 42, 43], [51, 52, 53], [61, 62, 63]):
            with torch.no_grad():
                scores = trainer.model(input_ids=ids, attention_mask=mask).logits[:, -1]
                found = processor(ids, scores)
                told = trainer.teacher.plain(input_ids=ids, attention_mask=mask).logits[:, -1, : scores.shape[-1]]
            expected = 0.2 * told.softmax(-1) + 0.8 * scores.softmax(-1)
            assert torch.allclose(found.softmax(-1), expected, atol=1e-5)
            assert torch.allclose(found.exp().sum(-1), torch.ones(3), atol=1e-5)
            ids = torch.cat([ids, torch.tensor(token)[:, None]], dim=1)
            mask = torch.cat([mask, torch.ones(3, 1, dtype=mask.dtype)], dim=1)

    def test_samples_are_drawn_through_the_mixture_and_evaluation_is_the_students_own(
        self, make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trainer = self.trainer(make_trainer, tmp_path, PROMPTS)
        calls: list[int] = []
        original: Callable[..., Tensor] = TeacherMix.__call__

        def counted(self: TeacherMix, input_ids: Tensor, scores: Tensor) -> Tensor:
            calls.append(input_ids.shape[1])
            return original(self, input_ids, scores)

        monkeypatch.setattr(TeacherMix, "__call__", counted)
        rows = [trainer.train_dataset[n] for n in range(4)]
        sampled_batch(trainer, rows)
        assert calls
        calls.clear()
        trainer.model.eval()
        sampled_batch(trainer, rows)
        assert not calls

    def test_generate_is_left_as_it_was(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        model = self.trainer(make_trainer, tmp_path, PROMPTS).model
        with processed(model, lambda mask: TeacherMix(None, 0.2, mask)):
            assert "generate" in model.__dict__
        assert "generate" not in model.__dict__


class TestOnlineDpo:
    SCORES = torch.tensor([0.0, 1.0, 0.5, 0.25, 3.0, 3.0, 3.0, 3.0, 2.0, 1.0, 2.0, 1.0, 0.1, 0.2, 0.3, 0.4])

    def trainer(self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Any:
        def given(self: Any, inputs: Any, *_: Any) -> Tensor:
            return TestOnlineDpo.SCORES.unsqueeze(1)

        monkeypatch.setattr("trl.GRPOTrainer._calculate_rewards", given)
        training = {**SAMPLING, "per_device_train_batch_size": 16, "num_generations": 4, "beta": 0.3, **settings}
        rewards = [{"type": "length", "max": 2, "slope": 60}]
        return make_trainer("online_dpo", PROMPTS, training=training, data=ROOM, rewards=rewards)

    def rows(self, trainer: Any) -> list[Row]:
        return [trainer.train_dataset[n // 4] for n in range(16)]

    @pytest.mark.parametrize("loss_type", ["sigmoid", "ipo", "ipo_sum"])
    def test_loss_and_gradient_are_those_of_dpo_on_best_and_worst(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, loss_type: str
    ) -> None:
        trainer = self.trainer(make_trainer, monkeypatch, loss_type=loss_type)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in trainer.model.parameters():  # at the start the policy is the reference
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        batch = sampled_batch(trainer, self.rows(trainer))
        policy, frozen = exactly(trainer.model), exactly(trainer.ref_model)
        margins = {"chosen": torch.zeros(4, dtype=torch.float64), "rejected": torch.zeros(4, dtype=torch.float64)}
        for side in margins:
            ids = torch.cat([batch["prompt_ids"], batch[f"{side}_ids"]], dim=1)
            mask = torch.cat([batch["prompt_mask"], batch[f"{side}_mask"]], dim=1)
            read = {"input_ids": ids, "attention_mask": mask}
            ratios = token_log_probs(policy(**read).logits, ids) - token_log_probs(frozen(**read).logits, ids).detach()
            size = batch[f"{side}_ids"].shape[1]
            margins[side] = (ratios[:, -size:] * batch[f"{side}_mask"]).sum(-1)
            if loss_type == "ipo":
                margins[side] = margins[side] / batch[f"{side}_mask"].sum(-1)
        difference = (margins["chosen"] - margins["rejected"])[[0, 2, 3]]  # the second group is tied
        sigmoid = torch.log(1 + torch.exp(-0.3 * difference))
        expected = sigmoid.mean() if loss_type == "sigmoid" else ((difference - 1 / 0.6) ** 2).mean()
        assert batch["preferred"].tolist() == [True, False, True, True]
        assert_same_gradient(trainer, trainer.compute_loss(trainer.model, batch), policy, expected)

    def test_a_pair_is_the_first_best_and_the_first_worst_of_its_group(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trainer = self.trainer(make_trainer, monkeypatch)
        completions = [[100 + n, 200] for n in range(16)]
        monkeypatch.setattr(type(trainer).__mro__[2], "_generate_single_turn", lambda *_, **__: (completions, None))
        batch = sampled_batch(trainer, self.rows(trainer))
        assert batch["chosen_ids"][:, 0].tolist() == [101, 104, 108, 115]
        assert batch["rejected_ids"][:, 0].tolist() == [100, 104, 109, 112]
        assert trainer._metrics["train"]["ties"] == [0.25]

    def test_only_ties_teach_nothing(self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(TestOnlineDpo, "SCORES", torch.full((16,), 0.7))
        trainer = self.trainer(make_trainer, monkeypatch)
        loss = trainer.compute_loss(trainer.model, sampled_batch(trainer, self.rows(trainer)))
        loss.backward()
        assert float(loss.detach()) == 0
        assert all(parameter.grad.norm() == 0 for parameter in trainer.model.parameters())

    def test_a_completion_that_did_not_end_pays_for_it(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trainer = self.trainer(make_trainer, monkeypatch, missing_eos_penalty=0.75)
        end = trainer._tokenizer.eos_token_id
        completions = [[100 + n, end if n % 2 else 200] for n in range(16)]
        monkeypatch.setattr(type(trainer).__mro__[2], "_generate_single_turn", lambda *_, **__: (completions, None))
        batch = sampled_batch(trainer, self.rows(trainer))
        # Less 0.75 where the number is even: the second group is no longer tied.
        assert batch["chosen_ids"][:, 0].tolist() == [101, 105, 108, 115]
        assert batch["rejected_ids"][:, 0].tolist() == [100, 104, 109, 112]

    def test_the_losses_of_pairs(self) -> None:
        ratios = torch.tensor([0.7, -1.2, 0.1, 0.4], dtype=torch.float64)
        lengths = torch.tensor([2, 3, 1, 8])
        margin, mean = torch.tensor([0.6, -1.6]).double(), torch.tensor([0.25, -0.45]).double()
        assert torch.allclose(pair_losses("sigmoid", 0.3, ratios, lengths), torch.log(1 + torch.exp(-0.3 * margin)))
        assert torch.allclose(pair_losses("ipo_sum", 0.3, ratios, lengths), (margin - 1 / 0.6) ** 2)
        assert torch.allclose(pair_losses("ipo", 0.3, ratios, lengths), (mean - 1 / 0.6) ** 2)
