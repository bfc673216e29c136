"""Prepare a dataset for training a model in Python, without a configuration or run folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import polars as pl

from mmrec.data.features.user_template import UserTemplate
from mmrec.data.interactions import split as splits
from mmrec.data.interactions.filter import Filter
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.split import Split, random_ratio
from mmrec.data.interactions.split_rules import check_parts
from mmrec.errors import ConfigError, nearest
from mmrec.experiment.evidence import load_evidence
from mmrec.experiment.models import spec_of
from mmrec.experiment.settings import EvidenceSettings, FeatureSettings, GraphSettings
from mmrec.files.locate import cache_folder
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.nn.encoders.text import minilm
from mmrec.types import Dataset, DatasetSpec, FeatureEncoder

ENCODERS: Mapping[str, Callable[[], FeatureEncoder]] = {
    "text": minilm,
    "image": partial(ClipImageEncoder, "ViT-B-32", "laion2b_s34b_b79k", "1a25a446712ba5ee05982a381eed697ef9b435cf"),
}
"""As conf/text_encoder/minilm.yaml and conf/image_encoder/clip.yaml."""
SPLITS = ("cold_item", "cold_user", "folds", "given", "global_time", "leave_last_out", "random_ratio", "user_time")
"""The functions of `mmrec.data.interactions.split`."""


@dataclass(frozen=True)
class Prepared:
    """A dataset prepared for training a model."""

    spec: DatasetSpec
    """The training part and the evidence, as passed to models."""
    split: Split
    """The interactions in three parts, as passed to `TabularDataModule` with the index."""
    index: Index
    """The mapping between ids and indices of users and items."""


def prepare(
    dataset: Dataset,
    split: str | Callable[[pl.DataFrame], Split] = random_ratio,
    evidence: Mapping[str, bool | str] | None = None,
    encoders: Mapping[str, Callable[[], FeatureEncoder]] = ENCODERS,
    graph_columns: tuple[str, ...] = (),
    cache: str | None = None,
    seed: int = 0,
    user_text: UserTemplate | None = None,
) -> Prepared:
    """Split a dataset, encode its texts and pictures, and build its graph.

        data = mmrec.prepare(mmrec.movielens_100k())
        task = mmrec.RankingTask(mmrec.FusionRecommender(data.spec))
        lightning.Trainer(max_epochs=20).fit(task, mmrec.TabularDataModule(data.split, data.index))

    Args:
        dataset: from a source such as `mmrec.read_folder`, or `mmrec.Dataset.from_frames`.
        split: a function of `mmrec.data.interactions.split`, or its name; one with arguments as a `functools.partial`.
        evidence: whether the model may use each kind of evidence: True, False, or a change such as `"shuffled"`.
        encoders: factories of encoders by kind of evidence, called only if there is something to encode, since encoders may be large.
        graph_columns: columns of the items that become relations of the graph.
        cache: the folder of cached features; None: see `mmrec.files.locate.cache_folder`.
        seed: the seed for the order of users and items.
        user_text: the template of texts about users, for `evidence={"user_text": True}`; None: the default one.

    Raises:
        ConfigError: the split does not exist, or the data do not have the evidence.
        DataError: a part of the split would be empty.
    """
    if isinstance(split, str) and split not in SPLITS:
        raise ConfigError(f"split: there is no `{split}`; {nearest(split, SPLITS)}")
    divide: Callable[[pl.DataFrame], Split] = getattr(splits, split) if isinstance(split, str) else split
    features = FeatureSettings(encoders=encoders, cache=cache_folder(cache))
    settings = EvidenceSettings(
        dataset=lambda: dataset,
        split=divide,
        filter=Filter(),
        allowed=dict(evidence or {}),
        features=features,
        graph=GraphSettings(graph_columns),
        seed=seed,
        user_text=UserTemplate if user_text is None else lambda: user_text,
    )
    found = load_evidence(settings)
    parts = divide(found.dataset.interactions)
    check_parts(parts.name, [len(parts.train), len(parts.valid), len(parts.test)])
    return Prepared(spec_of(found, found.index.interactions(parts.train)), parts, found.index)
