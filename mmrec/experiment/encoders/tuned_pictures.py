"""Image encoders that are trained with a model."""

from pathlib import Path

from mmrec.data.features.item_inputs import PictureInputs
from mmrec.data.pictures.decode import DECODING
from mmrec.data.pictures.decode_worker import MAX_PIXELS
from mmrec.data.pictures.prepared import PictureRows
from mmrec.errors import ConfigError
from mmrec.nn.adapters.augmentation import Augmentation
from mmrec.nn.adapters.tuning import EncoderTraining, Tuning
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.encoders.tuned_pictures import TunedPictureNetwork
from mmrec.types import Features


def make_picture_encoder(
    inputs: PictureInputs,
    features: Features,
    tuning: Tuning,
    training: EncoderTraining,
    cache: Path | None = None,
    augmentation: Augmentation | None = None,
) -> TunedEncoder:
    """Make an image encoder that is trained with a model. Pictures are decoded once.

    Args:
        inputs: the pictures of the items with their encoder.
        features: the frozen features.
        tuning: what is trained.
        training: how it is trained.
        cache: the folder in which decoded pictures are kept. None: they stay in memory.
        augmentation: what is changed in the pictures in training steps. None: nothing.

    Raises:
        ConfigError: the encoder cannot be tuned, all pictures are equal, or a setting does not fit.
        MissingExtra: the method needs peft, which is not installed.
    """
    encoder = inputs.encoder
    if not isinstance(encoder, ClipImageEncoder):
        raise ConfigError(f"tune.image: expected an image encoder of open_clip, which {encoder.name} is not; leave it none")
    preparation = repr((sorted(encoder.preprocessing.items()), MAX_PIXELS, DECODING))
    size = int(encoder.preprocessing["size"])
    network, augment = TunedPictureNetwork(encoder.network(), tuning, size), (augmentation or Augmentation()).of_pictures(size)
    rows = PictureRows.of(inputs, preparation, cache)
    if len(rows.values) < 2:
        n_items = int(inputs.usable.sum())
        raise ConfigError(f"tune.image: expected items with different pictures, all {n_items:,} have the same one; leave it none")
    return TunedEncoder(network, rows, features, training, augment=augment)
