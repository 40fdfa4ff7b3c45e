# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""DETECT of the reference engine, as in detect.c of the native one."""

from array import array

from .reference_check import LIMIT, overlap
from .reference_math import MAX_FLOAT, exp, f32, get, get_strided, polynomial, power_of_two, put
from .reference_recurrent import check_states

DETECT = 33

FORMATS = {DETECT: "14I6f"}


def _check_detect(file, op, loops):
    kind, in_, scores, anchors, out, out_classes, out_scores, out_count, scratch = op[1:10]
    boxes, coordinates, columns, classes, detections, a_class, _, most = op[10:18]
    if kind != "f":
        raise ValueError("unknown type")
    if classes == 0 or not 0 <= columns - classes <= 1 or coordinates < 4:
        raise ValueError("not 4 coordinates, or a column for each class and one for none")
    tensors = (
        (in_, boxes * coordinates, "f"),
        (out, detections * 4, "f"),
        (scores, boxes * columns, "f"),
        (out_classes, detections, "f"),
        (out_scores, detections, "f"),
        (out_count, 1, "f"),
        (scratch, a_class * 4 if a_class else boxes, "f"),
    )
    check_states(file, tensors)
    inside = file._in_data if anchors & LIMIT else file._in_arena
    if not inside(anchors, boxes * 16, 4):
        raise ValueError("operand misplaced")
    for ref, count, _ in tensors:
        if overlap(anchors, boxes * 16, ref, count * 4):
            raise ValueError("tensors overlap")
    if not 0 < most <= 1 or not all([0 < scale <= MAX_FLOAT for scale in op[18:]]):
        raise ValueError("scale is not a positive number")


# Unevaluated sums of two float32, by the methods of Dekker and Knuth: each step as in detect.c.


def _sum(a, b):
    s = f32(a + b)
    part = f32(s - a)
    return s, f32(f32(a - f32(s - part)) + f32(b - part))


def _halves(a):
    x = f32(a * 4097.0)
    high = f32(x - f32(x - a))
    return high, f32(a - high)


def _product(a, b):
    (a1, a2), (b1, b2), p = _halves(a), _halves(b), f32(a * b)
    low = f32(f32(a1 * b1) - p)
    low = f32(low + f32(a1 * b2))
    low = f32(low + f32(a2 * b1))
    return p, f32(low + f32(a2 * b2))


def _join(a, b):
    s, low = _sum(a[0], b[0])
    return _sum(s, f32(low + f32(a[1] + b[1])))


def _multiply(a, b):
    p, low = _product(a[0], b[0])
    return _sum(p, f32(low + f32(f32(a[0] * b[1]) + f32(a[1] * b[0]))))


def _divide(a, b):
    q = f32(a[0] / b)
    p, low = _product(q, b)
    return _sum(q, f32(f32(f32(f32(a[0] - p) - low) + a[1]) / b))


def _scaled(a, power):
    return f32(a[0] * power), f32(a[1] * power)


def _rounded(a):
    return f32(a[0] + a[1])


def _exp(x):
    if not x[0] < 87.0 or x[0] < -80.0:
        return exp(x[0]), 0.0
    t = f32(x[0] * _LOG2_E)
    n = int(f32(t + (-0.5 if t < 0 else 0.5)))
    high, low = _product(float(n), _LN2[1])
    low = f32(low + f32(n * _LN2[2]))
    r = _scaled(_join(_sum(f32(x[0] - f32(n * _LN2[0])), x[1]), (high, low)), 0.125)
    z = r[0]
    square = _multiply(r, r)
    high, low = _divide(_multiply(square, r), 6.0)
    low = f32(low + f32(f32(polynomial(_REST, z) * f32(z * z)) * f32(z * z)))
    y = _join(_join((high, low), _scaled(square, 0.5)), r)
    y = _join((1.0, 0.0), y)
    for _ in range(3):
        y = _multiply(y, y)
    return _scaled(y, power_of_two(n))


_LOG2_E = f32(1.44269504)
_LN2 = array("f", (0.693359375, 2.12194440e-4, -1.64659497e-12))
_REST = array("f", (1.98412698e-4, 1.38888889e-3, 8.33333333e-3, 4.16666667e-2))


class _Boxes:
    """What the boxes are made of; a box is (top, left, bottom, right)."""

    def __init__(self, data, arena, op):
        self.arena = arena
        self.memory, self.anchors = (data, op[4] ^ LIMIT) if op[4] & LIMIT else (arena, op[4])
        self.at, self.count, self.step = op[2], op[10], 4 * op[11]
        self.least, self.most = op[16:18]
        self.scale = op[18:]

    def decode(self, i):
        encoded = get(self.arena, self.at + i * self.step, "f", 4)
        y, x, h, w = [_divide((v, 0.0), scale) for v, scale in zip(encoded, self.scale)]
        anchor = get(self.memory, self.anchors + 16 * i, "f", 4)
        y = _rounded(_join(_multiply(y, (anchor[2], 0.0)), (anchor[0], 0.0)))
        x = _rounded(_join(_multiply(x, (anchor[3], 0.0)), (anchor[1], 0.0)))
        h = _rounded(_multiply(_scaled(_exp(h), 0.5), (anchor[2], 0.0)))
        w = _rounded(_multiply(_scaled(_exp(w), 0.5), (anchor[3], 0.0)))
        return f32(y - h), f32(x - w), f32(y + h), f32(x + w)

    def are_valid(self):
        for i in range(self.count):
            top, left, bottom, right = self.decode(i)
            if top >= bottom or left >= right:
                return False
        return True

    def apart(self, scores, limit):
        """Yields (score, number, box) of the best ones that overlap none before too much, best first."""
        order = [(-score, i) for i, score in enumerate(scores) if score >= self.least]
        order.sort()
        chosen = []
        for score, i in order:
            if len(chosen) == limit:
                return
            box = self.decode(i)
            if not any([_shared(other, box) > self.most for other in chosen]):
                chosen.append(box)
                yield -score, i, box


def _area(box):
    return f32(f32(box[2] - box[0]) * f32(box[3] - box[1]))


def _larger(a, b):
    return b if a < b else a


def _smaller(a, b):
    return b if b < a else a


def _shared(a, b):
    """Intersection over union."""
    area_a, area_b = _area(a), _area(b)
    if area_a <= 0 or area_b <= 0:
        return 0.0
    h = _larger(f32(_smaller(a[2], b[2]) - _larger(a[0], b[0])), 0.0)
    w = _larger(f32(_smaller(a[3], b[3]) - _larger(a[1], b[1])), 0.0)
    both = f32(h * w)
    return f32(both / f32(f32(area_a + area_b) - both))


def _best_class(row):
    best = 0
    for i, score in enumerate(row):
        if score > row[best]:
            best = i
    return best


def _detect(data, arena, op, loops):
    scores, out, out_classes, out_scores, out_count = op[3], op[5], op[6], op[7], op[8]
    count, _, columns, classes, detections, a_class = op[10:16]
    scores += 4 * (columns - classes)  # a background comes first
    boxes = _Boxes(data, arena, op)
    found = []
    if boxes.are_valid():
        if a_class:
            found = _of_each_class(boxes, arena, scores, op)
        else:
            rows = [get(arena, scores + 4 * columns * i, "f", classes) for i in range(count)]
            kinds = [_best_class(row) for row in rows]
            best = [row[kind] for row, kind in zip(rows, kinds)]
            found = [(score, kinds[i], box) for score, i, box in boxes.apart(best, detections)]
    put(arena, out_count, "f", [float(len(found))])
    found += [(0.0, 0, (0.0, 0.0, 0.0, 0.0))] * (detections - len(found))
    put(arena, out_scores, "f", [score for score, _, _ in found])
    put(arena, out_classes, "f", [float(kind) for _, kind, _ in found])
    for i, (_, _, box) in enumerate(found):
        put(arena, out + 16 * i, "f", box)


def _of_each_class(boxes, arena, scores, op):
    """Each class for itself, then the best of all; of the same score in the order of classes."""
    count, _, columns, classes, detections, a_class = op[10:16]
    found = []
    for kind in range(classes):
        column = get_strided(arena, scores + 4 * kind, "f", count, columns)
        for score, _, box in boxes.apart(column, a_class):
            at = len(found)
            while at and score > found[at - 1][0]:
                at -= 1
            found.insert(at, (score, kind, box))
            del found[detections:]
    return found


CHECKS = {DETECT: _check_detect}
KERNELS = {DETECT: _detect}
