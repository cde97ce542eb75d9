"""The function app: registers the blueprints, nothing else."""

import azure.functions as func

from functions import api_description, blobs, console, events, probes, queues, root_keys, timers
from functions.resources import RESOURCES

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (queues, blobs, events, timers, root_keys, api_description, console, probes):
    app.register_functions(module.bp)
for resource in RESOURCES:
    app.register_functions(resource.blueprint)
