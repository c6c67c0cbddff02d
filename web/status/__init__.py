"""The operator's page: what it says and how it looks; it is handed what was observed and connects to nothing.

It may use what the platform's stores and monitors return; `web.blueprints.status` collects that and answers.
"""
