"""What a run ran on: versions, devices and data."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import keras

from mien.version import VERSION

from .accelerators import accelerators
from .dataset import Dataset
from .run import DATA

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "opencv-python-headless")


def environment(data: Dataset) -> dict[str, str]:
    """Names and values, all text, and of `data` the digest that tells whether a run goes on with the same."""
    found = {"mien": VERSION, "python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        **found,
        DATA: data.digest(),
        "machine": platform.machine(),
        "processors": str(os.cpu_count()),
        "accelerators": ", ".join(accelerators()) or "none",
    }
