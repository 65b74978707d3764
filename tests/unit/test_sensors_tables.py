"""Tables: the same samples from every kind of file, and an error that helps where a file is not right."""

from __future__ import annotations

import gzip
import pickle
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventnet.errors import InputError
from eventnet.sensors import build_sensor, build_target
from eventnet.sensors.spec import (
    Policies,
    Policy,
    Sampling,
    SensorSpec,
    TableLabels,
    TableSource,
    TargetSpec,
)
from eventnet.units import NS_PER
from tests.sensor_oracles import full, samples_of, targets_of

FORMS = (".npz", ".csv", ".parquet")


def write(path, columns):
    """Write named columns in the form that the suffix names; None in a column is an empty cell."""
    if path.suffix == ".npz":
        np.savez(path, **{name: np.array(cells) for name, cells in columns.items()})
    elif path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        lines = [",".join(columns)]
        lines += [
            ",".join("" if cell is None else str(cell) for cell in row) for row in zip(*columns.values(), strict=True)
        ]
        path.write_text("\n".join(lines) + "\n")
    return path


def sensor(path, policies=None, **table):
    table.setdefault("time", "t")
    return build_sensor(SensorSpec("probe", TableSource(path, **table), Sampling(policies=policies or Policies())), 0)


def refusal(act):
    with pytest.raises(InputError) as caught:
        act()
    return caught.value


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_samples_over_many_blocks(tmp_path, form):
    n = 10_000
    columns = {
        "t": (np.arange(n) * 0.5).tolist(),
        "b": (np.arange(n) - 7).tolist(),
        "a": (np.arange(n) / 8).tolist(),
    }
    stream = sensor(write(tmp_path / f"log{form}", columns), time_unit="ms", columns=("a", "b"))
    for _ in range(2):
        times, values = full(stream.blocks())
        assert np.array_equal(times, 500_000 * np.arange(n))
        assert np.array_equal(values, np.stack([np.arange(n) / 8, np.arange(n) - 7], axis=1))
    assert stream.n_channels == 2
    assert stream.duration_ns == 500_000 * (n - 1) + 1


@pytest.mark.parametrize("form", FORMS)
def test_whole_number_times_keep_all_their_digits(tmp_path, form):
    times = [1_700_000_000_000_000_001, 1_700_000_000_000_000_002]
    stream = sensor(write(tmp_path / f"log{form}", {"t": times, "a": [1.0, 2.0]}), time_unit="ns", columns=("a",))
    assert samples_of(stream.blocks()) == [(times[0], {0: 1.0}), (times[1], {0: 2.0})]


@pytest.mark.parametrize("form", [".csv", ".parquet"])
def test_without_columns_all_but_the_time_are_channels(tmp_path, form):
    stream = sensor(
        write(tmp_path / f"log{form}", {"a": [1, 2], "t": [0, 1], "b": [True, False]})
        if form != ".csv"
        else write(tmp_path / "log.csv", {"a": [1, 2], "t": [0, 1], "b": [1, 0]})
    )
    assert samples_of(stream.blocks()) == [(0, {0: 1, 1: 1}), (10**9, {0: 2, 1: 0})]


@pytest.mark.parametrize("form", [".csv", ".parquet"])
def test_a_column_may_be_several_channels_and_the_time_may_be_one(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [0, 1], "a": [1.5, 2.5]})
    stream = sensor(path, columns=("a", "t", "a"))
    assert samples_of(stream.blocks()) == [(0, {0: 1.5, 1: 0.0, 2: 1.5}), (10**9, {0: 2.5, 1: 1.0, 2: 2.5})]


@pytest.mark.parametrize("form", [".csv", ".parquet"])
def test_an_empty_cell_is_a_channel_left_out_only_in_partial_tables(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [0, 1, 2], "a": [1.5, None, 3.0], "b": [None, 2.0, 4.0]})
    stream = sensor(path, partial=True, time_unit="ns")
    assert samples_of(stream.blocks()) == [(0, {0: 1.5}), (1, {1: 2.0}), (2, {0: 3.0, 1: 4.0})]
    assert stream.counts.nonfinite == 0
    error = refusal(lambda: list(sensor(path, time_unit="ns").blocks()))
    assert (error.place, error.field) == (str(path), "row 1, column 'b'")


def test_not_a_number_is_a_fault_even_where_cells_may_be_empty(tmp_path):
    path = write(tmp_path / "log.csv", {"t": [0, 1], "a": [1, "nan"]})
    error = refusal(lambda: list(sensor(path, partial=True).blocks()))
    assert error.field == "row 2, column 'a'"


def test_a_row_without_a_time_is_a_fault_that_may_be_dropped(tmp_path):
    for cell in (None, "nan", "-inf"):
        path = write(tmp_path / "log.csv", {"t": [0, cell, 2, "nan"], "a": [1, 2, 3, 4]})
        error = refusal(lambda path=path: list(sensor(path).blocks()))
        assert (error.field, error.problem) == ("row 2, the time", "a time that is empty or not finite")
        assert error.value is None
    path = write(tmp_path / "log.csv", {"t": [0, None, 2, "nan"], "a": [1, 2, 3, 4]})
    stream = sensor(path, Policies(nonfinite=Policy.HOLD), time_unit="ns")
    assert samples_of(stream.blocks()) == [(0, {0: 1}), (2, {0: 3})]
    assert stream.counts.nonfinite == 2
    assert stream.duration_ns == 3


def test_csv_cells_may_have_spaces_quotes_and_exponents(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('t,"a, left",note\n 1e-3 ," -2.5e1",good\n"0.002",+3,bad\n')
    stream = sensor(path, columns=("a, left",))
    assert samples_of(stream.blocks()) == [(10**6, {0: -25.0}), (2 * 10**6, {0: 3.0})]


def test_a_two_dimensional_array_is_named_once(tmp_path):
    path = write(tmp_path / "log.npz", {"t": [0, 1], "X": [[1, 2, 3], [4, 5, 6]]})
    assert full(sensor(path, values="X").blocks())[1].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert full(sensor(path, values="X", columns=(2, 0)).blocks())[1].tolist() == [[3, 1], [6, 4]]
    assert "use 0 to 2" in str(refusal(lambda: sensor(path, values="X", columns=(3,))))


@pytest.mark.parametrize("form", FORMS)
def test_one_integer_column_of_labels_is_a_class_and_floats_are_values(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [0, 10, 20], "y": [2, 0, 1], "z": [0.5, 1.0, -1.0]})

    def labels(*columns, **more):
        table = TableLabels(path, "t", "ns", columns, **more)
        return targets_of(build_target(TargetSpec("goal", table), 0).blocks())

    assert labels("y").values.dtype == np.int64
    assert labels("y").values.tolist() == [2, 0, 1]
    assert labels("y", "z").values.tolist() == [[2, 0.5], [0, 1], [1, -1]]
    held = labels("y", period_ns=8, phase_ns=2)
    assert (held.times_ns.tolist(), held.values.tolist()) == ([2, 10, 18], [2, 0, 0])
    assert held.learn.all()


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [0, 1], "a": [1, 2], "b": [1, 2]})
    for table in ({"columns": ("c",)}, {"time": "c", "columns": ("a",)}):
        error = refusal(lambda table=table: sensor(path, **table))
        assert error.place == str(path)
        assert error.value == "c"
        assert "t, a, b" in error.remedy


@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_words_is_refused_by_name(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [0, 1], "a": ["1", "left"]})
    error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
    assert error.place == str(path)
    assert "a" in error.field
    assert "(classes are numbers from 0)" in error.remedy
    if form == ".csv":
        assert error.field == "row 2, column 'a'"
        assert error.value == "left"


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_table_is_refused(tmp_path, form):
    path = tmp_path / f"log{form}"
    if form == ".csv":
        path.write_text("t,a\n")
    elif form == ".parquet":
        pq.write_table(pa.table({"t": pa.array([], pa.float64()), "a": pa.array([], pa.float64())}), path)
    else:
        np.savez(path, t=np.empty(0), a=np.empty(0))
    assert "no rows" in str(refusal(lambda: sensor(path, columns=("a",))))


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_nothing_or_of_something_else_is_refused(tmp_path, form):
    path = tmp_path / f"log{form}"
    for content in (b"", b"\x00\xff\xfe\x80" * 200):
        path.write_bytes(content)
        error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
        assert error.place == str(path)


def test_pickled_arrays_are_not_loaded(tmp_path):
    path = tmp_path / "log.npz"
    np.savez(path, t=np.arange(2), a=np.array([1, None], dtype=object))
    error = refusal(lambda: sensor(path, columns=("a",)))
    assert (error.field, error.problem) == ("a", "the array holds objects of Python, which are not loaded")
    assert "a.astype(float)" in error.remedy
    with np.load(path, allow_pickle=True) as arrays:
        np.savez(path, t=arrays["t"], a=arrays["a"].astype(float))
    stream = sensor(path, Policies(nonfinite=Policy.DROP), columns=("a",))  # all of what is advised
    assert samples_of(stream.blocks()) == [(0, {0: 1.0})]


def test_other_files_called_npz_are_told_from_damaged_ones(tmp_path):
    path = tmp_path / "log.npz"
    np.save(tmp_path / "log.npy", np.arange(2))
    for content, words in (
        ((tmp_path / "log.npy").read_bytes(), "a single array"),
        (pickle.dumps({"t": [0, 1]}), "pickled"),
    ):
        path.write_bytes(content)
        error = refusal(lambda: sensor(path, columns=("a",)))
        assert words in error.problem
        assert "np.savez(" in error.remedy
    assert "np.savez(" in refusal(lambda: sensor(tmp_path / "log.npy", columns=("a",))).remedy


# --- advice that works


@pytest.mark.parametrize("form", FORMS)
def test_dates_in_place_of_times_are_told_what_would_do(tmp_path, form):
    times = np.array(["2024-01-01T00:00:00", "2024-01-01T00:00:01"], "datetime64[us]")
    cells = times if form == ".npz" else [str(each) for each in times] if form == ".csv" else times.tolist()
    path = write(tmp_path / f"log{form}", {"t": cells, "a": [1.0, 2.0]})
    error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
    assert "seconds since 1970" in error.remedy
    seconds = ((times - times[0]) / np.timedelta64(1, "s")).tolist()
    stream = sensor(write(path, {"t": seconds, "a": [1.0, 2.0]}), columns=("a",))
    assert samples_of(stream.blocks()) == [(0, {0: 1.0}), (10**9, {0: 2.0})]


@pytest.mark.parametrize(
    ("cell", "problem", "remedy", "better"),
    [
        ("12:00:01.5", "a date or a time of day, not a number", "seconds since 1970", "1.5"),
        ("31.12.2024", "a date or a time of day, not a number", "seconds since 1970", "1.5"),
        ("True", "not a number", "write 1 for true and 0 for false", "1"),
        ("false", "not a number", "write 1 for true and 0 for false", "0"),
        ('"1,5"', "not a number", "write 1.5 or 15, whichever is meant", "1.5"),
        ("n/a", "not a number", "leave it empty and set policies.nonfinite to drop", ""),
        ("3 V", "not a number", "leave it empty and set policies.nonfinite to drop", ""),
    ],
)
def test_a_cell_that_is_no_number(tmp_path, cell, problem, remedy, better):
    path = write(tmp_path / "log.csv", {"t": [0, 1], "a": [1, cell]})
    error = refusal(lambda: list(sensor(path).blocks()))
    assert (error.field, error.problem, error.value) == ("row 2, column 'a'", problem, cell.strip('"'))
    assert remedy in error.remedy
    stream = sensor(write(path, {"t": [0, 1], "a": [1, better]}), Policies(nonfinite=Policy.DROP))
    assert samples_of(stream.blocks()) == [(0, {0: 1.0}), *([(10**9, {0: float(better)})] if better else [])]


@pytest.mark.parametrize(
    ("lines", "sign", "sep"),
    [
        (("t;a", "0;1"), "semicolons", ";"),
        (("t;a", "0,0;1,5"), "semicolons", ";"),
        (("t\ta", "0\t1"), "tabs", r"\t"),
        (("t a", "0 1"), "spaces", r"\s+"),
        (("t|a", "0|1"), "bars", "|"),
    ],
)
def test_another_separator_is_named(tmp_path, lines, sign, sep):
    path = tmp_path / "log.csv"
    path.write_text("\n".join(lines) + "\n")
    error = refusal(lambda: sensor(path, columns=("a",)))
    assert (error.problem, error.value) == (f"columns are separated by {sign} and not by commas", lines[0])
    assert f"sep='{sep}'" in error.remedy
    better = "\n".join(lines).replace(",", ".").replace(";" if sep == ";" else lines[0][1], ",")
    path.write_text(better + "\n")
    assert len(samples_of(sensor(path, columns=("a",)).blocks())) == 1
    path.write_text("my time\n0\n")  # a name may have spaces
    assert refusal(lambda: sensor(path, columns=("a",))).problem == "the file has no column of this name"


def test_a_two_dimensional_array_among_columns_is_told_how_it_is_named(tmp_path):
    path = write(tmp_path / "log.npz", {"t": [0, 1], "X": [[1, 2, 3], [4, 5, 6]], "one": [7, 8]})
    error = refusal(lambda: sensor(path, columns=("X",)))
    assert error.remedy == "name it as values: X, with the numbers of its columns, from 0: columns: [0, 1, 2]"
    assert full(sensor(path, values="X", columns=(0, 1, 2)).blocks())[1].tolist() == [[1, 2, 3], [4, 5, 6]]
    write(path, {"t": [[0], [1]], "X": [[1, 2, 3], [4, 5, 6]], "one": [7, 8]})
    assert refusal(lambda: sensor(path, columns=("one",))).remedy == "save t[:, 0]"
    write(path, {"t": [0, 1], "X": [[1, 2, 3], [4, 5, 6]], "one": [7, 8]})
    assert "columns: [one], without values" in refusal(lambda: sensor(path, values="one")).remedy
    write(path, {"t": [0, 1], "X": np.ones((3, 2)).tolist(), "T": np.ones((2, 3)).tolist()})
    assert refusal(lambda: sensor(path, values="X")).remedy == (
        "'t' has 2: save X.T, since each row is a sample and each column a channel"
    )
    assert full(sensor(path, values="T").blocks())[1].tolist() == np.ones((2, 3)).tolist()


def test_a_line_of_names_that_is_none(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("0.0,1\n0.1,2\n")
    error = refusal(lambda: sensor(path, columns=("a",)))
    assert (error.problem, error.value) == ("the first line has numbers in place of column names", "0.0,1")
    path.write_text("t,a\n0.0,1\n0.1,2\n")
    assert len(samples_of(sensor(path, columns=("a",)).blocks())) == 2
    path.write_text("t, a\n0.0,1\n0.1,2\n")
    assert refusal(lambda: sensor(path, columns=("a",))).remedy.startswith("it has 't', ' a', with these spaces")
    assert len(samples_of(sensor(path, columns=(" a",)).blocks())) == 2


@pytest.mark.parametrize(
    ("text", "line", "n_cells", "better"),
    [
        ("# walk 3\nt,a\n0,1\n1,2\n2,3\n", 2, 2, "t,a\n0,1\n1,2\n2,3\n"),
        ("t,a\n0,1,\n1,2,\n2,3,\n", 2, 3, "t,a,x\n0,1,\n1,2,\n2,3,\n"),
        ("t,a\n0,0,1\n1,0,2\n2,0,3\n", 2, 3, "t,a\n0.0,1\n1.0,2\n2.0,3\n"),
    ],
)
def test_lines_that_are_all_longer_are_no_slip(tmp_path, text, line, n_cells, better):
    path = tmp_path / "log.csv"
    path.write_text(text)
    error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
    assert error.field == f"line {line}"
    assert error.remedy.startswith(f"lines after it have {n_cells}, too: the first line must name as many columns")
    path.write_text(better)
    assert len(samples_of(sensor(path, columns=("a",)).blocks())) == 3


def test_files_that_are_not_what_their_names_say(tmp_path):
    csv = b"t,a\n0,1\n"
    write(tmp_path / "good.parquet", {"t": [0.0], "a": [1.0]})
    write(tmp_path / "good.npz", {"t": [0.0], "a": [1.0]})
    for name, content, words in (
        ("log.csv", gzip.compress(csv), "packed by gzip, and no .csv; unpack it"),
        ("log.csv", (tmp_path / "good.parquet").read_bytes(), "a .parquet, and no .csv; give it that ending"),
        ("log.csv", (tmp_path / "good.npz").read_bytes(), "a zip archive, an .npz or a spreadsheet, and no .csv"),
        ("log.npz", (tmp_path / "good.parquet").read_bytes(), "a .parquet, and no .npz; give it that ending"),
        ("log.parquet", csv, "no .parquet; give it the ending of what it is"),
        ("log.parquet", b"\x89HDF\r\n\x1a\n", "of HDF5, and no .parquet; save its table as .csv"),
    ):
        (tmp_path / name).write_bytes(content)
        assert words in str(refusal(lambda name=name: list(sensor(tmp_path / name, columns=("a",)).blocks())))


@pytest.mark.parametrize("form", FORMS)
def test_a_time_beyond_all_is_quoted_with_its_row(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [0, 1700000000123456789], "a": [1.0, 2.0]})
    error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
    assert "(got 1700000000123456789); check time_unit" in str(error)
    if form != ".npz":
        assert error.field == "row 2, column 't'"
    assert len(samples_of(sensor(path, columns=("a",), time_unit="ns").blocks())) == 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("origin_ns", [1700000000123456789, -3 * 10**9, None])
def test_times_count_from_the_origin_with_all_their_digits(tmp_path, form, origin_ns):
    first_ns = 1700000000123456789 if origin_ns is None else origin_ns
    path = write(tmp_path / f"log{form}", {"t": [first_ns, first_ns + 7], "a": [1.0, 2.0]})
    stream = sensor(path, columns=("a",), time_unit="ns", origin_ns=origin_ns)
    assert (stream.begins_ns, stream.duration_ns) == (0, 8)
    assert [time_ns for time_ns, *_ in samples_of(stream.blocks())] == [0, 7]


def test_seconds_since_1970_that_are_text_keep_all_their_digits(tmp_path):
    """Float64 has them to a quarter of a microsecond; a row that has no time changes nothing for the others."""
    cells = ["1700000000", "1700000000.01", " 1.70000000002e9 ", None, "nan", "1700000000.123456789", "1700000001.5"]
    path = write(tmp_path / "log.csv", {"t": cells, "a": range(7)})
    policies = Policies(nonfinite=Policy.DROP)
    stream = sensor(path, policies, columns=("a",), origin_ns=1700000000 * 10**9)
    found = [time_ns for time_ns, *_ in samples_of(stream.blocks())]
    assert found == [0, 10_000_000, 20_000_000, 123_456_789, 1_500_000_000]
    assert stream.duration_ns == 1_500_000_001


@pytest.mark.parametrize("n_decimals", [0, 4, 9, 13, 20, 40])
@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s", "min", "h"])
@pytest.mark.parametrize("begins", [0, 1_000_000 * 10**9, 1_700_000_000 * 10**9])
def test_times_that_are_text_are_exact_in_every_unit_and_to_every_digit(tmp_path, begins, unit, n_decimals):
    """Each is what its own text says, rounded to the nanosecond, whatever the rows beside it look like."""
    times = [Fraction(begins + 10**7 * k + 3 * (k % 2), NS_PER[unit]) for k in range(50)]
    cells = [decimal_text(time, n_decimals) for time in times]
    cells[7] += "e0"
    cells[11] = decimal_text(times[11], 33)
    expected = [round(Fraction(cell) * NS_PER[unit]) - begins for cell in cells]
    path = write(tmp_path / "log.csv", {"t": cells, "a": range(50)})
    policies = Policies(late=Policy.DROP, duplicate=Policy.DROP)
    stream = sensor(path, policies, columns=("a",), time_unit=unit, origin_ns=begins, partial=True)
    found = [int(time_ns) for rows in stream._source.rows() for time_ns in rows.times_ns]
    assert found == expected
    if n_decimals >= 20:
        assert found == [10**7 * k + 3 * (k % 2) for k in range(50)]


def decimal_text(number, n_decimals):
    """A number that is not below 0, with so many digits after the point."""
    whole, digits = divmod(round(number * 10**n_decimals), 10**n_decimals)
    return f"{whole}.{digits:0{n_decimals}d}" if n_decimals else str(whole)


def test_halves_of_a_nanosecond_are_rounded_as_durations_are(tmp_path):
    for origin_ns in (0, 1_700_000_000 * 10**9):
        cells = [f"{origin_ns // 10**9}.{tail}" for tail in ("0000000005", "0000000015", "00000000249999999999999")]
        path = write(tmp_path / "log.csv", {"t": cells, "a": [1, 2, 3]})
        rows = next(sensor(path, columns=("a",), origin_ns=origin_ns)._source.rows())
        assert rows.times_ns.tolist() == [0, 2, 2]


def test_what_lies_below_a_half_by_less_than_float64_tells_is_rounded_down(tmp_path):
    path = write(tmp_path / "log.csv", {"t": ["0.5", "1.0000000034999999999999"], "a": [1, 2]})
    rows = next(sensor(path, columns=("a",))._source.rows())
    assert rows.times_ns.tolist() == [500_000_000, 1_000_000_003]


@pytest.mark.parametrize("form", [".npz", ".parquet"])
@pytest.mark.parametrize("unit", ["s", "min", "h"])
@pytest.mark.parametrize("start_ns", [None, 0])
def test_a_float_that_is_the_origin_is_at_zero(tmp_path, form, unit, start_ns):
    """Float64 has a calendar's seconds to 238 ns only, so the origin is taken as coarse as the file's times are."""
    for ms in range(1, 1000, 37):
        origin_ns = 1_700_000_000 * 10**9 + ms * 10**6
        times = [(origin_ns + 10**7 * k) / NS_PER[unit] for k in range(30)]
        path = write(tmp_path / f"log{form}", {"t": times, "a": list(range(30))})
        for origin in (origin_ns, None):  # None: that of the first row
            source = TableSource(path, "t", time_unit=unit, columns=("a",), origin_ns=origin)
            stream = build_sensor(SensorSpec("probe", source, Sampling(start_ns=start_ns)), 0)
            found = [time_ns for time_ns, *_ in samples_of(stream.blocks())]
            assert found[0] == 0
            assert np.diff(found) == pytest.approx(np.full(29, 10**7), abs=1000)
            assert len(found) == 30


@pytest.mark.parametrize("form", [".npz", ".parquet"])
def test_a_float_is_rounded_to_the_nanosecond_only(tmp_path, form):
    times = [1_700_000_000.01, 1_700_000_000.0100002]
    path = write(tmp_path / f"log{form}", {"t": times, "a": [1.0, 2.0]})
    found = [time_ns for time_ns, *_ in samples_of(sensor(path, columns=("a",)).blocks())]
    assert found == [round(Fraction(time) * 10**9) for time in times]


@pytest.mark.parametrize("cell", ["8000000099.5", "8000000099.50000000000000000001", "1e300"])
def test_a_time_that_does_not_fit_is_quoted_as_it_stands_in_the_file(tmp_path, cell):
    path = write(tmp_path / "log.csv", {"t": ["8000000000.5", f" {cell}"], "a": [1, 2]})
    error = refusal(lambda: sensor(path, columns=("a",), origin_ns=17 * 10**17))
    assert error.field == "row 2, column 't'"
    assert f"(got {cell}); check time_unit" in str(error)


@pytest.mark.parametrize("form", FORMS)
def test_a_time_before_the_origin_is_named_as_it_stands_in_the_file(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [9, 5], "a": [1.0, 2.0]})
    error = refusal(lambda: list(sensor(path, columns=("a",), origin_ns=9 * 10**9).blocks()))
    assert (error.field, error.problem) == ("row 2, the time", "a time before the origin, 5000000000 ns")
    error = refusal(lambda: list(sensor(path, columns=("a",), origin_ns=4 * 10**9).blocks()))
    assert error.problem == "a time before that of an earlier row, 5000000000 ns"


@pytest.mark.parametrize("form", FORMS)
def test_no_time_is_that_which_stands_for_never(tmp_path, form):
    for time_ns in (2**63 - 1, -(2**63) + 1):
        path = write(tmp_path / f"log{form}", {"t": [time_ns], "a": [1.0]})
        assert "does not fit" in str(refusal(lambda path=path: sensor(path, columns=("a",), time_unit="ns")))
    path = write(tmp_path / f"log{form}", {"t": [2**63 - 2], "a": [1.0]})
    assert samples_of(sensor(path, columns=("a",), time_unit="ns").blocks())[0][0] == 2**63 - 2


def test_a_time_too_large_for_any_unit_is_refused_and_nothing_else(tmp_path):
    path = write(tmp_path / "log.csv", {"t": ["0.5", "1e300"], "a": [1.0, 2.0]})
    assert "does not fit into 64-bit" in str(refusal(lambda: sensor(path, columns=("a",))))


def test_lengths_of_time_are_no_numbers(tmp_path):
    """Of numpy's types that of a difference of dates counts as one of whole numbers."""
    np.savez(tmp_path / "log.npz", t=np.arange(2).astype("timedelta64[ms]"), a=np.ones(2))
    assert "seconds since 1970" in refusal(lambda: sensor(tmp_path / "log.npz", columns=("a",))).remedy


def test_files_packed_or_of_other_forms_are_told_what_would_do(tmp_path):
    for name, remedy in (("log.csv.gz", "unpack"), ("log.tsv", "with commas"), ("log.dat", "use .npz, .csv")):
        (tmp_path / name).write_bytes(b"t")
        assert remedy in refusal(lambda name=name: sensor(tmp_path / name, columns=("a",))).remedy


def test_files_that_cannot_be_used_say_why(tmp_path):
    assert "no such file" in str(refusal(lambda: sensor(tmp_path / "none.csv")))
    assert "no such file" in str(refusal(lambda: sensor(tmp_path)))
    other = tmp_path / "log.txt"
    other.write_text("t,a\n0,1\n")
    assert "use .npz, .csv or .parquet" in str(refusal(lambda: sensor(other)))
    table = write(tmp_path / "log.csv", {"t": [0], "a": [1]})
    assert "use one of ns, us" in str(refusal(lambda: sensor(table, time_unit="days")))
    assert "only an .npz has" in str(refusal(lambda: sensor(table, values="a")))
    far = write(tmp_path / "far.csv", {"t": [10**15], "a": [1]})
    assert "check time_unit" in str(refusal(lambda: list(sensor(far, time_unit="h").blocks())))
    twins = tmp_path / "twins.csv"
    twins.write_text("t,a,a\n0,1,2\n")
    assert "2 columns have this name" in str(refusal(lambda: sensor(twins, columns=("a",))))
    alone = write(tmp_path / "alone.csv", {"t": [0]})
    assert "beside the time" in str(refusal(lambda: sensor(alone)))


def test_a_row_of_another_length_is_named_by_its_line(tmp_path):
    """Lines are those of the file: a cell may hold some, and empty ones are no rows."""
    path = tmp_path / "ragged.csv"
    path.write_text('t,note,a\n\n0,"one\ntwo",1\n1,three\n2,four,3,4\n')
    error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
    assert (error.place, error.field, error.value) == (str(path), "line 5", "1,three")
    assert error.problem == "has 2 cells where the file has 3 columns"
    many = "".join(f"{k},two,3\n" for k in range(200_000))
    path.write_text("t,note,a\n" + many + "200000,4\n")
    error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
    assert (error.field, error.value) == ("line 200002", "200000,4")
    path.write_text('t,note,a\n0,one,1\n1,"two,2\n2,three,3\n')  # a quote that nobody closes
    error = refusal(lambda: list(sensor(path, columns=("a",)).blocks()))
    assert error.field == "line 3"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_csv_of_another_encoding_says_so(tmp_path, encoding):
    path = tmp_path / "foreign.csv"
    for header, cells in (("t,größe", ("0", "2")), ("t,a", ("2.5", "grün"))):
        path.write_bytes(f"{header}\n1,{cells[0]}\n2,{cells[1]}\n".encode(encoding))
        error = refusal(lambda: list(sensor(path).blocks()))
        assert (error.problem, error.remedy) == ("is not UTF-8 text", "save the file as UTF-8")
        assert error.place == str(path)
        if encoding == "latin-1":
            line, word = (1, "größe") if "ö" in header else (3, "grün")
            assert (error.field, error.value) == (f"line {line}", word.encode(encoding))


def test_arrays_of_wrong_shape_are_refused(tmp_path):
    path = write(tmp_path / "log.npz", {"t": [0, 1], "long": [1, 2, 3], "X": [[1, 2], [3, 4]], "w": [1j, 2]})
    assert refusal(lambda: sensor(path, columns=("long",))).value == 3
    assert refusal(lambda: sensor(path, columns=("X",))).value == (2, 2)
    assert refusal(lambda: sensor(path, values="long")).value == (3,)
    error = refusal(lambda: sensor(path, columns=("w",)))
    assert (error.field, error.problem, error.value) == ("w", "must hold real numbers", "complex128")
    write(tmp_path / "log.npz", {"t": [0, 1], "Z": [[1j, 2], [3, 4]]})
    assert refusal(lambda: sensor(path, values="Z")).field == "Z"
    assert refusal(lambda: sensor(path)).field == "columns"


# --- classes or values


def goal(path, *columns, policies=None, **table):
    return build_target(TargetSpec("goal", TableLabels(path, "t", "ns", columns, **table), policies or Policies()), 0)


def test_the_whole_column_of_a_csv_decides_and_not_its_beginning(tmp_path):
    path, n = tmp_path / "log.csv", 200_000
    rows = [f"{k},1\n" for k in range(n)]  # several blocks of Arrow's
    path.write_text("".join(["t,y\n", *rows, f"{n},1.5\n"]))
    stream = goal(path, "y")
    assert stream.why_values == f"row {n + 1} of column 'y' is 1.5"
    assert not stream.is_class
    values = targets_of(stream.blocks()).values
    assert (values.shape, values[-1, 0]) == ((n + 1, 1), 1.5)
    path.write_text("".join(["t,y\n", *(f"{k},\n" for k in range(n)), f"{n},3\n"]))  # empty cells say nothing
    stream = goal(path, "y", policies=Policies(nonfinite=Policy.DROP))
    assert stream.is_class
    assert targets_of(stream.blocks()).values.tolist() == [3]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["2", " 0 ", "1"], None),
        (["2", "", "1"], None),
        (["nan", "2", "NaN"], None),
        (["2", "much"], None),  # which is refused where it comes
        (["much", "more"], None),  # likewise
        (["+1", "0"], None),
        (["12345678901234567890", "0"], None),  # refused where it comes, for its size
        (["-1", "2"], None),  # likewise
        (["0.0", "1.0"], "row 1 of column 'y' is 0.0"),
        (["2", "1e0"], "row 2 of column 'y' is 1e0"),
        (["2", "inf"], "row 2 of column 'y' is inf"),
        (["", "nan"], "column 'y' has no number"),
    ],
)
def test_what_is_a_class_in_a_csv(tmp_path, cells, why):
    path = tmp_path / "log.csv"
    path.write_text("t,y\n" + "".join(f"{k},{cell}\n" for k, cell in enumerate(cells)))
    assert goal(path, "y").why_values == why
    assert goal(path, "y").n_values == 1


@pytest.mark.parametrize("form", [".npz", ".parquet"])
def test_elsewhere_the_type_of_a_column_decides(tmp_path, form):
    path = write(tmp_path / f"log{form}", {"t": [0, 1], "y": [0, 1], "z": [0.0, 1.0]})
    assert goal(path, "y").is_class
    assert goal(path, "z").why_values.startswith("column 'z' is of type ")
    assert (goal(path, "y", "z").why_values, goal(path, "y", "z").n_values) == ("there are 2 columns", 2)


def test_a_class_below_zero_is_refused_where_it_comes(tmp_path):
    path = write(tmp_path / "log.csv", {"t": [0, 1], "y": [1, -1]})
    error = refusal(lambda: list(goal(path, "y").blocks()))
    assert error.field == "the label at 1 ns"
    assert "(got -1)" in str(error)
    write(path, {"t": [700, 701], "y": [1, -1]})
    assert refusal(lambda: list(goal(path, "y", origin_ns=None).blocks())).field == "the label at 701 ns"
    write(path, {"t": [0, 1], "y": [1, 10**20]})
    assert "(got 1e+20)" in str(refusal(lambda: list(goal(path, "y").blocks())))
    assert "put the file under signal" in error.remedy
