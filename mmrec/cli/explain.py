"""The command `mmrec explain run=… user=… item=…`: why items are recommended to a user."""

from omegaconf import DictConfig
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.config.check import check
from mmrec.config.hydra.from_overrides import places_of
from mmrec.explain.explanation import Explanation
from mmrec.schemas import ExplainConfig
from mmrec.terminal import say, show


@console_output()
def explain(cfg: DictConfig) -> list[Explanation]:
    """Print and return what speaks for an item, or for each of the best items of a user.

    Raises:
        DataError: the user or item is not in the run, or its data have changed.
        ConfigError: a value is invalid, or the user has had the item.
    """
    check(cfg, ExplainConfig)
    run = open_run(cfg.run, *places_of(cfg))
    found = run.explain(str(cfg.user), None if cfg.item is None else str(cfg.item), cfg.k, cfg.language)
    if not found:
        say(f"user {cfg.user} has interacted with every item of the run; nothing to explain")
    for one in found:
        _show(one)
    return found


def _show(found: Explanation) -> None:
    say(f"{found.rank}. {found.title} ({found.item_id}), score {found.score:.3f}", stderr=False)
    for sentence in found.sentences:
        say(f"   {sentence}", stderr=False)
    table = Table("reason", "what", "effect on the score", title_justify="left")
    for reason in found.evidence:
        table.add_row("evidence", f"{reason.modality} (attention {reason.attention:.2f})", f"{reason.value:+.3f}")
    for item in found.history:
        table.add_row("history", item.title, f"{item.effect:+.3f}")
    for path in found.paths:
        steps = [f"{relation} → {entity}" for relation, entity in zip(path.relations, path.entities[1:], strict=True)]
        table.add_row("path", f"{path.title}: {path.entities[0]} {' '.join(steps)}", f"{path.effect:+.3f}")
    if table.row_count:
        show(table)
