"""What h5py, pandas, xarray, netCDF4 and h5dump make of a result file.

read_result.py TEST_RESULT H5DUMP: has TEST_RESULT write its sample and reads it. Exit status 77:
a package is missing.
"""

import math
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import netCDF4
    import numpy as np
    import pandas as pd
    import xarray as xr
except ImportError as missing:
    print(missing)
    sys.exit(77)

ROWS, HEIGHT, WIDTH = 5, 70, 31
INTEGERS = ["iteration", "evaluation", "precision"]
REALS = ["seconds", "total", "content", "style", "tv", "gradient_norm", "step",
         "content_relu4_2", "style_relu1_1"]
COLUMNS = ["iteration", "evaluation", "seconds", "total", "content", "style", "tv",
           "gradient_norm", "step", "precision", "content_relu4_2", "style_relu1_1"]
ATTRIBUTES = {
    "schema_name": "atelier-result",
    "schema_version": 1,
    "Conventions": "CF-1.8",
    "title": "café.jpg in the style of starry.jpg",
    "content_sha256": "a" * 16,
    "init_sha256": "",
    "creator": "atelier, café",
    "numerics": "atelier 0.1 avx512 liblbfgs 1.10",
    "memory_peak_mb": 123.5,
    "content": "photos/café.jpg",
    "weights": "builtin",
    "preset": "balanced",
    "size": 320,
    "content_weight": 0.025,
    "style_layers": "relu1_1:0.25,relu2_1:0.75",
    "pooling": "avg",
    "tolerance": 1e-4,
    "precision": "auto",
}
RUN_PARAMETERS = ["output", "threads", "save_every", "checkpoint_seconds", "fresh", "verbose", "quiet"]


def expected(name):
    """The column of the sample, as test_result.c makes it."""
    column = COLUMNS.index(name)
    rows = np.arange(ROWS)
    values = {"iteration": rows // 2, "evaluation": 3 * rows, "precision": rows % 2}
    if name in values:
        return values[name]
    column = rows + column / 8
    if name in ("total", "content"):
        column[-1] = np.nan
    return column


def image():
    y, x, c = np.ogrid[:HEIGHT, :WIDTH, :3]
    return ((7 * y + 3 * x + 50 * c) % 256).astype(np.uint8)


def check_attributes(attributes, integer, real):
    for name, value in ATTRIBUTES.items():
        found = attributes[name]
        kind = {str: str, int: integer, float: real}[type(value)]
        assert isinstance(found, kind), (name, type(found))
        assert found == value, (name, found)
    for name in RUN_PARAMETERS:
        assert name not in attributes, name


def check_charset(attributes):
    """Texts are UTF-8 of variable length, scalar."""
    for name in attributes:
        attribute = attributes.get_id(name)
        assert attribute.shape == (), name
        if isinstance(attributes[name], str):
            assert attribute.get_type().is_variable_str(), name
            assert attribute.get_type().get_cset() == h5py.h5t.CSET_UTF8, name


def check_table(table):
    """A pandas table of the loss history."""
    for name in COLUMNS:
        np.testing.assert_array_equal(table[name].to_numpy(), expected(name), err_msg=name)
        assert table[name].dtype == (np.int32 if name in INTEGERS else np.float64), name


def read_with_h5py_and_pandas(path):
    with h5py.File(path) as file:
        assert list(file) == ["history", "image"]
        check_attributes(file.attrs, np.int64, np.float64)
        check_charset(file.attrs)
        assert list(file.attrs)[:4] == ["schema_name", "schema_version", "Conventions", "title"]
        history = file["history"]
        assert list(history) == ["row"] + COLUMNS
        table = pd.DataFrame({name: column[:] for name, column in history.items()})
        check_table(table)
        assert list(table["row"]) == list(range(ROWS))
        for name, column in history.items():
            assert isinstance(column.attrs["long_name"], str), name
            assert column.attrs["units"] == ("s" if name == "seconds" else "1"), name
            assert column.compression == "gzip" and column.shuffle and column.chunks, name
            if name != "row":
                assert column.dims[0][0].name == "/history/row", name
            if name in REALS:
                assert math.isnan(column.attrs["_FillValue"][0]) and math.isnan(column.fillvalue)
        flags = history["precision"].attrs
        assert list(flags["flag_values"]) == [0, 1] and flags["flag_values"].dtype == np.int32
        assert flags["flag_meanings"] == "float32 bfloat16"
        check_picture(file["image"])


def check_picture(picture):
    assert picture.dtype == np.uint8 and picture.chunks == (64, WIDTH, 3)
    assert picture.compression == "gzip"
    np.testing.assert_array_equal(picture[:], image())
    for name, value in {"CLASS": b"IMAGE", "IMAGE_VERSION": b"1.2",
                        "IMAGE_SUBCLASS": b"IMAGE_TRUECOLOR",
                        "INTERLACE_MODE": b"INTERLACE_PIXEL", "DISPLAY_ORIGIN": b"UL"}.items():
        attribute = picture.attrs.get_id(name)
        assert picture.attrs[name] == value, name
        assert attribute.get_type().get_strpad() == h5py.h5t.STR_NULLTERM
        assert attribute.get_type().get_cset() == h5py.h5t.CSET_ASCII
        assert attribute.shape == ()


def read_with_xarray(path):
    with xr.open_dataset(path, group="history") as history:
        assert dict(history.sizes) == {"row": ROWS}
        assert list(history.data_vars) == COLUMNS
        for name in COLUMNS:
            np.testing.assert_array_equal(history[name].values, expected(name), err_msg=name)
        assert history.seconds.dtype == np.float64
        assert history.total.attrs["long_name"] == "total loss"
        assert history.precision.attrs["flag_meanings"] == "float32 bfloat16"
        assert list(history.to_dataframe().index) == list(range(ROWS))
        assert math.isclose(float(history.total.mean()), 1.5 + 3 / 8)  # NaN is missing
    with xr.open_dataset(path) as root:
        check_attributes(root.attrs, (int, np.integer), (float, np.floating))
        np.testing.assert_array_equal(root.image.values, image())


def read_with_netcdf4(path):
    with netCDF4.Dataset(path) as file:
        total = file["history"]["total"]
        assert total.dimensions == ("row",) and total.shape == (ROWS,)
        assert np.ma.getmaskarray(total[:]).tolist() == [False] * (ROWS - 1) + [True]
        assert file.getncattr("title") == ATTRIBUTES["title"]


def read_with_h5dump(path, h5dump):
    header = subprocess.run([h5dump, "-H", path], check=True, capture_output=True, text=True)
    assert header.stderr == "", header.stderr
    for text in ["H5T_STD_I32LE", "H5T_IEEE_F64LE", "H5T_STD_U8LE", 'ATTRIBUTE "schema_name"']:
        assert text in header.stdout, text
    for text in ["H5T_ENUM", "H5T_STD_I32BE"]:
        assert text not in header.stdout, text
    columns = [line.split('"')[1] for line in header.stdout.splitlines()
               if line.startswith('      DATASET "')]
    assert sorted(columns) == sorted(["row"] + COLUMNS), columns
    dump = subprocess.run([h5dump, "-d", "/history/evaluation", path], check=True,
                          capture_output=True, text=True)
    assert "(0): 0, 3, 6, 9, 12" in dump.stdout


def main():
    test_result, h5dump = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sample.h5")
        subprocess.run([test_result, "--write", path], check=True)
        with open(path, "rb") as file:
            assert file.read(9)[8] == 2, "superblock version"
        read_with_h5py_and_pandas(path)
        read_with_xarray(path)
        read_with_netcdf4(path)
        read_with_h5dump(path, h5dump)
    print(f"h5py {h5py.__version__}, pandas {pd.__version__}, xarray {xr.__version__}, "
          f"netCDF4 {netCDF4.__version__} and h5dump read the sample")


main()
