"""Scan analysis with Celery and Redis; late acknowledgement, so that no task is lost."""

import os

from celery import Celery

from tests.benchmarks.peers.work import Message, work

app = Celery("bench", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=16,
    task_ignore_result=False,
    broker_connection_retry_on_startup=True,
    worker_send_task_events=False,
)


@app.task(name="analyse")  # type: ignore[untyped-decorator]
def analyse(message: Message) -> str:
    """Store, analyse and report one scan."""
    return work(message)
