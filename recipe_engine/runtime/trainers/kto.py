"""Kahneman-Tversky optimization on rows that are tokenized already."""

from __future__ import annotations

from typing import Any

from accelerate import PartialState
from datasets import Dataset
from trl import KTOTrainer


class PreparedKTOTrainer(KTOTrainer):
    """TRL's trainer, but for its tokenization: rows hold ``prompt_ids``, ``completion_ids`` and a boolean ``label``.

    TRL takes rows in their order, for the completions that the KL is estimated from are chosen before training. So
    training rows are shuffled here, once, by the seed: else a file sorted by label would make batches of one kind.
    """

    def _prepare_dataset(self, dataset: Dataset, processing_class: Any, args: Any, dataset_name: str) -> Dataset:
        batch = args.per_device_train_batch_size if dataset_name == "train" else args.per_device_eval_batch_size
        if dataset_name == "train":
            seed = args.seed if args.data_seed is None else args.data_seed
            dataset = dataset.shuffle(seed=seed).flatten_indices()
            if PartialState().is_main_process:
                print(f"kto: rows are shuffled once, by seed {seed}; every epoch takes them in that order", flush=True)
        if not self.calculate_KL:
            return dataset
        partners = kl_partners(len(dataset), batch)
        completions = dataset.select(partners)["completion_ids"]
        return dataset.add_column("KL_completion_ids", completions, feature=dataset.features["completion_ids"])


def kl_partners(rows: int, batch: int) -> list[int]:
    """For each row the row of the same batch whose completion goes with its prompt in the estimate of the KL.

    It is the row before, and for the first of a batch the last (KTO paper, section 4.1, and TRL). A batch of a single
    row, such as the last may be, has no other: it takes the completion of the row before the batch, since with its own
    the estimate would be its own reward, and leave no gradient.
    """
    partners = []
    for start in range(0, rows, batch):
        end = min(start + batch, rows)
        partners += [end - 1, *range(start, end - 1)] if end - start > 1 else [start - 1 if start else rows - 1]
    return partners
