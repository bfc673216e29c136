"""Text encoders of CLIP against open_clip's own `encode_text`, with small random models; their names and errors."""

from collections.abc import Callable, Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from omegaconf import DictConfig

from mmrec.config.settings import evidence_settings
from mmrec.errors import ConfigError, MissingFile
from mmrec.experiment.evidence import load_evidence
from mmrec.files.storage import write_tensors
from mmrec.nn.encoders.clip_text import ClipTextEncoder
from mmrec.nn.encoders.image import ClipImageEncoder
from tests.nn.encoders.tiny_clip_models import DIM, NAME, small_clip

TEXTS = ["a warm lamp", "chair", "a lamp that is far too long for the eight tokens of this model"]


@pytest.fixture(scope="module", autouse=True)
def architecture() -> Iterator[str]:
    with small_clip() as name:
        yield name


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole CLIP in a file."""
    path = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    torch.manual_seed(5)
    write_tensors(path, open_clip.create_model(NAME, pretrained_text=False).state_dict())
    return path


def test_vectors_equal_open_clips_own(weights: Path) -> None:
    encoder = ClipTextEncoder(NAME, str(weights), None)
    torch.manual_seed(5)
    model = open_clip.create_model(NAME, pretrained_text=False).eval()
    with torch.no_grad():
        expected = model.encode_text(open_clip.get_tokenizer(NAME)(TEXTS), normalize=True)
    prepared = [encoder.prepare(text.encode()) for text in TEXTS]
    torch.testing.assert_close(encoder.encode(prepared), expected, atol=1e-5, rtol=0)
    assert [len(ids) for ids in prepared] == [5, 3, 8] and encoder.feature_dim == DIM
    with pytest.raises(ValueError, match="blank"):
        encoder.prepare(b"  ")


def test_the_same_weights_serve_pictures_and_texts_and_identify_both(weights: Path, tmp_path: Path) -> None:
    of_texts, of_pictures = ClipTextEncoder(NAME, str(weights), None), ClipImageEncoder(NAME, str(weights), None)
    assert of_texts.feature_dim == of_pictures.feature_dim and of_texts.fingerprint != of_pictures.fingerprint
    assert of_texts.name == f"{NAME} (clip.safetensors), texts"
    torch.manual_seed(6)
    write_tensors(tmp_path / "other.safetensors", open_clip.create_model(NAME, pretrained_text=False).state_dict())
    assert ClipTextEncoder(NAME, str(tmp_path / "other.safetensors"), None).fingerprint != of_texts.fingerprint


def test_a_run_takes_it_by_name(compose: Callable[..., DictConfig], shop_overrides: list[str], weights: Path) -> None:
    left = [word for word in shop_overrides if not word.startswith(("encoders.text", "text_encoder"))]
    words = [*left, "text_encoder=clip_text", f"encoders.text.architecture={NAME}", f"encoders.text.pretrained={weights}"]
    features = load_evidence(evidence_settings(compose(*words, "encoders.text.revision=null", "evidence.image=false"))).features
    assert features["text"].values.shape == (40, DIM) and features["text"].encoder == f"{NAME} (clip.safetensors), texts"


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"encoders.text.architecture: tiny_clip has no text encoder of its own"):
        ClipTextEncoder("tiny_clip", None, None)
    for name in ("roberta-ViT-B-32", "ViT-B-16-SigLIP"):
        with pytest.raises(ConfigError, match=rf"the texts of {name} need a model or tokenizer of the Hugging Face hub"):
            ClipTextEncoder(name, None, None)
    with pytest.raises(ConfigError, match=r"encoders.text.revision: ViT-B-32 laion2b_s34b_b79k .* found `None`"):
        ClipTextEncoder("ViT-B-32", "laion2b_s34b_b79k", None)
    with pytest.raises(ConfigError, match=r"encoders.text.architecture: `ViT-B-23` is neither .* did you mean `ViT-B-32`"):
        ClipTextEncoder("ViT-B-23", None, None)
    with pytest.raises(MissingFile, match=r"encoders.text.pretrained: the weights .* do not exist"):
        ClipTextEncoder(NAME, str(tmp_path / "gone.safetensors"), None)
