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
    updates,
    fleet,
    deployments,
    import_pipeline,
    device_events,
    rollout,
    root_keys,
):
    app.register_functions(module.bp)
