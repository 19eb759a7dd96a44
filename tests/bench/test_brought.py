"""Laws of protocols and data sets that plugins bring: beside those that ship, never in their place."""

import pytest

from restorekit.bench.datasets import brought_datasets, load_datasets
from restorekit.bench.protocol_files import brought_protocols, load_protocols
from restorekit.plugin.catalog import build_catalog, load_plugins
from tests.plugin.strangers import Entry, plugin

PROTOCOL = """
[[protocol]]
name = "{name}"
title = "Fog of 40 %"
dataset = "{dataset}"
steps = [{{ degradation = "noise", severity = 25 }}]
metrics = [{{ metric = "psnr" }}]

[groups.{group}]
title = "Fog"
protocols = ["{name}", "{other}"]
"""
DATASET = """
[[dataset]]
name = "{name}"
kind = "clean"
count = 3
home = "https://example.org"
terms = "CC0"
"""


@pytest.fixture
def brought(tmp_path):
    """Everything that is brought, with a stranger's files beside those that ship."""

    def bring(rules=PROTOCOL, sets=DATASET, **names):
        said = {"name": "fog40", "dataset": "Foggy", "group": "fog", "other": "cbsd68-noise25"} | names
        folder = tmp_path / "protocols"
        folder.mkdir()
        (folder / "fog.toml").write_text(rules.format(**said))
        (tmp_path / "datasets.toml").write_text(sets.format(name=said.get("set", "Foggy")))
        stranger = plugin(
            register_protocols=lambda: [folder], register_datasets=lambda: [tmp_path / "datasets.toml"]
        )
        own = plugin(**own_hooks())
        entries = [Entry("aaa", stranger, "aaa"), Entry("bench", own, "restorekit")]
        catalog = build_catalog(load_plugins(entries))
        assert catalog.failures == ()
        datasets, without = brought_datasets(catalog)
        protocols, refused = brought_protocols(catalog, datasets)
        return protocols, datasets, [str(failure) for failure in (*without, *refused)]

    return bring


def own_hooks():
    from restorekit.bench import plugin as own

    return {name: lambda name=name: getattr(own, name)() for name in ("register_protocols", "register_datasets")}


def test_what_ships_comes_through_the_same_door():
    catalog = build_catalog(load_plugins())
    datasets, without = brought_datasets(catalog)
    protocols, refused = brought_protocols(catalog, datasets)
    assert (without, refused) == ((), ())
    assert protocols == load_protocols() and datasets == load_datasets()


def test_a_stranger_brings_protocols_groups_and_data_sets(brought):
    protocols, datasets, failures = brought()
    assert failures == []
    assert [p.name for p in protocols.select(groups=["fog"])] == ["fog40", "cbsd68-noise25"]
    assert datasets["Foggy"].terms == "CC0" and len(datasets) == len(load_datasets()) + 1


def test_a_name_that_is_taken_is_refused_naming_both(brought):
    protocols, datasets, failures = brought(name="cbsd68-noise25", group="spine", set="Set14", dataset="Set14")
    assert (protocols, datasets) == (load_protocols(), load_datasets())
    assert len(failures) == 3
    for failure, what in zip(failures, ("data set 'Set14'", "'cbsd68-noise25'", "group 'spine'"), strict=True):
        assert failure.startswith("aaa: its ") and f"{what} is refused: bench brings one already" in failure


def test_a_protocol_of_a_data_set_that_nobody_brings_is_refused(brought):
    protocols, _, failures = brought(dataset="Nowhere")
    assert "fog40" not in protocols.protocols and "fog" not in protocols.groups
    assert "nobody brings the data set 'Nowhere'" in failures[0] and "names fog40" in failures[1]


@pytest.mark.parametrize("text", ["[[protocol]]\nname = 3\n", "[", "[[protocol]]\nname = 'x'\nspeed = 3\n"])
def test_a_file_with_a_fault_costs_its_plugin_alone(brought, text):
    protocols, datasets, failures = brought(text, text.replace("protocol", "dataset"))
    assert (protocols, datasets) == (load_protocols(), load_datasets())
    assert [f.split(":")[0] for f in failures] == ["aaa", "aaa"] and all("refused" in f for f in failures)
