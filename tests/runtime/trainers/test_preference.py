"""Training on pairs: which reference model is used, where it lies, and what is logged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.trainers.reference import OffloadedReference
from recipe_engine.runtime.worker import train
from tests.runtime.support import Row, assistant, compiled, logged, user, write_rows

PAIRS = [
    {"prompt": [user(f"Repeat: {n}")], "chosen": [assistant(str(n))], "rejected": [assistant("no " * (n % 4 + 1))]}
    for n in range(100, 116)
]
STEPS = {"max_steps": 3, "per_device_train_batch_size": 4, "learning_rate": 1e-3}
LORA = {"use_lora": True, "lora_r": 4}
EVALUATED = {"max_length": 64, "eval_holdout": 4}
LN_2 = pytest.approx(0.6931, abs=1e-4)


def trained(folder: Path, algorithm: str, *, rows: list[Row] = PAIRS, **blocks: Any) -> tuple[CompiledRun, Any]:
    """Train on pairs: the run, and its trainer."""
    folder.mkdir(exist_ok=True)
    training = {**STEPS, **blocks.pop("training", {})}
    data = {"name": write_rows(folder / "rows.jsonl", rows)}
    run = compiled(folder, algorithm, data, data={**EVALUATED, **blocks.pop("data", {})}, training=training, **blocks)
    return run, train(run)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, tiny_chat: Path) -> str:
    """A model like the embedded one, with weights of its own."""
    folder = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(tiny_chat, folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(folder)
    return str(folder)


class TestTheReferenceModel:
    def test_is_the_policys_start_unless_named(self, tmp_path: Path) -> None:
        run, trainer = trained(tmp_path, "dpo")
        assert logged(run, "loss")[0] == LN_2
        assert trainer.offloaded is None

    def test_may_be_another_model(self, tmp_path: Path, other: str) -> None:
        run, trainer = trained(tmp_path, "dpo", training={"ref_model_name": other})
        assert logged(run, "loss")[0] != LN_2
        for name, weight in load_file(Path(other) / "model.safetensors").items():
            assert torch.equal(trainer.ref_model.get_parameter(name), weight)

    def test_may_be_another_model_under_lora(self, tmp_path: Path, other: str) -> None:
        plain, _ = trained(tmp_path / "plain", "dpo", training={"ref_model_name": other})
        lora, _ = trained(tmp_path / "lora", "dpo", training={"ref_model_name": other}, model_settings=LORA)
        # At the first step the adapters change nothing, so the loss is that of the same two models.
        assert logged(lora, "loss")[0] == pytest.approx(logged(plain, "loss")[0], rel=1e-4)

    def test_that_is_another_model_may_be_asked_before_and_is_let_go(self, tmp_path: Path, other: str) -> None:
        named = {"ref_model_name": other}
        asked, _ = trained(tmp_path / "asked", "dpo", training=named)
        before, trainer = trained(tmp_path / "before", "dpo", training={**named, "precompute_ref_log_probs": True})
        assert trainer.ref_model is None
        assert logged(before, "loss") == pytest.approx(logged(asked, "loss"), rel=1e-4)
        assert logged(before, "eval_loss") == pytest.approx(logged(asked, "eval_loss"), rel=1e-4)

    def test_with_another_tokenizer_is_an_error(self, tmp_path: Path, other: str) -> None:
        folder = tmp_path / "shifted"
        shutil.copytree(other, folder)
        file = folder / "tokenizer.json"
        data = json.loads(file.read_text(encoding="utf-8"))
        numbers = data["model"]["vocab"]
        numbers["a"], numbers["b"] = numbers["b"], numbers["a"]
        file.write_text(json.dumps(data), encoding="utf-8")
        with pytest.raises(RunError, match="another tokenizer than the policy"):
            trained(tmp_path / "run", "dpo", training={"ref_model_name": str(folder)})

    def test_that_is_no_model_is_an_error_before_anything_is_loaded(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"training\.ref_model_name: .* holds no model"):
            trained(tmp_path / "run", "dpo", training={"ref_model_name": "./nothing"})


class TestOffloading:
    def test_changes_no_number(self, tmp_path: Path) -> None:
        stays, _ = trained(tmp_path / "stays", "dpo")
        leaves, trainer = trained(tmp_path / "leaves", "dpo", training={"ref_offload": True})
        assert trainer.offloaded is not None
        assert logged(leaves, "loss") == logged(stays, "loss")

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
    def test_has_the_weights_on_the_gpu_for_the_forward_alone(self) -> None:
        model = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.BatchNorm1d(512)).cuda().eval()
        rows = torch.randn(4, 512, device="cuda")
        expected, resident = model(rows).detach(), torch.cuda.memory_allocated()
        offloaded = OffloadedReference(model, torch.device("cuda"))
        assert torch.cuda.memory_allocated() < resident - 512 * 512 * 4
        for _ in range(2):
            with offloaded.on_device(), torch.no_grad():
                assert torch.equal(model(rows), expected)
            assert not any(tensor.is_cuda for tensor in (*model.parameters(), *model.buffers()))

    def test_ends_also_where_the_forward_fails(self) -> None:
        model = torch.nn.Linear(3, 4)
        offloaded = OffloadedReference(model, torch.device("cpu"))
        host = model.weight.data_ptr()
        model.weight.data = torch.zeros(4, 3)
        with pytest.raises(RuntimeError, match="shapes"), offloaded.on_device():
            model(torch.zeros(5))
        assert model.weight.data_ptr() == host


class TestWithoutAReferenceModel:
    @pytest.mark.parametrize("algorithm", ["orpo", "simpo", "cpo"])
    @pytest.mark.parametrize("model", [{}, LORA], ids=["full", "lora"])
    def test_trains_evaluates_and_logs_what_one_looks_at(self, tmp_path: Path, algorithm: str, model: Row) -> None:
        evaluation = {"eval_strategy": "steps", "eval_steps": 3}
        run, trainer = trained(tmp_path, algorithm, training=evaluation, model_settings=model)
        assert trainer.ref_model is None
        for name in ("loss", "nll_loss", "rewards/margins", "rewards/accuracies", "logps/chosen", "grad_norm"):
            assert len(logged(run, name)) == 3, name
        for name in ("eval_loss", "eval_nll_loss", "eval_rewards/accuracies"):
            assert len(logged(run, name)) == 1, name
        margins = [a - b for a, b in zip(logged(run, "rewards/chosen"), logged(run, "rewards/rejected"), strict=True)]
        assert logged(run, "rewards/margins") == pytest.approx(margins, abs=1e-5)

    def test_simpos_rewards_are_those_of_its_loss(self, tmp_path: Path) -> None:
        """Averages over tokens: sums would be tens of nats for responses of several tokens."""
        run, _ = trained(tmp_path, "simpo", training={"beta": 2.0})
        assert -30 < logged(run, "rewards/rejected")[0] < -2
        assert logged(run, "logps/rejected")[0] < logged(run, "rewards/rejected")[0] / 2

    def test_a_set_whose_every_pair_is_too_long_is_an_error_not_a_model_of_nans(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"no row of .* is left"):
            trained(tmp_path, "orpo", data={"max_length": 4})


class TestPairsWithoutAPromptColumn:
    def test_share_their_beginning_as_the_prompt(self, tmp_path: Path) -> None:
        rows = [{"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]} for row in PAIRS]
        apart, _ = trained(tmp_path / "apart", "dpo")
        together, _ = trained(tmp_path / "together", "dpo", rows=rows)
        assert logged(together, "grad_norm") == logged(apart, "grad_norm")
