"""mmrec.nn.backbones.lightgcn: a hand-worked layer, the published sum in dense algebra, and nodes without interactions."""

import pytest
import torch
from torch import Tensor

from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.types import DatasetSpec, Interactions

# Six users, the last without interactions; five items, the last without. The pair (0, 0) stands there twice.
USERS, ITEMS = torch.tensor([0, 0, 1, 1, 2, 3, 3, 4, 0]), torch.tensor([0, 1, 1, 2, 2, 2, 3, 0, 0])
N_USERS, N_ITEMS = 6, 5


def make_backbone(n_layers: int) -> LightGCN:
    torch.manual_seed(0)
    return LightGCN(DatasetSpec(N_USERS, N_ITEMS, Interactions(USERS, ITEMS)), embedding_dim=4, n_layers=n_layers, init_scale=0.1)


def by_the_paper(embedding: Tensor, n_layers: int) -> Tensor:
    """Equations 3 and 4, node by node: e_u^(l+1) = Σ_i e_i^(l) / √(|N_u||N_i|), then the mean over layers."""
    pairs = set(zip(USERS.tolist(), (ITEMS + N_USERS).tolist(), strict=True))
    neighbours = {node: {b for a, b in pairs if a == node} | {a for a, b in pairs if b == node} for node in range(N_USERS + N_ITEMS)}
    layers = [embedding]
    for _ in range(n_layers):
        rows = [
            sum((layers[-1][other] / (len(near) * len(neighbours[other])) ** 0.5 for other in near), torch.zeros(embedding.shape[1]))
            for near in neighbours.values()
        ]
        layers.append(torch.stack(rows))
    return sum(layers) / (n_layers + 1)


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_equal_to_the_paper(n_layers: int) -> None:
    backbone = make_backbone(n_layers)
    users, items = backbone()
    assert (users.shape, items.shape) == ((N_USERS, 4), (N_ITEMS, 4))
    torch.testing.assert_close(torch.cat([users, items]), by_the_paper(backbone.embedding.weight, n_layers))


def test_one_user_and_one_item_meet_in_the_middle() -> None:
    backbone = LightGCN(DatasetSpec(1, 1, Interactions(torch.tensor([0]), torch.tensor([0]))), embedding_dim=2, n_layers=1, init_scale=1.0)
    users, items = backbone()
    torch.testing.assert_close(users, backbone.embedding.weight.mean(dim=0, keepdim=True))
    torch.testing.assert_close(items, users)


def test_nodes_without_interactions_keep_their_share_of_themselves() -> None:
    backbone = make_backbone(n_layers=3)
    users, items = backbone()
    torch.testing.assert_close(users[-1], backbone.embedding.weight[N_USERS - 1] / 4)
    torch.testing.assert_close(items[-1], backbone.embedding.weight[-1] / 4)


def test_gradients_flow_over_the_graph() -> None:
    """Item 3 is two steps from item 2, over user 3, and more than two from item 0."""
    backbone = make_backbone(n_layers=2)
    backbone()[1][3].sum().backward()
    reached = backbone.embedding.weight.grad[N_USERS:].any(dim=1)
    assert reached.tolist() == [False, False, True, True, False]


def test_a_checkpoint_holds_the_embedding_alone() -> None:
    assert set(make_backbone(n_layers=1).state_dict()) == {"embedding.weight"}
