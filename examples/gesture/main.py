# SPDX-License-Identifier: MIT
"""Tells from the motion of a wrist what its owner is doing, once a second."""

from array import array

import sensor

import hognose
from hognose.decide import Decision, best
from hognose.window import Window

model = hognose.Model("gesture.hog")
labels = model.labels
_, length, channels = model.input_shape[0]
window = Window(length, channels, hop=10)
scores = array("f", bytes(4 * len(labels)))
decision = Decision(len(labels))

try:
    from machine import Pin

    led = Pin("LED", Pin.OUT)
except (ImportError, ValueError, TypeError):  # no board, or none with an LED of that name
    led = None


def act(activity):
    """The LED is lit while somebody plays."""
    if led:
        led.value(activity == "Badminton")


for sample in sensor.samples():
    if sample is None:  # the sensor was away: what came before does not join what comes next
        window.clear()
        decision.clear()
    elif window.add(sample):
        model.predict(window.values, out=scores)
        decided = decision.update(scores)
        activity = None if decided is None else labels[decided]
        act(activity)
        first = best(scores)
        print("%s %.2f, so %s" % (labels[first], scores[first], activity or "wait"))
