"""What every REST operation shares: objects, filters, page tokens, errors, the OpenAPI document.

`models` are the objects of the API, `wire` makes them of domain objects. No Functions SDK here.
"""
