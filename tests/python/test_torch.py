"""Losses, the dataset and the examples in PyTorch. `make interop` runs it; DECANT names the program."""

import importlib
import json
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parent))
from test_reader import ROOT, Workshop, decant  # noqa: E402

from decant import Cache, CachedDataset, epoch_order, losses, view_orders  # noqa: E402


def example(name: str):
    return importlib.import_module(f"decant.examples.{name}")


class Losses(unittest.TestCase):
    def test_they_and_their_gradients_are_those_that_the_program_is_held_against(self):
        goldens = json.loads((ROOT / "tests/goldens/losses/goldens.json").read_text())

        def tensor(name: str, kind: torch.dtype = torch.float64) -> torch.Tensor:
            return torch.tensor(goldens[name], dtype=kind).reshape(6, -1)

        teacher, labels, kept = tensor("teacher"), tensor("labels", torch.int64)[:, 0], tensor("top_classes", torch.int64)
        unlabelled = labels.clone()
        unlabelled[2] = -1
        for case in goldens["cases"]:
            name, t = case["loss"], case["temperature"]
            soft = (teacher / t if t else teacher).softmax(1)
            masses = torch.cat([soft.gather(1, kept), 1 - soft.gather(1, kept).sum(1, keepdim=True)], 1)
            student = tensor("student").requires_grad_()
            loss = {
                "kd": lambda: losses.kd(student, soft, t),
                "kd_top": lambda: losses.kd_top(student, kept, masses, t),
                "std_kd": lambda: losses.std_kd(student, teacher, t),
                "dkd": lambda: losses.dkd(student, teacher, labels, t),
                "dist": lambda: losses.dist(student, teacher, t, 1.0, 2.0),
                "mse": lambda: losses.mse(student, teacher),
                "ce": lambda: losses.cross_entropy(student, labels),
                "ce_smooth": lambda: losses.cross_entropy(student, unlabelled, 0.1),
            }[name]()
            loss.backward()
            self.assertAlmostEqual(loss.item(), case["value"], 6, name)
            np.testing.assert_allclose(student.grad.ravel(), case["gradient"], rtol=1e-6, atol=1e-9, err_msg=name)

    def test_a_batch_without_labels_has_no_cross_entropy(self):
        self.assertEqual(losses.cross_entropy(torch.randn(2, 3), torch.tensor([-1, -1])).item(), 0)

    def test_an_image_without_a_label_takes_nothing_from_those_that_have_one(self):
        student, soft = torch.randn(4, 3), torch.softmax(torch.randn(4, 3), 1)
        labels = torch.tensor([2, -1, 0, -1])
        found = losses.distillation(student, {"labels": labels, "soft": soft}, "kd", 2.0, 0.25)
        own = torch.nn.functional.cross_entropy(student[::2], labels[::2], reduction="sum") / 4
        torch.testing.assert_close(found, 0.75 * own + 0.25 * losses.kd(student, soft, 2.0))


class Dataset(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workshop = Workshop()
        cls.cache = Cache(cls.workshop.cache)

    def test_each_sample_comes_with_the_targets_of_its_view_in_the_order_of_train_student(self):
        train = CachedDataset(self.cache, "train", self.workshop.images, 32, 5.0, seed=3)
        order_of_views = view_orders(3, np.arange(18), 3)
        seen = []
        for workers in (0, 2):
            loader = DataLoader(train, 5, sampler=train.sampler, num_workers=workers, persistent_workers=workers > 0)
            for epoch in range(4):
                train.set_epoch(epoch)
                order = epoch_order(3, epoch, 18)
                rows = train.split.rows(order, order_of_views[order, epoch % 3])
                batches = list(loader)
                soft = torch.cat([batch["soft"] for batch in batches]).numpy()
                np.testing.assert_array_equal(soft, train.split.soft(5.0, rows))
                labels = torch.cat([batch["labels"] for batch in batches]).numpy()
                np.testing.assert_array_equal(labels, train.split.label[rows])
                pixels = torch.cat([batch["pixel_values"] for batch in batches])
                np.testing.assert_array_equal(pixels[-1].numpy(), train.images.image(int(rows[-1]), 32))
                seen.append(rows.tolist())
        self.assertEqual(seen[:4], seen[4:])
        self.assertEqual(sorted(sum(seen[:3], [])), list(range(54)), "in as many epochs as views each row comes once")

    def test_a_top_k_cache_gives_kept_classes_and_the_mass_of_the_rest(self):
        workshop = Workshop("cache.encoding='top-k'", "cache.top-k=2")
        train = CachedDataset(workshop.cache, "train", workshop.images, 32, 5.0)
        batch = next(iter(DataLoader(train, 18)))
        self.assertEqual((tuple(batch["top_classes"].shape), tuple(batch["masses"].shape)), ((18, 2), (18, 3)))
        torch.testing.assert_close(batch["masses"].sum(1), torch.ones(18))
        # One class is dropped, so that the loss is that over all classes.
        student = torch.randn(18, 3)
        rows = train.split.rows(np.arange(18), [train.view(sample) for sample in range(18)])
        full = torch.from_numpy(self.cache.split("train").soft(5.0, rows))
        found = losses.kd_top(student, batch["top_classes"], batch["masses"], 5.0)
        torch.testing.assert_close(found, losses.kd(student, full, 5.0), rtol=1e-4, atol=1e-5)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workshop = Workshop("cache.views=1")

    def run_example(self, name: str, *arguments: str) -> str:
        environment = {"PYTHONPATH": str(ROOT / "python"), "PATH": "/usr/bin:/bin", "HOME": str(self.workshop.path)}
        command = [sys.executable, "-m", f"decant.examples.{name}", str(self.workshop.cache), *arguments]
        done = subprocess.run(command, cwd=self.workshop.path, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_student_of_torchvision_trains_comes_back_and_is_measured(self):
        said = self.run_example(
            "pytorch_student", "images", "--model", "shufflenet_v2_x0_5", "--size", "32", "--epochs", "2", "--batch-size", "6", "--workers", "0"
        )
        self.assertIn("epoch 2/2", said)
        measured = json.loads(decant("evaluate", "--model", "student", "-p", "my.toml", "--set", "cache.views=1", "--json", cwd=self.workshop.path))
        self.assertEqual(measured["test"]["samples"], 12)

    def test_load_dataset_reads_the_folder(self):
        self.assertIn("{'train': 18, 'validation': 12, 'test': 12}", self.run_example("load_dataset"))

    def test_the_trainer_trains_is_measured_and_saves_as_a_program(self):
        said = self.run_example("hf_trainer", "images", "1")
        self.assertIn("eval_accuracy", said)
        from transformers import AutoModelForImageClassification

        student = AutoModelForImageClassification.from_pretrained(self.workshop.path / "student-hf")
        self.assertEqual(tuple(student.config.id2label.values()), Cache(self.workshop.cache).classes)

    def test_the_example_is_short(self):
        self.assertLessEqual(len((ROOT / "python/decant/examples/pytorch_student.py").read_text().splitlines()), 60)

    def test_the_trainer_has_the_online_loops_losses(self):
        """The guide's loss with a teacher that runs in every step, and with the cache: on the same batches, to 1e-5."""
        import onnxruntime
        from transformers import TrainingArguments

        trainer_of = example("hf_trainer").ImageDistilTrainer
        folder = self.workshop.path
        teacher = onnxruntime.InferenceSession(str(ROOT / "pipelines/teachers/leaves/model.onnx"))
        config = json.loads((ROOT / "pipelines/teachers/leaves/preprocessor_config.json").read_text())
        size = config["size"]["height"]
        train = CachedDataset(self.workshop.cache, "train", self.workshop.images, size, 5.0, config["image_mean"], config["image_std"])

        class Student(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 3))

            def forward(self, pixel_values, labels=None):
                from transformers.modeling_outputs import ImageClassifierOutput

                logits = self.layers(pixel_values)
                loss = None if labels is None else F.cross_entropy(logits, labels)
                return ImageClassifierOutput(loss=loss, logits=logits)

        student = Student()
        arguments = TrainingArguments(str(folder / "hf"), remove_unused_columns=False, report_to=[], use_cpu=True)
        trainer = trainer_of(student_model=student, temperature=5.0, lambda_param=0.5, args=arguments, train_dataset=train)
        for batch in DataLoader(train, 6, sampler=train.sampler):
            inputs = {"pixel_values": batch["pixel_values"], "labels": batch["labels"]}
            [logits] = teacher.run(["logits"], {"pixel_values": inputs["pixel_values"].numpy()})
            online = student(**inputs)
            soft_teacher = F.softmax(torch.from_numpy(logits) / 5.0, dim=-1)
            soft_student = F.log_softmax(online.logits / 5.0, dim=-1)
            expected = 0.5 * online.loss + 0.5 * F.kl_div(soft_student, soft_teacher, reduction="batchmean") * 25.0
            found = trainer.compute_loss(student, dict(batch))
            self.assertLess(abs(found.item() - expected.item()), 1e-5)


if __name__ == "__main__":
    unittest.main()
