"""How often a row has come before in its file, in memory that is bounded by the number of rows alone."""

from array import array

_SMALLEST = 1 << 12


class Occurrences:
    """Counts rows by the first 64 bits of their hashes: an open-addressing table of 12 bytes a slot.

    Two rows whose first 64 bits are alike count as one row. Their ids differ all the same, for those are made of the whole
    hash; and a file that is read again is counted alike.
    """

    def __init__(self) -> None:
        """Counts nothing yet."""
        self._allocate(_SMALLEST)
        self._used = 0

    def count(self, digest: bytes) -> int:
        """How many rows with this hash came before; counts this one."""
        # Zero marks a free slot.
        key = int.from_bytes(digest[:8]) or 1
        keys, mask = self._keys, self._mask
        slot = key & mask
        while (found := keys[slot]) != key:
            if not found:
                keys[slot], self._counts[slot] = key, 1
                self._used += 1
                if self._used * 3 > mask * 2:
                    self._grow()
                return 0
            slot = (slot + 1) & mask
        before = self._counts[slot]
        self._counts[slot] = before + 1
        return before

    def _allocate(self, slots: int) -> None:
        self._mask = slots - 1
        self._keys, self._counts = array("Q", bytes(8)) * slots, array("I", [0]) * slots

    def _grow(self) -> None:
        keys, counts = self._keys, self._counts
        self._allocate((self._mask + 1) * 2)
        mask = self._mask
        for key, count in zip(keys, counts, strict=True):
            if key:
                slot = key & mask
                while self._keys[slot]:
                    slot = (slot + 1) & mask
                self._keys[slot], self._counts[slot] = key, count
