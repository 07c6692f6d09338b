"""Classifies expressions in image and video files, without an MQTT broker or a database."""
