"""Samples for detectors: the same rows from every format, windows, and sets that are refused with a line of words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penjing.compress.event_files import read_events
from penjing.compress.label_spans import inside_spans, read_spans
from penjing.compress.load_samples import load_samples
from penjing.compress.sample_files import Columns, read_samples, to_seconds
from penjing.compress.samples import SampleSet, check_finite, cut_set, cut_windows
from penjing.pipeline.detection.sections import Samples
from penjing.runtime.errors import DataError

DATA = Path(__file__).parents[3] / "shared" / "data" / "anomaly"
given = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the data in {DATA}")
NAMES = ("moment", "a", "b", "who", "label")
ROWS = [
    ("2024-05-01T00:00:00", 1.5, 10, "x", "ok"),
    ("2024-05-01T00:01:00", -2.0, 20, "y", "bad"),
    ("2024-05-01T00:02:00", 3.25, 30, "z", "ok"),
]
COLUMNS = Columns(label="label", time="moment", normal=("ok",))


def load(seed: int = 1, anomalies_calibrate: bool = False, **section: Any) -> Any:
    return load_samples(Samples(**section), Path, seed, anomalies_calibrate=anomalies_calibrate)


def write(path: Path, rows: list[tuple[Any, ...]], names: tuple[str, ...] = NAMES) -> Path:
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    elif path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path)
        return path
    else:
        between = "\t" if path.suffix == ".tsv" else ","
        lines = [between.join(map(str, row)) for row in [names, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_series(path: Path, n: int = 100, anomalies: tuple[int, ...] = ()) -> Path:
    rows = [(60 * i, np.sin(i), int(i in anomalies)) for i in range(n)]
    return write(path, rows, ("time", "value", "label"))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_numbers_labels_and_times(tmp_path: Path, ending: str) -> None:
    found = read_samples(write(tmp_path / f"data{ending}", ROWS), COLUMNS)
    assert found.features == ("a", "b")  # not `who`, which holds no numbers
    assert found.rows.dtype == np.float64
    np.testing.assert_array_equal(found.rows, [[1.5, 10], [-2, 20], [3.25, 30]])
    assert found.labels is not None and found.labels.tolist() == [0, 1, 0]
    assert found.times is not None and np.diff(found.times).tolist() == [60, 60]


def test_named_features_come_in_the_named_order(tmp_path: Path) -> None:
    found = read_samples(write(tmp_path / "data.csv", ROWS), Columns(features=("b", "a")))
    assert found.rows[0].tolist() == [10, 1.5]
    assert found.labels is None and found.times is None


def test_an_array_of_small_integers_does_not_wrap_around(tmp_path: Path) -> None:
    np.savez(tmp_path / "small.npz", X=np.array([[200, 100], [3, 4]], np.uint8), y=np.array([1, 0], np.uint8))
    found = read_samples(tmp_path / "small.npz", Columns(label="y"), "X")
    assert found.rows.sum(axis=1).tolist() == [300, 7]
    assert found.labels is not None and found.labels.tolist() == [1, 0]
    assert found.features == ("x0", "x1")


def test_arrays_are_never_unpickled_and_must_be_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", X=np.array([{"a": 1}], dtype=object), fine=np.zeros((2, 2)))
    with pytest.raises(DataError, match="without pickles"):
        read_samples(tmp_path / "bad.npz", Columns(), "X")
    with pytest.raises(DataError, match=r"no array 'Y'; it has X, fine"):
        read_samples(tmp_path / "bad.npz", Columns(), "Y")
    with pytest.raises(DataError, match="names no array"):
        read_samples(tmp_path / "bad.npz", Columns())


def test_a_table_of_spaces_has_its_columns_by_number(tmp_path: Path) -> None:
    (tmp_path / "beats.txt").write_text("  1.0000e+00 -1.5 2.5\n  2.0000e+00 3.5  4.5\n")
    found = read_samples(tmp_path / "beats.txt", Columns(label="0", normal=("1",)))
    np.testing.assert_array_equal(found.rows, [[-1.5, 2.5], [3.5, 4.5]])
    assert found.labels is not None and found.labels.tolist() == [0, 1]


def test_rows_of_a_table_of_windows_are_windows_of_one_channel(tmp_path: Path) -> None:
    lines = [f"{1 + (i % 4 == 0)} {i} {i + 1} {i * i}" for i in range(40)]
    (tmp_path / "beats.txt").write_text("\n".join(lines))
    found = load(kind="windows", train=str(tmp_path / "beats.txt"), label="0", normal=("1",))
    assert (found.window, found.train.features) == (3, ("value",))
    assert found.train.rows.shape == (12, 3, 1)  # 40% of the 30 normal ones
    assert np.diff(found.train.rows[:, :2, 0]).tolist() == [[1.0]] * 12
    with pytest.raises(DataError, match=r"windows of 3 samples, data.window is 5"):
        load(kind="windows", train=str(tmp_path / "beats.txt"), label="0", normal=("1",), window=5)


def test_sessions_are_padded_at_the_end_and_long_ones_keep_their_start(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("5 5 22\n7 8 9 10 11\n")
    found, longer = read_events(tmp_path / "log", 4)
    assert found.rows[:, :, 0].tolist() == [[5, 5, 22, 0], [7, 8, 9, 10]]
    assert longer == 1
    (tmp_path / "log").write_text("5 0 22\n")
    with pytest.raises(DataError, match="'0' in session 1: event ids are whole numbers from 1"):
        read_events(tmp_path / "log", 4)


def test_a_window_has_the_label_and_time_of_its_last_row() -> None:
    series = SampleSet(np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 1, 0, 0]), np.arange(6.0), ("a", "b"))
    found = cut_set(series, 3, 2)
    assert found.rows.tolist() == [[[0, 1], [2, 3], [4, 5]], [[4, 5], [6, 7], [8, 9]]]
    assert found.labels is not None and found.labels.tolist() == [0, 0]
    assert found.times is not None and found.times.tolist() == [2, 4]
    with pytest.raises(DataError, match="a window of 7 is longer than the series, which has 6 rows"):
        cut_windows(series.rows, 7)


def test_spans_of_time_become_labels_with_both_ends_inside(tmp_path: Path) -> None:
    spans = {"real/taxi.csv": [["2014-07-01 00:30:00.000000", "2014-07-01 01:00:00.000000"]]}
    (tmp_path / "windows.json").write_text(json.dumps(spans))
    found = read_spans(tmp_path / "windows.json", tmp_path / "real" / "taxi.csv")
    times = np.array([to_seconds(f"2014-07-01 0{i // 2}:{30 * (i % 2):02}:00") for i in range(4)])
    assert inside_spans(times, found).tolist() == [0, 1, 1, 0]
    with pytest.raises(DataError, match=r"no windows of real/taxy.csv; did you mean real/taxi.csv\?"):
        read_spans(tmp_path / "windows.json", tmp_path / "real" / "taxy.csv")


def test_missing_and_infinite_values_are_counted_and_their_columns_named(tmp_path: Path) -> None:
    rows = [(i, i * i, -i) for i in range(50)]
    rows[3], rows[7] = (3, "", -3), (7, 49, "1e39")  # beyond float32
    path = write(tmp_path / "holes.csv", rows, ("a", "b", "c"))
    with pytest.raises(DataError, match=r"2 of 50 rows hold a value that is missing or infinite, in b, c: fill or"):
        load(train=str(path))
    nan = SampleSet(np.array([[np.nan, 1.0]]), None, None, ("a", "b"))
    with pytest.raises(DataError, match=r"there: 1 of 1 rows .* in a:"):
        check_finite(nan, "there")


def test_constant_columns_are_named_unless_they_may_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "still.csv", [(i, 4, 5) for i in range(50)], ("a", "b", "c"))
    with pytest.raises(DataError, match=r"2 of 3 columns never change, b, c: .* data.constant: keep"):
        load(train=str(path))
    assert load(train=str(path), constant="keep").train.rows.shape == (20, 3)


def test_an_unknown_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", [(i, i * i) for i in range(50)], ("pressure", "flow"))
    with pytest.raises(DataError, match=r"no column 'presure'; did you mean 'pressure'\?"):
        load(train=str(path), features=("presure",))
    with pytest.raises(DataError, match=r"no column 'kind'; it has 'pressure', 'flow'"):
        load(train=str(path), label="kind")


def test_a_word_among_numbers_is_named_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", [(1, 2), (3, "four")], ("a", "b"))
    with pytest.raises(DataError, match="'four' in column 'b' of row 2, which is no number"):
        load(train=str(path))


def test_a_test_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train=np.random.default_rng(0).random((50, 3)), test=np.ones((9, 2)))
    with pytest.raises(DataError, match="no channel 'x2'; its 2 channels are called x0 to x1"):
        load(train=f"{tmp_path}/a.npz::train", test=f"{tmp_path}/a.npz::test")


def test_labels_of_another_length_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.ones((9, 2)), y=np.zeros(8))
    with pytest.raises(DataError, match=r"a.npz::y has the shape \[8\], but there are 9 samples"):
        load(train=f"{tmp_path}/a.npz::X", label="y")


def test_a_time_that_goes_back_is_named_by_its_row_and_equal_times_pass(tmp_path: Path) -> None:
    rows = [(60 * i, np.sin(i)) for i in range(100)]
    rows[40] = (60 * 39, 0.5)
    path = write(tmp_path / "series.csv", rows, ("time", "value"))
    assert len(load(kind="series", train=str(path), time="time").train) == 39
    rows[40] = (60 * 38, 0.5)
    write(path, rows, ("time", "value"))
    with pytest.raises(DataError, match="the time of row 41 lies before that of row 40"):
        load(kind="series", train=str(path), time="time")


def test_labels_of_one_kind_are_refused_where_both_are_needed(tmp_path: Path) -> None:
    rows = [(i, i % 7, "ok") for i in range(50)]
    path = write(tmp_path / "data.csv", rows, ("a", "b", "label"))
    with pytest.raises(DataError, match="all 25 rows are normal by their labels, but quality needs both kinds"):
        load(train=str(path), label="label", normal=("ok",))
    with pytest.raises(DataError, match=r"no row of 50 is normal by its label, data.normal is \['0'\]"):
        load(train=str(path), label="label")


def test_a_window_longer_than_a_part_is_refused(tmp_path: Path) -> None:
    path = write_series(tmp_path / "series.csv")
    with pytest.raises(DataError, match="its calibration part has 10 rows, but a window takes 11"):
        load(kind="series", train=str(path), features=("value",), window=11)


@given
def test_the_published_share_of_a_nab_series_lies_in_its_windows() -> None:
    nab = DATA / "nab"
    found = load(
        kind="series", train=str(nab / "data" / "realKnownCause" / "nyc_taxi.csv"), time="timestamp", window=48,
        label_windows=str(nab / "labels" / "combined_windows.json"), train_share=0.1, calibrate_share=0.05,
    )  # fmt: skip
    assert (len(found.train), len(found.calibrate), len(found.test)) == (984, 516, 8772)
    assert int(found.test.labels.sum()) == 1035  # 10.03% of 10,320


@given
def test_a_server_is_trained_on_its_own_file_and_tested_on_another_with_labels() -> None:
    smd = DATA / "smd" / "machine-2-1.npz"
    arrays = {"train": f"{smd}::train", "test": f"{smd}::test", "test_label": f"{smd}::label"}
    with pytest.raises(DataError, match="columns never change"):
        load(kind="series", **arrays)
    found = load(kind="series", constant="keep", **arrays)
    assert found.train.rows.shape == (21323, 38) and found.test.rows.shape == (23694, 38)
    assert found.test.labels.mean() == pytest.approx(0.0494, abs=1e-4)
