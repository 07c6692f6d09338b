"""Delivery of observations to a collector: the outbox on disk, the publisher, and the clock that timestamps them."""
