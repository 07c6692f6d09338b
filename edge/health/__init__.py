"""How the agent is doing: health reports, the watchdog, and the diagnostics of `mien doctor`."""
