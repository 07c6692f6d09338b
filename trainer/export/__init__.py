"""Exports a trained network as one quantized `.tflite` file with its model card."""
