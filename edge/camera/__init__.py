"""Sources of frames: Raspberry Pi, USB and network cameras, files, and a demo that needs no camera."""
