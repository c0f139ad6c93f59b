"""Sorts tickets with a model."""

import json

from openai import OpenAI

TEAMS = ["billing", "outage", "question"]
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "triage",
        "schema": {
            "type": "object",
            "properties": {"team": {"type": "string", "enum": TEAMS}, "urgent": {"type": "boolean"}},
            "required": ["team", "urgent"],
        },
    },
}


def triage(ticket):
    messages = [{"role": "system", "content": "Sort the ticket."}, {"role": "user", "content": ticket}]
    reply = OpenAI().chat.completions.create(model="gpt-5-mini", messages=messages, response_format=FORMAT)
    return json.loads(reply.choices[0].message.content)
