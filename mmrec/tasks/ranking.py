"""Training a recommender to rank: positives above sampled negatives, selected by full-catalogue ranking on the validation part."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.errors import ConfigError
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.recommender import EpochRecommender, GradientRecommender, MixedRecommender
from mmrec.tasks.mixing import climb, weight_grids
from mmrec.tasks.sharded import gather_tables, shard_tables
from mmrec.types import USER_IDX, Scorer

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class RankingTask(LightningModule):
    """Minimises a loss of `mmrec.losses` over a model's scores, plus what the model adds to it.

    Embedding tables learn at `embedding_lr` without weight decay, all else at the optimizer's own rate: on small catalogues the networks
    would otherwise learn the training rows by heart before the tables have settled.

    Logs `train/loss` once an epoch and `val/<metric>@<k>` after each: per user first, then the mean over all users of all processes, in the
    same order whatever their number. Validation also chooses the weights of a model that mixes its scores of parts, by ndcg at the largest
    k.
    """

    def __init__(
        self,
        model: GradientRecommender,
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
        self._losses: Tensor | float = 0.0  # of this process since the epoch began; no buffer, those are one process's in all
        self._n_losses = 0

    def configure_model(self) -> None:
        """Divides the embedding tables among processes where the trainer's strategy is to."""
        if self.device_mesh is not None:
            shard_tables(self.model, self.device_mesh["tensor_parallel"])

    def on_fit_end(self) -> None:
        gather_tables(self.model)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        tables = [module.weight for module in self.modules() if isinstance(module, nn.Embedding)]
        rest = [parameter for parameter in self.parameters() if all(parameter is not table for table in tables)]
        optimizer = self.optimizer(params=[{"params": tables, "lr": self.embedding_lr, "weight_decay": 0.0}, {"params": rest}])
        self._options = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
        return optimizer

    def on_train_start(self) -> None:
        """Puts the options given now in the place of those that a checkpoint brought along, such as another learning rate."""
        for group, options in zip(self.trainer.optimizers[0].param_groups, self._options, strict=True):
            group.update(options)

    def on_train_batch_start(self, batch: TrainBatch, batch_idx: int) -> None:
        if batch_idx == 0 and isinstance(self.model, EpochRecommender):  # not where Lightning starts an epoch: a resume does so within one
            self.model.start_epoch(torch.Generator().manual_seed((self.seed + 1) * 1_000_003 + self.current_epoch))

    def training_step(self, batch: TrainBatch, batch_idx: int) -> Float[Tensor, ""]:
        step_seed = (self.seed + 1) * 1_000_003 + self.trainer.fit_loop.epoch_loop.total_batch_idx
        _seed_dropout(step_seed, self.device)  # it too is a function of (seed, step): alike in every process, and after a resume
        generator = torch.Generator().manual_seed(step_seed)
        scores = self.model.score_batch(batch, generator)
        row = batch.row[: len(scores.positive)]  # none where a model learns without negatives
        loss = (self.loss(scores.positive, row, scores.negative, batch.valid) + scores.extra) * batch.weight
        self._losses, self._n_losses = self._losses + loss.detach(), self._n_losses + 1
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("train/loss", torch.as_tensor(self._losses / self._n_losses), prog_bar=True, sync_dist=True)
        self._losses, self._n_losses = 0.0, 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The losses of the epoch so far, process by process."""
        sums = self._losses_of_all if self.trainer.validating else self._gather_losses()
        checkpoint["epoch_loss"] = {"sums": sums, "n": self._n_losses}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        sums, self._n_losses = checkpoint["epoch_loss"]["sums"], checkpoint["epoch_loss"]["n"]
        is_as_before = len(sums) == self.trainer.world_size
        self._losses = (sums[self.trainer.global_rank] if is_as_before else sums.mean()).to(self.trainer.strategy.root_device)

    def on_validation_start(self) -> None:
        self._losses_of_all = self._gather_losses()  # now: while they validate, the processes don't meet

    def _gather_losses(self) -> Float[Tensor, " processes"]:
        return gather_rows(torch.as_tensor(self._losses, device=self.device, dtype=torch.float32).reshape(1, 1)).flatten()

    def validation_step(self, batch: EvaluationSet, batch_idx: int) -> None:
        if isinstance(self.model, MixedRecommender):
            parts = self.model.parts()
            self._refuse_divergence(parts.users, parts.items)
            grids = weight_grids(parts, batch)
            self._chosen, self._means = climb(
                self.model.weights, grids, lambda weights: self._measure(parts.mix(weights), batch), self._best
            )
        else:
            scorer = self.model.freeze()
            if vectors := scorer.vectors():
                self._refuse_divergence(vectors.users, vectors.items)
            self._means = self._measure(scorer, batch)

    def on_validation_epoch_end(self) -> None:
        if isinstance(self.model, MixedRecommender):
            self.model.weights = self._chosen  # not before: a signal may still cut the step short, which then starts from what it was
        for name, value in self._means.items():
            self.log(f"val/{name}", value, prog_bar=name.startswith("ndcg"), rank_zero_only=False)

    def _measure(self, scorer: Scorer, batch: EvaluationSet) -> dict[str, float]:
        """The mean metrics of the users of all processes."""
        frame = rank_and_evaluate(scorer, batch, self.ks).drop(USER_IDX)
        values = gather_rows(torch.from_numpy(frame.to_numpy(writable=True)).to(self.device))
        return dict(zip(frame.columns, values.mean(dim=0).tolist(), strict=True))

    def _best(self, means: dict[str, float]) -> float:
        return means[f"ndcg@{max(self.ks)}"]

    def _refuse_divergence(self, *vectors: Tensor) -> None:
        if not all(part.isfinite().all() for part in vectors):
            raise ConfigError(
                f"training diverged in epoch {self.current_epoch}: lower optimizer.lr, or task.embedding_lr, now {self.embedding_lr}"
            )


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
