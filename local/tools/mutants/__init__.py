"""Small changes to the rules, and which of them no unit test notices.

mutmut makes the mutants and runs the tests; here is which rules are tried with which tests, what is
equivalent, and how it is told.
"""
