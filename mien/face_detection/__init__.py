"""Face detectors behind one interface: a gray image in, boxes out."""
