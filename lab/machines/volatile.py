"""A disk with a write cache: what was flushed is in its file, the rest is lost with the power.

The file is in this machine's page cache, which no power cut of a guest reaches: that is durable
enough. All that was not flushed is lost at once, so the disk is as it was at its last flush; a real
one may also have kept some of it.
"""

import os

BLOCK = 4096


class Volatile:
    """A disk of `size` bytes over an open file (a descriptor)."""

    def __init__(self, file, size):
        self._file, self.size = file, size
        self._blocks = {}       # number: what is in the cache
        os.ftruncate(file, size)

    @property
    def unflushed(self):
        """How many bytes would be lost now, in whole blocks."""
        return len(self._blocks) * BLOCK

    def read(self, offset, length):
        """Return bytes, cached or not."""
        found = bytearray(os.pread(self._file, length, offset))
        if len(found) != length:
            raise OSError(f"{len(found)} of {length} bytes at {offset}")
        for number in self._touched(offset, length):
            if number in self._blocks:
                start = number * BLOCK
                first, last = max(start, offset), min(start + BLOCK, offset + length)
                found[first - offset:last - offset] = (
                    self._blocks[number][first - start:last - start])
        return bytes(found)

    def write(self, offset, data):
        """Put bytes into the cache."""
        for number in self._touched(offset, len(data)):
            start = number * BLOCK
            first, last = max(start, offset), min(start + BLOCK, offset + len(data))
            new = data[first - offset:last - offset]
            if len(new) < BLOCK:
                old = self.read(start, BLOCK)
                new = old[:first - start] + new + old[last - start:]
            self._blocks[number] = new

    def flush(self, offset=0, length=None):
        """Make what is cached durable: all, or the blocks of these bytes."""
        wanted = self._touched(offset, self.size - offset if length is None else length)
        for number in [one for one in self._blocks if one in wanted]:
            data = self._blocks[number]
            if os.pwrite(self._file, data, number * BLOCK) != len(data):
                raise OSError("no room for what is flushed")
            del self._blocks[number]

    def drop(self):
        """Lose what was not flushed; return how many bytes these were."""
        count = self.unflushed
        self._blocks.clear()
        return count

    @staticmethod
    def _touched(offset, length):
        """Return the numbers of the blocks that have these bytes, as a range."""
        return range(offset // BLOCK, -(-(offset + length) // BLOCK))
