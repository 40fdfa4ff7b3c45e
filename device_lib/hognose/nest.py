# SPDX-License-Identifier: MIT
"""Numbers in nested lists and tuples. Reading them allocates nothing."""

NEST = (list, tuple)
NUMBER = (int, float)


def flatten(x, numbers, at):
    """Copies a nest of numbers to the array from `at` on; returns the index after the last one.

    IndexError: there are too many. TypeError: not a number. ValueError: rows differ in length.
    """
    start = at
    if not isinstance(x, NEST):
        if isinstance(x, str):
            raise TypeError("not a number")
        try:
            x = iter(x)
        except TypeError:
            numbers[at] = x  # a number, or another TypeError
            return at + 1
    elif not x or not isinstance(x[0], NEST):
        try:
            for v in x:
                numbers[at] = v
                at += 1
            return at
        except TypeError:
            x = x[at - start :]  # from the first item that is not a number
    length = 1 if at > start else 0
    for v in x:
        end = flatten(v, numbers, at)
        if length and end - at != length:
            raise ValueError("rows of %d and of %d numbers" % (length, end - at))
        length = end - at
        at = end
    return at


def count(x):
    """How many numbers are in a nest; -1 if that is not known."""
    if isinstance(x, NEST):
        counts = [count(v) for v in x]
        return -1 if -1 in counts else sum(counts)
    if isinstance(x, NUMBER):
        return 1
    try:
        return len(x)
    except TypeError:
        return -1


def fits(x, shape):
    """Whether the rows of a nest match a shape with as many numbers.

    Its rows are rows of the shape, or the reverse. So 64 lists of 3 are right for (64, 3),
    (1, 64, 3) and (192,), and 3 lists of 64 only for the last.
    """
    size = 1
    for n in shape:
        size *= n
    row, nest = size, x
    while isinstance(nest, NEST):
        row //= len(nest)
        if not _is_row(row, shape):
            break
        nest = nest[0]
    else:
        return True
    row = 1
    for i in range(len(shape) - 1, 0, -1):
        row *= shape[i]
        if not _has_row(x, size, row):
            return False
    return True


def _is_row(n, shape):
    """Whether the last dimensions of the shape have n numbers."""
    row, i = 1, len(shape)
    while row < n and i:
        i -= 1
        row *= shape[i]
    return row == n


def _has_row(nest, size, n):
    """Whether a nest of `size` numbers has lists with n at some depth."""
    while size > n and isinstance(nest, NEST):
        size //= len(nest)
        nest = nest[0]
    return size == n


def shape_fits(given, shape):
    """fits() for an array that has a shape."""
    for a, b in ((given, shape), (shape, given)):
        row = 1
        for i in range(len(a) - 1, 0, -1):
            row *= a[i]
            if not _is_row(row, b):
                break
        else:
            return True
    return False
