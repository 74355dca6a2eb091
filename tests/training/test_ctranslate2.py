"""The reader of CTranslate2 models: what was written is read, and what is broken is said in one sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from training.ctranslate2 import read_variables
from training.errors import SourceError

KINDS = {"<f4": 0, "i1": 1, "<i2": 2, "<i4": 3, "<f2": 4}


def name_bytes(name: str) -> bytes:
    data = name.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def model_bytes(variables: dict[str, np.ndarray], aliases: dict[str, str] | None = None, version: int = 6) -> bytes:
    """A file as CTranslate2 writes it."""
    parts = [struct.pack("<I", version), name_bytes("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, array in variables.items():
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        kind = next(kind for form, kind in KINDS.items() if np.dtype(form) == array.dtype)
        parts += [name_bytes(name), shape, struct.pack("<BI", kind, array.nbytes), array.tobytes()]
    parts.append(struct.pack("<I", len(aliases or {})))
    parts += [name_bytes(alias) + name_bytes(name) for alias, name in (aliases or {}).items()]
    return b"".join(parts)


GOOD = model_bytes({"a/b": np.arange(6, dtype="<f4").reshape(2, 3), "c": np.array(7, "i1")}, {"d": "a/b"})

some_arrays = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, max_side=4))
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=12), some_arrays, max_size=4
    )
)
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, np.ndarray]) -> None:
    path = tmp_path_factory.mktemp("model") / "model.bin"
    path.write_bytes(model_bytes(variables))
    specification, found = read_variables(path)
    assert specification == "WhisperSpec"
    assert found.keys() == variables.keys()
    for name, array in variables.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_an_alias_is_the_same_variable(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(GOOD)
    _, found = read_variables(tmp_path / "model.bin")
    assert found["d"] is found["a/b"]


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_file_that_ends_early_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "model.bin").write_bytes(GOOD[:length])
    with pytest.raises(SourceError, match=r"model\.bin is not a whole CTranslate2 model"):
        read_variables(tmp_path / "model.bin")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (model_bytes({}, version=5), "its version is 5, not 6"),
        (model_bytes({}, {"x": "y"}), "x stands for y, which is not there"),
        (GOOD.replace(struct.pack("<BI", 0, 24), struct.pack("<BI", 0, 23)), "do not fit its shape"),
        (GOOD.replace(struct.pack("<BI", 0, 24), struct.pack("<BI", 9, 24)), "do not fit its shape"),
        (GOOD.replace(b"\x02\x02\x00\x00\x00", b"\x63\x02\x00\x00\x00"), "99 dimensions"),
    ],
)
def test_what_is_broken_is_said(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(SourceError, match=words):
        read_variables(tmp_path / "model.bin")
