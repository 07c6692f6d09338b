"""The agent: motion, camera, faces, tracks, outbox, uplink."""
