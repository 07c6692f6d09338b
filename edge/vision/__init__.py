"""From a frame to faces with scores: detection, tracking, classification."""
