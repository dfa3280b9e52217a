"""What the engine makes of DPO's losses, and how the plan says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipe_engine.cli.plan_text import plan_as_text
from recipe_engine.plan.summary import plan_as_data

from .support import SFT, compilation, compiled

DPO = SFT.replace("conversations", "preferences").replace("sft", "dpo")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class TestConservativeDpo:
    @pytest.mark.parametrize(
        ("given", "losses", "weights"),
        [
            ("label_smoothing: 0.1", ["sigmoid", "robust"], [1.8, -0.8]),
            ("label_smoothing: 0.25\n  loss_type: [sigmoid]", ["sigmoid", "robust"], [1.5, -0.5]),
            (
                "label_smoothing: 0.1\n  loss_type: [sft, sigmoid]\n  loss_weights: [0.2, 0.5]",
                ["sft", "sigmoid", "robust"],
                [0.2, 0.9, -0.4],
            ),
        ],
    )
    def test_is_made_of_losses_that_trl_has(self, given: str, losses: list[str], weights: list[float]) -> None:
        arguments = compiled(f"{DPO}  {given}\n").arguments
        assert arguments["loss_type"] == losses
        assert arguments["loss_weights"] == pytest.approx(weights)
        assert arguments["label_smoothing"] == float(given.split()[1])

    @pytest.mark.parametrize(
        "given", ["beta: 0.2", "label_smoothing: 0.1\n  loss_type: robust", "loss_type: [hinge, sigmoid]"]
    )
    def test_is_not_made_where_nothing_asks_for_it(self, given: str) -> None:
        assert compiled(f"{DPO}  {given}\n").arguments.get("loss_weights") is None

    def test_written_by_hand_is_left_as_it_is(self) -> None:
        text = f"{DPO}  label_smoothing: 0.1\n  loss_type: [sigmoid, robust]\n  loss_weights: [1.8, -0.8]\n"
        assert compiled(text).arguments["loss_weights"] == [1.8, -0.8]

    def test_is_said_in_the_plan_with_its_reason_even_where_the_loss_was_given(self) -> None:
        made = compilation(f"{DPO}  label_smoothing: 0.1\n  loss_type: sigmoid\n")
        text = plan_as_text(plan_as_data(made, []))
        assert text.count("engine: sigmoid with label_smoothing 0.1 is cDPO, (1-e) L(D) + e L(-D)") == 2
        assert '["sigmoid", "robust"]' in text


class TestTheReferenceModel:
    def test_of_a_local_folder_is_named_by_its_whole_path(self) -> None:
        Path("start").mkdir()
        settings = compiled(f"{DPO}  ref_model_name: ./start\n").settings
        assert settings["ref_model_name"] == os.path.abspath("start")

    def test_of_the_hub_keeps_its_name(self) -> None:
        assert compiled(f"{DPO}  ref_model_name: some/model\n").settings["ref_model_name"] == "some/model"

    def test_is_the_policys_start_unless_named(self) -> None:
        assert compiled(DPO).settings["ref_model_name"] is None
