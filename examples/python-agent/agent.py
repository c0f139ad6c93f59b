"""An agent with one tool, over the OpenAI SDK. It knows nothing of coo.

    python agent.py [QUESTION]
"""

import json
import sys

from openai import OpenAI

TOOLS = [{
    "type": "function",
    "function": {
        "name": "tide",
        "description": "The height of the tide, in metres.",
        "parameters": {
            "type": "object",
            "properties": {"harbour": {"type": "string"}, "hour": {"type": "integer"}},
            "required": ["harbour", "hour"],
        },
    },
}]


def tide(harbour, hour):
    return f"{(len(harbour) * 37 + hour * 11) % 90 / 10} m"


def answer(question):
    client = OpenAI()
    messages = [{"role": "user", "content": question}]
    while True:
        message = client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message)
        for call in message.tool_calls:
            arguments = json.loads(call.function.arguments)
            print("tide", arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": tide(**arguments)})


if __name__ == "__main__":
    text = answer(" ".join(sys.argv[1:]) or "How high is the tide at noon?")
    with open("report.md", "w") as report:
        report.write(text + "\n")
    print(text)
