"""Laws of files at an address: fetched once, whole and as the digest says, or not at all."""

import hashlib
import io
import stat
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points

import pytest
import torch

from restorekit.cache import CACHE
from restorekit.errors import WeightsError
from restorekit.plugin import BackboneCard, Basis, ModelCard, Remote, catalog
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.loading import unusable_bases
from restorekit.remote import OFFLINE, fetch
from restorekit.running.restorer import Restorer
from tests.plugin.strangers import Entry, fog, fog_basis, plugin
from tests.tiny import tiny_weights


class Server(SimpleHTTPRequestHandler):
    """Serves a folder of this machine to this machine, and remembers what it was asked for."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Put a file on a server: its address, and what the server was asked for so far."""
    folder = tmp_path / "served"
    folder.mkdir()
    asked: list[str] = []
    handler = type("Handler", (Server,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(OFFLINE, raising=False)

    def put(name: str, data: bytes) -> Remote:
        (folder / name).write_bytes(data)
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        return Remote.parse(f"{url}#sha256={hashlib.sha256(data).hexdigest()}")

    put.asked = asked
    yield put
    server.shutdown()
    server.server_close()


def zipped(files: dict[str, bytes], modes: dict[str, int] | None = None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return packed.getvalue()


def zipped_folder(folder, around: str = "") -> bytes:
    return zipped({f"{around}{path.name}": path.read_bytes() for path in folder.iterdir()})


def test_what_was_fetched_once_is_found_without_the_network(served, monkeypatch):
    remote = served("haze.zip", zipped({"haze/basis.json": b"{}", "haze/a/b.txt": b"b"}))
    steps = []
    folder = fetch(remote, progress=lambda done, total: steps.append((done, total)))
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == {"basis.json", "a/b.txt"}
    assert steps[-1][0] == steps[-1][1] > 0 and remote.name == "haze" and remote.folder == folder
    monkeypatch.setenv(OFFLINE, "1")
    assert fetch(remote) == fetch(remote, offline=True) == folder
    assert served.asked == ["/haze.zip"]


def test_offline_nothing_is_asked_for_and_the_way_to_the_file_is_told(served, monkeypatch):
    remote = served("haze.zip", zipped({"basis.json": b"{}"}))
    with pytest.raises(WeightsError, match=r"nothing is fetched offline; .*unzip it .*fetched"):
        fetch(remote, offline=True)
    monkeypatch.setenv(OFFLINE, "1")
    with pytest.raises(WeightsError, match=OFFLINE):
        fetch(remote)
    assert served.asked == []


def test_what_is_not_what_the_digest_says_leaves_nothing_behind(served, tmp_path):
    data = zipped({"basis.json": b"{}"})
    right = served("haze.zip", data)
    wrong = served("haze.zip", data[:-1])
    for remote, said in (
        (right, "has sha256 .* not .*damaged"),
        (wrong, "is no zip file"),
        (Remote(right.url + "x", right.sha256), "cannot be fetched .*404"),
    ):
        with pytest.raises(WeightsError, match=said):
            fetch(remote)
    assert list((tmp_path / "cache" / "fetched").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../basis.json", stat.S_IFREG),
        ("/basis.json", stat.S_IFREG),
        ("a/../../b", stat.S_IFREG),
        ("C:\\basis.json", stat.S_IFREG),
        ("link", stat.S_IFLNK),
        (".zip", stat.S_IFREG),
    ],
)
def test_a_zip_with_more_than_plain_files_inside_its_folder_is_refused(served, tmp_path, name, mode):
    remote = served("haze.zip", zipped({"good.json": b"{}", name: b"/etc/passwd"}, {name: mode | 0o644}))
    with pytest.raises(WeightsError, match="no plain file inside its folder"):
        fetch(remote)
    assert {path.name for path in tmp_path.iterdir()} == {"served", "cache"}
    assert list((tmp_path / "cache" / "fetched").iterdir()) == []


def test_a_zip_that_unpacks_to_too_much_is_refused(served, monkeypatch):
    remote = served("haze.zip", zipped({"a": bytes(2000)}))
    monkeypatch.setattr("restorekit.remote.LARGEST", 1500)
    with pytest.raises(WeightsError, match=r"larger than|more than weights"):
        fetch(remote)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://example.org/haze.zip", "give it as"),
        ("https://example.org/haze.zip#sha256=12", "64 hexadecimal"),
        (f"http://example.org/haze.zip#sha256={'0' * 64}", "begins with https://"),
        (f"https://[::1#sha256={'0' * 64}", "begins with https://"),
        (f"file:///etc/passwd#sha256={'0' * 64}", "begins with https://"),
    ],
)
def test_an_address_is_encrypted_and_has_a_digest(text, said):
    with pytest.raises(WeightsError, match=said):
        Remote.parse(text)


@pytest.fixture
def haze(served, tiny, tmp_path):
    """A catalogue with a basis for fog that lies at an address."""
    remote = served("fog.zip", zipped_folder(fog_basis(tiny, tmp_path / "fog"), "fog/"))
    bundle = plugin(
        register_degradations=lambda: [fog()], register_bases=lambda: [Basis("fog", "fog", remote=remote)]
    )
    return [*entry_points(group="restorekit"), Entry("stranger", bundle, "restorekit-fog")]


def test_a_plugins_basis_is_fetched_by_a_restorer_and_by_no_list(served, haze, cli, monkeypatch):
    found = build_catalog(load_plugins(haze))
    monkeypatch.setattr(catalog, "entry_points", lambda group: haze)
    assert cli("plugins").code == 0 and unusable_bases(found) == () and "fog" in found.bases
    found.basis("fog").check_weight(1.0)
    assert served.asked == []
    monkeypatch.setenv(OFFLINE, "1")
    without = Restorer.from_pretrained(device="cpu", catalog=found)
    assert [f.basis for f in without.failures] == ["fog"] and "nothing is fetched offline" in str(without.failures)
    assert "fog" not in without.bases and served.asked == []
    monkeypatch.delenv(OFFLINE)
    restorer = Restorer.from_pretrained(device="cpu", catalog=found)
    assert "fog" in restorer.bases and "fog" in restorer.keys and served.asked == ["/fog.zip"]
    assert "basis fog/adapter_model.safetensors" in restorer.provenance()


def test_a_whole_model_may_lie_at_addresses(served, tiny, tmp_path, monkeypatch):
    other = tiny_weights(tmp_path / "other", seed=7)
    parts = {name: served(f"{name}.zip", zipped_folder(other / name)) for name in ("backbone", "encoder", "noise")}
    network = BackboneCard("net", "restorekit.model.backbone.flow_unet:FlowUnet", remote=parts["backbone"])
    bundle = plugin(
        register_models=lambda: [ModelCard("other", network, remote=parts["encoder"])],
        register_bases=lambda: [Basis("noise", "noise", model="other", remote=parts["noise"])],
    )
    found = build_catalog(load_plugins([*entry_points(group="restorekit"), Entry("stranger", bundle)]))
    assert unusable_bases(found.of_model("other")) == () and served.asked == []
    restorer = Restorer.from_pretrained("other", device="cpu", precision="fp32", catalog=found)
    assert sorted(served.asked) == ["/backbone.zip", "/encoder.zip", "/noise.zip"] and not restorer.failures
    picture = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    restored = restorer.restore(picture, weights={"noise": 1.0}, blind=False).image
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(other))
    here = Restorer.from_pretrained(device="cpu", precision="fp32")
    assert torch.equal(restored, here.restore(picture, weights={"noise": 1.0}, blind=False).image)


def test_a_loose_basis_may_lie_at_an_address(served, tiny, cli, photo, tmp_path):
    remote = served("haze.zip", zipped_folder(fog_basis(tiny, tmp_path / "fog")))
    photo("photo.png")
    text = f"{remote.url}#sha256={remote.sha256}"
    refused = cli("restore", "photo.png", "--basis", text, "--offline", "--set", "haze=1")
    assert refused.code == 1 and "nothing is fetched offline" in refused.err
    outcome = cli("restore", "photo.png", "--basis", text, "--set", "haze=1", "--only", "--json")
    assert outcome.code == 0 and '"haze": 1.0' in outcome.out and "fetching http" in outcome.err
    again = cli("restore", "photo.png", "--basis", text, "--offline", "--overwrite")
    assert again.code == 0 and served.asked == ["/haze.zip"]


def test_tensors_of_a_remote_basis_are_those_of_the_folder(served, tiny, tmp_path):
    folder = fog_basis(tiny, tmp_path / "fog")
    remote = served("fog.zip", zipped_folder(folder))
    fetch(remote)
    here, there = Basis("fog", "fog", folder).layers(), Basis("fog", "fog", remote=remote).layers()
    assert all(torch.equal(here[name].up, there[name].up) for name in here)
