"""Recognizes and decodes image and video files by their bytes, whatever their names."""
