"""What the machine has to compute with."""

import keras


def accelerators() -> list[str]:
    """Names of the GPUs and TPUs that the backend sees."""
    return [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]


def share_the_work() -> int:
    """Split each batch over all local accelerators where the backend can (JAX); over how many it is split."""
    devices = keras.distribution.list_devices()
    if keras.backend.backend() != "jax" or len(devices) < 2:
        return 1
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
    return len(devices)
