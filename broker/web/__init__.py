"""The dashboard: the HTTP API, authentication, live events, and the web page in `static/`."""
