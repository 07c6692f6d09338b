"""What to make of predictions: which are too uncertain to be shown, and whether those of a device have drifted."""
