"""mmrec.models.content.clcrec: two contrastive losses by loops; known items score by their vectors, new ones by content."""

import pytest
import torch
import torch.nn.functional as F

from mmrec.models.content.clcrec import CLCRec
from mmrec.testing.checkerboard import N_WARM, all_warm_of_ones_colour, spec_of_colours
from tests.models.content.test_dropoutnet import BATCH

SPEC = spec_of_colours(all_warm_of_ones_colour())


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("replaced", [0.0, 1.0])
def test_the_losses_by_loops(share: float, replaced: float) -> None:
    model = CLCRec(SPEC, embedding_dim=4, hidden_dim=6, share=share, replaced=replaced, temperature=0.5)
    users, items = F.normalize(model.users, dim=1), F.normalize(model.items, dim=1)
    shown = F.normalize(model.of_content(model.content()), dim=1)
    stands = shown if replaced else items
    losses = []
    for row, item in zip(BATCH.row.tolist(), BATCH.item_idx.tolist(), strict=True):
        others = BATCH.negatives[BATCH.valid[row]]
        logits = [
            torch.cat([table[[item]], table[others]]) @ of / 0.5 for table, of in ((shown, items[item]), (stands, users[[3, 5][row]]))
        ]
        of_items, of_users = (-one.log_softmax(dim=0)[0] for one in logits)
        losses.append(share * of_items + (1 - share) * of_users)
    found = model.score_batch(BATCH, torch.Generator().manual_seed(0)).extra
    torch.testing.assert_close(found, torch.stack(losses).mean())


def test_new_items_score_by_content() -> None:
    model = CLCRec(SPEC, embedding_dim=4, hidden_dim=6)
    shown = F.normalize(model.of_content(model.content()), dim=1).detach()
    vectors = model.freeze().vectors()
    assert vectors is not None
    torch.testing.assert_close(vectors.items[N_WARM:], shown[N_WARM:])
    torch.testing.assert_close(vectors.items[:N_WARM], F.normalize(model.items, dim=1).detach()[:N_WARM])
