"""Low-rank updates of `nn.MultiheadAttention` in the format of peft, without changing the frozen weights.

The forward of peft adds an update to the weights and subtracts it afterwards. Its rounding errors stay in the frozen weights and accumulate
from step to step, so that a resumed training, which reads these weights again, would not continue to the bit. Here the sum is a new tensor.

Only `in_proj`, the map to queries, keys and values, is updated. peft 0.21 adds the update of `out_proj` twice, which a later version may
correct (https://github.com/huggingface/peft/pull/3774). That update is therefore held at zero: every version reads an adapter alike.
"""

from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


def keep_frozen_weights(model: nn.Module) -> None:
    """Let each adapted attention of a `peft.PeftModel` compute with the sum of weights and update, and hold that of `out_proj` at zero."""
    layers: list[Any] = [part for part in model.modules() if hasattr(part, "lora_A")]
    for layer in layers:
        if isinstance(layer.base_layer, nn.MultiheadAttention):
            layer.forward = partial(_attend, layer)
            out: Any = layer.base_layer.out_proj
            for parameter in (*out.lora_A.parameters(), *out.lora_B.parameters()):
                nn.init.zeros_(parameter).requires_grad_(False)


def _attend(layer: Any, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: Any) -> tuple[Tensor, None]:
    """The attention with updated weights; the second result stands for the attention weights, which nobody needs."""
    base = layer.get_base_layer()
    out, in_weight = base.out_proj.get_base_layer(), base.in_proj_weight
    if layer.merged or layer.disable_adapters:
        attended: tuple[Tensor, None] = base(query, key, value, attn_mask=attn_mask, **options)
        return attended
    for name in layer.active_adapters:
        in_weight = in_weight + layer.get_delta_weight(name)
    if base.batch_first:
        query, key, value = (one.transpose(0, 1) for one in (query, key, value))
    found, _ = F.multi_head_attention_forward(
        query,
        key,
        value,
        base.embed_dim,
        base.num_heads,
        in_weight,
        base.in_proj_bias,
        base.bias_k,
        base.bias_v,
        base.add_zero_attn,
        0.0,
        out.weight,
        out.bias,
        training=False,
        need_weights=False,
        attn_mask=attn_mask,
    )
    return found.transpose(0, 1) if base.batch_first else found, None
