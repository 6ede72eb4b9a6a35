"""Gauges of processes and of the machine, from a made-up /proc and the real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pawl.observe.gauges import Processes, ProcessGauges, Reading, machine_gauges


def process(proc: Path, pid: int, *, cpu_ticks: int, pages: int, files: int, state: str = "S", began: int = 77) -> None:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / "fd" / str(number)).touch()
    fields = [state, *["0"] * 10, str(cpu_ticks - 1), "1", *["0"] * 6, str(began), "0", str(pages), *["0"] * 20]
    (folder / "stat").write_text(f"{pid} (a (bad) name) {' '.join(fields)}\n")


def test_an_instance_is_the_sum_of_its_processes(tmp_path: Path) -> None:
    process(tmp_path, 10, cpu_ticks=100, pages=1000, files=3)
    process(tmp_path, 11, cpu_ticks=50, pages=500, files=2)
    reader = ProcessGauges(tmp_path)
    worker = Processes("demo", "r1", "worker.1", (10, 11, 12))
    first = {gauge.name: gauge for gauge in reader.read([worker], monotonic_s=100)}
    assert {name: gauge.value for name, gauge in first.items()} == {
        "rss": 1500 * os.sysconf("SC_PAGE_SIZE"),
        "open_files": 5,
    }
    assert (first["rss"].app, first["rss"].release, first["rss"].instance) == ("demo", "r1", "worker.1")
    process(tmp_path, 10, cpu_ticks=100 + 2 * os.sysconf("SC_CLK_TCK"), pages=1000, files=3)
    process(tmp_path, 11, cpu_ticks=50 + 3 * os.sysconf("SC_CLK_TCK"), pages=500, files=2)
    second = {gauge.name: gauge.value for gauge in reader.read([worker], monotonic_s=105)}
    assert second["cpu"] == pytest.approx(1.0)


def test_an_instance_that_has_ended_has_no_gauges(tmp_path: Path) -> None:
    process(tmp_path, 10, cpu_ticks=5, pages=10, files=0, state="Z")
    reader = ProcessGauges(tmp_path)
    assert reader.read([Processes("demo", "r1", "web.1", (10, 99))], monotonic_s=1) == []


def test_a_pid_that_was_used_again_is_another_process(tmp_path: Path) -> None:
    reader = ProcessGauges(tmp_path)
    web = Processes("demo", "r1", "web.1", (10,))
    process(tmp_path, 10, cpu_ticks=9000, pages=10, files=0, began=1)
    reader.read([web], monotonic_s=1)
    process(tmp_path, 10, cpu_ticks=10, pages=10, files=0, began=2)
    assert "cpu" not in {gauge.name for gauge in reader.read([web], monotonic_s=2)}


def test_the_machine_tells_its_load_and_memory() -> None:
    found = {gauge.name: gauge.value for gauge in machine_gauges()}
    assert set(found) == {"load", "memory_available", "memory_used_share"}
    assert 0 < found["memory_used_share"] < 1
    assert found["memory_available"] > 1e6


def test_this_very_process_is_read() -> None:
    (rss, files) = ProcessGauges().read([Processes("demo", "r1", "web.1", (os.getpid(),))], monotonic_s=0)
    assert rss.value > 1e6
    assert files.value >= 3


def test_readings_merge() -> None:
    whole = Reading.of(1) + Reading.of(5) + Reading.of(3)
    assert (whole.count, whole.mean, whole.least, whole.most) == (3, 3, 1, 5)
