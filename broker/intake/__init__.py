"""What the collector does beside storing: it queues rows fairly, acknowledges them, and reports about itself."""
