"""Laws of exported networks: one file restores pictures of any size as the restorer does, and says what it is."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from torch import Generator

from restorekit.cli.main import run
from restorekit.errors import DeviceError, MixingError, PluginError, RestorekitError
from restorekit.model.backbone.flow_unet import INLET
from restorekit.model.basis import Basis, LoraLayer, save_basis
from restorekit.model.context import describe
from restorekit.model.context_graph import describe_any
from restorekit.running import exporting
from restorekit.running.exporting import OneNetwork, export_onnx, extension, one_network
from restorekit.running.restorer import Restorer
from restorekit.running.tiling import extend
from tests.tiny import RANK, tiny_weights

for needed in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(needed, reason="needs restorekit[export]")

MIXTURE = {"noise": 1.0, "jpeg": 0.5}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Tiny weights, whose basis `noise` looks at the whole picture through the inlet."""
    folder = tiny_weights(tmp_path_factory.mktemp("weights"))
    basis = Basis("noise", "noise", folder / "noise")
    draw = Generator().manual_seed(1)
    inlet = LoraLayer(*(torch.randn(size, generator=draw) / 8 for size in ((RANK, 80), (16, RANK))))
    layers = {**basis.layers(), INLET: inlet}
    save_basis(basis.folder, layers, rank=RANK, backbone_sha256=basis.backbone_sha256, degradation="noise")
    return folder


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory, request):
    """A file as the command writes it, and what the command said."""
    folder = tmp_path_factory.mktemp("exported")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_WEIGHTS", str(weights))
        patched.chdir(folder)
        capture.read_global_capture()
        with pytest.raises(SystemExit) as ended:
            run(["export", "--set", "noise=1", "--set", "jpeg=0.5", "-o", "both.onnx", "--json"])
        said = capture.read_global_capture()
    assert not ended.value.code, said
    return folder / "both.onnx", json.loads(said.out)


@pytest.fixture
def restorer(weights, monkeypatch):
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(weights))
    return Restorer.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture
def copying(exported, monkeypatch):
    """No export, but a copy of the file that there is."""
    monkeypatch.setattr(exporting, "save", lambda network, path, opset, said: shutil.copy(exported[0], path))


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 2, 300), (3, 33, 57), (2, 64, 64), (1, 131, 260)])
def test_one_file_restores_pictures_of_any_size_as_the_restorer_does(exported, restorer, size):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(exported[0]), providers=["CPUExecutionProvider"])
    batch, height, width = size
    image = torch.rand(batch, 3, height, width, generator=Generator().manual_seed(0))
    (found,) = session.run(None, {"image": image.numpy()})
    wanted = restorer.restore(image, weights=MIXTURE, blind=False).image
    assert (torch.from_numpy(found) - wanted).abs().max() < 1e-4
    assert (wanted - image).abs().max() > 0.02, "the mixture does something"


def test_a_file_says_its_model_mixture_digests_and_licence(exported, restorer):
    import onnx

    path, said = exported
    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(kept["mixture"]) == MIXTURE and kept["model"] == restorer.catalog.model.name
    sums = restorer.provenance()
    assert {f"basis {name}/adapter_model.safetensors" for name in MIXTURE} <= json.loads(kept["sha256"]).keys()
    assert json.loads(kept["sha256"]).items() <= sums.items()
    assert kept["licence"].endswith("unknown")  # tiny bases have no card
    assert model.opset_import[0].version == 20
    shapes = [[d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim]
              for end in (*model.graph.input, *model.graph.output)]  # fmt: skip
    assert shapes == 2 * [["batch", 3, "height", "width"]]
    assert said["output"] == "both.onnx" and said["difference"] < 1e-4 and kept.items() <= said.items()


def test_the_licences_are_those_of_the_cards(restorer, weights):
    (weights / "jpeg" / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    mixture = exporting.MixingWeights({**dict.fromkeys(restorer.bases, 0.0), **MIXTURE})
    assert exporting.properties_of(restorer, mixture)["licence"] == "CC BY-SA 4.0, cc0-1.0, unknown"


def test_a_file_that_differs_from_the_restorer_is_not_written(restorer, copying, tmp_path):
    with pytest.raises(RestorekitError, match="more than 1/255"):
        export_onnx(restorer, {"blur": 1.0}, tmp_path / "blur.onnx")
    assert not list(tmp_path.iterdir())


def test_without_onnxruntime_it_is_written_and_said_to_be_unchecked(cli, weights, copying, monkeypatch, tmp_path):
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(weights))
    real = exporting.find_spec
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    outcome = cli("export", "--set", "blur=1")
    assert outcome.code == 0 and "unchecked" in outcome.out and (tmp_path / "blur.onnx").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ((), "--set noise=1"),
        (("--set", "noise=0"), "name one"),
        (("--set", "noise"), "write noise=1"),
        (("--set", "noise=9"), "outside"),
        (("--set", "fog=1"), "there are"),
        (("--set", "noise=1", "-o", "noise.png"), ".onnx"),
        (("--set", "noise=1", "-o", "there.onnx"), "--overwrite"),
        (("--set", "noise=1", "-o", "nowhere/a.onnx"), "create it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_exported_is_refused_in_one_line_with_the_remedy(cli, tmp_path, arguments, remedy):
    (tmp_path / "there.onnx").write_bytes(b"kept")
    outcome = cli("export", *arguments)
    assert outcome.is_one_error() and remedy in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]


def test_without_the_extra_one_line_names_it(cli, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    outcome = cli("export", "--set", "noise=1")
    assert outcome.is_one_error() and "pip install 'restorekit[export]'" in outcome.err


def test_a_restorer_in_half_precision_and_a_network_that_is_none_are_refused(restorer, tmp_path, monkeypatch):
    mixture = exporting.MixingWeights({**dict.fromkeys(restorer.bases, 0.0), **MIXTURE})
    monkeypatch.setattr(restorer.mixer, "specialise", lambda weights: lambda *tensors: tensors[0])
    with pytest.raises(PluginError, match="--model"):
        one_network(restorer, mixture)
    restorer.dtype = torch.bfloat16
    with pytest.raises(DeviceError, match="fp32"):
        export_onnx(restorer, MIXTURE, tmp_path / "a.onnx")
    with pytest.raises(MixingError, match="no basis"):
        restorer.dtype = torch.float32
        export_onnx(restorer, {"fog": 1.0}, tmp_path / "a.onnx")


def test_in_half_precision_it_is_half_as_large_and_within_one_level(restorer):
    mixture = exporting.MixingWeights({**dict.fromkeys(restorer.bases, 0.0), "jpeg": 1.0})
    whole, half = (one_network(restorer, mixture, half=half) for half in (False, True))
    image = torch.rand(2, 3, 30, 41, generator=Generator().manual_seed(0))
    with torch.no_grad():
        assert (whole(image) - half(image)).abs().max() < 1 / 255
    assert isinstance(half, OneNetwork) and half(image).dtype == torch.float32
    assert {p.dtype for p in half.network.parameters()} == {torch.float16}


@pytest.mark.parametrize("size", [(1, 3, 1, 2), (2, 3, 40, 128), (1, 3, 129, 5), (1, 3, 200, 301)], ids=str)
def test_the_description_in_a_graph_is_the_description(size):
    image = torch.rand(size, generator=Generator().manual_seed(0))
    assert (describe_any(image) - describe(image)).abs().max() < 2e-6


@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_a_side_is_extended_as_tiles_are(multiple):
    for length in range(1, 2 * multiple + 2):
        row = torch.arange(float(length)).expand(1, 3, length, length)
        assert extend(row, multiple)[0, 0, 0].tolist() == extension(length, multiple).tolist()
