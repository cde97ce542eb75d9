"""The commands of an operator: updates, groups, devices, deployments, manifests, logs.

They talk to the REST API only, that of the local stack or one in Azure. `commands` has one module
for each command of `./odu`; everything they share is beside it.
"""
