"""Triggers: decode, call one service, encode.

One module a REST resource (`updates`, `devices`, ...) and one a trigger source (`queues`, `blobs`,
`events`, `timers`). `api` and `call` serve every REST operation. No rule and no storage here, and
no postponed annotations: the Functions runtime reads them when it indexes.
"""
