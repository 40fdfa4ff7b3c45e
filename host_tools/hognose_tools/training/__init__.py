# SPDX-License-Identifier: MIT
"""From recorded data to a `.tflite`: what TensorFlow does. It is imported only when it is needed."""
