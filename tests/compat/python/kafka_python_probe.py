"""kafka-python, asked for each capability. Owns its calls and nothing else; it
must never work around what kf does differently from Kafka.
"""

import time
from collections.abc import Callable, Iterator

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, NewTopic
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import (
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka.structs import OffsetAndMetadata
from probing import (
    BEYOND_OFFSET,
    COMMITTED_OFFSET,
    COUNT,
    PAUSE_S,
    POLLS,
    RECORDS,
    SOUGHT_MS,
    SOUGHT_OFFSET,
    TOO_LARGE,
    expect,
    main,
    taken,
)


def new_consumer(bootstrap: str, *topics: str, **config) -> KafkaConsumer:
    return KafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        **config,
    )


def poll(consumer: KafkaConsumer) -> list:
    return [
        record
        for records in consumer.poll(timeout_ms=100).values()
        for record in records
    ]


def read(consumer: KafkaConsumer, count: int) -> list:
    """Reads until `count` records are there."""
    seen: list = []
    for _ in range(POLLS):
        seen += poll(consumer)
        if len(seen) >= count:
            return seen
    raise AssertionError(f"{len(seen)} records instead of {count}")


def connect(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    cluster = admin.describe_cluster()
    admin.close()
    expect(len(cluster["brokers"]), 1)


def create_topic(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    made = NewTopic("made", 3, 1, topic_configs={"retention.ms": "7200000"})
    admin.create_topics([made])
    try:
        admin.create_topics([made])
        raise AssertionError("the topic was made twice")
    except TopicAlreadyExistsError:
        pass
    (topic,) = admin.describe_topics(["made"])
    admin.close()
    expect(len(topic["partitions"]), 3)


def change_topic(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_partitions({"changing": 2})
    config = {"retention.ms": "3600000"}
    admin.alter_configs([ConfigResource("TOPIC", "changing", config)])
    described = admin.describe_configs([ConfigResource("TOPIC", "changing")])
    admin.close()
    expect(described["topic"]["changing"]["retention.ms"]["value"], "3600000")


def delete_topic(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_topics(["unwanted"])
    admin.close()


def groups(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    listed = [group["group_id"] for group in admin.list_groups()]
    expect(listed.count("committing"), 1)
    described = admin.describe_groups(["committing"])
    admin.delete_groups(["committing"])
    admin.close()
    expect(described["committing"]["group_state"], "Empty")


def delete_records(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    at = TopicPartition("shrinking", 0)
    deleted = admin.delete_records({at: SOUGHT_OFFSET})
    admin.close()
    expect(deleted[at]["low_watermark"], SOUGHT_OFFSET)


def send_all(bootstrap: str, topic: str, **config) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5000, **config)
    sent = [
        producer.send(topic, partition=0, key=key, value=value, headers=headers)
        for key, value, headers in RECORDS
    ]
    producer.close()
    expect([future.get().offset for future in sent], list(range(COUNT)))


def produce(bootstrap: str, codec: str) -> None:
    compression = None if codec == "none" else codec
    send_all(
        bootstrap,
        f"write-{codec}",
        compression_type=compression,
        enable_idempotence=False,
    )


def produce_idempotently(bootstrap: str) -> None:
    send_all(bootstrap, "write-idempotent", enable_idempotence=True)


def new_transactional(bootstrap: str, name: str) -> KafkaProducer:
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
    producer.init_transactions()
    return producer


def send_in_transaction(producer: KafkaProducer, topic: str) -> None:
    producer.begin_transaction()
    for key, value, headers in RECORDS:
        producer.send(topic, partition=0, key=key, value=value, headers=headers)


def commit_transaction(bootstrap: str) -> None:
    producer = new_transactional(bootstrap, "committing")
    send_in_transaction(producer, "write-committed")
    producer.commit_transaction()
    producer.close()


def abort_transaction(bootstrap: str) -> None:
    producer = new_transactional(bootstrap, "aborting")
    send_in_transaction(producer, "write-aborted")
    producer.flush()
    producer.abort_transaction()
    send_in_transaction(producer, "write-aborted")
    producer.commit_transaction()
    producer.close()


def commit_in_transaction(bootstrap: str) -> None:
    at = TopicPartition("read-none", 0)
    consumer = new_consumer(bootstrap, at.topic, group_id="transacting")
    read(consumer, COMMITTED_OFFSET)
    producer = new_transactional(bootstrap, "transacting")
    producer.begin_transaction()
    offsets = {at: OffsetAndMetadata(COMMITTED_OFFSET, "", -1)}
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()
    producer.close()
    consumer.close()


def read_committed(bootstrap: str) -> None:
    consumer = new_consumer(bootstrap, isolation_level="read_committed")
    at = TopicPartition("settled", 0)
    consumer.assign([at])
    consumer.seek_to_beginning(at)
    seen = read(consumer, COUNT)
    consumer.close()
    # Behind the aborted ones and their marker.
    expect([r.offset for r in seen], list(range(COUNT + 1, 2 * COUNT + 1)))


def consume(bootstrap: str, codec: str) -> None:
    topic = f"read-{codec}"
    consumer = new_consumer(bootstrap, topic, group_id=f"consuming-{codec}")
    seen = read(consumer, COUNT)
    consumer.close()
    expect([(r.key, r.value, list(r.headers)) for r in seen], RECORDS)


def seek_by_time(bootstrap: str) -> None:
    consumer = new_consumer(bootstrap)
    at = TopicPartition("times", 0)
    consumer.assign([at])
    found = consumer.offsets_for_times({at: SOUGHT_MS})[at].offset
    expect(found, SOUGHT_OFFSET)
    consumer.seek(at, found)
    value = read(consumer, 1)[0].value
    consumer.close()
    expect(value, RECORDS[SOUGHT_OFFSET][1])


def commit(bootstrap: str) -> None:
    at = TopicPartition("read-none", 0)
    first = new_consumer(bootstrap, at.topic, group_id="committing")
    read(first, COMMITTED_OFFSET)
    first.commit({at: OffsetAndMetadata(COMMITTED_OFFSET, "", -1)})
    first.close()
    second = new_consumer(bootstrap, at.topic, group_id="committing")
    offset = read(second, 1)[0].offset
    second.close()
    expect(offset, COMMITTED_OFFSET)


def unknown_topic(bootstrap: str) -> None:
    """Its producer waits for the topic to appear; its admin client says."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.delete_topics(["nowhere"])
        raise AssertionError("the topic is there")
    except UnknownTopicOrPartitionError:
        pass
    finally:
        admin.close()


def too_large(bootstrap: str) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    try:
        producer.send("narrow", b"x" * TOO_LARGE).get()
        raise AssertionError("the message was taken")
    except MessageSizeTooLargeError:
        pass
    finally:
        producer.close()


def start_over(bootstrap: str) -> None:
    consumer = new_consumer(bootstrap)
    at = TopicPartition("read-none", 0)
    consumer.assign([at])
    consumer.seek(at, BEYOND_OFFSET)
    offset = read(consumer, 1)[0].offset
    consumer.close()
    expect(offset, 0)


ASSIGNORS = {
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}


def member(
    is_asked: Callable[[], bool],
    bootstrap: str,
    topic: str,
    client_id: str,
    properties: dict[str, str],
) -> Iterator[tuple[int, int]]:
    consumer = new_consumer(
        bootstrap,
        topic,
        group_id=topic,
        client_id=client_id,
        partition_assignment_strategy=[
            ASSIGNORS[properties["partition.assignment.strategy"]]
        ],
        heartbeat_interval_ms=int(properties["heartbeat.interval.ms"]),
        session_timeout_ms=int(properties["session.timeout.ms"]),
    )
    while not is_asked():
        for record in poll(consumer):
            yield record.partition, record.offset
    consumer.close()


def write(
    is_asked: Callable[[], bool], bootstrap: str, topic: str
) -> Iterator[str]:
    told: list[str] = []
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    while not is_asked():
        sent = producer.send(topic, b"kafka-python")
        sent.add_callback(lambda at: told.append(f"acked {at.partition} {at.offset}"))
        sent.add_errback(lambda error: told.append(f"failed {error!r}"))
        yield from taken(told)
        time.sleep(PAUSE_S)
    producer.flush()
    producer.close()
    yield from taken(told)


main(
    {
        "connect": connect,
        "create a topic": create_topic,
        "change a topic": change_topic,
        "delete a topic": delete_topic,
        "produce": produce,
        "produce idempotently": produce_idempotently,
        "consume": consume,
        "seek by time": seek_by_time,
        "commit and resume": commit,
        "list, describe and delete groups": groups,
        "commit a transaction": commit_transaction,
        "abort a transaction": abort_transaction,
        "commit offsets in a transaction": commit_in_transaction,
        "read committed records only": read_committed,
        "delete records": delete_records,
        "fail on an unknown topic": unknown_topic,
        "fail on a message too large": too_large,
        "start over when the offset is out of range": start_over,
    },
    member,
    write,
)
