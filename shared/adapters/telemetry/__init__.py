"""Telemetry by OpenTelemetry: imported only where a setting has chosen it.

`spans` implements the port over the SDK, `pipeline` sends what is told to a collector, to Azure
Monitor or to the console, `log_handler` sends log lines the same way, `sampling` decides which
traces are recorded, `late` waits with the costly start until the first work is done.
"""
