"""What `mien aim` shows on the device itself while somebody mounts the camera: a sketch, boxes, and advice."""
