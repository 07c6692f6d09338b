"""The device: an agent that wakes on motion, classifies facial expressions and delivers observations to a collector."""
