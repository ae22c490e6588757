"""Clock and temperature, read from a folder made like /sys."""

from __future__ import annotations

from pathlib import Path

from penjing.benchmarks.sensors import SensorReading, between, read_sensors, watch_sensors


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_hottest_zone_and_the_slowest_core_are_read(tmp_path: Path) -> None:
    for zone, heat in (("thermal_zone0", "48500\n"), ("thermal_zone1", "61250\n"), ("thermal_zone2", "broken\n")):
        write(tmp_path / "class/thermal" / zone / "temp", heat)
    for core, clock in (("cpu0", "1800000\n"), ("cpu1", "1200000\n")):
        write(tmp_path / "devices/system/cpu" / core / "cpufreq/scaling_cur_freq", clock)
    found = read_sensors(tmp_path)
    assert (found.temperature_c, found.clock_mhz) == (61.25, 1200.0)


def test_a_machine_that_shows_nothing_gives_none(tmp_path: Path) -> None:
    found = read_sensors(tmp_path)
    assert (found.temperature_c, found.clock_mhz) == (None, None)
    assert found.at > 1e9


def test_watching_reads_at_most_once_a_second(tmp_path: Path) -> None:
    readings: list[SensorReading] = []
    watch = watch_sensors(readings, tmp_path)
    for _ in range(50):
        watch()
    assert len(readings) <= 2


def test_the_log_of_a_measurement_reaches_a_second_beyond_it() -> None:
    log = tuple(SensorReading(float(at), 50.0, None) for at in range(20))
    assert [reading.at for reading in between(log, 5.0, 7.5)] == [4.0, 5.0, 6.0, 7.0, 8.0]
