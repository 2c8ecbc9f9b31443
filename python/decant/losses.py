"""The losses that `train-student` trains on, in PyTorch. All are means over the batch, `cross_entropy` over its labelled samples; those with a temperature are multiplied by its square.

Logits are `[batch, classes]`, labels `[batch]` with -1 for unlabelled.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0, class_weights: Tensor | None = None) -> Tensor:
    """Cross-entropy with the labels; 0 where none is labelled."""
    if not (labels >= 0).any():
        return logits.sum() * 0
    return F.cross_entropy(logits, labels, class_weights, ignore_index=-1, label_smoothing=smoothing)


def kd(student: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """`T^2 * KL(targets || softmax(student / T))` (arXiv 1503.02531); `targets` are soft at `T` already, `[batch, classes]`."""
    return _divergence(F.log_softmax(student / temperature, 1), targets) * temperature**2


def kd_top(student: Tensor, classes: Tensor, masses: Tensor, temperature: float) -> Tensor:
    """As `kd`, of a top-k cache: over the kept `classes`, `[batch, k]`, and one more that all others make, `masses` `[batch, k + 1]`."""
    logits = student / temperature
    rest = _log_of_rest(logits, classes)
    kept = F.log_softmax(logits, 1).gather(1, classes)
    return _divergence(torch.cat([kept, rest], 1), masses) * temperature**2


def std_kd(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """`kd` of standardised logits (arXiv 2403.01427)."""
    return kd(_standardised(student), F.softmax(_standardised(teacher) / temperature, 1), temperature)


def dkd(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, alpha: float = 1.0, beta: float = 8.0) -> Tensor:
    """Decoupled distillation (arXiv 2203.08679, equation 7); an unlabelled sample takes the teacher's largest class for its label."""
    labels = labels[:, None]
    target = torch.where(labels < 0, teacher.argmax(1, keepdim=True), labels)

    def parts(logits: Tensor) -> tuple[Tensor, Tensor]:
        own = F.log_softmax(logits, 1).gather(1, target)
        others = F.log_softmax(logits.scatter(1, target, torch.finfo(logits.dtype).min), 1).scatter(1, target, 0.0)
        return torch.cat([own, _log_of_rest(logits, target)], 1), others

    (student_two, student_others), (teacher_two, teacher_others) = parts(student / temperature), parts(teacher / temperature)
    target_class = (teacher_two.exp() * (teacher_two - student_two)).sum()
    other_classes = (teacher_others.exp() * (teacher_others - student_others)).sum()
    return (alpha * target_class + beta * other_classes) * temperature**2 / len(student)


def dist(student: Tensor, teacher: Tensor, temperature: float, beta: float = 1.0, gamma: float = 1.0) -> Tensor:
    """DIST (arXiv 2205.10536): one minus the correlation, of each sample's classes and of each class's samples."""
    a, b = F.softmax(student / temperature, 1), F.softmax(teacher / temperature, 1)
    return temperature**2 * (beta * _uncorrelated(a, b) + gamma * _uncorrelated(a.T, b.T))


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared difference of the logits (arXiv 2105.08919)."""
    return F.mse_loss(student, teacher)


def distillation(student: Tensor, batch: dict, loss: str = "kd", temperature: float = 5.0, weight: float = 0.5, smoothing: float = 0.0, **parameters: float) -> Tensor:
    """The mean over a batch of `CachedDataset` of `(1 - weight) * cross_entropy + weight * loss`; `weight` is the pipeline's `train.lambda`.

    An image without a label has a cross-entropy of 0.
    """
    labels = batch["labels"]
    labelled = (labels >= 0).float().mean()
    if loss == "kd" and "top_classes" in batch:
        soft = kd_top(student, batch["top_classes"], batch["masses"], temperature)
    elif loss == "kd":
        soft = kd(student, batch["soft"], temperature)
    elif loss == "dkd":
        soft = dkd(student, batch["logits"], labels, temperature, **parameters)
    elif loss == "mse":
        soft = mse(student, batch["logits"])
    elif loss in ("std-kd", "dist"):
        soft = {"std-kd": std_kd, "dist": dist}[loss](student, batch["logits"], temperature, **parameters)
    else:
        raise ValueError(f"unknown loss `{loss}`; expected kd, std-kd, dkd, dist or mse")
    return (1 - weight) * labelled * cross_entropy(student, labels, smoothing) + weight * soft


def _divergence(log_student: Tensor, targets: Tensor) -> Tensor:
    log_targets = targets.clamp_min(torch.finfo(targets.dtype).tiny).log()
    return (targets * (log_targets - log_student)).sum() / len(targets)


def _log_of_rest(logits: Tensor, inside: Tensor) -> Tensor:
    """The logarithm of what the classes outside of `inside` have together, `[batch, 1]`, from their own logits."""
    rest = logits.scatter(1, inside, torch.finfo(logits.dtype).min).logsumexp(1, keepdim=True)
    return rest - logits.logsumexp(1, keepdim=True)


def _standardised(logits: Tensor) -> Tensor:
    centred = logits - logits.mean(1, keepdim=True)
    unit = centred.detach().abs().amax(1, keepdim=True).clamp_min(1.0)
    scaled = centred / unit
    variance = scaled.square().sum(1, keepdim=True) / (logits.shape[1] - 1)
    return scaled / (variance.clamp_min(torch.finfo(logits.dtype).tiny).sqrt() + 1e-7 / unit)


def _uncorrelated(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)

    def norm(rows: Tensor) -> Tensor:
        return rows.square().sum(1).clamp_min(torch.finfo(rows.dtype).tiny).sqrt()

    return 1 - ((a * b).sum(1) / (norm(a) * norm(b) + 1e-8)).mean()
