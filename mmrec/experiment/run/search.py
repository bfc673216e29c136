"""Answer search queries with a finished run: texts by its model, pictures by their likeness to those of the items."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.data.interactions.query_text import query_text
from mmrec.errors import ConfigError, DataError, MissingFile, nearest
from mmrec.experiment.run.scorers import SavedSettings
from mmrec.experiment.run_folder.files import SEARCH, folder_with, read_table
from mmrec.experiment.run_folder.search import PEOPLE, read_search
from mmrec.files.locate import user_path
from mmrec.types import IMAGE, TEXT, USER_ID, FeatureEncoder

_MAX_PICTURE_BYTES = 2**26


class RunSearch:
    """Scores the items of a run for queries and pictures. Encoders are loaded when the first one has to be read.

    Args:
        run_dir: a finished run.
        saved: the settings with the run's encoders.
        n_items: the number of items of the run.

    Raises:
        ConfigError: the run does not answer queries.
    """

    def __init__(self, run_dir: Path, saved: SavedSettings, n_items: int) -> None:
        self.run_dir, self._saved = run_dir, saved
        self.model, self._fingerprints, self._pictures = read_search(folder_with(run_dir, SEARCH), n_items)
        self._encoders: Mapping[str, FeatureEncoder] = {}

    def score_texts(self, queries: Sequence[str], user: str | None = None) -> Float[Tensor, "n n_items"]:
        """Return the scores of all items, for a user if one is given.

        Raises:
            ConfigError: a query is blank, too long, or has no known word; or the run does not know who asks.
            DataError: the user is not in the run.
        """
        person = None if user is None else torch.full((len(queries),), self._place_of(user))
        texts = [query_text(query) for query in queries]
        for text in texts:
            if not self.model.knows(text):
                raise ConfigError(f"query: expected a word that items or training queries have, found none in `{text}`; use other words")
        if not self.model.reads_vectors:
            return self.model.score_queries(texts, torch.zeros(len(texts), 0), person)
        encoder = self._encoder(TEXT)
        vectors = torch.cat([torch.zeros(0, encoder.feature_dim), *(encoder.encode([encoder.prepare(text.encode())]) for text in texts)])
        return self.model.score_queries(texts, vectors, person)

    def knows(self, query: str) -> bool:
        """Return whether a query has a word that items or training queries have. Raises ConfigError if it is blank or too long."""
        return self.model.knows(query_text(query))

    def knows_user(self, user: str) -> bool:
        """Return whether search adds the scores of a user."""
        return self._people is not None and user in self._people

    def _place_of(self, user: str) -> int:
        """The place of a user among the people whose scores search adds."""
        if self._people is None:
            raise ConfigError(
                f"user: search of {self.run_dir} is the same for everyone; `task_data.search.personal=true` trains one that knows who asks"
            )
        if user not in self._people:
            raise DataError(f"user: `{user}` is not in the run; {nearest(user, self._people)}")
        return self._people[user]

    @cached_property
    def _people(self) -> dict[str, int] | None:
        """The places of those whose scores search adds; None if it is the same for everyone."""
        path = folder_with(self.run_dir, SEARCH) / PEOPLE
        return {user: place for place, user in enumerate(read_table(path, USER_ID)[USER_ID])} if path.is_file() else None

    def score_picture(self, path: str | Path) -> Float[Tensor, "1 n_items"]:
        """Return the cosines of the vectors of a picture and of the items' pictures; -inf for items without one.

        Raises:
            ConfigError: the run has no pictures, or the file is none.
            MissingFile: there is no such file.
        """
        self._check_pictures()
        file = user_path(path)
        if not file.is_file():
            raise MissingFile(f"image: {file} does not exist, or is no file")
        if file.stat().st_size > _MAX_PICTURE_BYTES:
            raise ConfigError(f"image: {file}: expected at most {_MAX_PICTURE_BYTES:,} bytes, found {file.stat().st_size:,}")
        try:
            return self.score_picture_bytes(file.read_bytes())
        except ValueError as error:
            raise ConfigError(f"image: {file}: expected a picture: {error}") from None

    def score_picture_bytes(self, content: bytes) -> Float[Tensor, "1 n_items"]:
        """As `score_picture`, of the bytes of a picture.

        Raises:
            ConfigError: the run has no pictures.
            ValueError: the picture cannot be decoded.
        """
        values, present = self._check_pictures()
        encoder = self._encoder(IMAGE)
        return cosines(encoder.encode([encoder.prepare(content)]), F.normalize(values.float(), dim=1), present)

    def _check_pictures(self) -> tuple[Tensor, Tensor]:
        if self._pictures is None:
            raise ConfigError(f"image: {self.run_dir} was trained without pictures of items; search with words, or train with pictures")
        return self._pictures

    def _encoder(self, name: str) -> FeatureEncoder:
        if name not in self._encoders:
            encoder = self._saved.evaluation(self.run_dir).evidence.features.encoders[name]()
            if encoder.fingerprint != self._fingerprints.get(name):
                raise DataError(f"encoders.{name}: it differs from the one that {self.run_dir} was trained with; train again")
            self._encoders = {**self._encoders, name: encoder}
        return self._encoders[name]


def cosines(
    vector: Float[Tensor, "1 dim"], units: Float[Tensor, "n_items dim"], present: Bool[Tensor, " n_items"]
) -> Float[Tensor, "1 n_items"]:
    """Return the cosines of a vector with those of the items, which have unit length; -inf for items without one."""
    return (F.normalize(vector, dim=1) @ units.T).masked_fill(~present, -torch.inf)
