"""Consistent hashing: which of several buckets a key belongs to, so that few keys move when a bucket comes or goes.

`jump` is jump consistent hash (Lamping and Veach 2014, arXiv:1406.2294): no table, logarithmic, but only the last
bucket can go. `Buckets` is MementoHash on top of it (Coluzzi and others 2023, arXiv:2306.09783): it remembers the
buckets that were removed, so that any of them may go and come back.
"""

from __future__ import annotations

from hashlib import blake2b

_64_BITS = (1 << 64) - 1


def hashed(key: object) -> int:
    """64 bits that are the same for every key with the same `repr`, in every process."""
    return int.from_bytes(blake2b(repr(key).encode(errors="backslashreplace"), digest_size=8).digest(), "big")


def jump(hash: int, count: int) -> int:
    """The bucket of a hash among `count` >= 1 buckets. One bucket more takes 1 / (count + 1) of the hashes from the
    others, and nothing else moves.
    """
    bucket, following = 0, 0
    while following < count:
        bucket = following
        hash = (hash * 2862933555777941757 + 1) & _64_BITS
        following = int((bucket + 1) * (1 << 31) / ((hash >> 33) + 1))
    return bucket


def mixed(hash: int, bucket: int) -> int:
    """Another hash, from a hash and a bucket (the finalizer of SplitMix64)."""
    hash = (hash + (bucket + 1) * 0x9E3779B97F4A7C15) & _64_BITS
    hash = ((hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    hash = ((hash ^ (hash >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return hash ^ (hash >> 31)


class Buckets:
    """Numbered buckets that come and go. A bucket that goes gives up its own keys only, to all the others alike; one
    that comes takes an equal share from each of the others, and no key moves between these. What a lookup costs grows
    with the logarithm of the number of buckets.
    """

    def __init__(self) -> None:
        self._size = 0
        self._removed: dict[int, tuple[int, int]] = {}
        """By bucket: how many were left without it, and which was removed before it."""
        self._last = -1
        """The bucket that was removed last."""

    def __len__(self) -> int:
        return self._size - len(self._removed)

    def add(self) -> int:
        """One bucket more: the one that was removed last, or else a new one."""
        if self._removed:
            bucket = self._last
            _, self._last = self._removed.pop(bucket)
            return bucket
        self._size += 1
        return self._size - 1

    def remove(self, bucket: int) -> None:
        """This bucket goes. It must be one that is there."""
        if not self._removed and bucket == self._size - 1:
            self._size -= 1
        else:
            self._removed[bucket] = (len(self) - 1, self._last)
            self._last = bucket

    def find(self, hash: int) -> int | None:
        """The bucket of a hash; None: there are no buckets."""
        if not len(self):
            return None
        removed = self._removed
        bucket = jump(hash, self._size)
        while bucket in removed:
            left, _ = removed[bucket]
            bucket = mixed(hash, bucket) % left
            while bucket in removed and removed[bucket][0] >= left:
                bucket = removed[bucket][0]  # it had gone before; the last of those left then stands for it
        return bucket
