"""The evidence of the tasks whose rows are not the interactions: queries, and impressions."""

import logging
from dataclasses import asdict, replace

import polars as pl

from mmrec.data.interactions.filter import filter_interactions
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.queries import queries_as_interactions
from mmrec.errors import ConfigError
from mmrec.experiment.evidence import Evidence, load_queries, with_impressions
from mmrec.experiment.settings import EvidenceSettings
from mmrec.types import FILE_ROW

_log = logging.getLogger(__name__)


def load_query_evidence(settings: EvidenceSettings, people: Evidence) -> Evidence:
    """Return the evidence with the queries of the data in the place of users, given that of people, with the same items.

    Raises:
        DataError: the data have no queries.
    """
    dataset = queries_as_interactions(people.dataset, settings.personal)
    index = Index.build(dataset, settings.seed)
    _log.info(f"{dataset.name}: {len(dataset.interactions):,} clicks after {index.n_users:,} queries")
    found = replace(people, dataset=dataset, index=index, features_s=0.0, user_texts=None)
    return replace(found, queries=load_queries(settings, found, people.dataset.interactions, people.index.user_ids))


def load_impression_evidence(settings: EvidenceSettings, people: Evidence) -> Evidence:
    """Return the evidence with what users were shown in the place of interactions, given that of people, with the same items."""
    read = with_impressions(settings.dataset())
    rows = read.interactions.with_columns(pl.int_range(pl.len()).alias(FILE_ROW))
    dataset = filter_interactions(replace(read, interactions=rows), **asdict(settings.filter) | {"labels": "keep"})
    kept = replace(dataset, triples=people.dataset.triples, content_hash=people.dataset.content_hash)
    index = Index.build(kept, settings.seed)
    if not index.item_ids.equals(people.index.item_ids):
        raise ConfigError("filter: the items of impressions are others than those of interactions; use the filter without a k-core")
    _log.info(f"{dataset.name}: {len(dataset.interactions):,} rows with and without clicks, {index.n_users:,} users")
    return replace(people, dataset=kept, index=index, features_s=0.0, user_texts=None)
