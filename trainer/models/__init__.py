"""The networks, and inference with a trained one."""
