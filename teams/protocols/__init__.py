"""Protocols: exchanges of typed messages between actors, each with a promise it keeps through crashes."""

from teams.protocols._chain import ChainFailure, ChainOutcome, ChainStep, NotUndone, Undo
from teams.protocols._choreography import Choreography, On, choreography, on
from teams.protocols._courier import Acknowledged, Courier, CourierRef, GaveUp, Receiver
from teams.protocols._delivery import DeadEvent, Published, Undelivered
from teams.protocols._event import Event
from teams.protocols._subscriber import SubscriberInfo
from teams.protocols._topics import Topics
from teams.protocols._topics_ref import TopicsRef
from teams.protocols._vocabulary import Alert, Complete, Discovery, Help, Notice, Request

__all__ = [
    "Acknowledged",
    "Alert",
    "ChainFailure",
    "ChainOutcome",
    "ChainStep",
    "Choreography",
    "Complete",
    "Courier",
    "CourierRef",
    "DeadEvent",
    "Discovery",
    "Event",
    "GaveUp",
    "Help",
    "NotUndone",
    "Notice",
    "On",
    "Published",
    "Receiver",
    "Request",
    "SubscriberInfo",
    "Topics",
    "TopicsRef",
    "Undelivered",
    "Undo",
    "choreography",
    "on",
]
