"""What a run ran on: versions and devices."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import keras

from mien.version import VERSION

from .accelerators import accelerators

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "opencv-python-headless")


def environment() -> dict[str, str]:
    """Names and values, all text."""
    found = {"mien": VERSION, "python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        **found,
        "machine": platform.machine(),
        "processors": str(os.cpu_count()),
        "accelerators": ", ".join(accelerators()) or "none",
    }
