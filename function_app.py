"""The function app: registers the blueprints, nothing else."""

import azure.functions as func

from functions import (
    api_description,
    blobs,
    console,
    events,
    probes,
    queues,
    rest,
    root_keys,
    timers,
)
from shared import log_records

log_records.install()
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (rest, queues, blobs, events, timers, root_keys, api_description, console, probes):
    app.register_functions(module.bp)
