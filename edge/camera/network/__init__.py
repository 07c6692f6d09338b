"""The URL of a network camera, and the requests that find out why it delivers nothing."""
