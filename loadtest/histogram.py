"""HDR-style additive counts: for metrics of which there are too many samples to keep each one.

Values are integer nanoseconds, counted in units of 1 µs. The bucket of a value v (µs) with S = 11 sub-bucket bits is
that of HdrHistogram at three significant digits: m = max(v, 2^S - 1), b = bit_length(m) - S,
index = ((b + 1) << (S - 1)) + ((v >> b) - 2^(S-1)) (https://github.com/HdrHistogram/HdrHistogram_py). A bucket
is at most 2^-10 of its values wide, so its middle is within 2^-11 (0.05 %) of each of them; below 2.048 ms a bucket is
1 µs wide, its middle within 0.5 µs. Merging is addition, so percentiles do not depend on how samples were spread over
processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_BITS: Final = 11
_HALF: Final = 1 << (_BITS - 1)
NS_PER_UNIT: Final = 1_000


def buckets_of(values_ns: Ints) -> Ints:
    """Bucket index of each value (ns, shape n); negative values count as 0."""
    values = np.maximum(values_ns, 0) // NS_PER_UNIT
    _, length = np.frexp(np.maximum(values, (1 << _BITS) - 1).astype(np.float64))
    shift = length.astype(np.int64) - _BITS
    result: Ints = ((shift + 1) << (_BITS - 1)) + ((values >> shift) - _HALF)
    return result


def value_of(buckets: Ints) -> npt.NDArray[np.float64]:
    """Midpoint of each bucket, ns."""
    shift = np.maximum((buckets >> (_BITS - 1)) - 1, 0)
    low = (buckets - (shift << (_BITS - 1))) << shift
    result: npt.NDArray[np.float64] = (low + (1 << shift) / 2.0) * NS_PER_UNIT
    return result


def pack(values_ns: Ints) -> tuple[bytes, bytes]:
    """Samples (ns) as the two fields of `model.Counts`: occupied buckets and their counts."""
    counts = np.bincount(buckets_of(values_ns))  # at most 45,000 buckets: faster than a sort, which stops the clients
    occupied = np.flatnonzero(counts)
    return occupied.astype("<u4").tobytes(), counts[occupied].astype("<u4").tobytes()


def merge(packed: Iterable[tuple[bytes, bytes]]) -> tuple[Ints, Ints]:
    """Add packed histograms up.

    Returns:
        Occupied buckets, ascending, and their counts; both empty for no samples.
    """
    total = np.zeros(0, np.int64)
    for buckets, counts in packed:
        part = added(np.frombuffer(buckets, "<u4"), np.frombuffer(counts, "<u4"), len(total))
        part[: len(total)] += total
        total = part
    occupied = np.flatnonzero(total)
    return occupied, total[occupied]


def added(places: npt.NDArray[np.integer[Any]], counts: npt.NDArray[np.integer[Any]], length: int = 0) -> Ints:
    """Counts added up by place, exactly, from place 0 to at least `length` places."""
    # bincount adds in float64, in which integers are exact up to 2^53
    return np.bincount(places, counts, length).astype(np.int64)
