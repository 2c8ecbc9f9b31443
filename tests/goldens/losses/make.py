"""Writes goldens.json: each loss and its gradient by PyTorch's autograd, for tests/losses.rs to compare.

    python make.py                  # needs torch

The formulas are the papers', written with torch's own losses where it has them, in double precision. Where a paper leaves
a constant open (what is added to a norm or a deviation, whether a deviation is the sample's) it is that of the authors'
code: megvii-research/mdistiller for DKD, hunto/DIST_KD, sunshangquan/logit-standardization-KD.
"""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
BATCH, CLASSES, KEPT = 6, 5, 2


def kd(student, teacher, labels, t):
    """arXiv 1503.02531, section 2."""
    return t * t * F.kl_div((student / t).log_softmax(1), (teacher / t).softmax(1), reduction="batchmean")


def kd_top(student, teacher, labels, t):
    """Over the KEPT largest classes of the teacher and one outcome that all others make."""
    kept = teacher.topk(KEPT, dim=1).indices

    def outcomes(logits):
        probabilities = (logits / t).softmax(1)
        inside = probabilities.gather(1, kept)
        return torch.cat([inside, 1 - inside.sum(1, keepdim=True)], 1)

    return t * t * F.kl_div(outcomes(student).log(), outcomes(teacher), reduction="batchmean")


def std_kd(student, teacher, labels, t):
    """arXiv 2403.01427, algorithm 1."""

    def z(logits):
        deviation, mean = torch.std_mean(logits, dim=1, keepdim=True)
        return (logits - mean) / (deviation + 1e-7)

    return kd(z(student), z(teacher), labels, t)


def dkd(student, teacher, labels, t, alpha=1.0, beta=8.0):
    """arXiv 2203.08679, equations 2 and 7: b is the target class against the rest, p-hat the rest among themselves."""
    is_target = F.one_hot(labels, CLASSES).bool()

    def b(logits):
        p = (logits / t).softmax(1)[is_target]
        return torch.stack([p, 1 - p], 1)

    def p_hat(logits):
        return (logits / t)[~is_target].view(BATCH, CLASSES - 1).log_softmax(1)

    tckd = F.kl_div(b(student).log(), b(teacher), reduction="batchmean")
    nckd = F.kl_div(p_hat(student), p_hat(teacher), reduction="batchmean", log_target=True)
    return t * t * (alpha * tckd + beta * nckd)


def dist(student, teacher, labels, t, beta=1.0, gamma=2.0):
    """arXiv 2205.10536, section 4: one minus Pearson's correlation, by row and by column."""

    def distance(a, b, dim):
        a, b = a - a.mean(dim, keepdim=True), b - b.mean(dim, keepdim=True)
        return 1 - ((a * b).sum(dim) / (a.norm(dim=dim) * b.norm(dim=dim) + 1e-8)).mean()

    a, b = (student / t).softmax(1), (teacher / t).softmax(1)
    return t * t * (beta * distance(a, b, 1) + gamma * distance(a, b, 0))


def mse(student, teacher, labels, t):
    """arXiv 2105.08919."""
    return F.mse_loss(student, teacher)


def ce(student, teacher, labels, t):
    return F.cross_entropy(student, labels)


def ce_smooth(student, teacher, labels, t):
    """One sample without a label."""
    return F.cross_entropy(student, labels.index_fill(0, torch.tensor([2]), -1), ignore_index=-1, label_smoothing=0.1)


def main():
    torch.manual_seed(0)
    # Exact in float32, so that both sides begin with the same numbers.
    student = (2 * torch.randn(BATCH, CLASSES)).float().double()
    teacher = (4 * torch.randn(BATCH, CLASSES)).float().double()
    labels = torch.randint(CLASSES, (BATCH,))
    cases = []
    for loss in [kd, kd_top, std_kd, dkd, dist, mse, ce, ce_smooth]:
        for temperature in [1.0, 4.0]:
            leaf = student.clone().requires_grad_()
            value = loss(leaf, teacher, labels, temperature)
            value.backward()
            cases.append(
                {
                    "loss": loss.__name__,
                    "temperature": temperature,
                    "value": value.item(),
                    "gradient": leaf.grad.flatten().tolist(),
                }
            )
    goldens = {
        "torch": torch.__version__,
        "student": student.flatten().tolist(),
        "teacher": teacher.flatten().tolist(),
        "labels": labels.tolist(),
        "top_classes": teacher.topk(KEPT, dim=1).indices.flatten().tolist(),
        "cases": cases,
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in goldens.items() if key != "cases")
    rows = ",\n".join(json.dumps(case) for case in cases)
    Path(__file__).with_name("goldens.json").write_text("{\n" + lines + ',\n"cases": [\n' + rows + "\n]\n}\n")


if __name__ == "__main__":
    main()
