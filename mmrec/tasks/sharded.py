"""Shard the rows of embedding tables over processes, for catalogues that exceed the memory of one."""

from pathlib import Path
from typing import Any, cast

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import RowwiseParallel, parallelize_module

from mmrec.errors import ConfigError
from mmrec.models.recommender import LookupRecommender, Recommender
from mmrec.tasks.internals import SpawnedModelParallelStrategy


class ShardedTablesStrategy(SpawnedModelParallelStrategy):
    """Lightning's model parallelism over all processes of this machine, which it spawns itself, as `ddp_spawn` does.

    Each process holds a part of the rows of every table, of their gradients and of the optimizer's state. All processes use the same
    batches, look up the rows they hold, and sum the results, whose size is that of the batch. Checkpoints contain whole tables, as from one
    process.
    """

    def __init__(self) -> None:
        super().__init__(save_distributed_checkpoint=False)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None) -> None:
        """Write whole tables from the main process; unlike Lightning's method, an existing folder may be replaced."""
        if self.is_global_zero:
            self.checkpoint_io.save_checkpoint(checkpoint, filepath, storage_options)


def shard_tables(model: Recommender, mesh: DeviceMesh) -> None:
    """Shard the rows of all embedding tables over a one-dimensional mesh, in place, as DTensors with `Shard(0)`.

    Raises:
        ConfigError: the model needs whole tables at every step, or has sparse gradients, which DTensor does not support.
    """
    if not isinstance(model, LookupRecommender):
        raise ConfigError(
            f"trainer: {type(model).__name__} needs its whole embedding tables in every step, so their rows cannot be divided among "
            "processes; use trainer=ddp, or model=matrix_factorization"
        )
    tables = {name: module for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    if any(table.sparse for table in tables.values()):
        raise ConfigError(
            "model.sparse_gradients: divided tables have dense gradients; set it to false, and optimizer._target_=torch.optim.Adam"
        )
    parallelize_module(model, mesh, {name: RowwiseParallel(input_layouts=Replicate()) for name in tables})


def gather_tables(model: Recommender) -> None:
    """Replace sharded tables by whole ones as plain parameters; all processes must call this, after training."""
    for module in model.modules():
        if isinstance(module, nn.Embedding) and isinstance(module.weight, DTensor):
            module.weight = nn.Parameter(cast("DTensor", module.weight.detach()).full_tensor())
