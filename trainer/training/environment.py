"""Describes what a run is trained with: versions, devices and data."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import keras

from mien.trainer.data.dataset import Dataset
from mien.trainer.run_folder import DATA_DIGEST_KEY
from mien.version import VERSION

from .hardware import list_accelerators

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "opencv-python-headless")


def describe_environment(data: Dataset) -> dict[str, str]:
    """Names and values, all text, and the digest of `data`, by which a resumed run recognizes its data."""
    versions = {"mien": VERSION, "python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        **versions,
        DATA_DIGEST_KEY: data.digest(),
        "machine": platform.machine(),
        "processors": str(os.cpu_count()),
        "accelerators": ", ".join(list_accelerators()) or "none",
    }
