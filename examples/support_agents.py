"""The agents of the workflow in support.toml: functions that work offline.

Run it with: letitcrash workflow start examples/support.toml --input '{"message": "my card was charged twice"}' --wait
"""

from __future__ import annotations

from typing import TypedDict

WORDS = {"refund": "billing", "charged": "billing", "invoice": "billing", "broken": "repair", "winner": "spam"}


class Category(TypedDict):
    """The category of a message."""

    category: str
    message: str


def classify(asked: dict[str, str]) -> Category:
    """By the first word that says it."""
    message = asked["message"]
    words = message.lower().replace(",", " ").replace(".", " ").split()
    return {"category": next((WORDS[each] for each in words if each in WORDS), "general"), "message": message}


def process(asked: Category) -> dict[str, str]:
    """The work of the desk of that category."""
    return {"result": f"{asked['category']} desk: {asked['message']}", "reference": f"T-{len(asked['message']):04}"}


def respond(asked: dict[str, object]) -> str:
    """The answer to the customer."""
    if asked["approved"] != "yes":
        return "A colleague will call you."
    if asked["processed"] is None:
        return "Thank you for your message."
    return f"Your request is with the {asked['processed']}."


def apologise(done: dict[str, object]) -> str:
    """The undo of an answer that has been sent."""
    return f"Sorry, please ignore: {done['result']}"
