"""confluent-kafka, asked for each capability. Owns its calls and nothing else;
it must never work around what kf does differently from Kafka.
"""

import time
from collections.abc import Callable, Iterator

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)
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


def new_consumer(bootstrap: str, group: str, **config) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **config,
        }
    )


def poll(consumer: Consumer) -> list[Message]:
    messages = consumer.consume(COUNT, 0.1)
    for message in messages:
        if message.error() is not None:
            raise KafkaException(message.error())
    return messages


def read(consumer: Consumer, count: int) -> list[Message]:
    """Reads until `count` records are there."""
    seen: list[Message] = []
    for _ in range(POLLS):
        seen += poll(consumer)
        if len(seen) >= count:
            return seen
    raise AssertionError(f"{len(seen)} records instead of {count}")


def read_from(bootstrap: str, at: TopicPartition, count: int) -> list[Message]:
    consumer = new_consumer(bootstrap, "none")
    consumer.assign([at])
    seen = read(consumer, count)
    consumer.close()
    return seen


def connect(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    cluster = admin.describe_cluster().result()
    expect([node.id for node in cluster.nodes], [cluster.controller.id])


def create_topic(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = NewTopic("made", 3, 1, config={"retention.ms": "7200000"})
    admin.create_topics([made])["made"].result()
    try:
        admin.create_topics([made])["made"].result()
        raise AssertionError("the topic was made twice")
    except KafkaException as error:
        expect(error.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS)
    expect(len(admin.list_topics("made").topics["made"].partitions), 3)


def only(futures: dict):
    """The result of the only operation that was asked for."""
    (future,) = futures.values()
    return future.result()


def change_topic(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    only(admin.create_partitions([NewPartitions("changing", 2)]))
    operation = AlterConfigOpType.SET
    entry = ConfigEntry(
        "retention.ms", "3600000", incremental_operation=operation
    )
    topic = ConfigResource.Type.TOPIC
    change = ConfigResource(topic, "changing", incremental_configs=[entry])
    only(admin.incremental_alter_configs([change]))
    described = only(admin.describe_configs([ConfigResource(topic, "changing")]))
    expect(described["retention.ms"].value, "3600000")


def delete_topic(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    only(admin.delete_topics(["unwanted"]))


def groups(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    listed = admin.list_consumer_groups().result().valid
    expect([group.group_id for group in listed].count("committing"), 1)
    described = only(admin.describe_consumer_groups(["committing"]))
    expect(described.state, ConsumerGroupState.EMPTY)
    only(admin.delete_consumer_groups(["committing"]))


def delete_records(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    at = TopicPartition("shrinking", 0, SOUGHT_OFFSET)
    expect(only(admin.delete_records([at])).low_watermark, SOUGHT_OFFSET)


def send(bootstrap: str, topic: str, records: list, **config) -> list:
    """Sends all; gives each one's offset, or the code of its error."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 5000,
            # Else an unknown topic is waited for.
            "topic.metadata.propagation.max.ms": 0,
            **config,
        }
    )
    # Records that wait for metadata go on one by one, and one alone isn't compressed.
    producer.list_topics(topic, 20)
    results: list = []

    def done(error: KafkaError | None, message: Message) -> None:
        results.append(message.offset() if error is None else error.code())

    for key, value, headers in records:
        try:
            producer.produce(
                topic, value, key, partition=0, headers=headers, on_delivery=done
            )
        except KafkaException as error:
            results.append(error.args[0].code())
    expect(producer.flush(20), 0)
    return results


def produce(bootstrap: str, codec: str) -> None:
    config = {"compression.type": codec}
    offsets = send(bootstrap, f"write-{codec}", RECORDS, **config)
    expect(offsets, list(range(COUNT)))


def produce_idempotently(bootstrap: str) -> None:
    config = {"enable.idempotence": True}
    offsets = send(bootstrap, "write-idempotent", RECORDS, **config)
    expect(offsets, list(range(COUNT)))


def new_transactional(bootstrap: str, name: str) -> Producer:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
    producer.init_transactions(20)
    return producer


def send_in_transaction(producer: Producer, topic: str) -> None:
    producer.begin_transaction()
    for key, value, headers in RECORDS:
        producer.produce(topic, value, key, partition=0, headers=headers)


def commit_transaction(bootstrap: str) -> None:
    producer = new_transactional(bootstrap, "committing")
    send_in_transaction(producer, "write-committed")
    producer.commit_transaction(20)


def abort_transaction(bootstrap: str) -> None:
    producer = new_transactional(bootstrap, "aborting")
    send_in_transaction(producer, "write-aborted")
    expect(producer.flush(20), 0)
    producer.abort_transaction(20)
    send_in_transaction(producer, "write-aborted")
    producer.commit_transaction(20)


def commit_in_transaction(bootstrap: str) -> None:
    topic = "read-none"
    consumer = new_consumer(bootstrap, "transacting")
    consumer.subscribe([topic])
    read(consumer, COMMITTED_OFFSET)
    producer = new_transactional(bootstrap, "transacting")
    producer.begin_transaction()
    at = TopicPartition(topic, 0, COMMITTED_OFFSET)
    group = consumer.consumer_group_metadata()
    producer.send_offsets_to_transaction([at], group, 20)
    producer.commit_transaction(20)
    consumer.close()


def read_committed(bootstrap: str) -> None:
    at = TopicPartition("settled", 0, OFFSET_BEGINNING)
    seen = read_from(bootstrap, at, COUNT)
    # Behind the aborted ones and their marker.
    expect([m.offset() for m in seen], list(range(COUNT + 1, 2 * COUNT + 1)))


def consume(bootstrap: str, codec: str) -> None:
    at = TopicPartition(f"read-{codec}", 0, OFFSET_BEGINNING)
    seen = read_from(bootstrap, at, COUNT)
    expect([(m.key(), m.value(), m.headers()) for m in seen], RECORDS)


def seek_by_time(bootstrap: str) -> None:
    consumer = new_consumer(bootstrap, "none")
    (at,) = consumer.offsets_for_times([TopicPartition("times", 0, SOUGHT_MS)])
    consumer.close()
    expect(at.offset, SOUGHT_OFFSET)
    value = read_from(bootstrap, at, 1)[0].value()
    expect(value, RECORDS[SOUGHT_OFFSET][1])


def commit(bootstrap: str) -> None:
    topic = "read-none"
    first = new_consumer(bootstrap, "committing")
    first.subscribe([topic])
    read(first, COMMITTED_OFFSET)
    at = TopicPartition(topic, 0, COMMITTED_OFFSET)
    first.commit(offsets=[at], asynchronous=False)
    first.close()
    second = new_consumer(bootstrap, "committing")
    second.subscribe([topic])
    offset = read(second, 1)[0].offset()
    second.close()
    expect(offset, COMMITTED_OFFSET)


def unknown_topic(bootstrap: str) -> None:
    (code,) = send(bootstrap, "nowhere", RECORDS[:1])
    if code not in (KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART):
        raise AssertionError(f"the error is {code}")


def too_large(bootstrap: str) -> None:
    results = send(bootstrap, "narrow", [(None, b"x" * TOO_LARGE, None)])
    expect(results, [KafkaError.MSG_SIZE_TOO_LARGE])


def start_over(bootstrap: str) -> None:
    at = TopicPartition("read-none", 0, BEYOND_OFFSET)
    expect(read_from(bootstrap, at, 1)[0].offset(), 0)


def member(
    is_asked: Callable[[], bool],
    bootstrap: str,
    topic: str,
    client_id: str,
    properties: dict[str, str],
) -> Iterator[tuple[int, int]]:
    config = {"client.id": client_id, **properties}
    consumer = new_consumer(bootstrap, topic, **config)
    consumer.subscribe([topic])
    while not is_asked():
        for message in poll(consumer):
            yield message.partition(), message.offset()
    consumer.close()


def write(
    is_asked: Callable[[], bool], bootstrap: str, topic: str
) -> Iterator[str]:
    told: list[str] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        place = f"{message.partition()} {message.offset()}"
        told.append(f"acked {place}" if error is None else f"failed {error}")

    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    while not is_asked():
        producer.produce(topic, b"confluent-kafka", on_delivery=on_delivery)
        producer.poll(0)
        yield from taken(told)
        time.sleep(PAUSE_S)
    producer.flush()
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
