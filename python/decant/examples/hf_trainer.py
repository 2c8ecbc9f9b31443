"""The Hugging Face guide "Knowledge Distillation for Computer Vision" with its teacher replaced by a cache of decant's.

    decant teacher-cache -p beans.toml
    python -m decant.examples.hf_trainer CACHE IMAGES [EPOCHS]

What differs from the guide's `ImageDistilTrainer`: the lines marked "guide". There is no teacher in memory, and no step runs one.
Needs torch, transformers and accelerate.
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import AutoModelForImageClassification, MobileNetV2Config, Trainer, TrainingArguments

from decant import Cache, CachedDataset


class ImageDistilTrainer(Trainer):
    def __init__(self, student_model=None, temperature=None, lambda_param=None, *args, **kwargs):  # guide: teacher_model=None
        super().__init__(model=student_model, *args, **kwargs)
        self.student = student_model
        self.loss_function = nn.KLDivLoss(reduction="batchmean")
        self.temperature = temperature
        self.lambda_param = lambda_param

    def compute_loss(self, student, inputs, return_outputs=False, **kwargs):
        soft_teacher = inputs.pop("soft")  # guide: F.softmax(self.teacher(**inputs).logits / self.temperature, dim=-1)
        student_output = student(**inputs)
        soft_student = F.log_softmax(student_output.logits / self.temperature, dim=-1)
        distillation_loss = self.loss_function(soft_student, soft_teacher) * (self.temperature**2)
        student_target_loss = student_output.loss
        loss = (1.0 - self.lambda_param) * student_target_loss + self.lambda_param * distillation_loss
        return (loss, student_output) if return_outputs else loss


def main(cache_path: str, images: str, epochs: float = 30, out: str = "student-hf") -> None:
    cache = Cache(cache_path)
    half = (0.5, 0.5, 0.5)
    train, test = (CachedDataset(cache, split, images, 224, 5.0, half, half, check=split == "train") for split in ("train", "test"))
    config = MobileNetV2Config(num_labels=len(cache.classes), id2label=dict(enumerate(cache.classes)))
    arguments = TrainingArguments(
        output_dir=out, num_train_epochs=epochs, per_device_train_batch_size=8, remove_unused_columns=False, report_to=[], save_strategy="no",
        logging_steps=50, label_names=["labels"],
    )  # fmt: skip
    trainer = ImageDistilTrainer(
        student_model=AutoModelForImageClassification.from_config(config), temperature=5.0, lambda_param=0.5,
        args=arguments, train_dataset=train, eval_dataset=test,
        compute_metrics=lambda result: {"accuracy": float((torch.tensor(result.predictions).argmax(-1) == torch.tensor(result.label_ids)).float().mean())},
    )  # fmt: skip
    trainer.train()
    print(trainer.evaluate())
    trainer.save_model(out)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or "--help" in sys.argv:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:4]))
