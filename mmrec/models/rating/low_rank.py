"""Approximations of low rank: principal components of content, and two matrices for a long sum of products."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def principal_components(content: Float[Tensor, "n_items dim"], n_components: int) -> Float[Tensor, "n_items n_components"]:
    """Return the leading principal components, at most as many as the content has, with a mean square of 1 over items and components."""
    centred = content - content.mean(dim=0)
    left, size, _ = torch.linalg.svd(centred, full_matrices=False)
    components: Tensor = left[:, :n_components] * size[:n_components]
    return components / components.square().mean().sqrt().clamp(min=1e-12)


def compress_products(products: Sequence[tuple[Tensor, Tensor]], rank: int) -> tuple[Tensor, Tensor]:
    """Return the sum of products of two matrices, compressed as by `compress_product`."""
    users, items = (torch.cat(side, dim=1) for side in zip(*products, strict=True))
    return compress_product(users, items, rank)


def compress_product(
    users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], rank: int
) -> tuple[Float[Tensor, "n_users rank"], Float[Tensor, "n_items rank"]]:
    """Return the best approximation of `users @ items.T` by two matrices with `rank` columns, without computing the product."""
    user_basis, user_part = torch.linalg.qr(users)
    item_basis, item_part = torch.linalg.qr(items)
    left, size, right = torch.linalg.svd(user_part @ item_part.T, full_matrices=False)
    root = size[:rank].sqrt()
    return user_basis @ (left[:, :rank] * root), item_basis @ (right[:rank].T * root)
