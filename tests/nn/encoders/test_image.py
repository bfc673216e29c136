"""Image encoders against open_clip's own arithmetic, and their names and errors."""

import io
import re
from pathlib import Path

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from mmrec.data.features.extract import extract_features
from mmrec.errors import ConfigError, DownloadError, MissingFile
from mmrec.files.storage import write_tensors
from mmrec.nn.encoders.clip import TRAINED_ON, TinyClip, build_image_model
from mmrec.nn.encoders.image import ClipImageEncoder

COMMIT = "1a25a446712ba5ee05982a381eed697ef9b435cf"


def png(colour: tuple[int, int, int], size: tuple[int, int] = (80, 70)) -> bytes:
    return png_of(Image.new("RGB", size, colour))


def png_of(picture: Image.Image) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, "PNG")
    return raw.getvalue()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save_tiny_clip(tmp_path / "weights.safetensors", 3, {TRAINED_ON: "demo_shop"})


def tiny_clip(seed: int) -> TinyClip:
    torch.manual_seed(seed)
    return TinyClip(text_dim=5).eval()


def save_tiny_clip(target: Path, seed: int, metadata: dict[str, str] | None = None) -> Path:
    write_tensors(target, {name: value.contiguous() for name, value in tiny_clip(seed).state_dict().items()}, metadata)
    return target


def test_features_equal_the_models_own(weights: Path):
    encoder = ClipImageEncoder("tiny_clip", str(weights), None)
    prepared = [encoder.prepare(png(colour)) for colour in ((255, 0, 0), (0, 200, 30))]
    with torch.no_grad():
        expected = tiny_clip(3).encode_image(encoder.normalize(prepared), normalize=True)
    torch.testing.assert_close(encoder.encode(prepared), expected, atol=1e-5, rtol=0)
    assert encoder.feature_dim == expected.shape[1]


@pytest.fixture
def small_open_clip(monkeypatch: pytest.MonkeyPatch) -> str:
    """An architecture of a size for tests, known to open_clip as its own are."""
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "head_width": 16, "layers": 1}
    text = {"context_length": 8, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-test", config)
    return "ViT-test"


def test_features_equal_open_clips_own_encode_image(small_open_clip: str, tmp_path: Path):
    torch.manual_seed(5)
    model, _, transform = open_clip.create_model_and_transforms(small_open_clip)
    write_tensors(tmp_path / "vit.safetensors", model.state_dict())
    encoder = ClipImageEncoder(small_open_clip, str(tmp_path / "vit.safetensors"), None)
    raw = png((40, 200, 30), (90, 50))
    with torch.no_grad():
        expected = model.eval().encode_image(transform(Image.open(io.BytesIO(raw)))[None], normalize=True)
    torch.testing.assert_close(encoder.encode([encoder.prepare(raw)]), expected, atol=1e-5, rtol=0)
    assert encoder.feature_dim == 12


def test_picture_is_resized_and_normalised_as_clip_does():
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    encoder = ClipImageEncoder("ViT-B-32", None, None)
    (picture,) = encoder.normalize([encoder.prepare(png((255, 0, 51), (500, 300)))])
    assert picture.shape == (3, 224, 224)
    torch.testing.assert_close(picture.mean((1, 2)), (torch.tensor([1, 0, 0.2]) - mean) / std, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", ["tiny_clip", "ViT-B-32"])
def test_a_batch_is_to_the_bit_what_open_clip_makes_of_each_picture(architecture: str):
    """The features in every cache were made so."""
    encoder = ClipImageEncoder(architecture, None, None)
    transform = image_transform_v2(PreprocessCfg(**encoder.preprocessing), is_train=False)
    colours = np.random.default_rng(0).integers(0, 256, (3, 90, 50, 3), dtype=np.uint8)
    raws = [png_of(Image.fromarray(picture)) for picture in (*colours, colours[0].transpose(1, 0, 2))]
    expected = torch.stack([transform(Image.open(io.BytesIO(raw))) for raw in raws])
    found = encoder.normalize([encoder.prepare(raw) for raw in raws])
    assert torch.equal(found, expected) and found.stride() == expected.stride()


def test_name_says_what_the_weights_are(weights: Path, tmp_path: Path):
    assert ClipImageEncoder("tiny_clip", str(weights), None).name == "tiny_clip (trained on demo_shop)"
    assert ClipImageEncoder("tiny_clip", None, None).name == "tiny_clip (untrained)"
    assert ClipImageEncoder("ViT-B-32", "laion2b_s34b_b79k", COMMIT).name == "ViT-B-32 (laion2b_s34b_b79k)"
    plain = tmp_path / "found.safetensors"
    save_tiny_clip(plain, 0)
    assert ClipImageEncoder("tiny_clip", str(plain), None).name == "tiny_clip (found.safetensors)"


def test_fingerprint_follows_the_weights_not_their_place(weights: Path, tmp_path: Path):
    first = ClipImageEncoder("tiny_clip", str(weights), None).fingerprint
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(weights.read_bytes())
    assert ClipImageEncoder("tiny_clip", str(copy), None).fingerprint == first
    save_tiny_clip(copy, 4)
    assert ClipImageEncoder("tiny_clip", str(copy), None).fingerprint != first
    tagged = [ClipImageEncoder("ViT-B-32", "laion2b_s34b_b79k", revision).fingerprint for revision in (COMMIT, COMMIT[::-1])]
    assert len({first, *tagged}) == 3


def test_undecodable_picture_is_masked_and_the_cache_spares_the_weights(weights: Path, tmp_path: Path):
    pictures = [png((255, 0, 0)), b"no picture", None, png((0, 0, 255))[:60]]
    features, problems = extract_features(ClipImageEncoder("tiny_clip", str(weights), None), pictures, tmp_path, 4, "image")
    assert features.present.tolist() == [True, False, False, False]
    assert [problem.position for problem in problems] == [1, 3]
    again = ClipImageEncoder("tiny_clip", str(weights), None)
    extract_features(again, pictures, tmp_path, 4, "image")
    assert "frozen" not in vars(again)


def test_missing_or_foreign_weights(weights: Path, tmp_path: Path):
    with pytest.raises(MissingFile, match=r"gone\.safetensors do not exist; `mmrec pretrain data=…` writes it"):
        ClipImageEncoder("tiny_clip", str(tmp_path / "gone.safetensors"), None)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not safetensors")
    with pytest.raises(ConfigError, match="is not a safetensors file"):
        ClipImageEncoder("tiny_clip", str(broken), None)
    write_tensors(broken, {"x": torch.zeros(2)})
    with pytest.raises(ConfigError, match="has no weights of tiny_clip"):
        _ = ClipImageEncoder("tiny_clip", str(broken), None).frozen


def test_wrong_arguments_name_the_nearest():
    with pytest.raises(ConfigError, match="did you mean `ViT-B-32`"):
        ClipImageEncoder("ViT-B-23", None, None)
    with pytest.raises(ConfigError, match="did you mean `laion2b_s34b_b79k`"):
        ClipImageEncoder("ViT-B-32", "laion2b_s34b_b97k", COMMIT)
    with pytest.raises(ConfigError, match=r"revision.*found `None`"):
        ClipImageEncoder("ViT-B-32", "laion2b_s34b_b79k", None)


def test_unreachable_hub_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def offline(*arguments: str, **options: str) -> str:
        asked.append((arguments, options))
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(DownloadError, match=re.compile("no connection.*image_encoder=tiny_clip.*evidence.image=false", re.DOTALL)):
        _ = ClipImageEncoder("ViT-B-32", "laion2b_s34b_b79k", COMMIT).frozen
    assert asked == [(("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip_model.safetensors"), {"revision": COMMIT})]


def test_untrained_weights_follow_the_seed_and_leave_the_global_one_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = (build_image_model("tiny_clip", None, seed).state_dict()["conv1.weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.rand(3), expected)
