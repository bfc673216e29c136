"""TextSimilarity: the cosine of the vectors that a frozen text encoder gives a query and an item's text."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.closed_form.interaction_rows import put_last
from mmrec.models.recommender import LackingData
from mmrec.models.search.search_model import SearchModel
from mmrec.types import TEXT, DatasetSpec


class TextSimilarity(SearchModel):
    """Scores an item by the cosine of its text's vector with the query's; items without a text come last."""

    reads_vectors = True
    values: Tensor
    absent: Tensor

    def learn(self, spec: DatasetSpec) -> None:
        features = spec.features.get(TEXT)
        if features is None or features.values.shape[1] != self.query_vectors.shape[1]:
            raise LackingData("the items have no vectors of the text encoder")
        self.remember(values=F.normalize(features.values.float(), dim=1), absent=~features.present)

    def score_queries(
        self, texts: Sequence[str], vectors: Float[Tensor, "n dim"], person: Int64[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n n_items"]:
        return put_last(F.normalize(vectors, dim=1) @ self.values.T, self.absent)
