"""Rules and types: no I/O, no Azure, no clock; time and ids are arguments.

By subject: `updates`, `scanning`, `fleet` (devices, counters, deployments), `rollouts`, `events`.
What several subjects need lies beside them. Text forms of requests are read in `shared/http`.
"""
