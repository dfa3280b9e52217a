from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM

from recipe_engine.recipe.model import ModelBlock
from recipe_engine.runtime import model as loading
from recipe_engine.runtime.errors import RunError
from tests.runtime.support import Row, compiled

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def block(**settings: Any) -> ModelBlock:
    return ModelBlock(base_model_name="m", **settings)


class TestQuantization:
    def test_none_unless_asked(self) -> None:
        assert loading.quantization(block()) is None

    def test_eight_bits(self) -> None:
        config = loading.quantization(block(load_in_8bit=True))
        assert config is not None
        assert (config.load_in_8bit, config.load_in_4bit) == (True, False)

    def test_four_bits_with_the_settings_of_the_recipe(self) -> None:
        config = loading.quantization(block(load_in_4bit=True))
        assert config is not None
        assert config.bnb_4bit_compute_dtype is torch.bfloat16
        assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == ("nf4", True)
        other = loading.quantization(
            block(
                load_in_4bit=True,
                bnb_4bit_compute_dtype="float32",
                bnb_4bit_quant_type="fp4",
                bnb_4bit_use_double_quant=False,
            )
        )
        assert other is not None
        assert other.bnb_4bit_compute_dtype is torch.float32
        assert (other.bnb_4bit_quant_type, other.bnb_4bit_use_double_quant) == ("fp4", False)


class TestAdapter:
    def test_none_unless_asked(self) -> None:
        assert loading.adapter(block(lora_r=4)) is None

    def test_every_setting_reaches_peft(self) -> None:
        config = loading.adapter(
            block(
                use_lora=True,
                lora_r=4,
                lora_alpha=12.0,
                lora_dropout=0.25,
                lora_target_modules=["q_proj"],
                lora_exclude_modules="k_proj",
                lora_modules_to_save=["embed_tokens"],
                lora_bias="all",
                use_rslora=True,
                use_dora=True,
            )
        )
        assert config is not None
        assert (config.task_type, config.r, config.lora_alpha, config.lora_dropout) == ("CAUSAL_LM", 4, 12, 0.25)
        assert isinstance(config.lora_alpha, int)
        assert (config.target_modules, config.exclude_modules) == ({"q_proj"}, "k_proj")
        assert (config.modules_to_save, config.bias, config.use_rslora, config.use_dora) == (
            ["embed_tokens"],
            "all",
            True,
            True,
        )

    def test_all_linear_layers_but_the_head_are_adapted_by_default(self, tiny_chat: Path) -> None:
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_chat), loading.adapter(block(use_lora=True)))
        adapted = {
            name.split(".lora_A")[0].rsplit(".", 1)[-1] for name, _ in model.named_parameters() if "lora_A" in name
        }
        assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

    def test_a_fractional_scale_is_kept(self) -> None:
        config = loading.adapter(block(use_lora=True, lora_alpha=0.5))
        assert config is not None
        assert config.lora_alpha == 0.5


class TestAttention:
    @pytest.fixture
    def gpu(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        def pretend(capability: tuple[int, int], *packages: int) -> None:
            monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
            monkeypatch.setattr(loading, "is_flash_attn_2_available", lambda: 2 in packages)
            monkeypatch.setattr(loading, "is_flash_attn_3_available", lambda: 3 in packages)

        return pretend

    def test_where_nothing_is_asked_for_the_library_chooses(self) -> None:
        assert loading.attention(block(), 0, pytest.fail) is None

    def test_an_attention_named_outright_is_never_replaced(self) -> None:
        named = block(attn_implementation="flash_attention_2", use_flash_attention=True)
        assert loading.attention(named, 0, pytest.fail) == "flash_attention_2"

    def test_on_a_cpu_it_is_sdpa_with_the_reason(self) -> None:
        said: list[str] = []
        assert loading.attention(block(use_flash_attention=True), 0, said.append) == "sdpa"
        assert said == ["attention: sdpa, since FlashAttention runs on a GPU alone and this run uses the CPU"]

    @pytest.mark.parametrize(
        ("capability", "packages", "expected"),
        [
            ((9, 0), (2, 3), "flash_attention_3"),
            ((9, 0), (2,), "flash_attention_2"),
            ((8, 0), (2, 3), "flash_attention_2"),
            ((10, 0), (2, 3), "flash_attention_2"),
        ],
    )
    def test_the_newest_that_package_and_gpu_can_run_is_taken(
        self, gpu: Callable[..., None], capability: tuple[int, int], packages: tuple[int, ...], expected: str
    ) -> None:
        gpu(capability, *packages)
        assert loading.attention(block(use_flash_attention=True), 1, pytest.fail) == expected

    @pytest.mark.parametrize(
        ("capability", "packages", "reason"),
        [((7, 5), (2, 3), "this GPU is older than Ampere"), ((9, 0), (), "the package flash-attn is not installed")],
    )
    def test_else_it_is_sdpa_with_the_reason(
        self, gpu: Callable[..., None], capability: tuple[int, int], packages: tuple[int, ...], reason: str
    ) -> None:
        said: list[str] = []
        gpu(capability, *packages)
        assert loading.attention(block(use_flash_attention=True), 1, said.append) == "sdpa"
        assert said == [f"attention: sdpa, since {reason}"]


class TestPrecision:
    def test_bf16_stays_where_the_cpu_computes_it(self) -> None:
        arguments = {"bf16": True, "seed": 1}
        assert loading.supported_precision(arguments, 0, pytest.fail) == arguments

    @pytest.mark.parametrize("arguments", [{}, {"bf16": False}, {"bf16": False, "fp16": True}])
    def test_other_precisions_are_not_touched(self, arguments: Row) -> None:
        assert loading.supported_precision(arguments, 0, pytest.fail) == arguments

    def test_a_cpu_without_bf16_gets_fp32_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        monkeypatch.setattr(loading, "_cpu_computes_bf16", lambda: False)
        assert loading.supported_precision({"bf16": True}, 0, said.append) == {"bf16": False}
        assert said == ["precision: fp32 in place of bf16, which torch does not compute in on this CPU"]

    def test_a_gpu_without_bf16_gets_fp32_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
        assert loading.supported_precision({"bf16": True}, 1, said.append) == {"bf16": False}
        assert "this GPU does not compute" in said[0]


class TestPath:
    def test_a_hub_name_is_given_back(self, tmp_path: Path) -> None:
        assert loading.model_path(compiled(tmp_path, "sft", {"name": "d"}, model="org/name")) == "org/name"

    def test_the_embedded_model_is_built_and_its_folder_given(self, tmp_path: Path, tiny_chat: Path) -> None:
        assert loading.model_path(compiled(tmp_path, "sft", {"name": "d"})) == str(tiny_chat)

    def test_an_embedded_model_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="there is no model 'builtin/huge'"):
            loading.model_path(compiled(tmp_path, "sft", {"name": "d"}, model="builtin/huge"))

    def test_a_folder_without_a_model_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="holds no model"):
            loading.model_path(compiled(tmp_path, "sft", {"name": "d"}, model=str(tmp_path)))


class TestCodeOfTheModel:
    def of(self, folder: Path, allowed: bool, revision: str = COMMIT, **config: Any) -> str:
        from recipe_engine.compile import Options

        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        settings = {"trust_remote_code": True, "revision": COMMIT}
        options = Options(allow_remote_code=allowed)
        run = compiled(
            folder, "sft", {"name": "d"}, model=str(folder / "model"), model_settings=settings, options=options
        )
        changed = run.model_copy(update={"model": run.model.model_copy(update={"revision": revision})})
        return loading.model_path(changed)

    def test_it_runs_with_a_pinned_revision_and_the_flag(self, tmp_path: Path) -> None:
        assert self.of(tmp_path, True, auto_map={"AutoConfig": "code.Config"}) == str(tmp_path / "model")

    def test_it_is_refused_without_the_flag(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="would run Python code that ships with"):
            self.of(tmp_path, False)

    @pytest.mark.parametrize("revision", ["main", COMMIT[:39], COMMIT.upper()])
    def test_it_is_refused_at_a_revision_that_can_move(self, tmp_path: Path, revision: str) -> None:
        with pytest.raises(RunError, match=r"needs model.revision"):
            self.of(tmp_path, True, revision)

    def test_code_of_another_repository_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"runs code of another repository, other/repo--code.Config"):
            self.of(tmp_path, True, auto_map={"AutoConfig": "other/repo--code.Config"})

    def test_a_hub_model_is_copied_at_its_commit_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """TRL reads the configuration of a Hub name at the newest commit, and would run that commit's code."""
        from recipe_engine.compile import Options

        fetched: list[tuple[str, str]] = []

        def download(name: str, *, revision: str, ignore_patterns: list[str]) -> str:
            fetched.append((name, revision))
            return str(tmp_path)

        monkeypatch.setattr(loading, "snapshot_download", download)
        settings = {"trust_remote_code": True, "revision": COMMIT}
        options = Options(allow_remote_code=True)
        run = compiled(tmp_path, "sft", {"name": "d"}, model="org/name", model_settings=settings, options=options)
        assert loading.model_path(run) == str(tmp_path)
        assert fetched == [("org/name", COMMIT)]


def test_adapters_of_a_hub_model_name_it_at_its_revision(tmp_path: Path, tiny_chat: Path) -> None:
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_chat), loading.adapter(block(use_lora=True)))
    run = compiled(tmp_path, "sft", {"name": "d"}, model="org/name", model_settings={"revision": COMMIT})
    loading.name_base_model(run, model)
    assert model.peft_config["default"].base_model_name_or_path == "org/name"
    assert model.peft_config["default"].revision == COMMIT


class TestFourBitGradients:
    """bitsandbytes repacks 4-bit weights at the first evaluation on CPUs with AVX512-BF16, and gradients stop there."""

    @pytest.fixture
    def load(self, tiny_chat: Path) -> Callable[[], Any]:
        bitsandbytes = pytest.importorskip("bitsandbytes")
        if not bitsandbytes.functional.has_avx512bf16():
            pytest.skip("this CPU has no AVX512-BF16, so nothing is repacked")

        def load() -> Any:
            torch.manual_seed(0)
            config = loading.quantization(block(load_in_4bit=True))
            loaded = AutoModelForCausalLM.from_pretrained(tiny_chat, quantization_config=config)
            model = get_peft_model(loaded, loading.adapter(block(use_lora=True, lora_dropout=0.0)))
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.02)  # at its start of zeros, A would have no gradient
            return model

        return load

    def gradients(self, model: Any) -> dict[str, torch.Tensor]:
        ids = torch.arange(1, 25).view(2, 12)
        model.train()
        model.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        return {
            name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
        }

    def evaluate(self, model: Any) -> float:
        model.eval()
        with torch.no_grad():
            loss = model(input_ids=torch.arange(1, 25).view(2, 12), labels=torch.arange(1, 25).view(2, 12)).loss
        return float(loss)

    def test_gradients_after_an_evaluation_are_those_before(self, load: Callable[[], Any]) -> None:
        with loading.gradients_kept_in_4bit():
            model = load()
        before = self.gradients(model)
        assert math.isfinite(self.evaluate(model))
        after = self.gradients(model)
        assert before.keys() == after.keys()
        assert all(gradient.abs().sum() > 0 for gradient in before.values())
        for name, gradient in before.items():
            torch.testing.assert_close(after[name], gradient, rtol=0, atol=0, msg=name)

    @pytest.mark.filterwarnings("ignore:bitsandbytes..gemv_4bit")
    def test_without_that_the_gradients_are_lost(self, load: Callable[[], Any]) -> None:
        """The trap is still there. When this fails, ``gradients_kept_in_4bit`` can go."""
        model = load()
        before = self.gradients(model)
        self.evaluate(model)
        after = self.gradients(model)
        lost = [name for name, gradient in before.items() if not torch.equal(after.get(name, gradient * 0), gradient)]
        assert lost
