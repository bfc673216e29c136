"""Encoders that are trained with a model: made from the data; once trained, their features are cached and their adapters written."""

import logging
import warnings
from pathlib import Path
from typing import cast

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.data.features.item_inputs import PictureInputs, TextInputs
from mmrec.errors import ConfigError, printable
from mmrec.experiment.encoders.tuned_pictures import make_picture_encoder
from mmrec.experiment.settings import EncoderSettings
from mmrec.files.storage import sha256_tensors, sha256_text, write_tensors
from mmrec.models.recommender import Recommender
from mmrec.models.tunes_encoders import TunesEncoders, check_tunes
from mmrec.nn.adapters.augmentation import SPELLING, Augmentation
from mmrec.nn.adapters.tuning import EncoderTraining, Tuning
from mmrec.nn.encoders.hidden_states import TokenRows
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.encoders.tuned_network import TunedNetwork
from mmrec.tasks.encoder_training import tuned_encoders
from mmrec.types import IMAGE, TEXT, DatasetSpec, Features, ItemInputs, UserTexts

_log = logging.getLogger(__name__)


def make_tuned_encoder(
    inputs: ItemInputs,
    features: Features,
    tuning: Tuning,
    training: EncoderTraining | None = None,
    cache: Path | None = None,
    users: UserTexts | None = None,
    augmentation: Augmentation | None = None,
) -> TunedEncoder:
    """Make a text or image encoder that is trained with a model; `FusionRecommender.tune_encoders` takes it.

    Args:
        inputs: the texts or pictures of the items with their encoder, `spec.item_inputs["text"]` or `["image"]`.
        features: the frozen features, `spec.features["text"]` or `["image"]`.
        tuning: what is trained.
        training: how it is trained. None: the defaults.
        cache: the folder in which the states of frozen layers and decoded pictures are kept; None: they are made each time.
        users: the texts about users, which the encoder encodes too.
        augmentation: what is changed in the inputs in training steps. None: nothing.

    Raises:
        ConfigError: the encoder cannot be tuned, or a setting does not fit it.
        MissingExtra: the method needs peft, which is not installed.
    """
    augmentation = augmentation or Augmentation()
    if isinstance(inputs, PictureInputs):
        return make_picture_encoder(inputs, features, tuning, training or EncoderTraining(), cache, augmentation)
    encoder = inputs.encoder
    if not isinstance(encoder, BertTextEncoder) or not isinstance(inputs, TextInputs):
        raise ConfigError(f"tune.text: expected a text encoder of transformers, which {encoder.name} is not; leave it none")
    having = inputs.usable.nonzero().squeeze(1).tolist()
    if all(inputs.table[row].equal(inputs.table[having[0]]) for row in having):
        raise ConfigError(
            f"tune.text: expected items with different texts, all {len(having):,} are the same to {encoder.name}; leave it none"
        )
    of_users = None if users is None else users.inputs
    parts = [one for one in (inputs, of_users) if isinstance(one, TextInputs)]
    rows, augment = TokenRows.joined(parts), augmentation.of_tokens()
    network = TunedNetwork(encoder.network(), tuning)
    limit = getattr(encoder.config, "max_position_embeddings", None)
    if network.n_prefix and limit is not None and encoder.max_length + network.n_prefix > limit:
        most = limit - encoder.max_length
        raise ConfigError(f"tune.n_tokens: expected at most {most} beside texts of {encoder.max_length} tokens, found {network.n_prefix}")
    if augmentation.text == SPELLING:
        if network.first is not None:
            raise ConfigError(f"tune.augment.text: spelling needs the method full, found {tuning.method}")
        augment = augmentation.of_words([text for part in parts for text in _texts(part)], encoder.prepare)
    if network.first is not None:
        rows = rows.through(lambda: encoder.frozen, encoder.fingerprint, network.first, cache)
    with_users = users if len(rows.present) > len(inputs.present) else None
    return TunedEncoder(network, rows, features, training or EncoderTraining(), with_users, augment)


def _texts(part: TextInputs) -> list[str]:
    """The text of each item; empty for items without one."""
    order = range(len(part.raw)) if part.order is None else part.order.tolist()
    return [(part.raw[row] or b"").decode() if part.usable[row] else "" for row in order]


def add_encoders(model: Recommender, settings: EncoderSettings, spec: DatasetSpec) -> None:
    """Let a new model train the encoders that the settings name.

    Raises:
        ConfigError: the model trains no encoders, or the data have no such input.
    """
    encoders = {}
    for name, tuning in settings.tunings.items():
        check_tunes(model, name)
        if name not in spec.item_inputs or name not in spec.features:
            what = "picture" if name == IMAGE else name
            raise ConfigError(f"tune.{name}: no item has a {what} to train on, or evidence.{name} is false; tune.{name}=none does without")
        users = spec.user_texts if name == TEXT else None
        encoders[name] = make_tuned_encoder(
            spec.item_inputs[name], spec.features[name], tuning, settings.training, settings.cache, users, settings.augmentation
        )
    cast("TunesEncoders", model).tune_encoders(encoders)


def describe_encoders(model: Recommender) -> None:
    """Log what of each encoder is trained, by name and share."""
    for name, encoder in tuned_encoders(model):
        share = encoder.network.share()
        shown = ", ".join(share.names[:8]) + (f" and {len(share.names) - 8} more" if len(share.names) > 8 else "")
        _log.info(
            f"{name.rpartition('.')[2]} encoder, {encoder.network.tuning.method}: {share.n_trained:,} of {share.n_total:,} weights are "
            f"trained ({share.share:.2%}): {shown}"
        )


def settle_encoders(model: Recommender, settings: EncoderSettings | None, spec: DatasetSpec) -> None:
    """Encode the catalogue with trained encoders, or read its features from the cache.

    The key of the cache is the hash of the untuned encoder, method, trained weights, inputs and training part, so that neither frozen
    features nor those of another training are ever taken for these.
    """
    for name, encoder in tuned_encoders(model):
        if settings is None or bool(encoder.is_held):
            continue
        path = settings.cache / "tuned_features" / f"{_key(name.rpartition('.')[2], encoder, spec)}.safetensors"
        if (found := _read(path, encoder)) is not None:
            encoder.take_catalogue(found)
        else:
            write_tensors(path, {"values": encoder.catalogue().cpu()})


def encoders_record(model: Recommender) -> dict[str, dict[str, float | int | str]]:
    """What run.json tells of tuned encoders."""
    found: dict[str, dict[str, float | int | str]] = {}
    for name, encoder in tuned_encoders(model):
        share, counts = encoder.network.share(), encoder.encodings
        found[name.rpartition(".")[2]] = {
            "method": encoder.network.tuning.method,
            "trained": share.n_trained,
            "total": share.n_total,
            "encoded": counts.n_encoded,
            "kept": counts.n_kept,
        }
    return found


def write_adapters(model: Recommender, folder: Path) -> None:
    """Write the trained weights of each encoder to a folder of its name, and log how many items kept their last vectors."""
    for name, encoder in tuned_encoders(model):
        modality, counts = name.rpartition(".")[2], encoder.encodings
        what = "pictures" if modality == IMAGE else "texts"
        encoder.network.save(folder / modality)
        _log.info(
            f"{modality} encoder: {counts.n_encoded:,} {what} were encoded in training steps up to the best epoch, "
            f"{counts.n_kept:,} kept their last vectors; its weights: {folder / modality}"
        )


def _key(name: str, encoder: TunedEncoder, spec: DatasetSpec) -> str:
    inputs = spec.item_inputs[name]
    weights = {name: one.detach().cpu() for name, one in encoder.network.trained().items()}
    train = sha256_tensors({"user_idx": spec.train.user_idx, "item_idx": spec.train.item_idx})
    statistics = sha256_tensors({"centre": encoder.centre.cpu(), "scale": encoder.scale.cpu()})
    method = str(encoder.network.tuning)
    return sha256_text("tuned", inputs.encoder.fingerprint, method, sha256_tensors(weights), encoder.rows.fingerprint, train, statistics)


def _read(path: Path, encoder: TunedEncoder) -> Tensor | None:
    """The features in a file; None if there is none, or, with a warning, if it is damaged."""
    if not path.is_file():
        return None
    try:
        values = load_file(path)["values"]
        shape = [encoder.n_catalogue, encoder.frozen.shape[1]]
        if list(values.shape) != shape or not values.isfinite().all():
            raise ValueError(f"expected finite numbers of shape {shape}, found shape {list(values.shape)}")
        return values
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        warnings.warn(printable(f"{path}: damaged features of a tuned encoder dropped ({error}); they are computed again"), stacklevel=3)
        return None
