"""What is written down of instances survives a kill at any point."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.engines.process.proc import Identity
from pawl.engines.process.records import Record, Records, Role

ONE = Record(
    id="a1b2c3d4", app="hello", process="web", name="web.1", release="0123456789ab", settings=3, deploy="d7",
    address="unix//run/i/a1b2c3d4.sock", role=Role.LIVE, started_at=1000.5, log="web.1-a1b2c3d4.log",
    is_compound=False, stop_timeout_s=30.0, pid=77, start_ticks=123, boot="boot", is_healthy=True,
)  # fmt: skip


def test_a_record_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(ONE)
    assert records.load() == [ONE]
    assert ONE.identity == Identity(77, 123, "boot")


def test_records_come_oldest_first(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for number, at in enumerate((3.0, 1.0, 2.0)):
        records.save(msgspec.structs.replace(ONE, id=str(number), started_at=at))
    assert [record.started_at for record in records.load()] == [1.0, 2.0, 3.0]


@given(written=st.integers(0, 400))
def test_a_save_that_was_cut_off_leaves_the_record_before(
    tmp_path_factory: pytest.TempPathFactory, written: int
) -> None:
    folder = tmp_path_factory.mktemp("records")
    records = Records(folder)
    records.save(ONE)
    later = msgspec.json.encode(msgspec.structs.replace(ONE, role=Role.ENDING))
    (folder / f"{ONE.id}.tmp").write_bytes(later[:written])
    assert records.load() == [ONE]
    assert [path.name for path in folder.iterdir()] == [f"{ONE.id}.json"]


BROKEN = {
    "empty": b"",
    "cut short": msgspec.json.encode(ONE)[:-10],
    "of another kind": b"[]",
    "with a field missing": b'{"id": "a"}',
    "with a role that is none": msgspec.json.encode(ONE).replace(b'"live"', b'"king"'),
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_is_removed_and_the_others_are_read(tmp_path: Path, data: bytes) -> None:
    records = Records(tmp_path)
    records.save(ONE)
    (tmp_path / "bad.json").write_bytes(data)
    assert records.load() == [ONE]
    assert not (tmp_path / "bad.json").exists()


def test_fields_of_a_newer_pawl_are_not_read(tmp_path: Path) -> None:
    (tmp_path / f"{ONE.id}.json").write_bytes(msgspec.json.encode(ONE)[:-1] + b',"colour":"blue"}')
    assert Records(tmp_path).load() == [ONE]


def test_nothing_of_a_deleted_record_is_left(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(ONE)
    records.socket(ONE.id).touch()
    records.delete(ONE.id)
    records.delete(ONE.id)
    assert list(tmp_path.iterdir()) == []


def test_sockets_without_a_record_are_told(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for name in ("one", "two"):
        records.socket(name).touch()
    assert records.sockets_without_record({"one"}) == [records.socket("two")]
