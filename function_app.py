"""The function app: registers the blueprints, nothing else."""

import azure.functions as func

from functions import (
    api_description,
    console,
    customer_events,
    device_events,
    device_import,
    import_pipeline,
    log_collections,
    rollout,
    root_keys,
    scanning,
    update_deletion,
)
from functions.resources import RESOURCES

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (
    import_pipeline,
    scanning,
    update_deletion,
    device_events,
    device_import,
    log_collections,
    rollout,
    root_keys,
    customer_events,
    api_description,
    console,
):
    app.register_functions(module.bp)
for resource in RESOURCES:
    app.register_functions(resource.blueprint)
