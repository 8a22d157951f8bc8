"""The adapter to SQS: the only module that sends messages to queues."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Self, TypeVar, cast

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.observability import logger
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import TASK_KINDS, Task, decode_task, kind_of_task

TaskT = TypeVar("TaskT", bound=Task, covariant=True)

MAX_MESSAGES_PER_SEND = 10


@dataclass(frozen=True)
class TaskMessage(Generic[TaskT]):
    """What a queue carries about a task: a hint. The row at ``key`` is the source of truth.

    The subject is only decoded when a consumer asks for the task, so that the sweeper also passes on what it cannot
    read: it then ends in the dead-letter queue, where it raises an alarm.
    """

    kind: str
    subject: str
    key: Key
    correlation_id: str

    @property
    def task(self) -> TaskT:
        """Return what is to be done. Raises ValueError when it is no task of ours."""
        # Which tasks a queue brings is decided in the table of kinds.
        return cast(TaskT, decode_task(self.kind, self.subject))

    @classmethod
    def of(cls, task: Task, key: Key, correlation_id: str) -> Self:
        """Return the message about ``task``, whose row is at ``key``."""
        return cls(kind_of_task(task).name, task.encode(), key, correlation_id)

    def body(self) -> str:
        """Return the body of the queue message."""
        return json.dumps(
            {
                "duty": self.kind,
                "subject": self.subject,
                "key": [self.key.pk, self.key.sk],
                "correlation_id": self.correlation_id,
            }
        )

    @classmethod
    def parse(cls, body: str) -> Self:
        """Read the body of a queue message. Raises ValueError when it is not one of ours."""
        try:
            values = json.loads(body)
            pk, sk = values["key"]
            parts = (values["duty"], values["subject"], pk, sk, values["correlation_id"])
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError("This is not the message of a task.") from error
        if not all(isinstance(part, str) for part in parts):
            raise ValueError("This is not the message of a task.")
        return cls(parts[0], parts[1], Key(pk, sk), parts[4])


@cache
def sqs_client() -> Any:
    """Return the client of this process. ``sqs_client.cache_clear()`` forgets it (tests, snapshots)."""
    # A caller of the API waits for the sending, and the sweeper makes up for what is lost: so be brief.
    limits = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
    return Session().client("sqs", config=limits)


def queue_url(kind: str) -> str:
    """Return the address of the queue for a kind of task."""
    return settings().queue_urls[TASK_KINDS[kind].queue]


def send_task_messages(kind: str, messages: Sequence[TaskMessage[Task]]) -> int:
    """Send messages to the queue of ``kind``, ten in one call, and return how many were not taken. Never raises."""
    lost = 0
    for start in range(0, len(messages), MAX_MESSAGES_PER_SEND):
        chunk = messages[start : start + MAX_MESSAGES_PER_SEND]
        entries = [{"Id": str(number), "MessageBody": message.body()} for number, message in enumerate(chunk)]
        try:
            answer = sqs_client().send_message_batch(QueueUrl=queue_url(kind), Entries=entries)
            lost += len(answer.get("Failed", []))
        except (BotoCoreError, ClientError) as error:
            logger.warning("The queue did not answer.", extra={"cause": str(error)})
            lost += len(chunk)
    return lost


def count_pending_messages(kind: str) -> int:
    """Return about how many messages of ``kind`` are not processed yet; 0 when the queue does not answer."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    try:
        answer = sqs_client().get_queue_attributes(QueueUrl=queue_url(kind), AttributeNames=names)
    except (BotoCoreError, ClientError) as error:
        logger.warning("The queue did not answer.", extra={"cause": str(error)})
        return 0
    return sum(int(answer["Attributes"][name]) for name in names)
