"""Columns of text as an Arrow stream, by the C data interface alone: DuckDB reads them without a copy and without pyarrow.

Source: Apache Arrow, "The Arrow C data interface", "The Arrow C stream interface" and "The Arrow PyCapsule interface".
"""

from __future__ import annotations

import ctypes
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from typing import Any

_NULLABLE = 2
_IO_ERROR = 5

Values = Sequence[str | None] | Sequence[bytes | None]
"""A column of text, decoded or as UTF-8, None for NULL."""


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_ReleaseSchema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))
_ReleaseArray = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))
_ReleaseStream = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))
_GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))
_GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))
_GetError = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Stream))

_Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", ctypes.POINTER(ctypes.POINTER(_Schema))), ("dictionary", ctypes.POINTER(_Schema)),
    ("release", _ReleaseSchema), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64), ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)), ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)), ("release", _ReleaseArray), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Stream._fields_ = [
    ("get_schema", _GetSchema), ("get_next", _GetNext), ("get_last_error", _GetError), ("release", _ReleaseStream),
    ("private_data", ctypes.c_void_p),
]  # fmt: skip

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_NAME = b"arrow_array_stream"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, column by column."""

    length: int
    columns: Sequence[Values]


class TextStream:
    """A table of text columns that DuckDB may go through again and again: each time `batches` begins anew.

    What `batches` raises ends the query; `error` then has it. Everything that a batch holds is kept until DuckDB gives it back.
    """

    def __init__(self, names: Sequence[str], batches: Callable[[], Iterator[Batch]]) -> None:
        self.error: BaseException | None = None
        self._names, self._batches = names, batches
        self._held = _Held()
        self._readings: list[_Reading] = []

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any:
        """Return a capsule with a stream from the beginning; the interface's name for it."""
        reading = _Reading(self, self._names, self._batches, self._held)
        # C holds nothing that Python counts, and code that runs must not free itself: all stay as long as the table.
        self._readings.append(reading)
        return _new_capsule(reading.address, _NAME, None)


class _Held:
    """What C points to and must not be freed before it says so, by number."""

    def __init__(self) -> None:
        self._numbers, self._lock = count(1), threading.Lock()
        self._things: dict[int, object] = {}
        self.release_schema = _ReleaseSchema(self._release_schema)
        self.release_array = _ReleaseArray(self._release_array)

    def keep(self, thing: object) -> int:
        with self._lock:
            number = next(self._numbers)
            self._things[number] = thing
            return number

    def drop(self, number: int | None) -> None:
        if number is not None:
            with self._lock:
                self._things.pop(number, None)

    def _release_schema(self, schema: Any) -> None:
        self.drop(schema.contents.private_data)
        schema.contents.release = _ReleaseSchema(0)

    def _release_array(self, items: Any) -> None:
        self.drop(items.contents.private_data)
        items.contents.release = _ReleaseArray(0)


class _Reading:
    """One pass over the batches."""

    def __init__(self, stream: TextStream, names: Sequence[str], batches: Callable[[], Iterator[Batch]], held: _Held) -> None:
        self._stream, self._names, self._open, self._held = stream, names, batches, held
        self._batches: Iterator[Batch] | None = None
        self._message = ctypes.create_string_buffer(1024)
        self._struct = _Stream(
            get_schema=_GetSchema(self._get_schema),
            get_next=_GetNext(self._get_next),
            get_last_error=_GetError(lambda _stream: ctypes.addressof(self._message)),
            release=_ReleaseStream(self._release),
        )

    @property
    def address(self) -> int:
        return ctypes.addressof(self._struct)

    def _release(self, stream: Any) -> None:
        if isinstance(self._batches, Iterator) and hasattr(self._batches, "close"):
            self._batches.close()
        stream.contents.release = _ReleaseStream(0)

    def _get_schema(self, _stream: Any, out: Any) -> int:
        children = (ctypes.POINTER(_Schema) * len(self._names))()
        for index, name in enumerate(self._names):
            children[index] = ctypes.pointer(
                _Schema(format=b"u", name=name.encode(), flags=_NULLABLE, n_children=0, release=self._held.release_schema)
            )
        _fill(out.contents, format=b"+s", name=b"", metadata=None, flags=0, n_children=len(self._names), children=children)
        out.contents.dictionary = None
        out.contents.private_data = self._held.keep(children)
        out.contents.release = self._held.release_schema
        return 0

    def _get_next(self, _stream: Any, out: Any) -> int:
        try:
            if self._batches is None:
                self._batches = self._open()
            batch = next(self._batches, None)
            if batch is None:
                out.contents.release = _ReleaseArray(0)
                return 0
            self._put(batch, out.contents)
        except BaseException as error:  # noqa: BLE001 - no exception can pass through C; whoever runs the query raises it again
            self._stream.error = error
            self._message.value = type(error).__name__.encode()
            return _IO_ERROR
        return 0

    def _put(self, batch: Batch, out: Any) -> None:
        children = (ctypes.POINTER(_Array) * len(batch.columns))()
        kept: list[object] = [children]
        for index, values in enumerate(batch.columns):
            nulls, *parts = _buffers(values)
            buffers = (ctypes.c_void_p * 3)()
            for place, part in enumerate(parts):
                buffers[place] = None if part is None else ctypes.cast(part, ctypes.c_void_p).value
            child = _Array(length=batch.length, null_count=nulls, n_buffers=3, buffers=buffers, release=self._held.release_array)
            children[index] = ctypes.pointer(child)
            kept += [parts, buffers, child]
        nothing = (ctypes.c_void_p * 1)(None)
        kept.append(nothing)
        _fill(
            out, length=batch.length, null_count=0, offset=0, n_buffers=1, n_children=len(batch.columns), buffers=nothing, children=children
        )
        out.dictionary = None
        out.private_data = self._held.keep(kept)
        out.release = self._held.release_array


def _fill(struct: Any, **values: object) -> None:
    for name, value in values.items():
        setattr(struct, name, value)


def _buffers(values: Sequence[Any]) -> tuple[int, ctypes.c_char_p | None, ctypes.c_char_p, ctypes.c_char_p]:
    """Return number of NULLs, validity bits (None where all are valid), offsets and bytes of a column of text."""
    nulls = values.count(None)
    if nulls == len(values):
        return nulls, ctypes.c_char_p(bytes((nulls + 7) // 8)), ctypes.c_char_p(bytes(4 * nulls + 4)), ctypes.c_char_p(b"")
    valid, texts = None, values
    if nulls:
        bits = int("".join("0" if value is None else "1" for value in reversed(values)), 2)
        valid = ctypes.c_char_p(bits.to_bytes((len(values) + 7) // 8, "little"))
        empty = next(value for value in values if value is not None)[:0]
        texts = [empty if value is None else value for value in values]
    if isinstance(texts[0], str):
        joined = "".join(texts)
        data = joined.encode("utf-8", "replace")
        if len(data) != len(joined):
            texts = [text.encode("utf-8", "replace") for text in texts]
    else:
        data = b"".join(texts)
    offsets = array("i", accumulate(map(len, texts), initial=0))
    return nulls, valid, ctypes.c_char_p(offsets.tobytes()), ctypes.c_char_p(data)
