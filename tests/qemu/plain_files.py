# SPDX-License-Identifier: MIT
"""A file system as boards have one in their flash: its files are read into RAM, not used where they lie.

vfs.mount(Files("/rom/models"), "/files")

It shows the files of a folder; those that are written lie in RAM, less the zeros at their end.
"""

import os

_FOLDER, _FILE = 0x4000, 0x8000


class Files:
    def __init__(self, folder):
        self._folder = folder
        self._written = {}  # by path: (content, size)

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def chdir(self, path):
        pass

    def open(self, path, mode):
        if "w" in mode:
            return _NewFile(self._written, path)
        if path in self._written:
            return _File(_Zeros(*self._written[path]))
        return _File(open(self._folder + path, "rb"))

    def stat(self, path):
        if path in self._written:
            return (_FILE, 0, 0, 0, 0, 0, self._written[path][1], 0, 0, 0)
        return os.stat(self._folder + path.rstrip("/"))

    def ilistdir(self, path):
        for name in os.listdir(self._folder + path.rstrip("/")):
            yield (name, _FILE, 0)

    def remove(self, path):
        if self._written.pop(path, None) is None:
            raise OSError(2)


class _File:
    """Of another one what is no buffer: MicroPython uses a file of its read-only file system as memory."""

    def __init__(self, file):
        self.read, self.readinto, self.seek, self.close = file.read, file.readinto, file.seek, file.close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _NewFile:
    def __init__(self, written, path):
        self._written, self._path = written, path
        self._content, self._at = bytearray(), 0
        written[path] = b"", 0

    def seek(self, offset):
        self._at = offset

    def write(self, data):
        if data.strip(b"\0"):
            self._content += bytes(self._at - len(self._content))
            self._content[self._at : self._at + len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self):
        self._written[self._path] = self._content, max(self._at, len(self._content))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Zeros:
    """Reads `content` and zeros behind it, `size` bytes."""

    def __init__(self, content, size):
        self._content, self._size, self._at = content, size, 0

    def seek(self, offset):
        self._at = offset

    def read(self, n=-1):
        left = max(self._size - self._at, 0)
        data = bytearray(left if n < 0 else min(n, left))
        self.readinto(data)
        return bytes(data)

    def readinto(self, buffer):
        n = min(len(buffer), max(self._size - self._at, 0))
        stored = self._content[self._at : self._at + n]
        buffer[: len(stored)] = stored
        for i in range(len(stored), n):
            buffer[i] = 0
        self._at += n
        return n

    def close(self):
        pass
