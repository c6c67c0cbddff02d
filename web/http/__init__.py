"""HTTP alone: bodies, parameters, schemas, errors, problem details, headers, answers.

May touch `ml`, `security` and `observability`; knows no service and no other room of `web`.
"""
