"""Training a recommender to rank: positives above sampled negatives, selected by full-catalogue ranking on the validation part."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from mmrec.data.sample import EvaluationSet, TrainBatch
from mmrec.errors import ConfigError
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.fusion import FusionRecommender
from mmrec.models.recommender import EpochRecommender, Recommender
from mmrec.types import USER_IDX

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
COLD_LIFTS = (0.0, 0.5, 1.0, 2.0, 4.0)


class RankingTask(LightningModule):
    """Minimises a loss of `mmrec.losses` over a model's scores, plus what the model adds to it.

    Embedding tables learn at `embedding_lr` without weight decay, all else at the optimizer's own rate: on small catalogues the networks
    would otherwise learn the training rows by heart before the tables have settled.

    Logs `train/loss` once an epoch and `val/<metric>@<k>` after each: per user first, then the mean over all users of all processes, in the
    same order whatever their number. Where validation has items without training interactions, it also chooses the model's `cold_lift`, by
    ndcg at the largest k.
    """

    def __init__(
        self,
        model: Recommender,
        loss: Loss,
        optimizer: Callable[..., torch.optim.Optimizer],
        embedding_lr: float,
        ks: list[int],
        seed: int,
    ) -> None:
        super().__init__()
        if embedding_lr < 0:
            raise ValueError(f"embedding_lr: expected at least 0, came {embedding_lr}")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.embedding_lr, self.ks, self.seed = embedding_lr, ks, seed

    def configure_optimizers(self) -> torch.optim.Optimizer:
        tables = [module.weight for module in self.modules() if isinstance(module, nn.Embedding)]
        rest = [parameter for parameter in self.parameters() if all(parameter is not table for table in tables)]
        return self.optimizer(params=[{"params": tables, "lr": self.embedding_lr, "weight_decay": 0.0}, {"params": rest}])

    def on_train_epoch_start(self) -> None:
        self._loss_sum, self._n_steps = torch.zeros((), device=self.device), 0
        if isinstance(self.model, EpochRecommender):
            self.model.start_epoch(torch.Generator().manual_seed((self.seed + 1) * 1_000_003 + self.current_epoch))

    def training_step(self, batch: TrainBatch, batch_idx: int) -> Float[Tensor, ""]:
        step_seed = (self.seed + 1) * 1_000_003 + self.trainer.fit_loop.epoch_loop.total_batch_idx
        _seed_dropout(step_seed, self.device)  # it too is a function of (seed, step): alike in every process, and after a resume
        generator = torch.Generator().manual_seed(step_seed)
        scores = self.model.score_batch(batch, generator)
        loss = (self.loss(scores.positive, batch.row, scores.negative, batch.valid) + scores.extra) * batch.weight
        self._loss_sum, self._n_steps = self._loss_sum + loss.detach(), self._n_steps + 1
        if self.trainer.is_last_batch:  # once an epoch: to log costs more than many a step
            mean = self._loss_sum / self._n_steps
            self.log("train/loss", mean, on_step=False, on_epoch=True, prog_bar=True, batch_size=1, sync_dist=True)
        return loss

    def validation_step(self, batch: EvaluationSet, batch_idx: int) -> None:
        lifts = self._cold_lifts(batch)
        scorer = self.model.freeze(cold_lift=1.0) if len(lifts) > 1 else self.model.freeze()
        if not all(vectors.isfinite().all() for vectors in scorer[:2]):
            raise ConfigError(
                f"training diverged in epoch {self.current_epoch}: lower optimizer.lr, or task.embedding_lr, now {self.embedding_lr}"
            )
        scorers = {lift: scorer.lifted(lift) if len(lifts) > 1 else scorer for lift in lifts}
        self._per_user = {lift: rank_and_evaluate(one, batch, self.ks).drop(USER_IDX) for lift, one in scorers.items()}

    def on_validation_epoch_end(self) -> None:
        means = {}
        for lift, frame in self._per_user.items():
            values = gather_rows(torch.from_numpy(frame.to_numpy(writable=True)).to(self.device))
            means[lift] = dict(zip(frame.columns, values.mean(dim=0).tolist(), strict=True))
        best = max(means, key=lambda lift: (means[lift][f"ndcg@{max(self.ks)}"], -lift))
        if isinstance(self.model, FusionRecommender):
            self.model.cold_lift.fill_(best)
        for name, value in means[best].items():
            self.log(f"val/{name}", value, prog_bar=name.startswith("ndcg"), rank_zero_only=False)

    def _cold_lifts(self, batch: EvaluationSet) -> tuple[float, ...]:
        """What to try for `cold_lift`."""
        if not isinstance(self.model, FusionRecommender):
            return (0.0,)
        return COLD_LIFTS if (batch.positives.item_degree[~self.model.known_items] > 0).any() else (0.0,)


def _seed_dropout(seed: int, device: torch.device) -> None:
    """Seeds torch's own generators of the CPU and of the device; `torch.manual_seed` sees to every kind of device, in milliseconds."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def gather_rows(rows: Float[Tensor, "n columns"]) -> Float[Tensor, "total columns"]:
    """The rows of all processes in the order of their ranks, uneven numbers and none included; the rows themselves in a single process."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return rows
    world = torch.distributed.get_world_size()
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world)]
    torch.distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    padded = rows.new_zeros((int(max(counts)), rows.shape[1]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in range(world)]
    torch.distributed.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])
