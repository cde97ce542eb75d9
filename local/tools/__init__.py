"""Tools of a checkout: the deployment package, the replay of a fleet's day, the capacity table.

Nothing here is deployed; the local stack does not need it.
"""
