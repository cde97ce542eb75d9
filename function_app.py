"""The function app: registers the blueprints, nothing else."""

import azure.functions as func

from functions import (
    deployments,
    device_events,
    fleet,
    import_pipeline,
    rollout,
    root_keys,
    updates,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (
    import_pipeline,
    device_events,
    rollout,
    root_keys,
):
    app.register_functions(module.bp)
for resource in (updates, fleet, deployments):
    app.register_functions(resource.api.blueprint)
