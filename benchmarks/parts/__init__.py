"""What several benchmarks share: measuring, simulated devices, and the longer sides of comparisons."""
