"""Tests of the registry on a local folder, fsspec's memory and S3."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters.storage import load_adapter, save_adapter
from query_adapters.deployment import AdapterRegistry
from query_adapters.errors import (
    AdapterFileError,
    AliasMovedError,
    RegistryError,
)
from query_adapters.remote.aliases import Aliases
from query_adapters.remote.local_objects import LocalObjects
from query_adapters.remote.removed import AliasRemovedError
from query_adapters.remote.sweeping import mark
from query_adapters.remote.versions import Versions

NOW = timedelta(0)
Saved = Callable[..., Path]


def pushed(registry: AdapterRegistry, saved: Saved, *factors: float) -> list[str]:
    return [registry.push(saved(factor), "faq") for factor in factors]


def value(registry: AdapterRegistry, reference: str) -> float:
    """Return what the adapter that the reference names makes of (1, 0)."""
    adapter = load_adapter(registry.uri("faq", reference))
    return float(adapter(np.array([1, 0], dtype=np.float32))[0])


def damage(registry: AdapterRegistry, key: str, content: bytes) -> None:
    """Overwrite an object, which no registry does."""
    registry._objects.remove(key)
    registry._objects.create(key, content)


def keys(registry: AdapterRegistry, part: str) -> list[str]:
    return [key for key in registry._objects.keys("adapters") if part in key]


def test_a_version_is_the_hash_of_the_files(registry: AdapterRegistry, saved: Saved) -> None:
    folder = saved(2)
    lines = "".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("README.md", "adapter.json", "adapter.safetensors")
    )
    version = registry.push(folder, "faq")
    assert version == hashlib.sha256(lines.encode()).hexdigest()
    assert registry.push(folder, "faq") == version
    assert [one.version for one in registry.versions("faq")] == [version]
    assert registry.push(saved(3), "faq") != version
    assert registry.names() == ("faq",)


def test_a_version_says_what_it_is_and_which_aliases_name_it(
    local: AdapterRegistry, saved: Saved
) -> None:
    version = local.push(saved(2, base_model="minilm-l6"), "faq", by="ann")
    local.promote("faq", version)
    local.promote("faq", version, alias="canary")
    (found,) = local.versions("faq")
    assert (found.by, found.aliases) == ("ann", ("canary", "production"))
    assert found.facts["base_model"] == "minilm-l6"
    assert found.facts["dim_in"] == 2


def test_caches_and_journals_beside_an_adapter_are_not_pushed(
    local: AdapterRegistry, saved: Saved
) -> None:
    folder = saved(2)
    before = local.push(folder, "faq")
    (folder / "embeddings.sqlite").write_bytes(b"vectors")
    (folder / "questions.jsonl").write_text("{}")
    assert local.push(folder, "faq") == before
    (folder / "lexical").mkdir()
    (folder / "lexical" / "words.json").write_text("{}")
    assert local.push(folder, "faq") != before


def test_a_folder_without_a_whole_adapter_is_refused_and_nothing_is_stored(
    local: AdapterRegistry, saved: Saved, tmp_path: Path
) -> None:
    weights = saved(2) / "adapter.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(AdapterFileError, match="truncated"):
        local.push(weights.parent, "faq")
    with pytest.raises(FileNotFoundError, match="no adapter folder"):
        local.push(tmp_path / "none", "faq")
    assert not (tmp_path / "registry").exists()


def test_aliases_move_and_roll_back_and_the_history_tells_it(
    registry: AdapterRegistry, saved: Saved
) -> None:
    one, two, three = pushed(registry, saved, 1, 2, 3)
    for version in (one, two, three):
        registry.promote("faq", version, reason=f"try {version[:4]}", by="ann")
    assert value(registry, "production") == 3
    assert registry.rollback("faq", reason="worse", by="bob").version == two
    assert value(registry, "production") == 2
    assert registry.rollback("faq").version == one
    with pytest.raises(RegistryError, match="expected an earlier version"):
        registry.rollback("faq")
    registry.promote("faq", "production", alias="canary")
    assert registry.aliases("faq") == {"canary": one, "production": one}
    told = registry.history("faq", alias="production")
    assert [(move.number, move.action, move.version) for move in told] == [
        (1, "promote", one), (2, "promote", two), (3, "promote", three),
        (4, "rollback", two), (5, "rollback", one),
    ]  # fmt: skip
    assert [move.previous for move in told] == [None, one, two, three, two]
    assert (told[3].by, told[3].reason) == ("bob", "worse")
    assert len(registry.history("faq")) == 6


def test_a_rollback_passes_over_versions_that_were_deleted(
    local: AdapterRegistry, saved: Saved
) -> None:
    one, two, three = pushed(local, saved, 1, 2, 3)
    for version in (one, two, three):
        local.promote("faq", version)
    local.delete("faq", two)
    assert local.rollback("faq").version == one


def test_an_alias_that_is_removed_names_nothing_and_keeps_its_history(
    local: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(local, saved, 1)
    local.promote("faq", version, alias="canary")
    local.remove_alias("faq", alias="canary", reason="decided")
    assert local.aliases("faq") == {}
    with pytest.raises(AliasRemovedError, match=r"no alias 'canary' any more, .* removed it"):
        local.resolve("faq", "canary")
    with pytest.raises(FileNotFoundError, match="no alias 'staging'") as never:
        local.resolve("faq", "staging")
    assert not isinstance(never.value, AliasRemovedError)
    assert [move.action for move in local.history("faq")] == ["promote", "remove"]
    assert local.rollback("faq", alias="canary").version == version


def test_a_move_that_another_made_first_is_told(registry: AdapterRegistry, saved: Saved) -> None:
    one, two = pushed(registry, saved, 1, 2)
    registry.promote("faq", one)
    log = Aliases(registry._objects, "faq")
    head = log.head("production")
    registry.promote("faq", two, by="ann", reason="faster")
    with pytest.raises(AliasMovedError, match=rf"ann moved it to {two[:12]}.*faster"):
        log.move("production", one, head=head, action="promote", reason="", by="bob")
    with pytest.raises(AliasMovedError, match="ann moved it"):
        registry.promote("faq", one, expected=one)
    with pytest.raises(RegistryError, match="no such alias"):
        registry.promote("faq", one, alias="canary", expected=one)
    assert registry.resolve("faq", "production") == two
    assert registry.promote("faq", one, expected=two).number == 3


def test_of_concurrent_promotions_each_is_recorded_or_refused(
    registry: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(registry, saved, 1)
    start, done, refused = threading.Barrier(8), [], []

    def promote(by: str) -> None:
        start.wait()
        try:
            done.append(registry.promote("faq", version, by=by).id)
        except AliasMovedError:
            refused.append(by)

    threads = [threading.Thread(target=promote, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = registry.history("faq")
    assert len(done) + len(refused) == 8
    assert {move.id for move in told} == set(done)
    assert [move.number for move in told] == list(range(1, len(done) + 1))


class LosesAnswers(LocalObjects):
    """Writes, then fails as a client does that sends a write twice because its answer was lost."""

    def create(self, key: str, content: bytes) -> None:
        super().create(key, content)
        raise FileExistsError(key)


def test_a_move_whose_answer_was_lost_is_not_taken_for_that_of_another(tmp_path: Path) -> None:
    log = Aliases(LosesAnswers(tmp_path), "faq")
    move = log.move("production", "a" * 64, head=None, action="promote", reason="", by="ann")
    assert log.head("production") == move


def test_a_deleted_version_is_hidden_and_can_be_pushed_again(
    registry: AdapterRegistry, saved: Saved
) -> None:
    one, two = pushed(registry, saved, 1, 2)
    registry.promote("faq", one)
    with pytest.raises(RegistryError, match=f"{one[:12]} is production; move the alias first"):
        registry.delete("faq", one[:8])
    registry.delete("faq", two)
    assert [version.version for version in registry.versions("faq")] == [one]
    for use in (registry.resolve, registry.promote):
        with pytest.raises(FileNotFoundError, match="no version"):
            use("faq", two)
    assert registry.push(saved(2), "faq") == two
    registry.promote("faq", two)
    registry.gc(grace=NOW)
    assert value(registry, "production") == 2


def test_a_push_that_was_cut_short_is_never_seen_and_swept_after_the_grace_time(
    registry: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(registry, saved, 1)
    registry.promote("faq", version)
    (manifest,) = keys(registry, "/versions/")
    content = registry._objects.read([manifest])[0]
    registry._objects.remove(manifest)  # as if the process had died before it was written
    assert registry.versions("faq") == ()
    assert registry.gc(grace=timedelta(hours=1)).leftovers == 0
    registry._objects.create(manifest, content)
    assert value(registry, "production") == 1
    registry._objects.remove(manifest)
    assert registry.gc(grace=NOW).leftovers == 1
    assert keys(registry, "/files/") == []


def test_a_sweep_keeps_what_is_named_and_what_a_rollback_needs(
    registry: AdapterRegistry, saved: Saved
) -> None:
    versions = pushed(registry, saved, 1, 2, 3, 4)
    for version in versions[:3]:
        registry.promote("faq", version)
    assert registry.gc().marked == 0, "all are younger than the grace time"
    swept = registry.gc(grace=NOW, keep=2)
    assert (swept.marked, swept.removed) == (2, 2)
    assert {one.version for one in registry.versions("faq")} == set(versions[1:3])
    assert {key.split("/")[-1].split(".")[0] for key in keys(registry, "/versions/")} == set(
        versions[1:3]
    )
    assert len({key.split("/")[3] for key in keys(registry, "/files/")}) == 2
    assert keys(registry, "/removed/") == []
    assert registry.rollback("faq").version == versions[1]
    assert value(registry, "production") == 2


def test_of_a_version_that_was_pushed_twice_one_copy_is_swept(
    local: AdapterRegistry, saved: Saved
) -> None:
    first, second = pushed(local, saved, 1, 1)
    assert first == second
    local.promote("faq", first)
    assert local.gc(grace=NOW).removed == 1
    assert value(local, "production") == 1
    assert len(keys(local, "/versions/")) == 1


def test_a_version_that_is_promoted_while_it_is_being_removed_stays(
    local: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(local, saved, 1)
    versions, log = Versions(local._objects, "faq"), Aliases(local._objects, "faq")
    (upload,) = versions.uploads()
    mark(versions, upload)  # between the look and the move of a promotion
    log.move("production", version, head=None, action="promote", reason="", by="ann")
    assert local.gc(grace=NOW).removed == 0
    assert [one.version for one in local.versions("faq")] == [version]
    assert value(local, "production") == 1


def test_files_that_a_dead_process_has_left_are_swept(
    local: AdapterRegistry, saved: Saved, tmp_path: Path
) -> None:
    pushed(local, saved, 1)
    left = tmp_path / "registry" / ".tmp" / f"20200101T000000000000Z-{'0' * 32}"
    left.write_bytes(b"half")
    local.gc()
    assert not left.exists()


@pytest.mark.parametrize("what", ["registry.json", "/versions/", "/aliases/"])
def test_a_newer_format_is_refused(what: str, local: AdapterRegistry, saved: Saved) -> None:
    (version,) = pushed(local, saved, 1)
    local.promote("faq", version)
    (key,) = keys(local, what) or [what]
    record = json.loads(local._objects.read([key])[0])
    damage(local, key, json.dumps(record | {"format_version": 2}).encode())
    again = AdapterRegistry(local.url)
    with pytest.raises(RegistryError, match="format version 2 is newer than 1; upgrade"):
        load_adapter(again.uri("faq"))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("/files/", lambda content: content[:-1] + b"!"),
        ("/versions/", lambda content: content[:20]),
        ("/versions/", lambda content: content.replace(b"adapter.json", b"../../x.json")),
        ("/aliases/", lambda content: b"\xff\x00"),
        ("/aliases/", lambda content: content.replace(b'"number": 1', b'"number": "1"')),
        ("/aliases/", lambda content: b"[]"),
    ],
    ids=["file", "cut", "path", "no text", "type", "no object"],
)
def test_garbage_in_the_store_is_refused(
    part: str, change: Callable[[bytes], bytes], local: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(local, saved, 1)
    local.promote("faq", version)
    key = next(key for key in keys(local, part) if "safetensors" in key or part != "/files/")
    damage(local, key, change(local._objects.read([key])[0]))
    with pytest.raises(RegistryError, match="expected"):
        load_adapter(local.uri("faq"))


def test_a_damaged_copy_on_this_machine_is_fetched_again(
    local: AdapterRegistry, saved: Saved, tmp_path: Path
) -> None:
    (version,) = pushed(local, saved, 2)
    local.promote("faq", version)
    assert value(local, "production") == 2
    weights = tmp_path / "cache" / version / "adapter.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    assert value(local, "production") == 2
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [version]


def test_a_version_on_this_machine_is_served_without_its_files_in_the_store(
    local: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(local, saved, 2)
    local.promote("faq", version)
    assert value(local, "production") == 2
    local._objects.remove("adapters/faq/files")
    assert value(local, "production") == 2


@pytest.mark.parametrize(
    ("name", "alias"),
    [("FAQ", "production"), ("../faq", "production"), ("faq", "Prod"), ("faq", "deadbeef")],
)
def test_names_that_some_store_would_confuse_are_refused(
    name: str, alias: str, local: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(local, saved, 1)
    with pytest.raises(ValueError, match="expected lower-case letters"):
        local.promote(name, version, alias=alias)


@pytest.mark.parametrize(
    ("reference", "told"),
    [("production", "no alias 'production'"), ("0123456789", "no version 0123456789")],
)
def test_what_is_not_there_is_a_missing_file(
    reference: str, told: str, local: AdapterRegistry, saved: Saved
) -> None:
    with pytest.raises(FileNotFoundError, match="expected a registry of adapters"):
        local.names()
    pushed(local, saved, 1)
    with pytest.raises(FileNotFoundError, match=told):
        load_adapter(local.uri("faq", reference))


def test_stores_without_exclusive_writes_are_refused() -> None:
    with pytest.raises(RegistryError, match="whose writes can be exclusive, got 'ftp'"):
        AdapterRegistry("ftp://host/registry")


def test_a_store_that_fails_is_named(tmp_path: Path, saved: Saved) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="expected the registry's store to answer"):
        AdapterRegistry(tmp_path / "file" / "registry").push(saved(1), "faq")


def test_nothing_is_saved_to_a_registry_directly(local: AdapterRegistry, saved: Saved) -> None:
    adapter: Any = load_adapter(saved(1))
    with pytest.raises(ValueError, match="expected a folder to save to, got registry"):
        save_adapter(adapter, "registry://faq@production")


@pytest.mark.parametrize("digits", ["20261399T999999999999Z", "00000000T000000000000Z"])
def test_an_id_that_holds_no_time_is_listed_and_never_old(
    digits: str, local: AdapterRegistry, saved: Saved
) -> None:
    (version,) = pushed(local, saved, 2)
    (manifest,) = keys(local, "/versions/")
    local.promote("faq", version)
    (move,) = keys(local, "/aliases/")
    for key in (manifest, move):
        (content,) = local._objects.read([key])
        damage(local, key, re.sub(rb"\d{8}T\d{12}Z", digits.encode(), content))
    local.gc(grace=NOW)
    assert [one.version for one in local.versions("faq")] == [version]
    assert [one.version for one in local.history("faq")] == [version]
