"""Stop training at the first loss or gradient that is NaN or infinite, if possible before the optimizer uses it."""

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from mmrec.errors import DivergedError
from mmrec.tasks.internals import uncoalesced_values


class FiniteCheck(Callback):
    """Raises DivergedError with the first non-finite parameter and the rows of the batch.

    On the CPU, the check happens before the optimizer step. On an accelerator it happens one step later: the result is copied to the host
    asynchronously, so that nothing waits for it. All gradients are summed, which is a single pass and propagates NaN and infinity. With
    gradient scaling (16-mixed), the scaler skips steps with infinite gradients, and only the loss is checked.
    """

    def __init__(self) -> None:
        self._batch: object = None
        self._loss: Tensor  # set by the first backward pass
        self._copied: tuple[Tensor, torch.cuda.Event, object] | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        self._batch = batch

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self._loss = loss.detach()

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the loss at each backward pass, also during accumulation; its gradients show the first affected parameter."""
        if self._loss.device.type == "cpu" and not self._loss.isfinite():
            raise DivergedError(_message(trainer, pl_module, self._batch, self._loss))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer) -> None:
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        gradients = [] if scaled else [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        verdict = torch.stack([self._loss.float(), *(_total(gradient) for gradient in gradients)]).sum()
        if verdict.device.type == "cpu":
            if not verdict.isfinite() and (first_bad(pl_module) or not self._loss.isfinite()):
                raise DivergedError(_message(trainer, pl_module, self._batch, self._loss))
            return
        self.check_pending(trainer, pl_module)
        event = torch.cuda.Event()
        self._copied = verdict.to("cpu", non_blocking=True), event, self._batch
        event.record()

    def check_pending(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for the pending result."""
        if self._copied is None:
            return
        (verdict, event, batch), self._copied = self._copied, None
        event.synchronize()
        if not verdict.isfinite():
            raise DivergedError(_message(trainer, pl_module, batch, None))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.check_pending(trainer, pl_module)


def first_bad(module: nn.Module) -> str | None:
    """The first parameter, in module order, whose gradient or value is not finite; None if all are finite."""
    for name, parameter in module.named_parameters():
        if parameter.grad is not None and not _values(parameter.grad).isfinite().all():
            return f"the gradient of `{name}`"
        if not parameter.isfinite().all():
            return f"`{name}`"
    return None


def first_bad_value(module: nn.Module) -> str | None:
    """The first parameter or buffer that is not finite; None if all are finite."""
    for name, value in module.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            return f"`{name}`"
    return None


def _values(gradient: Tensor) -> Tensor:
    return uncoalesced_values(gradient) if gradient.is_sparse else gradient


def _total(gradient: Tensor) -> Tensor:
    return _values(gradient).sum(dtype=torch.float32)


def _message(trainer: Trainer, module: LightningModule, batch: object, loss: Tensor | None) -> str:
    about = getattr(getattr(trainer, "datamodule", None), "describe_batch", None)
    place = f"epoch {trainer.current_epoch}, step {trainer.fit_loop.batch_idx + 1}"
    return (
        f"training produced non-finite numbers in {place}{'' if loss is None else f', with a loss of {float(loss):.4g}'}; "
        f"the first non-finite value: {first_bad(module) or 'the loss'}; the batch: {about(batch) if about else 'unknown'}. "
        "The last checkpoint precedes them; lower optimizer.lr or task.embedding_lr"
    )
