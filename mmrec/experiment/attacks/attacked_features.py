"""Change the pictures or texts of items for an attacker's goal, and encode them as the run does."""

import logging
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.features.item_inputs import PictureInputs, TextInputs
from mmrec.errors import ConfigError
from mmrec.experiment.attacks.targets import Target
from mmrec.nn.attacks.misspelling import WordAttack, misspell
from mmrec.nn.attacks.projected_gradient import PictureAttack, attack_pictures
from mmrec.nn.encoders.image import ClipImageEncoder, PictureNetwork
from mmrec.nn.encoders.tuned_network import TunedNetwork
from mmrec.nn.encoders.tuned_pictures import TunedPictureNetwork
from mmrec.types import ItemInputs

_PICTURES, _TEXTS = 128, 64
"""Encoded at once."""
_log = logging.getLogger(__name__)


def attack_features(
    target: Target, inputs: ItemInputs, item_idx: Int64[Tensor, " n"], attack: PictureAttack | WordAttack
) -> Float[Tensor, "n dim"]:
    """The features of the attacked items after the attack.

    Raises:
        ConfigError: the encoder is not one that can be attacked.
    """
    if isinstance(attack, PictureAttack):
        if not isinstance(inputs, PictureInputs) or not isinstance(inputs.encoder, ClipImageEncoder):
            raise ConfigError(f"attack: expected pictures and an encoder of open_clip, found {inputs.encoder.name}")
        return _attack_pictures(target, inputs, item_idx, attack)
    if target.changed.tuned is not None and cast("TunedNetwork", target.changed.tuned.network).first is not None:
        raise ConfigError(
            "attack: words are changed for frozen text encoders and tune.text=full, not for encoders whose upper layers are tuned"
        )
    return _attack_words(target, cast("TextInputs", inputs), item_idx, attack)


def _attack_pictures(target: Target, inputs: PictureInputs, item_idx: Int64[Tensor, " n"], attack: PictureAttack) -> Float[Tensor, "n dim"]:
    tuned, generator = target.changed.tuned, torch.Generator().manual_seed(attack.seed)
    network = cast(
        "PictureNetwork | TunedPictureNetwork", cast("ClipImageEncoder", inputs.encoder).frozen if tuned is None else tuned.network
    )
    needed = [parameter.requires_grad for parameter in network.parameters()]
    network.requires_grad_(False)
    found = []
    for group in item_idx.split(_PICTURES):
        pictures = torch.stack(inputs.take(group)).permute(0, 3, 1, 2)

        def value(features: Tensor, group: Tensor = group) -> Tensor:
            return target.value(features, group)

        changed = attack_pictures(pictures, network.encode_pixels, value, attack, generator)
        with torch.no_grad():
            found.append(network(list(changed.permute(0, 2, 3, 1))).to(pictures.device))
        _log.info(f"  {sum(map(len, found)):,} of {len(item_idx):,} pictures attacked")
    for parameter, is_needed in zip(network.parameters(), needed, strict=True):
        parameter.requires_grad_(is_needed)
    return torch.cat(found)


def _attack_words(target: Target, inputs: TextInputs, item_idx: Int64[Tensor, " n"], attack: WordAttack) -> Float[Tensor, "n dim"]:
    generator = torch.Generator().manual_seed(attack.seed)
    rows = item_idx if inputs.order is None else inputs.order[item_idx]
    texts = [cast("bytes", inputs.raw[row]).decode() for row in rows.tolist()]
    best = _encode_texts(target, inputs, texts)
    values, taken = _values(target, best, item_idx), [frozenset[int]() for _ in texts]
    for turn in range(attack.n_changes):
        tried = [[misspell(text, generator, used) for _ in range(attack.candidates)] for text, used in zip(texts, taken, strict=True)]
        features = _encode_texts(target, inputs, [text for each in tried for text, _ in each])
        found = _values(target, features, item_idx.repeat_interleave(attack.candidates)).view(len(texts), -1)
        highest, place = found.max(dim=1)
        for at in (highest > values).nonzero().squeeze(1).tolist():
            texts[at], word = tried[at][int(place[at])]
            taken[at] |= {word}
            best[at] = features[at * attack.candidates + int(place[at])]
        values = torch.maximum(values, highest)
        _log.info(f"  round {turn + 1} of {attack.n_changes}: {sum(map(bool, taken)):,} of {len(texts):,} texts changed")
    return best


@torch.no_grad()
def _values(target: Target, features: Tensor, item_idx: Tensor) -> Float[Tensor, " n"]:
    groups = zip(features.split(_PICTURES), item_idx.split(_PICTURES), strict=True)
    return torch.cat([target.value(group, items) for group, items in groups])


@torch.no_grad()
def _encode_texts(target: Target, inputs: TextInputs, texts: Sequence[str]) -> Float[Tensor, "n dim"]:
    """Encode texts with the encoder of the run; equal ones once."""
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    prepared = [inputs.encoder.prepare(text.encode()) for text in distinct]
    tuned, groups = target.changed.tuned, [prepared[at : at + _TEXTS] for at in range(0, len(prepared), _TEXTS)]
    if tuned is None:
        vectors = torch.cat([inputs.encoder.encode(group) for group in groups])
    else:
        vectors = torch.cat([tuned.network([torch.tensor(row) for row in group]) for group in groups])
    place = {text: at for at, text in enumerate(distinct)}
    return vectors[torch.tensor([place[text] for text in texts])].clone()
